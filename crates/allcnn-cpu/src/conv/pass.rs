//! What an algorithm for a convolution's pass does.

use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::Finish;

/// Which way a data pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the input to the output.
    Forward,
    /// From the output's gradient to the input's.
    Backward,
}

/// Forward or backward-data by one algorithm.
pub(crate) trait DataPass: Send + Sync + std::fmt::Debug {
    /// Its name, for people.
    fn name(&self) -> &'static str;
    /// Multiply-adds that its products execute in a whole pass.
    fn multiply_adds(&self) -> usize;
    /// Values of the prepared weights.
    fn weights_len(&self) -> usize;
    /// Packs or transforms weights, as `compute` reads them.
    fn prepare(&self, engine: &Engine, weights: &[f32], prepared: &mut [f32]);
    /// Values of workspace that `compute` takes beside the prepared weights.
    fn workspace_len(&self) -> usize;
    /// Whether the source and the destination may hold bf16 pairs.
    fn takes_pairs(&self) -> bool {
        false
    }
    /// Computes the whole destination, as it is stored, from prepared weights and finishes it.
    fn compute(
        &self,
        engine: &Engine,
        source: &Buffer,
        prepared: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
        workspace: &mut [f32],
    );
}

/// Backward-weights by one algorithm.
pub(crate) trait WeightsPass: Send + Sync + std::fmt::Debug {
    /// Its name, for people.
    fn name(&self) -> &'static str;
    /// Multiply-adds that its products execute in a whole pass.
    fn multiply_adds(&self) -> usize;
    /// Values of workspace that `compute` takes.
    fn workspace_len(&self) -> usize;
    /// Whether the input and the gradients may hold bf16 pairs.
    fn takes_pairs(&self) -> bool {
        false
    }
    /// Overwrites the gradients of weights and bias.
    fn compute(
        &self,
        engine: &Engine,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut [f32],
        d_bias: &mut [f32],
        workspace: &mut [f32],
    );
}

/// Why an algorithm does not take a shape.
pub(crate) type Declined = &'static str;

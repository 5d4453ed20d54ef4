//! A convolution whose algorithms are chosen: buffers are checked, weights prepared where they are not fixed, and the passes
//! run in the engine's workspace.

use allcnn_device::{Algorithm, ConvShape, Error};

use super::pass::{DataPass, WeightsPass};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::assert_len;
use crate::ops::epilogue::Finish;
use crate::products::block::BLOCK;
use crate::stored::Storage;

/// A data pass, and its weights where they were prepared once for all that is computed.
#[derive(Debug)]
struct Data {
    pass: Box<dyn DataPass>,
    fixed: Option<Buffer>,
    /// How the destination is stored.
    storage: Storage,
}

impl Data {
    fn workspace_len(&self) -> usize {
        self.pass.weights_len() + self.pass.workspace_len()
    }

    fn fix_weights(&mut self, engine: &Engine, weights: &[f32]) -> Result<(), Error> {
        let mut prepared = match self.fixed.take() {
            Some(prepared) => prepared,
            None => Buffer::zeros(self.pass.weights_len())?,
        };
        self.pass.prepare(engine, weights, &mut prepared);
        self.fixed = Some(prepared);
        Ok(())
    }

    fn compute(
        &self,
        engine: &Engine,
        source: &Buffer,
        weights: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
    ) {
        destination.overwrite(self.storage);
        let mut workspace = engine.workspace();
        let (prepared, workspace) = workspace.split_at_mut(self.pass.weights_len());
        let prepared = match &self.fixed {
            Some(fixed) => fixed,
            None => {
                self.pass.prepare(engine, weights, prepared);
                &*prepared
            }
        };
        self.pass.compute(engine, source, prepared, finish, destination, workspace);
    }
}

/// A convolution with its algorithms chosen.
#[derive(Debug)]
pub struct Conv {
    shape: ConvShape,
    forward: Data,
    backward_data: Data,
    backward_weights: Box<dyn WeightsPass>,
}

impl Conv {
    /// A convolution of these passes; the engine's workspace becomes as large as the largest one needs.
    pub(super) fn new(
        shape: ConvShape,
        forward: Box<dyn DataPass>,
        backward_data: Box<dyn DataPass>,
        backward_weights: Box<dyn WeightsPass>,
        engine: &Engine,
    ) -> Result<Self, Error> {
        let data = |pass| Data { pass, fixed: None, storage: Storage::F32 };
        let conv =
            Self { shape, forward: data(forward), backward_data: data(backward_data), backward_weights };
        let data = conv.forward.workspace_len().max(conv.backward_data.workspace_len());
        engine.reserve_workspace(data.max(conv.backward_weights.workspace_len()))?;
        Ok(conv)
    }

    pub(crate) fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Lets two neighbors exchange their values as bf16 pairs, where all of their passes can: what the one rounds when it
    /// stores, the other would round when it reads.
    pub(crate) fn link(below: &mut Conv, above: &mut Conv) {
        let whole_blocks = below.shape.out_channels.is_multiple_of(BLOCK);
        if whole_blocks && below.takes_pairs() && above.takes_pairs() {
            (below.forward.storage, above.backward_data.storage) = (Storage::Pairs, Storage::Pairs);
        }
    }

    fn takes_pairs(&self) -> bool {
        self.forward.pass.takes_pairs()
            && self.backward_data.pass.takes_pairs()
            && self.backward_weights.takes_pairs()
    }

    pub(crate) fn algorithms(&self) -> [Algorithm; 3] {
        let data = |pass: &dyn DataPass| Algorithm { name: pass.name(), multiply_adds: pass.multiply_adds() };
        let weights = &self.backward_weights;
        [
            data(&*self.forward.pass),
            data(&*self.backward_data.pass),
            Algorithm { name: weights.name(), multiply_adds: weights.multiply_adds() },
        ]
    }

    /// Prepares weights once for all forward (and backward-data) passes to come.
    pub(crate) fn fix_weights(
        &mut self,
        engine: &Engine,
        weights: &[f32],
        backward: bool,
    ) -> Result<(), Error> {
        assert_len(weights.len(), self.shape.weights_len(), "weights");
        self.forward.fix_weights(engine, weights)?;
        if backward { self.backward_data.fix_weights(engine, weights) } else { Ok(()) }
    }

    pub(crate) fn forward(
        &self,
        engine: &Engine,
        input: &Buffer,
        weights: &[f32],
        finish: Finish<'_>,
        output: &mut Buffer,
    ) {
        self.check(input, weights, output);
        self.forward.compute(engine, input, weights, finish, output);
    }

    pub(crate) fn backward_data(
        &self,
        engine: &Engine,
        d_output: &Buffer,
        weights: &[f32],
        finish: Finish<'_>,
        d_input: &mut Buffer,
    ) {
        self.check(d_input, weights, d_output);
        self.backward_data.compute(engine, d_output, weights, finish, d_input);
    }

    pub(crate) fn backward_weights(
        &self,
        engine: &Engine,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut [f32],
        d_bias: &mut [f32],
    ) {
        self.check(input, d_weights, d_output);
        assert_len(d_bias.len(), self.shape.out_channels, "d_bias");
        self.backward_weights.compute(engine, input, d_output, d_weights, d_bias, &mut engine.workspace());
    }

    #[track_caller]
    fn check(&self, input: &Buffer, weights: &[f32], output: &Buffer) {
        assert_len(input.len(), self.shape.input.len(), "input");
        assert_len(weights.len(), self.shape.weights_len(), "weights");
        assert_len(output.len(), self.shape.output().len(), "output");
    }
}

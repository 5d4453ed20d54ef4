//! Convolution: an ordered list of algorithms for each pass; the first that accepts a shape does the work.
//!
//! Forward and backward-data are the same kind of pass (a source and the weights give a destination, which is then
//! finished in the cache), so they share their algorithms; backward-weights has its own.

pub(crate) mod bf16;
mod destination;
mod direct;
mod indirect;
mod patches;
mod tile;
mod winograd;

use allcnn_device::{Algorithm, ConvShape, Error, Precision};

use crate::buffer::Buffer;
use crate::engine::{Choice, Engine};
use crate::isa::Isa;
use crate::ops::assert_len;
use crate::ops::epilogue::Finish;
use crate::stored::Form;

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
    /// Brings weights into the form that a run reads.
    fn prepare(&self, engine: &Engine, weights: &[f32], prepared: &mut [f32]);
    /// Values of workspace that a run takes beside the prepared weights.
    fn workspace_len(&self) -> usize;
    /// Whether the source and the destination may hold bf16 pairs.
    fn takes_pairs(&self) -> bool {
        false
    }
    /// Computes the whole destination, in the form that it has, from prepared weights and finishes it.
    fn run(
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
    /// Values of workspace that a run takes.
    fn workspace_len(&self) -> usize;
    /// Whether the input and the gradients may hold bf16 pairs.
    fn takes_pairs(&self) -> bool {
        false
    }
    /// Overwrites the gradients of weights and bias.
    fn run(
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
type Declined = &'static str;
/// Takes a shape or declines it.
type ChooseData = fn(ConvShape, Direction, &Engine) -> Result<Box<dyn DataPass>, Declined>;
/// Takes a shape or declines it.
type ChooseWeights = fn(ConvShape, &Engine) -> Result<Box<dyn WeightsPass>, Declined>;

/// Fastest first; the last takes every shape.
const DATA_PASSES: [ChooseData; 4] =
    [exact_3x3, bf16::Bf16::choose, winograd::Winograd::choose, indirect::Indirect::choose];
/// Fastest first; the last takes every shape.
const WEIGHTS_PASSES: [ChooseWeights; 4] =
    [exact_3x3_weights, bf16::Bf16Weights::choose, winograd::WinogradWeights::choose, direct::Direct::choose];

fn is_3x3(shape: &ConvShape) -> bool {
    shape.kernel == 3 && shape.stride == 1
}

/// Pixels for which it does not pay to read Winograd's weights, four times as many as the kernel's, where those are more
/// than second-level caches hold.
const FEW_PIXELS: usize = 1024;
const MANY_WEIGHTS: usize = 1 << 20;

/// Whether tiles of two-term factors do the few pixels of a small batch faster.
fn reads_weights_most(shape: &ConvShape, engine: &Engine) -> bool {
    let pixels = shape.output().len() / shape.out_channels;
    engine.isa() == Isa::Amx && pixels <= FEW_PIXELS && 4 * shape.weights_len() > MANY_WEIGHTS
}

/// Where Winograd saves most: it is as fast there as tiles of two-term factors, and more exact.
fn exact_3x3(shape: ConvShape, direction: Direction, engine: &Engine) -> Result<Box<dyn DataPass>, Declined> {
    if engine.precision() != Precision::F32 || !is_3x3(&shape) {
        return Err("not 3x3 with stride 1 in f32");
    }
    if reads_weights_most(&shape, engine) {
        return Err("too few pixels for so many weights");
    }
    winograd::Winograd::choose(shape, direction, engine)
}

fn exact_3x3_weights(shape: ConvShape, engine: &Engine) -> Result<Box<dyn WeightsPass>, Declined> {
    if engine.precision() != Precision::F32 || !is_3x3(&shape) {
        return Err("not 3x3 with stride 1 in f32");
    }
    winograd::WinogradWeights::choose(shape, engine)
}

/// A data pass, and its weights where they were prepared once for all runs.
#[derive(Debug)]
struct Data {
    pass: Box<dyn DataPass>,
    fixed: Option<Buffer>,
    /// The form of the destination.
    form: Form,
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

    fn run(
        &self,
        engine: &Engine,
        source: &Buffer,
        weights: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
    ) {
        destination.overwrite(self.form);
        let mut workspace = engine.workspace();
        let (prepared, workspace) = workspace.split_at_mut(self.pass.weights_len());
        let prepared = match &self.fixed {
            Some(fixed) => fixed,
            None => {
                self.pass.prepare(engine, weights, prepared);
                &*prepared
            }
        };
        self.pass.run(engine, source, prepared, finish, destination, workspace);
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
    /// Chooses the algorithms and makes room for the largest workspace.
    pub(crate) fn new(shape: ConvShape, engine: &Engine) -> Result<Self, Error> {
        let data = |direction| {
            let pass = first_taker(engine, &DATA_PASSES, |choose| choose(shape, direction, engine));
            Data { pass, fixed: None, form: Form::F32 }
        };
        let conv = Self {
            shape,
            forward: data(Direction::Forward),
            backward_data: data(Direction::Backward),
            backward_weights: first_taker(engine, &WEIGHTS_PASSES, |choose| choose(shape, engine)),
        };
        let data = conv.forward.workspace_len().max(conv.backward_data.workspace_len());
        engine.reserve_workspace(data.max(conv.backward_weights.workspace_len()))?;
        Ok(conv)
    }

    pub(crate) fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Lets two neighbours exchange their values as bf16 pairs, where all of their passes can: what the one rounds when it
    /// stores, the other would round when it reads.
    pub(crate) fn link(below: &mut Conv, above: &mut Conv) {
        let whole_blocks = below.shape.out_channels.is_multiple_of(bf16::BLOCK);
        if whole_blocks && below.takes_pairs() && above.takes_pairs() {
            (below.forward.form, above.backward_data.form) = (Form::Pairs, Form::Pairs);
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
        self.forward.run(engine, input, weights, finish, output);
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
        self.backward_data.run(engine, d_output, weights, finish, d_input);
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
        self.backward_weights.run(engine, input, d_output, d_weights, d_bias, &mut engine.workspace());
    }

    #[track_caller]
    fn check(&self, input: &Buffer, weights: &[f32], output: &Buffer) {
        assert_len(input.len(), self.shape.input.len(), "input");
        assert_len(weights.len(), self.shape.weights_len(), "weights");
        assert_len(output.len(), self.shape.output().len(), "output");
    }
}

/// The first algorithm of a list that does not decline; [`Choice::Last`] asks only the last one.
fn first_taker<C, T>(engine: &Engine, list: &[C], choose: impl Fn(&C) -> Result<T, Declined>) -> T {
    let skipped = if engine.choice() == Choice::Last { list.len() - 1 } else { 0 };
    let mut reasons = Vec::new();
    for choice in &list[skipped..] {
        match choose(choice) {
            Ok(taker) => return taker,
            Err(reason) => reasons.push(reason),
        }
    }
    unreachable!("the last algorithm of a list takes every shape; reasons given: {reasons:?}")
}

#[cfg(test)]
mod tests {
    use allcnn_device::conformance::Suite;
    use allcnn_device::{Device, Shape};

    use crate::{Choice, Cpu, CpuOptions, Isa};

    /// Multiply-adds of forward, backward-data and backward-weights, by algorithm.
    fn executed(side: usize, kernel: usize, stride: usize, padding: usize) -> [(&'static str, usize); 3] {
        let input = Shape { batch: 2, height: side, width: side, channels: 32 };
        let shape = super::ConvShape { input, out_channels: 48, kernel, stride, padding, groups: 1 };
        // The widest set without tiles of bf16, which have algorithms of their own.
        let isa = Isa::available().into_iter().rfind(|&isa| isa <= Isa::Avx512);
        let cpu = Cpu::new(CpuOptions { threads: Some(1), isa, ..CpuOptions::default() }).unwrap();
        let conv = cpu.conv(shape).unwrap();
        cpu.conv_algorithms(&conv).map(|algorithm| (algorithm.name, algorithm.multiply_adds))
    }

    #[test]
    fn register_tiles_may_have_more_rows_than_vectors_have_lanes() {
        // Every number of channels with a 3x3 kernel is among these.
        let suite = Suite::within(120_000);
        for choice in [Choice::First, Choice::Last] {
            let options = CpuOptions { isa: Some(Isa::TallTile), choice, ..CpuOptions::default() };
            let report = suite.run(&Cpu::new(options).unwrap());
            assert!(report.failures().is_empty(), "{choice:?}:\n{}", report.failures().join("\n"));
        }
    }

    #[test]
    fn winograd_executes_36_products_for_each_tile() {
        // 30x30 outputs of 4x4 tiles: 8x8 tiles, those at the edges sticking out.
        let products = 2 * 8 * 8 * 36 * 32 * 48;
        assert_eq!(executed(30, 3, 1, 1), [("winograd", products); 3]);
    }

    #[test]
    fn stride_executes_no_product_with_an_inserted_zero() {
        // 9 products for each of 8x8 outputs; backward, the taps of the first row and column that point outside are
        // not there.
        let [forward, data, weights] = executed(16, 3, 2, 1);
        let pairs = 2 * 32 * 48;
        assert_eq!(forward, ("indirect", 64 * 9 * pairs));
        assert_eq!(data, ("indirect", 64 * 9 * pairs));
        assert_eq!(weights, ("direct", (3 * 8 - 1) * (3 * 8 - 1) * pairs));
    }

    #[test]
    fn a_1x1_kernel_executes_the_plain_products() {
        let products = 2 * 15 * 15 * 32 * 48;
        assert_eq!(
            executed(15, 1, 1, 0),
            [("indirect", products), ("indirect", products), ("direct", products)]
        );
    }
}

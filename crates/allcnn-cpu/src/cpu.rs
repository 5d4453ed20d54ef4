//! The device: each operation of the contract handed to its kernel.

use allcnn_device::{
    Activation, Algorithm, ConvShape, DenseShape, Device, Dropout, EdgePad, Epilogue, Error, LearnedNorm,
    Loss, LrnShape, LwtaShape, Parameter, PoolKind, PoolShape, Precision, RegionDraw, Regions, Sampling, Sgd,
    Shape, StoredOutput,
};

use crate::bandwidth;
use crate::buffer::Buffer;
use crate::conv::{self, Conv};
use crate::engine::{CpuOptions, Engine};
use crate::isa::Isa;
use crate::ops::drop_connect::{self, Masks};
use crate::ops::epilogue::{Finish, PassBack};
use crate::ops::mask::Mask;
use crate::ops::{CHUNK, assert_len, edge_pad, head, learned_norm, lrn, lwta, pool, sgd, unfold};
use crate::peak;
use crate::rehearsal::Rehearsed;
use crate::stored::{Copy, Storage};
use crate::whole::pieces_mut;

/// The CPU as a device.
#[derive(Debug)]
pub struct Cpu {
    engine: Engine,
}

/// The values of a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    number: u64,
    learning_rate: f32,
}

/// A pooling, its regions and the switches of its last forward pass.
#[derive(Debug)]
pub struct Pool {
    shape: PoolShape,
    regions: Regions,
    switches: Vec<u32>,
    /// Whether the last forward pass drew its values.
    drawn: bool,
}

impl Cpu {
    /// Starts the worker threads.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when `ALLCNN_MAX_ISA` holds an unknown name or the machine lacks the instruction set.
    pub fn new(options: CpuOptions) -> Result<Self, Error> {
        Ok(Self { engine: Engine::new(options)? })
    }

    /// A device that prepares every operation for `options.threads` threads, of which there may be more than processors,
    /// and does them all on the calling thread, for [`Cpu::take_rehearsed`].
    ///
    /// # Errors
    /// As [`Cpu::new`].
    pub fn rehearsal(options: CpuOptions) -> Result<Self, Error> {
        Ok(Self { engine: Engine::rehearsal(options)? })
    }

    /// The operations of a [`Cpu::rehearsal`] since the last call, in their order; none of another device.
    pub fn take_rehearsed(&self) -> Vec<Rehearsed> {
        self.engine.take_rehearsed()
    }

    /// The instruction set that runs.
    pub fn isa(&self) -> Isa {
        self.engine.isa()
    }

    /// Number of threads that work.
    pub fn thread_count(&self) -> usize {
        self.engine.threads().count()
    }

    /// Measured peak of the fastest multiply-adds that convolutions use here (f32 in vectors, or bf16 in tiles or dot
    /// products), over all threads, in GFLOP/s (two operations each); the best of several tries.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn measure_peak_gflops(&self) -> Result<f64, Error> {
        peak::measure_gflops(&self.engine)
    }

    /// Measured bandwidth of memory: bytes that all threads together read and write in a second when they copy; the best
    /// of several tries.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn measure_bytes_per_s(&self) -> Result<f64, Error> {
        bandwidth::measure_bytes_per_s(&self.engine)
    }
}

impl Pool {
    /// The pooling with its parameters.
    fn norms<'a>(&'a self, norm: LearnedNorm<'a, Buffer>) -> learned_norm::Norms<'a> {
        assert_eq!(self.shape.kind, PoolKind::LearnedNorm, "the kind of a pooling with parameters");
        assert_len(norm.center.len(), self.shape.input.channels, "center");
        assert_len(norm.rho.len(), self.shape.input.channels, "rho");
        learned_norm::Norms { shape: self.shape, regions: &self.regions, center: norm.center, rho: norm.rho }
    }
}

impl Cpu {
    /// Of each group of `values` the one whose input won, row by row.
    fn keep_winners(&self, shape: LwtaShape, input: &Buffer, values: &Buffer, kept: &mut Buffer) {
        let LwtaShape { input: Shape { width, channels, .. }, size } = shape;
        for (buffer, name) in [(input, "input"), (values, "values"), (&*kept, "what is kept")] {
            assert_len(buffer.len(), shape.input.len(), name);
        }
        let row = width * channels;
        self.engine.threads().run_over(kept.overwrite(Storage::F32), row, |at, kept| {
            let [input, values] = [input, values].map(|values| &values[at * row..][..row]);
            self.engine.isa().run(lwta::KeepWinners { size, input, values, kept });
        });
    }
}

impl Device for Cpu {
    type Buffer = Buffer;
    type Conv = Conv;
    type Pool = Pool;
    type Step = Step;
    type Images = std::convert::Infallible;
    type Recording = ();

    fn arithmetic(&self) -> String {
        format!("CPU ({})", self.isa())
    }
    fn description(&self) -> String {
        let (isa, threads) = (self.isa(), self.thread_count());
        let products = match self.engine.precision() {
            Precision::F32 => "",
            Precision::Bf16 if isa >= Isa::Avx512Bf16 => ", bf16 where that is faster than f32",
            Precision::Bf16 => {
                ", f32 in the place of bf16, which would be slower without instructions for it"
            }
        };
        format!("CPU ({isa}, {threads} thread{}{products})", if threads == 1 { "" } else { "s" })
    }

    fn alloc(&self, len: usize) -> Result<Buffer, Error> {
        Buffer::zeros(len)
    }
    fn upload(&self, values: &[f32], buffer: &mut Buffer) -> Result<(), Error> {
        assert_len(values.len(), buffer.len(), "the upload");
        let _timed = self.engine.operation("upload", [&*buffer, buffer]);
        self.engine.threads().run_over(buffer.overwrite(Storage::F32), CHUNK, |chunk, buffer| {
            buffer.copy_from_slice(&values[chunk * CHUNK..][..buffer.len()]);
        });
        Ok(())
    }
    fn download(&self, buffer: &Buffer, values: &mut [f32]) -> Result<(), Error> {
        assert_len(values.len(), buffer.len(), "the slice for a download");
        self.engine.isa().run(Copy { from: buffer.stored(), to: values });
        Ok(())
    }
    fn copy(&self, from: &Buffer, to: &mut Buffer, at: usize) {
        to[at..][..from.len()].copy_from_slice(from);
    }
    fn add(&self, from: &Buffer, to: &mut Buffer) {
        assert_len(to.len(), from.len(), "what is added to");
        let _timed = self.engine.operation("sums", [&*to, &*to, from]);
        self.engine.threads().run_over(to, CHUNK, |chunk, to| {
            self.engine.isa().run(sgd::Add { from: &from[chunk * CHUNK..][..to.len()], to });
        });
    }
    fn synchronize(&self) -> Result<(), Error> {
        Ok(())
    }

    fn new_step(&self) -> Result<Step, Error> {
        Ok(Step::default())
    }
    fn set_step(&self, step: &mut Step, number: u64, learning_rate: f32) {
        *step = Step { number, learning_rate };
    }
    fn replay(&self, (): &mut (), work: &mut dyn FnMut()) {
        work();
    }

    fn conv(&self, shape: ConvShape) -> Result<Conv, Error> {
        conv::prepare(shape.checked()?, &self.engine)
    }
    fn conv_algorithms(&self, conv: &Conv) -> [Algorithm; 3] {
        conv.algorithms()
    }
    fn conv_fix_weights(&self, conv: &mut Conv, weights: &Buffer, backward: bool) -> Result<(), Error> {
        conv.fix_weights(&self.engine, weights, backward)
    }
    fn conv_link(&self, below: &mut Conv, above: &mut Conv) {
        Conv::link(below, above);
    }
    fn conv_forward(
        &self,
        conv: &mut Conv,
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        epilogue: Epilogue,
        step: &Step,
        output: &mut Buffer,
    ) {
        let _timed = self.engine.operation("forward", [input, weights, output]);
        let finish = Finish::Forward { bias, epilogue, step: step.number };
        assert_len(bias.len(), conv.shape().out_channels, "bias");
        conv.forward(&self.engine, input, weights, finish, output);
    }
    fn conv_backward_data(
        &self,
        conv: &mut Conv,
        d_output: &Buffer,
        weights: &Buffer,
        below: Option<StoredOutput<'_, Buffer>>,
        d_input: &mut Buffer,
    ) {
        let gate = below.as_ref().map(|below| below.output);
        let operands = [d_output, weights, d_input].into_iter().chain(gate);
        let _timed = self.engine.operation("backward-data", operands);
        let finish = match below {
            Some(StoredOutput { output, gate }) => {
                assert_len(output.len(), d_input.len(), "stored output");
                Finish::Gate { output: output.stored(), gate }
            }
            None => Finish::Plain,
        };
        conv.backward_data(&self.engine, d_output, weights, finish, d_input);
    }
    fn conv_backward_weights(
        &self,
        conv: &mut Conv,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut Buffer,
        d_bias: &mut Buffer,
    ) {
        let _timed = self.engine.operation("backward-weights", [input, d_output, d_weights]);
        conv.backward_weights(&self.engine, input, d_output, d_weights, d_bias);
    }

    fn unfold(&self, shape: ConvShape, input: &Buffer, windows: &mut Buffer) {
        let _timed = self.engine.operation("windows", [input, windows]);
        assert_len(input.len(), shape.input.len(), "input");
        assert_len(windows.len(), shape.windows_len(), "windows");
        let [image, of_image] = [shape.input.len(), shape.windows_len()].map(|len| len / shape.input.batch);
        self.engine.threads().run_over(windows.overwrite(Storage::F32), of_image, |at, windows| {
            unfold::unfold(&shape, &input[at * image..][..image], windows);
        });
    }
    fn fold(&self, shape: ConvShape, d_windows: &Buffer, d_input: &mut Buffer) {
        let _timed = self.engine.operation("windows back", [d_windows, d_input]);
        assert_len(d_windows.len(), shape.windows_len(), "d_windows");
        assert_len(d_input.len(), shape.input.len(), "d_input");
        let [image, of_image] = [shape.input.len(), shape.windows_len()].map(|len| len / shape.input.batch);
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), image, |at, d_image| {
            unfold::fold(&shape, &d_windows[at * of_image..][..of_image], d_image);
        });
    }

    fn edge_pad_forward(&self, pad: EdgePad, input: &Buffer, output: &mut Buffer) {
        let _timed = self.engine.operation("padding", [input, output]);
        assert_len(input.len(), pad.input.len(), "input");
        assert_len(output.len(), pad.output().len(), "output");
        let [image, padded] = [pad.input, pad.output()].map(|shape| shape.len() / shape.batch);
        self.engine.threads().run_over(output.overwrite(Storage::F32), padded, |at, padded| {
            edge_pad::forward(&pad, &input[at * image..][..image], padded);
        });
    }
    fn edge_pad_backward(&self, pad: EdgePad, d_output: &Buffer, d_input: &mut Buffer) {
        let _timed = self.engine.operation("padding back", [d_output, d_input]);
        assert_len(d_output.len(), pad.output().len(), "d_output");
        assert_len(d_input.len(), pad.input.len(), "d_input");
        let [image, padded] = [pad.input, pad.output()].map(|shape| shape.len() / shape.batch);
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), image, |at, d_image| {
            edge_pad::backward(&pad, &d_output[at * padded..][..padded], d_image);
        });
    }

    fn drop_connect_forward(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        sums: &mut Buffer,
    ) {
        let _timed = self.engine.operation("DropConnect", [input, weights, sums]);
        let DenseShape { batch, inputs, outputs } = shape;
        assert_len(input.len(), batch * inputs, "input");
        assert_len(weights.len(), outputs * inputs, "weights");
        assert_len(bias.len(), outputs, "bias");
        assert_len(sums.len(), batch * outputs, "sums");
        let masks = Masks { shape, dropout, step: step.number };
        self.engine.threads().run_over(sums.overwrite(Storage::F32), outputs, |image, sums| {
            let input = &input[image * inputs..][..inputs];
            self.engine.isa().run(drop_connect::ForwardImage { masks, image, input, weights, bias, sums });
        });
    }
    fn drop_connect_backward_data(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        d_sums: &Buffer,
        weights: &Buffer,
        d_input: &mut Buffer,
    ) {
        let _timed = self.engine.operation("DropConnect back", [d_sums, weights, d_input]);
        let DenseShape { batch, inputs, outputs } = shape;
        assert_len(d_sums.len(), batch * outputs, "d_sums");
        assert_len(weights.len(), outputs * inputs, "weights");
        assert_len(d_input.len(), batch * inputs, "d_input");
        let masks = Masks { shape, dropout, step: step.number };
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), inputs, |image, d_input| {
            let d_sums = &d_sums[image * outputs..][..outputs];
            self.engine.isa().run(drop_connect::BackwardImage { masks, image, d_sums, weights, d_input });
        });
    }
    fn drop_connect_backward_weights(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        input: &Buffer,
        d_sums: &Buffer,
        d_weights: &mut Buffer,
        d_bias: &mut Buffer,
    ) {
        let _timed = self.engine.operation("DropConnect weights", [input, d_sums, d_weights]);
        let DenseShape { batch, inputs, outputs } = shape;
        assert_len(input.len(), batch * inputs, "input");
        assert_len(d_sums.len(), batch * outputs, "d_sums");
        assert_len(d_weights.len(), outputs * inputs, "d_weights");
        assert_len(d_bias.len(), outputs, "d_bias");
        let masks = Masks { shape, dropout, step: step.number };
        let rows = (d_weights.overwrite(Storage::F32), inputs);
        self.engine.threads().run_zipped(
            rows,
            (d_bias.overwrite(Storage::F32), 1),
            |output, d_weights, d_bias| {
                let d_bias = &mut d_bias[0];
                let gradients =
                    drop_connect::BackwardOutput { masks, output, input, d_sums, d_weights, d_bias };
                self.engine.isa().run(gradients);
            },
        );
    }
    fn drop_connect_expected(
        &self,
        (shape, rate, activation): (DenseShape, f32, Activation),
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        output: &mut Buffer,
    ) {
        let _timed = self.engine.operation("DropConnect", [input, weights, output]);
        let DenseShape { batch, inputs, outputs } = shape;
        assert_len(input.len(), batch * inputs, "input");
        assert_len(weights.len(), outputs * inputs, "weights");
        assert_len(bias.len(), outputs, "bias");
        assert_len(output.len(), batch * outputs, "output");
        self.engine.threads().run_over(output.overwrite(Storage::F32), outputs, |image, output| {
            let input = &input[image * inputs..][..inputs];
            self.engine.isa().run(drop_connect::ExpectedImage {
                rate,
                activation,
                input,
                weights,
                bias,
                output,
            });
        });
    }
    fn drop_connect_expected_backward(
        &self,
        (shape, rate, activation): (DenseShape, f32, Activation),
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        d_output: &Buffer,
        d_input: &mut Buffer,
    ) {
        let _timed = self.engine.operation("DropConnect back", [input, weights, d_input]);
        let DenseShape { batch, inputs, outputs } = shape;
        assert_len(input.len(), batch * inputs, "input");
        assert_len(weights.len(), outputs * inputs, "weights");
        assert_len(bias.len(), outputs, "bias");
        assert_len(d_output.len(), batch * outputs, "d_output");
        assert_len(d_input.len(), input.len(), "d_input");
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), inputs, |image, d_input| {
            let (input, d_output) =
                (&input[image * inputs..][..inputs], &d_output[image * outputs..][..outputs]);
            let signals = drop_connect::ExpectedBackwardImage {
                rate,
                activation,
                input,
                weights,
                bias,
                d_output,
                d_input,
            };
            self.engine.isa().run(signals);
        });
    }

    fn pool(&self, shape: PoolShape) -> Result<Pool, Error> {
        let shape = shape.checked()?;
        let has_switches = shape.kind == PoolKind::Max || shape.kind.draws();
        let switches = vec![0; if has_switches { shape.output().len() } else { 0 }];
        Ok(Pool { shape, regions: shape.regions(), switches, drawn: false })
    }
    fn pool_draw(&self, pool: &mut Pool, draw: RegionDraw, step: &Step) {
        pool.regions.draw(&pool.shape, draw, step.number);
    }
    fn pool_forward(
        &self,
        pool: &mut Pool,
        input: &Buffer,
        sampling: Option<(Sampling, &Step)>,
        output: &mut Buffer,
    ) {
        let _timed = self.engine.operation("pool", [input, output]);
        let Pool { shape, ref regions, ref mut switches, ref mut drawn } = *pool;
        let sampling = sampling.filter(|_| shape.kind.draws());
        let numbers = sampling.map(|(sampling, step)| sampling.stream(step.number));
        *drawn = numbers.is_some();
        assert_len(input.len(), shape.input.len(), "input");
        assert_len(output.len(), shape.output().len(), "output");
        let row_len = shape.output().width * shape.output().channels;
        let rows = (output.overwrite(Storage::F32), row_len);
        self.engine.threads().run_zipped(rows, (switches, row_len), |row, output, switches| {
            self.engine.isa().run(pool::ForwardRow { shape, regions, row, input, output, numbers, switches });
        });
    }
    fn pool_backward(
        &self,
        pool: &Pool,
        input: &Buffer,
        output: &Buffer,
        d_output: &Buffer,
        d_input: &mut Buffer,
    ) {
        let _timed = self.engine.operation("pool back", [d_output, d_input]);
        let shape = pool.shape;
        let (above, below) = (shape.output().len(), shape.input.len());
        assert_len(output.len(), above, "output");
        assert_len(d_output.len(), above, "d_output");
        assert_len(input.len(), below, "input");
        assert_len(d_input.len(), below, "d_input");
        let (above, below) = (above / shape.input.batch, below / shape.input.batch);
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), below, |image, d_input| {
            let outputs = image * above..(image + 1) * above;
            self.engine.isa().run(pool::BackwardImage {
                shape,
                regions: &pool.regions,
                input: &input[image * below..][..below],
                output: &output[outputs.clone()],
                d_output: &d_output[outputs.clone()],
                switches: if pool.switches.is_empty() { &[] } else { &pool.switches[outputs] },
                drawn: pool.drawn,
                d_input,
            });
        });
    }

    fn learned_norm_forward(
        &self,
        pool: &mut Pool,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        output: &mut Buffer,
    ) {
        let _timed = self.engine.operation("learned norm", [input, output]);
        let (shape, norms) = (pool.shape, pool.norms(norm));
        assert_len(input.len(), shape.input.len(), "input");
        assert_len(output.len(), shape.output().len(), "output");
        let row_len = shape.output().width * shape.output().channels;
        self.engine.threads().run_over(output.overwrite(Storage::F32), row_len, |row, output| {
            self.engine.isa().run(learned_norm::ForwardRow { norms, row, input, output });
        });
    }
    fn learned_norm_backward(
        &self,
        pool: &Pool,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        output: &Buffer,
        d_output: &Buffer,
        d_input: &mut Buffer,
    ) {
        let _timed = self.engine.operation("learned norm back", [input, d_output, d_input]);
        let (shape, norms) = (pool.shape, pool.norms(norm));
        let (above, below) = (shape.output().len(), shape.input.len());
        assert_len(input.len(), below, "input");
        assert_len(output.len(), above, "output");
        assert_len(d_output.len(), above, "d_output");
        assert_len(d_input.len(), below, "d_input");
        let (above, below) = (above / shape.input.batch, below / shape.input.batch);
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), below, |image, d_input| {
            let [output, d_output] = [output, d_output].map(|values| &values[image * above..][..above]);
            let input = &input[image * below..][..below];
            self.engine.isa().run(learned_norm::BackwardImage { norms, input, output, d_output, d_input });
        });
    }
    fn learned_norm_gradients(
        &self,
        pool: &Pool,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        output: &Buffer,
        d_output: &Buffer,
        d_center: &mut Buffer,
        d_rho: &mut Buffer,
    ) {
        let _timed = self.engine.operation("learned norm gradients", [input, output, d_output]);
        let (shape, norms) = (pool.shape, pool.norms(norm));
        assert_len(input.len(), shape.input.len(), "input");
        assert_len(output.len(), shape.output().len(), "output");
        assert_len(d_output.len(), shape.output().len(), "d_output");
        assert_len(d_center.len(), shape.input.channels, "d_center");
        assert_len(d_rho.len(), shape.input.channels, "d_rho");
        let chunks =
            [d_center, d_rho].map(|gradient| (gradient.overwrite(Storage::F32), learned_norm::BLOCK));
        let [centers, rhos] = chunks;
        self.engine.threads().run_zipped(centers, rhos, |chunk, d_center, d_rho| {
            let first = chunk * learned_norm::BLOCK;
            let gradients =
                learned_norm::Gradients { norms, first, input, output, d_output, d_center, d_rho };
            self.engine.isa().run(gradients);
        });
    }

    fn activation_backward(&self, below: StoredOutput<'_, Buffer>, signal: &mut Buffer) {
        let StoredOutput { output, gate } = below;
        let _timed = self.engine.operation("activation back", [output, signal, signal]);
        assert_len(output.len(), signal.len(), "stored output");
        self.engine.threads().run_over(signal, CHUNK, |chunk, signal| {
            let output = &output[chunk * CHUNK..][..signal.len()];
            self.engine.isa().run(PassBack { gate, output, signal });
        });
    }
    fn dropout(&self, dropout: Dropout, step: &Step, values: &mut Buffer) {
        let _timed = self.engine.operation("dropout", [&*values, values]);
        self.engine.threads().run_over(values, CHUNK, |chunk, values| {
            self.engine.isa().run(Mask { dropout, step: step.number, first: chunk * CHUNK, values });
        });
    }

    fn lrn_forward(&self, shape: LrnShape, input: &Buffer, output: &mut Buffer) {
        let _timed = self.engine.operation("normalization", [input, output]);
        assert_len(input.len(), shape.input.len(), "input");
        assert_len(output.len(), shape.input.len(), "output");
        let row = shape.input.width * shape.input.channels;
        self.engine.threads().run_over(output.overwrite(Storage::F32), row, |at, output| {
            self.engine.isa().run(lrn::Forward { shape, input: &input[at * row..][..row], output });
        });
    }
    fn lrn_backward(&self, shape: LrnShape, input: &Buffer, d_output: &Buffer, d_input: &mut Buffer) {
        assert_len(input.len(), shape.input.len(), "input");
        let _timed = self.engine.operation("normalization back", [input, d_output, d_input]);
        assert_len(d_output.len(), shape.input.len(), "d_output");
        assert_len(d_input.len(), shape.input.len(), "d_input");
        let row = shape.input.width * shape.input.channels;
        self.engine.threads().run_over(d_input.overwrite(Storage::F32), row, |at, d_input| {
            let [input, d_output] = [input, d_output].map(|values| &values[at * row..][..row]);
            self.engine.isa().run(lrn::Backward { shape, input, d_output, d_input });
        });
    }

    fn lwta_forward(&self, shape: LwtaShape, input: &Buffer, output: &mut Buffer) {
        let _timed = self.engine.operation("winners", [input, output]);
        self.keep_winners(shape, input, input, output);
    }
    fn lwta_backward(&self, shape: LwtaShape, input: &Buffer, d_output: &Buffer, d_input: &mut Buffer) {
        let _timed = self.engine.operation("winners back", [input, d_output, d_input]);
        self.keep_winners(shape, input, d_output, d_input);
    }

    fn scale_channels(&self, shape: Shape, factors: &Buffer, values: &mut Buffer) {
        let _timed = self.engine.operation("gates", [&*values, values]);
        assert_len(factors.len(), shape.batch * shape.channels, "factors");
        assert_len(values.len(), shape.len(), "values");
        let image = shape.len() / shape.batch;
        self.engine.threads().run_over(values, image, |at, values| {
            head::scale(&factors[at * shape.channels..][..shape.channels], values);
        });
    }
    fn global_average_forward(&self, shape: Shape, input: &Buffer, output: &mut Buffer) {
        assert_len(input.len(), shape.len(), "input");
        let _timed = self.engine.operation("average", [input, output]);
        assert_len(output.len(), shape.batch * shape.channels, "output");
        let image = shape.len() / shape.batch;
        self.engine.threads().run_over(output.overwrite(Storage::F32), shape.channels, |at, means| {
            head::average(&input[at * image..][..image], means);
        });
    }
    fn global_average_backward(&self, shape: Shape, d_output: &Buffer, d_input: &mut Buffer) {
        assert_len(d_output.len(), shape.batch * shape.channels, "d_output");
        let _timed = self.engine.operation("average back", [d_output, d_input]);
        assert_len(d_input.len(), shape.len(), "d_input");
        self.engine.threads().run_over(
            d_input.overwrite(Storage::F32),
            shape.len() / shape.batch,
            |at, d_image| {
                head::spread(&d_output[at * shape.channels..][..shape.channels], d_image);
            },
        );
    }
    fn loss(
        &self,
        loss: Loss,
        classes: usize,
        logits: &Buffer,
        targets: &Buffer,
        scale: f32,
        losses: &mut Buffer,
        d_logits: &mut Buffer,
    ) {
        assert_len(logits.len(), losses.len() * classes, "logits");
        assert_len(targets.len(), logits.len(), "targets");
        let _timed = self.engine.operation("loss", [logits, targets, d_logits]);
        assert_len(d_logits.len(), logits.len(), "d_logits");
        for (row, (of_row, d_logits)) in losses.iter_mut().zip(pieces_mut(d_logits, classes)).enumerate() {
            let row = row * classes..(row + 1) * classes;
            *of_row = loss.of_row(&logits[row.clone()], &targets[row], scale, d_logits);
        }
    }

    fn sgd(&self, sgd: Sgd, step: &Step, parameters: &mut [Parameter<Buffer>]) {
        let operands = parameters.iter().flat_map(|Parameter { value, gradient, velocity, .. }| {
            [value, value, velocity, velocity, gradient]
        });
        let _timed = self.engine.operation("optimizer", operands);
        // The norm costs a pass over the gradients: only where it can matter.
        let clips = sgd.clip_norm.is_finite();
        let scale =
            if clips { sgd.gradient_scale(sgd::sum_of_squares(&self.engine, parameters)) } else { 1.0 };
        for Parameter { value, gradient, velocity, factors } in parameters {
            let sgd = Sgd { weight_decay: sgd.weight_decay * factors.decay, ..sgd };
            let learning_rate = step.learning_rate * factors.rate;
            assert_len(gradient.len(), value.len(), "gradient");
            assert_len(velocity.len(), value.len(), "velocity");
            let chunks = ((&mut **value, CHUNK), (&mut **velocity, CHUNK));
            self.engine.threads().run_zipped(chunks.0, chunks.1, |chunk, value, velocity| {
                let gradient = &gradient[chunk * CHUNK..][..value.len()];
                self.engine.isa().run(sgd::Step { sgd, learning_rate, scale, value, gradient, velocity });
            });
        }
    }

    fn shorten_rows(&self, rows: usize, longest: f32, value: &mut Buffer) {
        assert_eq!(value.len() % rows, 0, "values of {rows} rows");
        let _timed = self.engine.operation("optimizer", [&*value, &*value]);
        let len = (value.len() / rows).max(1);
        self.engine
            .threads()
            .run_over(value, len, |_, row| self.engine.isa().run(sgd::Shorten { longest, row }));
    }

    fn draw_to_means(
        &self,
        strength: f32,
        groups: &Buffer,
        means: &mut Buffer,
        value: &Buffer,
        gradient: &mut Buffer,
    ) {
        let len = value.len() / groups.len();
        assert_len(gradient.len(), value.len(), "gradient");
        let _timed = self.engine.operation("optimizer", [value, value, &*gradient, &*gradient]);
        let (isa, threads) = (self.engine.isa(), self.engine.threads());
        threads.run_over(means, len, |group, mean| isa.run(sgd::GroupMean { group, groups, value, mean }));
        threads.run_over(gradient, len, |row, gradient| {
            let mean = &means[groups[row] as usize * len..][..len];
            isa.run(sgd::DrawTo { strength, mean, row: &value[row * len..][..len], gradient });
        });
    }
}

//! The device: each operation of the contract handed to its kernel.

use std::env;

use allcnn_device::{
    Activation, Algorithm, ConvShape, DenseShape, Device, Dropout, EdgePad, Epilogue, Error, ImageSet,
    LearnedNorm, Loss, LrnShape, LwtaShape, Parameter, PoolShape, Precision, RegionDraw, Sampling, Sgd,
    Shape, StoredOutput, View,
};

use crate::cache::Cache;
use crate::conv::{Choices, Conv};
use crate::engine::{Engine, Numbers};
use crate::error::driver_error;
use crate::images::Images;
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Storage, Values, assert_len};
use crate::pool::Pool;
use crate::recording::Recording;
use crate::step::Step;
use crate::{drop_connect, edge_pad, elementwise, libraries, peak, sgd};

/// The environment variable that forbids (`0`) or allows (`1`, the default) TF32 in precision f32.
pub const TF32: &str = "ALLCNN_CUDA_TF32";

/// Steps whose results are read together: waiting for the GPU after each step would leave it idle while the next one is
/// queued.
const STEPS_BETWEEN_READS: usize = 64;

/// Which GPU a [`Cuda`] opens, and how it multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaOptions {
    /// The number of the GPU, from 0, as the driver counts them.
    pub number: usize,
    /// The precision of a convolution's factors.
    pub precision: Precision,
    /// Whether precision f32 may round factors to TF32 (11 bits), which tensor cores take; sums are f32 either way.
    pub tf32: bool,
}

impl CudaOptions {
    /// GPU `number` in `precision`, with TF32 as the environment variable [`TF32`] says.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the variable holds anything but 0 or 1.
    pub fn from_environment(number: usize, precision: Precision) -> Result<Self, Error> {
        let tf32 = match env::var(TF32).unwrap_or_default().as_str() {
            "" | "1" => true,
            "0" => false,
            other => return Err(Error::Unavailable(format!("{TF32} is '{other}'; expected 0 or 1"))),
        };
        Ok(Self { number, precision, tf32 })
    }
}

/// One NVIDIA GPU as a device.
#[derive(Debug)]
pub struct Cuda {
    choices: Choices, // before the engine, so that it is dropped before it
    engine: Engine,
    name: String,
}

impl Cuda {
    /// Finds the libraries, opens the GPU and compiles the kernels (or loads those of an earlier run).
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is missing and what to install.
    pub fn new(options: CudaOptions) -> Result<Self, Error> {
        libraries::load()?;
        let numbers = Numbers::new(options.precision, options.tf32);
        let engine = Engine::new(options.number, numbers, Cache::of_user())?;
        let name = engine.context.name().map_err(driver_error("asking for its name"))?;
        Ok(Self { choices: Choices::new(name.clone(), numbers.arithmetic), engine, name })
    }

    /// How many GPUs could be opened, 0 when a library is missing.
    pub fn count() -> usize {
        // The driver first: most machines without a GPU have none, and the other libraries take long to load.
        if !libraries::has_driver() || libraries::load().is_err() {
            return 0;
        }
        cudarc::driver::CudaContext::device_count().map_or(0, |count| count.max(0) as usize)
    }

    /// Measured peak of the multiply-adds that convolutions use here, in GFLOP/s (two operations each); the best of
    /// several tries.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn measure_peak_gflops(&self) -> Result<f64, Error> {
        peak::measure_gflops(self)
    }
}

/// Queues a kernel with this number of threads.
macro_rules! launch {
    ($queue:expr, $kernel:expr, $threads:expr, $($argument:expr),+ $(,)?) => {
        // SAFETY: every use below checks its buffers' lengths against the shape or length that it passes, and gives the
        // arguments in the kernel's order and types.
        unsafe { $queue.launch($kernel, Grid::over($threads), &[$(&$argument),+]) }
    };
}

impl Cuda {
    /// Of each group of `values` the one whose input won; in the storage format of `values`.
    fn keep_winners(&self, shape: LwtaShape, input: &Buffer, values: &Buffer, kept: &mut Buffer) {
        let (len, size) = (shape.input.len(), shape.size);
        assert_len(input, len, "input");
        assert_len(values, len, "values");
        assert_len(kept, len, "what is kept");
        let groups = len / size;
        self.engine.enqueue(|queue| {
            let [from, sent] = [input, values].map(|buffer| queue.read(buffer));
            let to = queue.write(kept, values.storage.get());
            launch!(queue, Kernel::KeepWinners, groups, from, sent, to, size as u32, groups as u64)
        });
    }
}

impl Device for Cuda {
    type Buffer = Buffer;
    type Conv = Conv;
    type Pool = Pool;
    type Step = Step;
    type Images = Images;
    type Recording = Recording;

    fn description(&self) -> String {
        format!("CUDA ({})", self.name)
    }
    fn arithmetic(&self) -> String {
        format!("{}, products in {}", self.description(), self.engine.numbers.products())
    }

    fn alloc(&self, len: usize) -> Result<Buffer, Error> {
        self.engine.alloc(len)
    }
    fn upload(&self, values: &[f32], buffer: &mut Buffer) -> Result<(), Error> {
        assert_eq!(values.len(), buffer.len(), "values to upload, and the buffer's");
        let mut queue = self.engine.queue();
        queue.report_failure()?;
        queue.write(buffer, Storage::F32);
        if values.is_empty() {
            return Ok(());
        }
        self.engine.stream.memcpy_htod(values, &mut buffer.memory).map_err(driver_error("an upload"))
    }
    fn download(&self, buffer: &Buffer, values: &mut [f32]) -> Result<(), Error> {
        assert_eq!(values.len(), buffer.len(), "values to download, and the buffer's");
        let mut queue = self.engine.queue();
        queue.report_failure()?;
        if values.is_empty() {
            return Ok(());
        }
        let from = queue.read(buffer);
        let failed = || driver_error("a download");
        if buffer.storage.get() == Storage::F32 {
            self.engine.stream.memcpy_dtoh(&buffer.memory, values).map_err(failed())?;
        } else {
            let [address] = queue.scratch([values.len() * Storage::F32.bytes()])?;
            let (to, len) = (Values::new(address, Storage::F32), values.len() as u64);
            launch!(queue, Kernel::Convert, values.len().div_ceil(4), from, to, len)?;
            // SAFETY: the scratch memory holds `values.len()` f32, and `values` is borrowed until the wait below.
            unsafe {
                cudarc::driver::result::memcpy_dtoh_async(values, address, self.engine.stream.cu_stream())
            }
            .map_err(failed())?;
        }
        queue.wait()
    }
    fn copy(&self, from: &Buffer, to: &mut Buffer, at: usize) {
        let len = from.len();
        assert!(at + len <= to.len(), "{len} values from index {at} on, in a buffer of {}", to.len());
        self.engine.enqueue(|queue| {
            // A part of a buffer is written in the storage format of the whole.
            let (from, mut to) = (queue.read(from), queue.read(to));
            to.address += (at * to.storage().bytes()) as u64;
            launch!(queue, Kernel::Repack, len, from, to, 1u64, 1u64, len as u32, len as u32)
        });
    }
    fn add(&self, from: &Buffer, to: &mut Buffer) {
        let len = from.len();
        assert_eq!(len, to.len(), "values to add, and those they are added to");
        self.engine.enqueue(|queue| {
            let (from, to) = (queue.read(from), queue.read(to));
            launch!(queue, Kernel::Add, len.div_ceil(4), from, to, len as u64)
        });
    }
    fn steps_between_reads(&self) -> usize {
        STEPS_BETWEEN_READS
    }
    fn synchronize(&self) -> Result<(), Error> {
        let mut queue = self.engine.queue();
        queue.report_failure()?;
        queue.wait()
    }

    fn keep_images(&self, images: ImageSet<'_>) -> Result<Option<Images>, Error> {
        Images::new(&self.engine, images)
    }
    fn gather(&self, images: &mut Images, views: &[View], batch: &mut Buffer) -> Result<(), Error> {
        images.gather(&self.engine, views, batch)
    }

    fn new_step(&self) -> Result<Step, Error> {
        Step::new(&self.engine.stream)
    }
    fn set_step(&self, step: &mut Step, number: u64, learning_rate: f32) {
        self.engine.enqueue(|queue| step.set(&queue.stream, number, learning_rate));
    }
    fn replay(&self, recording: &mut Recording, work: &mut dyn FnMut()) {
        recording.replay(&self.engine, work);
    }

    fn conv(&self, shape: ConvShape) -> Result<Conv, Error> {
        Ok(Conv::new(shape.checked()?, self.engine.numbers))
    }
    fn conv_algorithms(&self, conv: &Conv) -> [Algorithm; 3] {
        conv.algorithms(&self.engine, &self.choices)
    }
    fn conv_fix_weights(&self, conv: &mut Conv, weights: &Buffer, _backward: bool) -> Result<(), Error> {
        conv.fix_weights(&self.engine, weights)
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
        let choices = &self.choices;
        self.engine
            .enqueue(|queue| conv.forward(choices, queue, input, weights, bias, epilogue, step, output));
    }
    fn conv_backward_data(
        &self,
        conv: &mut Conv,
        d_output: &Buffer,
        weights: &Buffer,
        below: Option<StoredOutput<'_, Buffer>>,
        d_input: &mut Buffer,
    ) {
        self.engine.enqueue(|queue| conv.backward_data(&self.choices, queue, d_output, weights, d_input));
        if let Some(below) = below {
            self.activation_backward(below, d_input);
        }
    }
    fn conv_backward_weights(
        &self,
        conv: &mut Conv,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut Buffer,
        d_bias: &mut Buffer,
    ) {
        let choices = &self.choices;
        self.engine
            .enqueue(|queue| conv.backward_weights(choices, queue, input, d_output, d_weights, d_bias));
    }

    fn unfold(&self, shape: ConvShape, input: &Buffer, windows: &mut Buffer) {
        self.engine.enqueue(|queue| drop_connect::windows(queue, shape, input, windows, false));
    }
    fn fold(&self, shape: ConvShape, d_windows: &Buffer, d_input: &mut Buffer) {
        self.engine.enqueue(|queue| drop_connect::windows(queue, shape, d_windows, d_input, true));
    }

    fn edge_pad_forward(&self, pad: EdgePad, input: &Buffer, output: &mut Buffer) {
        self.engine.enqueue(|queue| edge_pad::forward(queue, pad, input, output));
    }
    fn edge_pad_backward(&self, pad: EdgePad, d_output: &Buffer, d_input: &mut Buffer) {
        self.engine.enqueue(|queue| edge_pad::backward(queue, pad, d_output, d_input));
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
        let layer = (shape, dropout, step);
        self.engine.enqueue(|queue| drop_connect::forward(queue, layer, [input, weights, bias], sums));
    }
    fn drop_connect_backward_data(
        &self,
        shape: DenseShape,
        (dropout, step): (Dropout, &Step),
        d_sums: &Buffer,
        weights: &Buffer,
        d_input: &mut Buffer,
    ) {
        let layer = (shape, dropout, step);
        self.engine.enqueue(|queue| drop_connect::backward_data(queue, layer, [d_sums, weights], d_input));
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
        let layer = (shape, dropout, step);
        self.engine.enqueue(|queue| {
            drop_connect::backward_weights(queue, layer, [input, d_sums], [d_weights, d_bias])
        });
    }
    fn drop_connect_expected(
        &self,
        layer: (DenseShape, f32, Activation),
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        output: &mut Buffer,
    ) {
        self.engine.enqueue(|queue| drop_connect::expected(queue, layer, [input, weights, bias], output));
    }
    fn drop_connect_expected_backward(
        &self,
        layer: (DenseShape, f32, Activation),
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        d_output: &Buffer,
        d_input: &mut Buffer,
    ) {
        let given = [input, weights, bias, d_output];
        self.engine.enqueue(|queue| drop_connect::expected_backward(queue, layer, given, d_input));
    }

    fn pool(&self, shape: PoolShape) -> Result<Pool, Error> {
        Pool::new(&self.engine, shape.checked()?)
    }
    fn pool_draw(&self, pool: &mut Pool, draw: RegionDraw, step: &Step) {
        self.engine.enqueue(|queue| pool.draw(&self.engine, queue, draw, step));
    }
    fn pool_forward(
        &self,
        pool: &mut Pool,
        input: &Buffer,
        sampling: Option<(Sampling, &Step)>,
        output: &mut Buffer,
    ) {
        self.engine.enqueue(|queue| pool.forward(queue, input, sampling, output));
    }
    fn pool_backward(
        &self,
        pool: &Pool,
        input: &Buffer,
        output: &Buffer,
        d_output: &Buffer,
        d_input: &mut Buffer,
    ) {
        self.engine.enqueue(|queue| pool.backward(queue, input, output, d_output, d_input));
    }

    fn learned_norm_forward(
        &self,
        pool: &mut Pool,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        output: &mut Buffer,
    ) {
        self.engine.enqueue(|queue| pool.norm_forward(queue, input, norm, output));
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
        self.engine.enqueue(|queue| pool.norm_backward(queue, input, norm, [output, d_output], d_input));
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
        self.engine
            .enqueue(|queue| pool.norm_gradients(queue, input, norm, [output, d_output], [d_center, d_rho]));
    }

    fn activation_backward(&self, below: StoredOutput<'_, Buffer>, signal: &mut Buffer) {
        assert_len(below.output, signal.len(), "stored output");
        self.engine.enqueue(|queue| {
            let [output, values] = [below.output, signal].map(|buffer| queue.read(buffer));
            elementwise::pass_back(queue, below.gate, output, values, below.output.len())
        });
    }
    fn dropout(&self, dropout: Dropout, step: &Step, values: &mut Buffer) {
        self.engine.enqueue(|queue| {
            let masked = queue.read(values);
            elementwise::dropout(queue, dropout, masked, values.len(), step)
        });
    }

    fn lrn_forward(&self, shape: LrnShape, input: &Buffer, output: &mut Buffer) {
        let len = shape.input.len();
        assert_len(input, len, "input");
        assert_len(output, len, "output");
        self.engine.enqueue(|queue| {
            let (from, to) = (queue.read(input), queue.write(output, input.storage.get()));
            launch!(queue, Kernel::LrnForward, len, lrn_arguments(shape), from, to, len as u64)
        });
    }
    fn lrn_backward(&self, shape: LrnShape, input: &Buffer, d_output: &Buffer, d_input: &mut Buffer) {
        let len = shape.input.len();
        assert_len(input, len, "input");
        assert_len(d_output, len, "d_output");
        assert_len(d_input, len, "d_input");
        self.engine.enqueue(|queue| {
            let [input, signal] = [input, d_output].map(|buffer| queue.read(buffer));
            let to = queue.write(d_input, d_output.storage.get());
            launch!(queue, Kernel::LrnBackward, len, lrn_arguments(shape), input, signal, to, len as u64)
        });
    }

    fn lwta_forward(&self, shape: LwtaShape, input: &Buffer, output: &mut Buffer) {
        self.keep_winners(shape, input, input, output);
    }
    fn lwta_backward(&self, shape: LwtaShape, input: &Buffer, d_output: &Buffer, d_input: &mut Buffer) {
        self.keep_winners(shape, input, d_output, d_input);
    }

    fn scale_channels(&self, shape: Shape, factors: &Buffer, values: &mut Buffer) {
        assert_len(factors, shape.batch * shape.channels, "factors");
        assert_len(values, shape.len(), "values");
        let [area, channels] = [shape.height * shape.width, shape.channels].map(|n| n as u32);
        self.engine.enqueue(|queue| {
            // Factors are uploaded: always stored as f32.
            let (factors, scaled) = (queue.read(factors).address, queue.read(values));
            launch!(
                queue,
                Kernel::ScaleChannels,
                shape.len(),
                scaled,
                factors,
                shape.len() as u64,
                area,
                channels
            )
        });
    }
    fn global_average_forward(&self, shape: Shape, input: &Buffer, output: &mut Buffer) {
        assert_len(input, shape.len(), "input");
        assert_len(output, shape.batch * shape.channels, "output");
        let [batch, area, channels] =
            [shape.batch, shape.height * shape.width, shape.channels].map(|n| n as u32);
        self.engine.enqueue(|queue| {
            let (from, to) = (queue.read(input), queue.write(output, Storage::F32));
            launch!(
                queue,
                Kernel::AverageForward,
                shape.batch * shape.channels,
                from,
                to,
                batch,
                area,
                channels
            )
        });
    }
    fn global_average_backward(&self, shape: Shape, d_output: &Buffer, d_input: &mut Buffer) {
        assert_len(d_output, shape.batch * shape.channels, "d_output");
        assert_len(d_input, shape.len(), "d_input");
        let [area, channels] = [shape.height * shape.width, shape.channels].map(|n| n as u32);
        self.engine.enqueue(|queue| {
            let (from, to) = (queue.read(d_output), queue.write(d_input, Storage::F32));
            launch!(queue, Kernel::AverageBackward, shape.len(), from, to, shape.len() as u64, area, channels)
        });
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
        /// Threads of a block, which does one row.
        const LANES: u32 = 32;
        assert_len(logits, losses.len() * classes, "logits");
        assert_len(targets, logits.len(), "targets");
        assert_len(d_logits, logits.len(), "d_logits");
        let grid = Grid { blocks: [losses.len() as u32, 1], threads: [LANES, 1] };
        let kernel = match loss {
            Loss::CrossEntropy => Kernel::CrossEntropy,
            Loss::SquaredHinge => Kernel::SquaredHinge,
        };
        self.engine.enqueue(|queue| {
            let [logits, targets] = [logits, targets].map(|buffer| queue.read(buffer));
            let [losses, d_logits] = [losses, d_logits].map(|buffer| queue.write(buffer, Storage::F32));
            let (targets, losses, d_logits) = (targets.address, losses.address, d_logits.address);
            // SAFETY: lengths checked above. The kernel reads targets as f32: uploads are always stored as that.
            unsafe {
                queue.launch(
                    kernel,
                    grid,
                    &[&logits, &targets, &(classes as u32), &scale, &losses, &d_logits],
                )
            }
        });
    }

    fn sgd(&self, sgd: Sgd, step: &Step, parameters: &mut [Parameter<Buffer>]) {
        self.engine.enqueue(|queue| sgd::step(queue, sgd, step, parameters));
    }
    fn shorten_rows(&self, rows: usize, longest: f32, value: &mut Buffer) {
        self.engine.enqueue(|queue| sgd::shorten_rows(queue, rows, longest, value));
    }
    fn draw_to_means(
        &self,
        strength: f32,
        groups: &Buffer,
        means: &mut Buffer,
        value: &Buffer,
        gradient: &mut Buffer,
    ) {
        let (rows, values) = (groups.len(), value.len());
        assert_eq!(values % rows, 0, "values of {rows} rows");
        assert_eq!(values, gradient.len(), "values, and their gradients");
        let (len, all) = ((values / rows) as u64, means.len() as u64);
        self.engine.enqueue(|queue| {
            let [value, groups] = [value, groups].map(|buffer| queue.read(buffer).address);
            let (means, gradient) = (queue.write(means, Storage::F32).address, queue.read(gradient));
            launch!(queue, Kernel::GroupMeans, all as usize, value, groups, rows as u32, means, len, all)?;
            launch!(
                queue,
                Kernel::DrawToMeans,
                values,
                value,
                groups,
                means,
                gradient,
                strength,
                len,
                values as u64
            )
        });
    }
}

/// `struct Lrn` of lrn.cu.
fn lrn_arguments(shape: LrnShape) -> [u32; 5] {
    let LrnShape { input, size, alpha, beta, k } = shape;
    [input.channels as u32, size as u32, alpha.to_bits(), beta.to_bits(), k.to_bits()]
}

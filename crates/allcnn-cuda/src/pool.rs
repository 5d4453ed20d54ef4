//! Pooling (`kernels/pool.cu`).

use allcnn_device::{Error, LearnedNorm, PoolKind, PoolShape, RegionDraw, Regions, Sampling, Windows};
use cudarc::driver::{CudaSlice, DevicePtr};

use crate::engine::{Engine, Queue};
use crate::error::{driver_error, memory_error};
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Storage, assert_len};
use crate::step::Step;

/// A pooling, its windows, and the switches of its last forward pass: (row * width + column) * pieces + piece of each
/// maximum or drawn value.
#[derive(Debug)]
pub struct Pool {
    shape: PoolShape,
    regions: Regions,
    /// Start and end of each output row's rows, then of each output column's columns.
    windows: CudaSlice<u32>,
    _switches: Option<CudaSlice<u32>>,
    /// Address of the switches; 0 where there are none.
    switches: u64,
    /// Whether the last forward pass drew its values.
    drawn: bool,
}

/// `struct Choice` of pool.cu. The stream of random numbers depends on the step's number too, which the kernel reads from memory:
/// these are the words of step 0.
fn choice(sampling: Sampling) -> [u32; 5] {
    let (key, [layer, _, purpose]) = sampling.stream(0).words();
    [1, key[0], key[1], layer, purpose >> 24]
}

/// Nothing is drawn.
const NO_CHOICE: [u32; 5] = [0; 5];

impl Pool {
    pub(crate) fn new(engine: &Engine, shape: PoolShape) -> Result<Self, Error> {
        let len = shape.output().len();
        let memory = (shape.kind == PoolKind::Max || shape.kind.draws())
            .then(|| engine.stream.alloc_zeros(len).map_err(memory_error("switches", 4 * len)))
            .transpose()?;
        let switches = memory.as_ref().map_or(0, |memory| memory.device_ptr(&engine.stream).0);
        let regions = shape.regions();
        let bounds = 2 * (regions.rows.len() + regions.columns.len());
        let windows = engine.stream.alloc_zeros(bounds);
        let mut windows = windows.map_err(memory_error("the windows of a pooling", 4 * bounds))?;
        upload(engine, &regions, &mut windows)?;
        Ok(Self { shape, regions, windows, _switches: memory, switches, drawn: false })
    }

    /// Draws the regions of a fractional pooling for a step, on the host: a step that draws cannot be recorded.
    pub(crate) fn draw(
        &mut self,
        engine: &Engine,
        queue: &Queue,
        draw: RegionDraw,
        step: &Step,
    ) -> Result<(), Error> {
        if !matches!(self.shape.windows, Windows::Fractional(_)) {
            return Ok(());
        }
        if queue.is_recording() {
            return Err(Error::Unavailable(
                "the regions of a fractional pooling change with every step".into(),
            ));
        }
        self.regions.draw(&self.shape, draw, step.number());
        upload(engine, &self.regions, &mut self.windows)
    }

    /// Pools each window. The output has the storage format of the input.
    pub(crate) fn forward(
        &mut self,
        queue: &mut Queue,
        input: &Buffer,
        sampling: Option<(Sampling, &Step)>,
        output: &mut Buffer,
    ) -> Result<(), Error> {
        assert_ne!(self.shape.kind, PoolKind::LearnedNorm, "the kind of a pooling without parameters");
        let sampling = sampling.filter(|_| self.shape.kind.draws());
        self.drawn = sampling.is_some();
        let (choice, step) =
            sampling.map_or((NO_CHOICE, 0), |(sampling, step)| (choice(sampling), step.address()));
        let len = self.shape.output().len();
        assert_len(input, self.shape.input.len(), "input");
        assert_len(output, len, "output");
        let from = queue.read(input);
        let to = queue.write(output, input.storage.get());
        let arguments = arguments(&self.shape, self.shape.kind);
        let windows = self.windows.device_ptr(self.windows.stream()).0;
        let grid = Grid::over(len);
        // SAFETY: lengths checked above; `new` made a window for each output row and column and, for a maximum and what draws, a
        // switch for each output. The step's address is read where something is drawn, and then is that of a step.
        unsafe {
            queue.launch(
                Kernel::PoolForward,
                grid,
                &[&arguments, &windows, &from, &to, &self.switches, &choice, &step],
            )
        }
    }

    /// The gradient of the input, in the storage format of the output's gradient.
    pub(crate) fn backward(
        &self,
        queue: &mut Queue,
        input: &Buffer,
        output: &Buffer,
        d_output: &Buffer,
        d_input: &mut Buffer,
    ) -> Result<(), Error> {
        let (above, below) = (self.shape.output().len(), self.shape.input.len());
        assert_len(input, below, "input");
        assert_len(output, above, "output");
        assert_len(d_output, above, "d_output");
        assert_len(d_input, below, "d_input");
        let [input, output, signal] = [input, output, d_output].map(|buffer| queue.read(buffer));
        let to = queue.write(d_input, d_output.storage.get());
        // A drawn value is sent its signal as a maximum is.
        let arguments = arguments(&self.shape, if self.drawn { PoolKind::Max } else { self.shape.kind });
        let windows = self.windows.device_ptr(self.windows.stream()).0;
        let grid = Grid::over(below);
        // SAFETY: lengths checked above; `new` made a window for each output row and column and, for a maximum and what draws, a
        // switch for each output.
        unsafe {
            queue.launch(
                Kernel::PoolBackward,
                grid,
                &[&arguments, &windows, &self.switches, &input, &output, &signal, &to],
            )
        }
    }
}

/// Learned norms (`kernels/learned_norm.cu`).
impl Pool {
    /// Checks the kind and its parameters; `struct Pool` and the address of the windows.
    fn norm_arguments(&self, norm: LearnedNorm<'_, Buffer>) -> ([u32; 9], u64) {
        assert_eq!(self.shape.kind, PoolKind::LearnedNorm, "the kind of a pooling with parameters");
        assert_len(norm.center, self.shape.input.channels, "center");
        assert_len(norm.rho, self.shape.input.channels, "rho");
        let windows = self.windows.device_ptr(self.windows.stream()).0;
        (arguments(&self.shape, self.shape.kind), windows)
    }

    /// Pools each window. The output has the storage format of the input.
    pub(crate) fn norm_forward(
        &self,
        queue: &mut Queue,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        output: &mut Buffer,
    ) -> Result<(), Error> {
        let (pool, windows) = self.norm_arguments(norm);
        let len = self.shape.output().len();
        assert_len(input, self.shape.input.len(), "input");
        assert_len(output, len, "output");
        let [from, center, rho] = [input, norm.center, norm.rho].map(|buffer| queue.read(buffer));
        let to = queue.write(output, input.storage.get());
        // SAFETY: lengths checked above; `new` made a window for each output row and column.
        unsafe {
            queue.launch(
                Kernel::LearnedNormForward,
                Grid::over(len),
                &[&pool, &windows, &from, &center, &rho, &to, &(len as u64)],
            )
        }
    }

    /// The gradient of the input, in the storage format of the output's gradient.
    pub(crate) fn norm_backward(
        &self,
        queue: &mut Queue,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        [output, d_output]: [&Buffer; 2],
        d_input: &mut Buffer,
    ) -> Result<(), Error> {
        let (pool, windows) = self.norm_arguments(norm);
        let (above, below) = (self.shape.output().len(), self.shape.input.len());
        assert_len(input, below, "input");
        assert_len(output, above, "output");
        assert_len(d_output, above, "d_output");
        assert_len(d_input, below, "d_input");
        let [from, center, rho, output, signal] =
            [input, norm.center, norm.rho, output, d_output].map(|buffer| queue.read(buffer));
        let to = queue.write(d_input, d_output.storage.get());
        // SAFETY: lengths checked above; `new` made a window for each output row and column.
        unsafe {
            queue.launch(
                Kernel::LearnedNormBackward,
                Grid::over(below),
                &[&pool, &windows, &from, &center, &rho, &output, &signal, &to, &(below as u64)],
            )
        }
    }

    /// The gradients of center and rho, a block for each channel.
    pub(crate) fn norm_gradients(
        &self,
        queue: &mut Queue,
        input: &Buffer,
        norm: LearnedNorm<'_, Buffer>,
        [output, d_output]: [&Buffer; 2],
        [d_center, d_rho]: [&mut Buffer; 2],
    ) -> Result<(), Error> {
        let (pool, windows) = self.norm_arguments(norm);
        let (above, channels) = (self.shape.output().len(), self.shape.input.channels);
        assert_len(input, self.shape.input.len(), "input");
        assert_len(output, above, "output");
        assert_len(d_output, above, "d_output");
        assert_len(d_center, channels, "d_center");
        assert_len(d_rho, channels, "d_rho");
        let [from, center, rho, output, signal] =
            [input, norm.center, norm.rho, output, d_output].map(|buffer| queue.read(buffer));
        let [d_center, d_rho] = [d_center, d_rho].map(|buffer| queue.write(buffer, Storage::F32));
        let grid = Grid { blocks: [channels as u32, 1], threads: [NORM_THREADS, 1] };
        // SAFETY: lengths checked above; `new` made a window for each output row and column; a block has NORM_THREADS threads.
        unsafe {
            queue.launch(
                Kernel::LearnedNormGradients,
                grid,
                &[&pool, &windows, &from, &center, &rho, &output, &signal, &d_center, &d_rho],
            )
        }
    }
}

/// Threads of a block of the gradients (learned_norm.cu).
const NORM_THREADS: u32 = 256;

/// Queues new windows behind everything that still reads those before.
fn upload(engine: &Engine, regions: &Regions, windows: &mut CudaSlice<u32>) -> Result<(), Error> {
    let ranges = regions.rows.iter().chain(&regions.columns);
    let bounds: Vec<u32> = ranges.flat_map(|range| [range.start as u32, range.end as u32]).collect();
    engine.stream.memcpy_htod(&bounds, windows).map_err(driver_error("setting the windows of a pooling"))
}

/// `struct Pool` of pool.cu.
fn arguments(shape: &PoolShape, kind: PoolKind) -> [u32; 9] {
    let (input, output) = (shape.input, shape.output());
    let (kind, p) = match kind {
        PoolKind::Max => (0, 0.0),
        PoolKind::Average => (1, 0.0),
        PoolKind::PNorm { p } => (2, p),
        PoolKind::Stochastic => (3, 0.0),
        PoolKind::LearnedNorm => (4, 0.0), // has kernels of its own
        PoolKind::Probabilistic { lambda } => (5, lambda),
    };
    let [batch, height, width, channels] =
        [input.batch, input.height, input.width, input.channels].map(|size| size as u32);
    let [out_height, out_width, pieces] =
        [output.height, output.width, shape.pieces()].map(|size| size as u32);
    [batch, height, width, channels, out_height, out_width, pieces, kind, f32::to_bits(p)]
}

//! Pooling (`kernels/pool.cu`).

use allcnn_device::{Error, PoolKind, PoolShape, RegionDraw, Regions, Windows};
use cudarc::driver::{CudaSlice, DevicePtr};

use crate::engine::{Engine, Queue};
use crate::error::{driver_error, memory_error};
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, assert_len};
use crate::step::Step;

/// A pooling, its windows, and the switches of its last forward pass: (row * width + column) * pieces + piece of each
/// maximum.
#[derive(Debug)]
pub struct Pool {
    shape: PoolShape,
    regions: Regions,
    /// Start and end of each output row's rows, then of each output column's columns.
    windows: CudaSlice<u32>,
    _switches: Option<CudaSlice<u32>>,
    /// Address of the switches; 0 where there are none.
    switches: u64,
}

impl Pool {
    pub(crate) fn new(engine: &Engine, shape: PoolShape) -> Result<Self, Error> {
        let len = shape.output().len();
        let memory = (shape.kind == PoolKind::Max)
            .then(|| engine.stream.alloc_zeros(len).map_err(memory_error("switches", 4 * len)))
            .transpose()?;
        let switches = memory.as_ref().map_or(0, |memory| memory.device_ptr(&engine.stream).0);
        let regions = shape.regions();
        let bounds = 2 * (regions.rows.len() + regions.columns.len());
        let windows = engine.stream.alloc_zeros(bounds);
        let mut windows = windows.map_err(memory_error("the windows of a pooling", 4 * bounds))?;
        upload(engine, &regions, &mut windows)?;
        Ok(Self { shape, regions, windows, _switches: memory, switches })
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
        &self,
        queue: &mut Queue,
        input: &Buffer,
        output: &mut Buffer,
    ) -> Result<(), Error> {
        let len = self.shape.output().len();
        assert_len(input, self.shape.input.len(), "input");
        assert_len(output, len, "output");
        let from = queue.read(input);
        let to = queue.write(output, input.storage.get());
        let arguments = arguments(&self.shape);
        let windows = self.windows.device_ptr(self.windows.stream()).0;
        let grid = Grid::over(len);
        // SAFETY: lengths checked above; `new` made a window for each output row and column and, for a maximum, a switch for
        // each output.
        unsafe {
            queue.launch(Kernel::PoolForward, grid, &[&arguments, &windows, &from, &to, &self.switches])
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
        let arguments = arguments(&self.shape);
        let windows = self.windows.device_ptr(self.windows.stream()).0;
        let grid = Grid::over(below);
        // SAFETY: lengths checked above; `new` made a window for each output row and column and, for a maximum, a switch for
        // each output.
        unsafe {
            queue.launch(
                Kernel::PoolBackward,
                grid,
                &[&arguments, &windows, &self.switches, &input, &output, &signal, &to],
            )
        }
    }
}

/// Queues new windows behind everything that still reads those before.
fn upload(engine: &Engine, regions: &Regions, windows: &mut CudaSlice<u32>) -> Result<(), Error> {
    let ranges = regions.rows.iter().chain(&regions.columns);
    let bounds: Vec<u32> = ranges.flat_map(|range| [range.start as u32, range.end as u32]).collect();
    engine.stream.memcpy_htod(&bounds, windows).map_err(driver_error("setting the windows of a pooling"))
}

/// `struct Pool` of pool.cu.
fn arguments(shape: &PoolShape) -> [u32; 9] {
    let (input, output) = (shape.input, shape.output());
    let (kind, p) = match shape.kind {
        PoolKind::Max => (0, 0.0),
        PoolKind::Average => (1, 0.0),
        PoolKind::PNorm { p } => (2, p),
    };
    let [batch, height, width, channels] =
        [input.batch, input.height, input.width, input.channels].map(|size| size as u32);
    let [out_height, out_width, pieces] =
        [output.height, output.width, shape.pieces()].map(|size| size as u32);
    [batch, height, width, channels, out_height, out_width, pieces, kind, f32::to_bits(p)]
}

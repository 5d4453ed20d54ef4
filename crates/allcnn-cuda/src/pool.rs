//! Pooling (kernels/pool.cu).

use allcnn_device::{Error, PoolKind, PoolShape};
use cudarc::driver::{CudaSlice, DevicePtr};

use crate::engine::{Engine, Queue, memory_error};
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, assert_len};

/// A pooling and the switches of its last forward pass: row * width + column of each maximum.
#[derive(Debug)]
pub struct Pool {
    shape: PoolShape,
    _switches: Option<CudaSlice<u32>>,
    /// 0 for a norm.
    switches: u64,
}

impl Pool {
    pub(crate) fn new(engine: &Engine, shape: PoolShape) -> Result<Self, Error> {
        let len = shape.output().len();
        let memory = (shape.kind == PoolKind::Max)
            .then(|| engine.stream.alloc_zeros(len).map_err(memory_error("switches", 4 * len)))
            .transpose()?;
        let switches = memory.as_ref().map_or(0, |memory| memory.device_ptr(&engine.stream).0);
        Ok(Self { shape, _switches: memory, switches })
    }

    /// Pools each window. The output has the form of the input.
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
        let to = queue.write(output, input.form.get());
        let arguments = arguments(&self.shape);
        // SAFETY: lengths checked above; there is a switch for each output of a maximum.
        unsafe {
            queue.launch(Kernel::PoolForward, Grid::over(len), &[&arguments, &from, &to, &self.switches])
        }
    }

    /// The gradient of the input, in the form of that of the output.
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
        let to = queue.write(d_input, d_output.form.get());
        let arguments = arguments(&self.shape);
        let grid = Grid::over(below);
        // SAFETY: as in `forward`.
        unsafe {
            queue.launch(
                Kernel::PoolBackward,
                grid,
                &[&arguments, &self.switches, &input, &output, &signal, &to],
            )
        }
    }
}

/// `struct Pool` of pool.cu.
fn arguments(shape: &PoolShape) -> [u32; 10] {
    let (input, output) = (shape.input, shape.output());
    let p = match shape.kind {
        PoolKind::Max => 0.0,
        PoolKind::PNorm { p } => p,
    };
    let sizes = [
        input.batch,
        input.height,
        input.width,
        input.channels,
        output.height,
        output.width,
        shape.kernel,
        shape.stride,
        shape.padding,
    ];
    let mut arguments = [p.to_bits(); 10];
    for (argument, size) in arguments.iter_mut().zip(sizes) {
        *argument = size as u32;
    }
    arguments
}

//! Staging buffers of a pass: one for each tensor, in the storage format and with the padded channels that the libraries
//! read, for tensors that are not stored like that already.

use allcnn_device::Error;

use crate::cudnn::graph::{Tensor, Work};
use crate::engine::Queue;
use crate::kernels::{Grid, Kernel};
use crate::memory::Matrix;

/// Addresses on the GPU of a pass's staging buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staging {
    input: u64,
    weights: u64,
    output: u64,
    bias: u64,
    /// The scratch memory of the library.
    pub(super) workspace: u64,
}

impl Staging {
    /// Buffers for all tensors of a work, needed or not, and `workspace` bytes of scratch memory: the size must not depend
    /// on the storage formats that buffers happen to have, so that a recorded pass finds its memory again.
    pub(super) fn new(queue: &mut Queue, work: &Work, workspace: usize) -> Result<Self, Error> {
        let Work { shape, storage, .. } = work;
        let bytes = [
            shape.input.len() * storage.bytes(),
            shape.weights_len() * storage.bytes(),
            shape.output().len() * storage.bytes(),
            shape.out_channels * storage.bytes(),
            workspace,
        ];
        let [input, weights, output, bias, workspace] = queue.scratch(bytes)?;
        Ok(Self { input, weights, output, bias, workspace })
    }

    /// The address of a tensor's buffer. Panics for a tensor that is never stored.
    pub(super) fn address(&self, tensor: Tensor) -> u64 {
        match tensor {
            Tensor::Input => self.input,
            Tensor::Weights => self.weights,
            Tensor::Output => self.output,
            Tensor::Bias => self.bias,
            Tensor::Sum | Tensor::Biased => panic!("{tensor:?} is never stored"),
        }
    }
}

/// Queues the copy of a matrix into another storage format or shape, zero-padded where the source has no row or column.
pub(super) fn repack(queue: &mut Queue, from: Matrix, to: Matrix) -> Result<(), Error> {
    let len = to.shape.len();
    if from.shape == to.shape {
        let grid = Grid::over(len.div_ceil(4));
        // SAFETY: both matrices have the same shape, so both hold `len` values.
        return unsafe { queue.launch(Kernel::Convert, grid, &[&from.values, &to.values, &(len as u64)]) };
    }
    let [from_rows, to_rows] = [from, to].map(|matrix| matrix.shape.rows as u64);
    let [from_columns, to_columns] = [from, to].map(|matrix| matrix.shape.columns as u32);
    // SAFETY: each address holds rows x columns values; the kernel reads and writes no row or column beyond them.
    unsafe {
        queue.launch(
            Kernel::Repack,
            Grid::over(len),
            &[&from.values, &to.values, &from_rows, &to_rows, &from_columns, &to_columns],
        )
    }
}

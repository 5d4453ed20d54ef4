//! The working memory of a pass: a place for every tensor in the form and with the channels that the libraries read, for those
//! that do not already lie so.

use allcnn_device::{Error, Shape};

use crate::cudnn::graph::{Tensor, Work};
use crate::engine::Queue;
use crate::kernels::{Grid, Kernel};
use crate::memory::Values;

/// Addresses of the places.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    input: u64,
    weights: u64,
    output: u64,
    bias: u64,
    pub workspace: u64,
}

impl Room {
    /// Places for all tensors of a work, whether they are needed or not: so the size does not depend on the forms
    /// that buffers happen to have, and a recorded pass finds its memory again.
    pub fn new(queue: &mut Queue, work: &Work, workspace: usize) -> Result<Self, Error> {
        let Work { shape, form, .. } = work;
        let bytes = [
            shape.input.len() * form.bytes(),
            shape.weights_len() * form.bytes(),
            shape.output().len() * form.bytes(),
            shape.out_channels * form.bytes(),
            workspace,
        ];
        let [input, weights, output, bias, workspace] = queue.scratch(bytes)?;
        Ok(Self { input, weights, output, bias, workspace })
    }

    /// Where a tensor has its place. Panics for one that is never stored.
    pub fn address(&self, tensor: Tensor) -> u64 {
        match tensor {
            Tensor::Input => self.input,
            Tensor::Weights => self.weights,
            Tensor::Output => self.output,
            Tensor::Bias => self.bias,
            Tensor::Sum | Tensor::Biased => panic!("{tensor:?} is never stored"),
        }
    }
}

/// Rows and columns of values in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
}

impl Matrix {
    /// An image buffer: a row a pixel, a column a channel.
    pub fn of(shape: Shape) -> Self {
        Self { rows: shape.len() / shape.channels, columns: shape.channels }
    }
}

/// Queues the copy of a matrix into another form or shape: zeros where the source has no row or column.
pub fn repack(
    queue: &mut Queue,
    (from, from_matrix): (Values, Matrix),
    (to, to_matrix): (Values, Matrix),
) -> Result<(), Error> {
    let len = to_matrix.rows * to_matrix.columns;
    if from_matrix == to_matrix {
        // SAFETY: both hold `len` values.
        return unsafe {
            queue.launch(Kernel::Convert, Grid::over(len.div_ceil(4)), &[&from, &to, &(len as u64)])
        };
    }
    let [from_rows, to_rows] = [from_matrix.rows as u64, to_matrix.rows as u64];
    let [from_columns, to_columns] = [from_matrix.columns as u32, to_matrix.columns as u32];
    // SAFETY: each holds its matrix.
    unsafe {
        queue.launch(
            Kernel::Repack,
            Grid::over(len),
            &[&from, &to, &from_rows, &to_rows, &from_columns, &to_columns],
        )
    }
}

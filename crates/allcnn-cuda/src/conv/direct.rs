//! The passes as plain sums, for what no library does (`kernels/direct.cu`).

use allcnn_device::{ConvShape, Error};

use crate::engine::Queue;
use crate::kernels::{Grid, Kernel};
use crate::memory::Values;

/// `struct Conv` of direct.cu.
fn arguments(shape: &ConvShape) -> [u32; 12] {
    let (input, output) = (shape.input, shape.output());
    [
        input.batch,
        input.height,
        input.width,
        input.channels,
        output.height,
        output.width,
        output.channels,
        shape.kernel,
        shape.stride,
        shape.padding,
        shape.group_in_channels(),
        shape.group_out_channels(),
    ]
    .map(|size| size as u32)
}

/// The sums of a forward pass.
pub(super) fn forward(
    queue: &mut Queue,
    shape: &ConvShape,
    input: Values,
    weights: Values,
    output: Values,
) -> Result<(), Error> {
    let grid = Grid::over(shape.output().len());
    // SAFETY: the caller checked the lengths of all three buffers against the shape.
    unsafe { queue.launch(Kernel::DirectForward, grid, &[&arguments(shape), &input, &weights, &output]) }
}

/// The gradient of the input.
pub(super) fn backward_data(
    queue: &mut Queue,
    shape: &ConvShape,
    d_output: Values,
    weights: Values,
    d_input: Values,
) -> Result<(), Error> {
    let grid = Grid::over(shape.input.len());
    // SAFETY: the caller checked the lengths of all three buffers against the shape.
    unsafe {
        queue.launch(Kernel::DirectBackwardData, grid, &[&arguments(shape), &d_output, &weights, &d_input])
    }
}

/// The gradient of the weights.
pub(super) fn backward_weights(
    queue: &mut Queue,
    shape: &ConvShape,
    input: Values,
    d_output: Values,
    d_weights: Values,
) -> Result<(), Error> {
    let grid = Grid::over(shape.weights_len());
    // SAFETY: the caller checked the lengths of all three buffers against the shape.
    unsafe {
        queue.launch(Kernel::DirectBackwardWeights, grid, &[&arguments(shape), &input, &d_output, &d_weights])
    }
}

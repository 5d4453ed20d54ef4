//! DropConnect, and the windows of convolutions whose filters differ from place to place (`kernels/drop_connect.cu`).

use allcnn_device::{Activation, ConvShape, DenseShape, Dropout, Error};

use crate::elementwise::mask;
use crate::engine::Queue;
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Storage, assert_len};
use crate::step::Step;

/// Weights of a thread of the backward passes.
const FOUR: usize = 4;

/// What belongs to a layer in training: its shape, its masks and the step.
pub(crate) type Training<'a> = (DenseShape, Dropout, &'a Step);
/// What belongs to it in testing: its shape, the rate and the activation.
pub(crate) type Testing = (DenseShape, f32, Activation);

fn check(shape: DenseShape, buffers: [(&Buffer, usize, &str); 4]) {
    assert!(shape.inputs < u32::MAX as usize - FOUR, "{} inputs", shape.inputs);
    buffers.into_iter().for_each(|(buffer, len, name)| assert_len(buffer, len, name));
}

pub(crate) fn forward(
    queue: &mut Queue,
    (shape, dropout, step): Training<'_>,
    [input, weights, bias]: [&Buffer; 3],
    sums: &mut Buffer,
) -> Result<(), Error> {
    let DenseShape { batch, inputs, outputs } = shape;
    let below = (input, batch * inputs, "input");
    let of_weights = [(weights, outputs * inputs, "weights"), (bias, outputs, "bias")];
    check(shape, [below, of_weights[0], of_weights[1], (&*sums, batch * outputs, "sums")]);
    let [weights, bias] = [weights, bias].map(|buffer| queue.read(buffer).address);
    let (input, sums) = (queue.read(input), queue.write(sums, Storage::F32).address);
    let (len, numbers) = (batch * outputs, (inputs as u32, outputs as u32));
    // SAFETY: lengths checked above; weights and biases are always stored as f32.
    unsafe {
        queue.launch(
            Kernel::DropConnectForward,
            Grid::over(len),
            &[
                &input,
                &weights,
                &bias,
                &sums,
                &numbers.0,
                &numbers.1,
                &(len as u64),
                &mask(dropout),
                &step.address(),
            ],
        )
    }
}

pub(crate) fn backward_data(
    queue: &mut Queue,
    (shape, dropout, step): Training<'_>,
    [d_sums, weights]: [&Buffer; 2],
    d_input: &mut Buffer,
) -> Result<(), Error> {
    let DenseShape { batch, inputs, outputs } = shape;
    let above = (d_sums, batch * outputs, "d_sums");
    check(
        shape,
        [above, above, (weights, outputs * inputs, "weights"), (&*d_input, batch * inputs, "d_input")],
    );
    let (d_sums, weights) = (queue.read(d_sums), queue.read(weights).address);
    let d_input = queue.write(d_input, Storage::F32).address;
    let fours = inputs.div_ceil(FOUR);
    let (len, numbers) = (batch * fours, (inputs as u32, outputs as u32, fours as u32));
    // SAFETY: lengths checked above; weights are always stored as f32.
    unsafe {
        queue.launch(
            Kernel::DropConnectBackwardData,
            Grid::over(len),
            &[
                &d_sums,
                &weights,
                &d_input,
                &numbers.0,
                &numbers.1,
                &numbers.2,
                &(len as u64),
                &mask(dropout),
                &step.address(),
            ],
        )
    }
}

pub(crate) fn backward_weights(
    queue: &mut Queue,
    (shape, dropout, step): Training<'_>,
    [input, d_sums]: [&Buffer; 2],
    [d_weights, d_bias]: [&mut Buffer; 2],
) -> Result<(), Error> {
    let DenseShape { batch, inputs, outputs } = shape;
    let given = [(input, batch * inputs, "input"), (d_sums, batch * outputs, "d_sums")];
    let made = [(&*d_weights, outputs * inputs, "d_weights"), (&*d_bias, outputs, "d_bias")];
    check(shape, [given[0], given[1], made[0], made[1]]);
    let [input, d_sums] = [input, d_sums].map(|buffer| queue.read(buffer));
    let [d_weights, d_bias] = [d_weights, d_bias].map(|buffer| queue.write(buffer, Storage::F32).address);
    let fours = (inputs + 1).div_ceil(FOUR); // with the bias
    let len = outputs * fours;
    let [batch, inputs, outputs, fours] = [batch, inputs, outputs, fours].map(|number| number as u32);
    // SAFETY: lengths checked above.
    unsafe {
        queue.launch(
            Kernel::DropConnectBackwardWeights,
            Grid::over(len),
            &[
                &input,
                &d_sums,
                &d_weights,
                &d_bias,
                &batch,
                &inputs,
                &outputs,
                &fours,
                &(len as u64),
                &mask(dropout),
                &step.address(),
            ],
        )
    }
}

pub(crate) fn expected(
    queue: &mut Queue,
    (shape, rate, activation): Testing,
    [input, weights, bias]: [&Buffer; 3],
    output: &mut Buffer,
) -> Result<(), Error> {
    let DenseShape { batch, inputs, outputs } = shape;
    let of_weights = [(weights, outputs * inputs, "weights"), (bias, outputs, "bias")];
    let output_len = (&*output, batch * outputs, "output");
    check(shape, [(input, batch * inputs, "input"), of_weights[0], of_weights[1], output_len]);
    let [weights, bias] = [weights, bias].map(|buffer| queue.read(buffer).address);
    let (input, output) = (queue.read(input), queue.write(output, Storage::F32).address);
    let (len, numbers) = (batch * outputs, (inputs as u32, outputs as u32));
    let (ratio, slope) = (rate / (1.0 - rate), activation.negative_slope());
    // SAFETY: lengths checked above; weights and biases are always stored as f32.
    unsafe {
        queue.launch(
            Kernel::DropConnectExpected,
            Grid::over(len),
            &[&input, &weights, &bias, &output, &numbers.0, &numbers.1, &(len as u64), &ratio, &slope],
        )
    }
}

pub(crate) fn expected_backward(
    queue: &mut Queue,
    (shape, rate, activation): Testing,
    [input, weights, bias, d_output]: [&Buffer; 4],
    d_input: &mut Buffer,
) -> Result<(), Error> {
    let DenseShape { batch, inputs, outputs } = shape;
    let of_weights = [(weights, outputs * inputs, "weights"), (bias, outputs, "bias")];
    check(
        shape,
        [
            (input, batch * inputs, "input"),
            of_weights[0],
            of_weights[1],
            (d_output, batch * outputs, "d_output"),
        ],
    );
    assert_len(d_input, batch * inputs, "d_input");
    let len = batch * outputs;
    let [slopes] = queue.scratch([2 * len * Storage::F32.bytes()])?;
    let [weights, bias] = [weights, bias].map(|buffer| queue.read(buffer).address);
    let [input, d_output] = [input, d_output].map(|buffer| queue.read(buffer));
    let d_input = queue.write(d_input, Storage::F32).address;
    let (ratio, slope) = (rate / (1.0 - rate), activation.negative_slope());
    let (below, len) = ((batch * inputs) as u64, len as u64);
    let [inputs, outputs] = [inputs, outputs].map(|number| number as u32);
    // SAFETY: lengths checked above, and two slopes for each output; weights and biases are always stored as f32.
    unsafe {
        queue.launch(
            Kernel::DropConnectSlopes,
            Grid::over(len as usize),
            &[&input, &weights, &bias, &d_output, &slopes, &inputs, &outputs, &len, &ratio, &slope],
        )?;
        queue.launch(
            Kernel::DropConnectExpectedBackward,
            Grid::over(below as usize),
            &[&input, &weights, &slopes, &d_input, &inputs, &outputs, &len, &below],
        )
    }
}

/// Writes the windows side by side, or with `fold` adds them up.
pub(crate) fn windows(
    queue: &mut Queue,
    shape: ConvShape,
    from: &Buffer,
    to: &mut Buffer,
    fold: bool,
) -> Result<(), Error> {
    let (values, windows) = (shape.input.len(), shape.windows_len());
    let (kernel, from_len, to_len) =
        if fold { (Kernel::Fold, windows, values) } else { (Kernel::Unfold, values, windows) };
    assert_len(from, from_len, "values");
    assert_len(to, to_len, "what is made of them");
    let output = shape.output();
    let sizes = [shape.input.height, shape.input.width, shape.input.channels, output.height, output.width];
    let [height, width, channels, rows, columns] = sizes.map(|size| size as u32);
    let [side, stride, padding] = [shape.kernel, shape.stride, shape.padding].map(|size| size as u32);
    let (from, to) = (queue.read(from), queue.write(to, Storage::F32).address);
    // SAFETY: lengths checked above.
    unsafe {
        queue.launch(
            kernel,
            Grid::over(to_len),
            &[
                &from,
                &to,
                &height,
                &width,
                &channels,
                &rows,
                &columns,
                &side,
                &stride,
                &padding,
                &(to_len as u64),
            ],
        )
    }
}

//! Convolution as the sum it is.

use super::length::assert_len;
use crate::ConvShape;

/// Calls `term(output, input, weight)` with the indices of the factors of every product of the convolution, and of its
/// sum. Terms are grouped by output.
fn for_each_product(shape: &ConvShape, mut term: impl FnMut(usize, usize, usize)) {
    let (input, output) = (shape.input, shape.output());
    let (group_in, group_out) = (shape.group_in_channels(), shape.group_out_channels());
    for index in 0..output.len() {
        let o = index % output.channels;
        let x = index / output.channels % output.width;
        let y = index / output.channels / output.width % output.height;
        let b = index / output.channels / output.width / output.height;
        for ky in 0..shape.kernel {
            for kx in 0..shape.kernel {
                let row = (y * shape.stride + ky).wrapping_sub(shape.padding);
                let column = (x * shape.stride + kx).wrapping_sub(shape.padding);
                if row >= input.height || column >= input.width {
                    continue; // in the zero padding
                }
                let pixel = (b * input.height + row) * input.width + column;
                let first_in = pixel * input.channels + o / group_out * group_in;
                let first_weight = ((o * shape.kernel + ky) * shape.kernel + kx) * group_in;
                for i in 0..group_in {
                    term(index, first_in + i, first_weight + i);
                }
            }
        }
    }
}

pub(super) fn forward(shape: &ConvShape, input: &[f32], weights: &[f32], bias: &[f32], output: &mut [f32]) {
    check(shape, input, weights, bias, output);
    let mut sums = vec![0.0f64; output.len()];
    for_each_product(shape, |o, i, w| sums[o] += f64::from(input[i]) * f64::from(weights[w]));
    for (index, (output, sum)) in output.iter_mut().zip(sums).enumerate() {
        *output = (sum + f64::from(bias[index % shape.out_channels])) as f32;
    }
}

pub(super) fn backward_data(shape: &ConvShape, d_output: &[f32], weights: &[f32], d_input: &mut [f32]) {
    assert_len(d_output, shape.output().len(), "d_output");
    assert_len(weights, shape.weights_len(), "weights");
    assert_len(d_input, shape.input.len(), "d_input");
    let mut sums = vec![0.0f64; d_input.len()];
    for_each_product(shape, |o, i, w| sums[i] += f64::from(d_output[o]) * f64::from(weights[w]));
    round(&sums, d_input);
}

pub(super) fn backward_weights(
    shape: &ConvShape,
    input: &[f32],
    d_output: &[f32],
    d_weights: &mut [f32],
    d_bias: &mut [f32],
) {
    check(shape, input, d_weights, d_bias, d_output);
    let mut sums = vec![0.0f64; d_weights.len()];
    for_each_product(shape, |o, i, w| sums[w] += f64::from(d_output[o]) * f64::from(input[i]));
    round(&sums, d_weights);
    let mut sums = vec![0.0f64; d_bias.len()];
    for (index, &d) in d_output.iter().enumerate() {
        sums[index % shape.out_channels] += f64::from(d);
    }
    round(&sums, d_bias);
}

fn check(shape: &ConvShape, input: &[f32], weights: &[f32], bias: &[f32], output: &[f32]) {
    assert_len(input, shape.input.len(), "input");
    assert_len(weights, shape.weights_len(), "weights");
    assert_len(bias, shape.out_channels, "bias");
    assert_len(output, shape.output().len(), "output");
}

fn round(sums: &[f64], values: &mut [f32]) {
    for (value, &sum) in values.iter_mut().zip(sums) {
        *value = sum as f32;
    }
}

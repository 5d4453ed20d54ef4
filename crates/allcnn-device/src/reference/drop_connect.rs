//! DropConnect: fully connected layers whose weights are dropped for each image, and their form for testing.

use super::length::assert_len;
use crate::random::Stream;
use crate::{Activation, DenseShape, Dropout, NormalSum};

/// The masks of a training step.
#[derive(Clone, Copy)]
pub(super) struct Masks<'a> {
    pub(super) shape: DenseShape,
    pub(super) dropout: Dropout,
    pub(super) stream: &'a Stream,
}

impl Masks<'_> {
    /// The factor on a weight, or on the bias, of an image's output.
    fn at(&self, image: usize, output: usize, input: usize) -> f64 {
        f64::from(self.dropout.of_weight(self.stream, self.shape, (image, output, input)))
    }

    pub(super) fn forward(&self, input: &[f32], weights: &[f32], bias: &[f32], sums: &mut [f32]) {
        let DenseShape { batch, inputs, outputs } = self.shape;
        assert_len(input, batch * inputs, "input");
        assert_len(weights, outputs * inputs, "weights");
        assert_len(bias, outputs, "bias");
        assert_len(sums, batch * outputs, "sums");
        for (at, sum) in sums.iter_mut().enumerate() {
            let (image, output) = (at / outputs, at % outputs);
            let terms = (0..inputs).map(|i| {
                let (weight, value) = (weights[output * inputs + i], input[image * inputs + i]);
                self.at(image, output, i) * f64::from(weight) * f64::from(value)
            });
            *sum = (terms.sum::<f64>() + self.at(image, output, inputs) * f64::from(bias[output])) as f32;
        }
    }

    pub(super) fn backward_data(&self, d_sums: &[f32], weights: &[f32], d_input: &mut [f32]) {
        let DenseShape { batch, inputs, outputs } = self.shape;
        assert_len(d_sums, batch * outputs, "d_sums");
        assert_len(weights, outputs * inputs, "weights");
        assert_len(d_input, batch * inputs, "d_input");
        for (at, d) in d_input.iter_mut().enumerate() {
            let (image, i) = (at / inputs, at % inputs);
            let terms = (0..outputs).map(|output| {
                let (signal, weight) = (d_sums[image * outputs + output], weights[output * inputs + i]);
                self.at(image, output, i) * f64::from(signal) * f64::from(weight)
            });
            *d = terms.sum::<f64>() as f32;
        }
    }

    pub(super) fn backward_weights(
        &self,
        input: &[f32],
        d_sums: &[f32],
        d_weights: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let DenseShape { batch, inputs, outputs } = self.shape;
        assert_len(input, batch * inputs, "input");
        assert_len(d_sums, batch * outputs, "d_sums");
        assert_len(d_weights, outputs * inputs, "d_weights");
        assert_len(d_bias, outputs, "d_bias");
        let over_images = |output: usize, i: usize, value: &dyn Fn(usize) -> f32| {
            let terms = (0..batch).map(|image| {
                let signal = f64::from(d_sums[image * outputs + output]);
                self.at(image, output, i) * signal * f64::from(value(image))
            });
            terms.sum::<f64>() as f32
        };
        for (at, d) in d_weights.iter_mut().enumerate() {
            let (output, i) = (at / inputs, at % inputs);
            *d = over_images(output, i, &|image| input[image * inputs + i]);
        }
        for (output, d) in d_bias.iter_mut().enumerate() {
            *d = over_images(output, inputs, &|_| 1.0);
        }
    }
}

/// What is known of an image's output in testing.
fn sum_of(rate: f32, values: &[f32], weights: &[f32], bias: f32) -> NormalSum {
    let products =
        || values.iter().zip(weights).map(|(&value, &weight)| f64::from(value) * f64::from(weight));
    let bias = f64::from(bias);
    let squares = products().map(|product| product * product).sum::<f64>() + bias * bias;
    NormalSum::new(rate, products().sum::<f64>() + bias, squares)
}

pub(super) fn expected_forward(
    (shape, rate, activation): (DenseShape, f32, Activation),
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    output: &mut [f32],
) {
    let DenseShape { inputs, outputs, .. } = shape;
    assert_len(input, shape.batch * inputs, "input");
    assert_len(weights, outputs * inputs, "weights");
    assert_len(bias, outputs, "bias");
    assert_len(output, shape.batch * outputs, "output");
    for (values, output) in input.chunks(inputs).zip(output.chunks_mut(outputs)) {
        for ((weights, &bias), y) in weights.chunks(inputs).zip(bias).zip(output) {
            *y = sum_of(rate, values, weights, bias).activated(activation) as f32;
        }
    }
}

/// dx += g (da/dmean w + da/ddeviation rate / p w^2 x / deviation).
pub(super) fn expected_backward(
    (shape, rate, activation): (DenseShape, f32, Activation),
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    d_output: &[f32],
    d_input: &mut [f32],
) {
    let DenseShape { inputs, outputs, .. } = shape;
    assert_len(input, shape.batch * inputs, "input");
    assert_len(weights, outputs * inputs, "weights");
    assert_len(bias, outputs, "bias");
    assert_len(d_output, shape.batch * outputs, "d_output");
    assert_len(d_input, input.len(), "d_input");
    let ratio = f64::from(rate) / (1.0 - f64::from(rate));
    let images = input.chunks(inputs).zip(d_output.chunks(outputs)).zip(d_input.chunks_mut(inputs));
    for ((values, d_output), d_input) in images {
        let mut sums = vec![0.0; inputs];
        for ((weights, &bias), &g) in weights.chunks(inputs).zip(bias).zip(d_output) {
            let sum = sum_of(rate, values, weights, bias);
            let (by_mean, by_deviation) = sum.derivatives(activation);
            let by_square = if sum.deviation > 0.0 { by_deviation * ratio / sum.deviation } else { 0.0 };
            for ((d, &w), &x) in sums.iter_mut().zip(weights).zip(values) {
                let (w, x) = (f64::from(w), f64::from(x));
                *d += f64::from(g) * (by_mean * w + by_square * w * w * x);
            }
        }
        d_input.iter_mut().zip(sums).for_each(|(d, sum)| *d = sum as f32);
    }
}

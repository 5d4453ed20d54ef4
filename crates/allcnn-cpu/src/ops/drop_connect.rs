//! DropConnect: fully connected layers whose weights are dropped for each image, and their form for testing.

use allcnn_device::random::Stream;
use allcnn_device::{Activation, DenseShape, Dropout, NormalSum};

use super::mask::draws;
use crate::simd::{Kernel, Simd};
use crate::whole::pieces;

/// Weights whose factors are drawn together.
const BLOCK: usize = 64;
/// Sums that are added up side by side.
const LANES: usize = 16;

/// The factors of a training step.
#[derive(Clone, Copy)]
pub(crate) struct Masks {
    pub shape: DenseShape,
    pub dropout: Dropout,
    pub step: u64,
}

impl Masks {
    /// The factors on the weights of an image's output from input `at` on; behind those of all inputs comes that of the bias.
    #[inline(always)]
    fn from(&self, stream: &Stream, (image, output): (usize, usize), at: usize) -> [f32; BLOCK] {
        let mut factors = [1.0; BLOCK];
        draws(&self.dropout, stream, self.shape.first_draw(image, output) + at, &mut factors);
        factors
    }

    /// The factor on the bias, if it is among those from input `at` on.
    #[inline(always)]
    fn of_bias(&self, factors: &[f32; BLOCK], at: usize) -> f32 {
        let inputs = self.shape.inputs;
        if inputs < at + BLOCK { factors[inputs - at] } else { 0.0 }
    }
}

/// The sums of an image.
pub(crate) struct ForwardImage<'a> {
    pub masks: Masks,
    pub image: usize,
    pub input: &'a [f32],
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub sums: &'a mut [f32],
}

impl Kernel for ForwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { masks, image, input, weights, bias, sums } = self;
        let stream = masks.dropout.stream(masks.step);
        let rows = pieces(weights, input.len()).zip(bias).zip(sums).enumerate();
        for (output, ((row, &bias), sum)) in rows {
            let mut lanes = [0.0; LANES];
            let mut of_bias = 0.0;
            for at in (0..=input.len()).step_by(BLOCK) {
                let factors = masks.from(&stream, (image, output), at);
                let terms = row[at..].iter().zip(&input[at..]).zip(&factors);
                for (i, ((&weight, &value), &factor)) in terms.enumerate() {
                    lanes[i % LANES] += factor * weight * value;
                }
                of_bias += masks.of_bias(&factors, at) * bias;
            }
            *sum = lanes.iter().sum::<f32>() + of_bias;
        }
    }
}

/// The signal of an image's inputs.
pub(crate) struct BackwardImage<'a> {
    pub masks: Masks,
    pub image: usize,
    pub d_sums: &'a [f32],
    pub weights: &'a [f32],
    pub d_input: &'a mut [f32],
}

impl Kernel for BackwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { masks, image, d_sums, weights, d_input } = self;
        let stream = masks.dropout.stream(masks.step);
        d_input.fill(0.0);
        let rows = pieces(weights, d_input.len()).zip(d_sums).enumerate();
        for (output, (row, &signal)) in rows {
            for at in (0..row.len()).step_by(BLOCK) {
                let factors = masks.from(&stream, (image, output), at);
                for ((d, &weight), &factor) in d_input[at..].iter_mut().zip(&row[at..]).zip(&factors) {
                    *d += signal * (factor * weight);
                }
            }
        }
    }
}

/// The gradients of an output's weights and bias.
pub(crate) struct BackwardOutput<'a> {
    pub masks: Masks,
    pub output: usize,
    pub input: &'a [f32],
    pub d_sums: &'a [f32],
    pub d_weights: &'a mut [f32],
    pub d_bias: &'a mut f32,
}

impl Kernel for BackwardOutput<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { masks, output, input, d_sums, d_weights, d_bias } = self;
        let stream = masks.dropout.stream(masks.step);
        d_weights.fill(0.0);
        *d_bias = 0.0;
        for (image, values) in pieces(input, d_weights.len()).enumerate() {
            let signal = d_sums[image * masks.shape.outputs + output];
            for at in (0..=values.len()).step_by(BLOCK) {
                let factors = masks.from(&stream, (image, output), at);
                for ((d, &value), &factor) in d_weights[at..].iter_mut().zip(&values[at..]).zip(&factors) {
                    *d += signal * (factor * value);
                }
                *d_bias += signal * masks.of_bias(&factors, at);
            }
        }
    }
}

/// What is known of an image's output in testing.
#[inline(always)]
fn sum_of(rate: f32, values: &[f32], weights: &[f32], bias: f32) -> NormalSum {
    let (mut means, mut squares) = ([0.0; LANES], [0.0; LANES]);
    for (i, (&value, &weight)) in values.iter().zip(weights).enumerate() {
        let product = weight * value;
        means[i % LANES] += product;
        squares[i % LANES] += product * product;
    }
    let [mean, squares] = [means, squares].map(|lanes| f64::from(lanes.iter().sum::<f32>()));
    let bias = f64::from(bias);
    NormalSum::new(rate, mean + bias, squares + bias * bias)
}

/// An image's outputs in testing.
pub(crate) struct ExpectedImage<'a> {
    pub rate: f32,
    pub activation: Activation,
    pub input: &'a [f32],
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub output: &'a mut [f32],
}

impl Kernel for ExpectedImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let rows = pieces(self.weights, self.input.len()).zip(self.bias).zip(self.output);
        for ((row, &bias), output) in rows {
            *output = sum_of(self.rate, self.input, row, bias).activated(self.activation) as f32;
        }
    }
}

/// The signal of an image's inputs in testing.
pub(crate) struct ExpectedBackwardImage<'a> {
    pub rate: f32,
    pub activation: Activation,
    pub input: &'a [f32],
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub d_output: &'a [f32],
    pub d_input: &'a mut [f32],
}

impl Kernel for ExpectedBackwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { rate, activation, input, weights, bias, d_output, d_input } = self;
        let ratio = f64::from(rate) / (1.0 - f64::from(rate));
        d_input.fill(0.0);
        let rows = pieces(weights, input.len()).zip(bias).zip(d_output);
        for ((row, &bias), &signal) in rows {
            let sum = sum_of(rate, input, row, bias);
            let (by_mean, by_deviation) = sum.derivatives(activation);
            let by_square = if sum.deviation > 0.0 { by_deviation * ratio / sum.deviation } else { 0.0 };
            let (by_mean, by_square) = (signal * by_mean as f32, signal * by_square as f32);
            for ((d, &weight), &value) in d_input.iter_mut().zip(row).zip(input) {
                *d += weight * (by_mean + by_square * (weight * value));
            }
        }
    }
}

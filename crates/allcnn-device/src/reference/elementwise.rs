//! Local response normalization and the optimizer.

use super::length::assert_len;
use crate::{LrnShape, Parameter, Sgd};

/// k + alpha / size * sum of squares around channel `at` of one pixel.
fn base(shape: &LrnShape, pixel: &[f32], at: usize) -> f64 {
    let squares: f64 = pixel[shape.neighbourhood(at)].iter().map(|&x| f64::from(x).powi(2)).sum();
    f64::from(shape.k) + f64::from(shape.alpha) / shape.size as f64 * squares
}

pub(super) fn lrn_forward(shape: &LrnShape, input: &[f32], output: &mut [f32]) {
    assert_len(input, shape.input.len(), "input");
    assert_len(output, shape.input.len(), "output");
    let channels = shape.input.channels;
    for (pixel, output) in input.chunks(channels).zip(output.chunks_mut(channels)) {
        for at in 0..channels {
            output[at] = (f64::from(pixel[at]) * base(shape, pixel, at).powf(-f64::from(shape.beta))) as f32;
        }
    }
}

/// dx_i = g_i s_i^-beta - 2 alpha beta / size * x_i * sum over j near i of g_j x_j s_j^(-beta - 1).
pub(super) fn lrn_backward(shape: &LrnShape, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    assert_len(d_output, shape.input.len(), "d_output");
    assert_len(d_input, shape.input.len(), "d_input");
    let channels = shape.input.channels;
    let beta = f64::from(shape.beta);
    let factor = 2.0 * f64::from(shape.alpha) * beta / shape.size as f64;
    for start in (0..input.len()).step_by(channels) {
        let pixel = &input[start..start + channels];
        let signal = &d_output[start..start + channels];
        for at in 0..channels {
            let crossed: f64 = shape
                .neighbourhood(at)
                .map(|j| f64::from(signal[j]) * f64::from(pixel[j]) * base(shape, pixel, j).powf(-beta - 1.0))
                .sum();
            let own = f64::from(signal[at]) * base(shape, pixel, at).powf(-beta);
            d_input[start + at] = (own - factor * f64::from(pixel[at]) * crossed) as f32;
        }
    }
}

pub(super) fn sgd(sgd: Sgd, learning_rate: f32, scale: f32, parameter: &mut Parameter<Vec<f32>>) {
    let Parameter { value, gradient, velocity, factors } = parameter;
    let (rate, decay) = (learning_rate * factors.rate, sgd.weight_decay * factors.decay);
    for ((w, &g), v) in value.iter_mut().zip(gradient.iter()).zip(velocity) {
        let d = scale * g + decay * *w;
        *v = sgd.momentum * *v + d;
        *w -= rate * if sgd.nesterov { d + sgd.momentum * *v } else { *v };
    }
}

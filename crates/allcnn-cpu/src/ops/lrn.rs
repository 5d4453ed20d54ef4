//! Local response normalization, pixel by pixel.

use allcnn_device::LrnShape;

use crate::whole::{pieces, pieces_mut};

/// y of consecutive pixels.
pub(crate) fn forward(shape: &LrnShape, input: &[f32], output: &mut [f32]) {
    let channels = shape.input.channels;
    for (pixel, output) in pieces(input, channels).zip(pieces_mut(output, channels)) {
        for (at, value) in output.iter_mut().enumerate() {
            *value = pixel[at] * base(shape, pixel, at).powf(-shape.beta);
        }
    }
}

/// d_input of consecutive pixels:
/// g_i s_i^-beta - 2 alpha beta / size * x_i * sum over j near i of g_j x_j s_j^(-beta - 1).
pub(crate) fn backward(shape: &LrnShape, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    let channels = shape.input.channels;
    let factor = 2.0 * shape.alpha * shape.beta / shape.size as f32;
    let pixels = pieces(input, channels).zip(pieces(d_output, channels));
    for ((pixel, signal), d_pixel) in pixels.zip(pieces_mut(d_input, channels)) {
        for (at, value) in d_pixel.iter_mut().enumerate() {
            let crossed: f32 = shape
                .neighbourhood(at)
                .map(|j| signal[j] * pixel[j] * base(shape, pixel, j).powf(-shape.beta - 1.0))
                .sum();
            *value = signal[at] * base(shape, pixel, at).powf(-shape.beta) - factor * pixel[at] * crossed;
        }
    }
}

fn base(shape: &LrnShape, pixel: &[f32], at: usize) -> f32 {
    let squares: f32 = pixel[shape.neighbourhood(at)].iter().map(|x| x * x).sum();
    shape.k + shape.alpha / shape.size as f32 * squares
}

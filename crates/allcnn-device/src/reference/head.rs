//! The global average.

use super::length::assert_len;
use crate::Shape;

pub(super) fn global_average_forward(shape: Shape, input: &[f32], output: &mut [f32]) {
    assert_len(input, shape.len(), "input");
    assert_len(output, shape.batch * shape.channels, "output");
    let area = shape.height * shape.width;
    for (image, means) in input.chunks(area * shape.channels).zip(output.chunks_mut(shape.channels)) {
        for (channel, mean) in means.iter_mut().enumerate() {
            let sum: f64 = image.iter().skip(channel).step_by(shape.channels).map(|&x| f64::from(x)).sum();
            *mean = (sum / area as f64) as f32;
        }
    }
}

pub(super) fn global_average_backward(shape: Shape, d_output: &[f32], d_input: &mut [f32]) {
    assert_len(d_output, shape.batch * shape.channels, "d_output");
    assert_len(d_input, shape.len(), "d_input");
    let area = shape.height * shape.width;
    for (image, signal) in d_input.chunks_mut(area * shape.channels).zip(d_output.chunks(shape.channels)) {
        for (index, value) in image.iter_mut().enumerate() {
            *value = (f64::from(signal[index % shape.channels]) / area as f64) as f32;
        }
    }
}

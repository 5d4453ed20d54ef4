//! Padding by copies of the nearest pixel, and back.

use super::length::assert_len;
use crate::EdgePad;

/// Calls `each` with the index of every padded value and of the one that it is a copy of.
fn copies(pad: &EdgePad, mut each: impl FnMut(usize, usize)) {
    let (channels, output) = (pad.input.channels, pad.output());
    let (from, to) = (pad.input.height * pad.input.width, output.height * output.width);
    for (image, pixel) in (0..output.batch).flat_map(|image| (0..to).map(move |pixel| (image, pixel))) {
        let source = image * from + pad.source(pixel);
        (0..channels).for_each(|channel| {
            each((image * to + pixel) * channels + channel, source * channels + channel);
        });
    }
}

pub(super) fn forward(pad: &EdgePad, input: &[f32], output: &mut [f32]) {
    assert_len(input, pad.input.len(), "input");
    assert_len(output, pad.output().len(), "output");
    copies(pad, |to, from| output[to] = input[from]);
}

pub(super) fn backward(pad: &EdgePad, d_output: &[f32], d_input: &mut [f32]) {
    assert_len(d_output, pad.output().len(), "d_output");
    assert_len(d_input, pad.input.len(), "d_input");
    let mut sums = vec![0.0; d_input.len()];
    copies(pad, |from, to| sums[to] += f64::from(d_output[from]));
    d_input.iter_mut().zip(sums).for_each(|(d, sum)| *d = sum as f32);
}

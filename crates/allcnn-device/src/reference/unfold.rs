//! The windows of a convolution side by side, and back.

use super::length::assert_len;
use crate::ConvShape;

/// Calls `each` with the index of every value of a window that lies inside the input, and where it stands in the windows.
fn inside(shape: &ConvShape, mut each: impl FnMut(usize, usize)) {
    let ConvShape { input, kernel, stride, padding, .. } = *shape;
    let (output, pixel) = (shape.output(), input.channels);
    for place in 0..output.batch * output.height * output.width {
        let (image, row) = (place / (output.height * output.width), place / output.width % output.height);
        let column = place % output.width;
        for tap in 0..kernel * kernel {
            let y = (row * stride + tap / kernel).wrapping_sub(padding);
            let x = (column * stride + tap % kernel).wrapping_sub(padding);
            if y < input.height && x < input.width {
                let from = ((image * input.height + y) * input.width + x) * pixel;
                let to = (place * kernel * kernel + tap) * pixel;
                (0..pixel).for_each(|channel| each(from + channel, to + channel));
            }
        }
    }
}

pub(super) fn unfold(shape: &ConvShape, input: &[f32], windows: &mut [f32]) {
    assert_len(input, shape.input.len(), "input");
    assert_len(windows, shape.windows_len(), "windows");
    windows.fill(0.0);
    inside(shape, |from, to| windows[to] = input[from]);
}

pub(super) fn fold(shape: &ConvShape, d_windows: &[f32], d_input: &mut [f32]) {
    assert_len(d_windows, shape.windows_len(), "d_windows");
    assert_len(d_input, shape.input.len(), "d_input");
    let mut sums = vec![0.0; d_input.len()];
    inside(shape, |from, to| sums[from] += f64::from(d_windows[to]));
    d_input.iter_mut().zip(sums).for_each(|(d, sum)| *d = sum as f32);
}

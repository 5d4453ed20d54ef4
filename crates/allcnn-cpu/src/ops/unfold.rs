//! The windows of a convolution side by side, for convolutions whose filters differ from place to place, and back.

use allcnn_device::ConvShape;

/// Calls `each` for every tap of an image's windows: where its channels stand in the windows, and where in the image; `None` for
/// the padding.
fn taps(shape: &ConvShape, mut each: impl FnMut(usize, Option<usize>)) {
    let ConvShape { input, kernel, stride, padding, .. } = *shape;
    let (output, channels) = (shape.output(), input.channels);
    let mut to = 0;
    for (row, column) in (0..output.height).flat_map(|row| (0..output.width).map(move |column| (row, column)))
    {
        for (y, x) in (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x))) {
            let (y, x) =
                ((row * stride + y).wrapping_sub(padding), (column * stride + x).wrapping_sub(padding));
            let inside = y < input.height && x < input.width;
            each(to, inside.then(|| (y * input.width + x) * channels));
            to += channels;
        }
    }
}

/// The windows of an image.
pub(crate) fn unfold(shape: &ConvShape, image: &[f32], windows: &mut [f32]) {
    let channels = shape.input.channels;
    taps(shape, |to, from| match from {
        Some(from) => windows[to..to + channels].copy_from_slice(&image[from..from + channels]),
        None => windows[to..to + channels].fill(0.0),
    });
}

/// The sums of the signals of an image's windows.
pub(crate) fn fold(shape: &ConvShape, d_windows: &[f32], d_image: &mut [f32]) {
    let channels = shape.input.channels;
    d_image.fill(0.0);
    taps(shape, |from, to| {
        let Some(to) = to else { return };
        let signals = &d_windows[from..from + channels];
        d_image[to..to + channels].iter_mut().zip(signals).for_each(|(d, &signal)| *d += signal);
    });
}

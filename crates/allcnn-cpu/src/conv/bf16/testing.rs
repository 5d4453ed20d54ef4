//! The shapes that the tests of both plans go through.

use allcnn_device::{ConvShape, Shape};

/// Convolutions of odd sizes: every kind of kernel, stride and padding, rows of many chunks, many small images.
pub(super) fn shapes(channels: usize, out_channels: usize) -> impl Iterator<Item = ConvShape> {
    [
        [3, 7, 9, 3, 1, 1],
        [2, 40, 37, 3, 2, 1],
        [70, 3, 2, 2, 1, 0],
        [2, 9, 5, 5, 3, 4],
        [1, 6, 6, 1, 2, 0],
        [2, 5, 8, 4, 1, 0],
    ]
    .into_iter()
    .map(move |[batch, height, width, kernel, stride, padding]| {
        let input = Shape { batch, height, width, channels };
        ConvShape { input, out_channels, kernel, stride, padding, groups: 1 }
    })
}

//! Padding of an image by copies of its nearest pixel, and back.

use allcnn_device::EdgePad;

use crate::whole::{pieces, pieces_mut};

/// The padded image.
pub(crate) fn forward(pad: &EdgePad, image: &[f32], padded: &mut [f32]) {
    let channels = pad.input.channels;
    for (pixel, values) in pieces_mut(padded, channels).enumerate() {
        values.copy_from_slice(&image[pad.source(pixel) * channels..][..channels]);
    }
}

/// The sums of the signals of each pixel's copies.
pub(crate) fn backward(pad: &EdgePad, d_padded: &[f32], d_image: &mut [f32]) {
    let channels = pad.input.channels;
    d_image.fill(0.0);
    for (pixel, signals) in pieces(d_padded, channels).enumerate() {
        let sums = &mut d_image[pad.source(pixel) * channels..][..channels];
        sums.iter_mut().zip(signals).for_each(|(sum, &signal)| *sum += signal);
    }
}

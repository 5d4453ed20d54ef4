//! The global average of one image, and factors on its channels.

use crate::whole::{pieces, pieces_mut};

/// Means over the pixels of an image.
pub(crate) fn average(image: &[f32], means: &mut [f32]) {
    means.fill(0.0);
    let area = image.len() / means.len();
    for pixel in pieces(image, means.len()) {
        for (mean, &value) in means.iter_mut().zip(pixel) {
            *mean += value;
        }
    }
    for mean in means {
        *mean /= area as f32;
    }
}

/// Spreads the signal of the means over the pixels.
pub(crate) fn spread(signal: &[f32], d_image: &mut [f32]) {
    let share = 1.0 / (d_image.len() / signal.len()) as f32;
    for pixel in pieces_mut(d_image, signal.len()) {
        for (value, &g) in pixel.iter_mut().zip(signal) {
            *value = g * share;
        }
    }
}

/// Multiplies each channel with its factor.
pub(crate) fn scale(factors: &[f32], image: &mut [f32]) {
    for pixel in pieces_mut(image, factors.len()) {
        pixel.iter_mut().zip(factors).for_each(|(value, &factor)| *value *= factor);
    }
}

//! Global average, softmax and cross-entropy of one image.

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

/// The loss -sum t log p of one row, and d = (p sum(t) - t) * scale. The few values of a row are worth f64.
pub(crate) fn softmax_cross_entropy(
    logits: &[f32],
    targets: &[f32],
    scale: f32,
    d_logits: &mut [f32],
) -> f32 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let log_sum = largest + logits.iter().map(|&x| (f64::from(x) - largest).exp()).sum::<f64>().ln();
    let total: f64 = targets.iter().map(|&t| f64::from(t)).sum();
    let mut loss = 0.0;
    for ((&x, &t), d) in logits.iter().zip(targets).zip(d_logits) {
        let log_p = f64::from(x) - log_sum;
        loss -= f64::from(t) * log_p;
        *d = ((log_p.exp() * total - f64::from(t)) * f64::from(scale)) as f32;
    }
    loss as f32
}

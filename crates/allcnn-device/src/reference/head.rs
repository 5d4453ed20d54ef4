//! Global average, softmax and cross-entropy.

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

pub(super) fn softmax_cross_entropy(
    classes: usize,
    logits: &[f32],
    targets: &[f32],
    scale: f32,
    losses: &mut [f32],
    d_logits: &mut [f32],
) {
    assert_len(logits, losses.len() * classes, "logits");
    assert_len(targets, logits.len(), "targets");
    assert_len(d_logits, logits.len(), "d_logits");
    for (row, loss) in losses.iter_mut().enumerate() {
        let span = row * classes..(row + 1) * classes;
        let (logits, targets) = (&logits[span.clone()], &targets[span.clone()]);
        let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &x| largest.max(f64::from(x)));
        let log_sum = largest + logits.iter().map(|&x| (f64::from(x) - largest).exp()).sum::<f64>().ln();
        let total: f64 = targets.iter().map(|&t| f64::from(t)).sum();
        let mut sum = 0.0;
        for ((&x, &t), d) in logits.iter().zip(targets).zip(&mut d_logits[span]) {
            let log_p = f64::from(x) - log_sum;
            sum -= f64::from(t) * log_p;
            *d = ((log_p.exp() * total - f64::from(t)) * f64::from(scale)) as f32;
        }
        *loss = sum as f32;
    }
}

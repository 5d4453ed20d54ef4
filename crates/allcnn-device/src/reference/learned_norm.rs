//! Learned-norm pooling.

use super::length::assert_len;
use super::pool::Pool;
use crate::LearnedNorm;
use crate::learned_norm::{order, order_slope};

/// A window of a channel whose order is `p`: its values less the center.
struct Distances {
    each: Vec<f64>,
    p: f64,
}

impl Distances {
    fn new(window: &[usize], input: &[f32], norm: LearnedNorm<'_, Vec<f32>>, channel: usize) -> Self {
        let center = f64::from(norm.center[channel]);
        let each = window.iter().map(|&at| f64::from(input[at]) - center).collect();
        Self { each, p: order(norm.rho[channel]) }
    }

    /// (mean of |d|^p)^(1/p), scaled by the largest |d| so that no power overflows.
    fn norm(&self) -> f64 {
        let largest = self.each.iter().fold(0.0f64, |largest, d| largest.max(d.abs()));
        let powers: f64 = self.each.iter().map(|d| (d.abs() / largest).powf(self.p)).sum();
        if largest == 0.0 { 0.0 } else { largest * (powers / self.each.len() as f64).powf(1.0 / self.p) }
    }

    /// The derivative of the norm y by each value: sign(d) (|d| / y)^(p - 1) / n. Where y is 0, none.
    fn slopes(&self, y: f64) -> impl Iterator<Item = f64> {
        let each = self.each.iter().filter(move |_| y > 0.0);
        each.map(move |d| d.signum() * (d.abs() / y).powf(self.p - 1.0) / self.each.len() as f64)
    }

    /// The derivative of the norm y by p: y / p times the mean of r^p ln r, with r = |d| / y.
    fn slope_of_order(&self, y: f64) -> f64 {
        let relative = self.each.iter().map(|d| d.abs() / y).filter(|&r| y > 0.0 && r > 0.0);
        y / self.p * relative.map(|r| r.powf(self.p) * r.ln()).sum::<f64>() / self.each.len() as f64
    }
}

pub(super) fn forward(pool: &Pool, input: &[f32], norm: LearnedNorm<'_, Vec<f32>>, output: &mut [f32]) {
    let shape = pool.shape();
    assert_len(input, shape.input.len(), "input");
    assert_len(output, shape.output().len(), "output");
    assert_len(norm.center, shape.input.channels, "center");
    assert_len(norm.rho, shape.input.channels, "rho");
    pool.for_each_window(|index, window| {
        output[index] = Distances::new(window, input, norm, index % shape.input.channels).norm() as f32;
    });
}

pub(super) fn backward(
    pool: &Pool,
    input: &[f32],
    norm: LearnedNorm<'_, Vec<f32>>,
    output: &[f32],
    d_output: &[f32],
    d_input: &mut [f32],
) {
    let shape = pool.shape();
    assert_len(output, shape.output().len(), "output");
    assert_len(d_output, shape.output().len(), "d_output");
    assert_len(d_input, shape.input.len(), "d_input");
    let mut sums = vec![0.0f64; d_input.len()];
    pool.for_each_window(|index, window| {
        let distances = Distances::new(window, input, norm, index % shape.input.channels);
        for (&at, slope) in window.iter().zip(distances.slopes(f64::from(output[index]))) {
            sums[at] += f64::from(d_output[index]) * slope;
        }
    });
    for (value, sum) in d_input.iter_mut().zip(sums) {
        *value = sum as f32;
    }
}

pub(super) fn gradients(
    pool: &Pool,
    input: &[f32],
    norm: LearnedNorm<'_, Vec<f32>>,
    output: &[f32],
    d_output: &[f32],
    [d_center, d_rho]: [&mut [f32]; 2],
) {
    let channels = pool.shape().input.channels;
    assert_len(d_center, channels, "d_center");
    assert_len(d_rho, channels, "d_rho");
    let mut sums = vec![[0.0f64; 2]; channels];
    pool.for_each_window(|index, window| {
        let channel = index % channels;
        let distances = Distances::new(window, input, norm, channel);
        let (y, signal) = (f64::from(output[index]), f64::from(d_output[index]));
        sums[channel][0] -= signal * distances.slopes(y).sum::<f64>();
        sums[channel][1] += signal * distances.slope_of_order(y) * order_slope(norm.rho[channel]);
    });
    for (channel, [center, rho]) in sums.into_iter().enumerate() {
        (d_center[channel], d_rho[channel]) = (center as f32, rho as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::Distances;

    #[test]
    fn the_norm_is_between_the_mean_and_the_largest() {
        let norm = |p| Distances { each: vec![3.0, -4.0, 0.0], p }.norm();
        assert!((norm(1.0) - 7.0 / 3.0).abs() < 1e-12);
        assert!((norm(2.0) - (25.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!(norm(500.0) < 4.0 && norm(500.0) > 3.98);
        assert_eq!(Distances { each: vec![0.0; 4], p: 2.0 }.norm(), 0.0);
    }
}

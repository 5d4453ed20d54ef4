//! Pooling windows: maximum with switches, mean, and the p-norm of Equation 1.

use super::length::assert_len;
use crate::{PoolKind, PoolShape, RegionDraw, Regions};

/// A pooling, its regions and the switches of its last forward pass (indices into the input buffer).
#[derive(Clone, Debug)]
pub struct Pool {
    shape: PoolShape,
    regions: Regions,
    switches: Vec<usize>,
}

/// Calls `each(index of the output, indices of the window's inputs)` for every window.
fn for_each_window(shape: &PoolShape, regions: &Regions, mut each: impl FnMut(usize, &[usize])) {
    let (input, output, pieces) = (shape.input, shape.output(), shape.pieces());
    let mut window = Vec::new();
    for index in 0..output.len() {
        let channel = index % output.channels;
        let x = index / output.channels % output.width;
        let y = index / output.channels / output.width % output.height;
        let b = index / output.channels / output.width / output.height;
        window.clear();
        for row in regions.rows[y].clone() {
            for column in regions.columns[x].clone() {
                let pixel = ((b * input.height + row) * input.width + column) * input.channels;
                window.extend((0..pieces).map(|piece| pixel + channel * pieces + piece));
            }
        }
        each(index, &window);
    }
}

impl Pool {
    pub(super) fn new(shape: PoolShape) -> Self {
        Self { shape, regions: shape.regions(), switches: vec![0; shape.output().len()] }
    }

    /// Draws the regions of a step.
    pub(super) fn draw(&mut self, draw: RegionDraw, step: u64) {
        self.regions.draw(&self.shape, draw, step);
    }

    pub(super) fn forward(&mut self, input: &[f32], output: &mut [f32]) {
        let Self { shape, regions, switches } = self;
        assert_len(input, shape.input.len(), "input");
        assert_len(output, shape.output().len(), "output");
        for_each_window(shape, regions, |index, window| match shape.kind {
            PoolKind::Max => {
                let first = window[0];
                let switch =
                    window.iter().fold(first, |best, &at| if input[at] > input[best] { at } else { best });
                switches[index] = switch;
                output[index] = input[switch];
            }
            PoolKind::Average => {
                let sum: f64 = window.iter().map(|&at| f64::from(input[at])).sum();
                output[index] = (sum / window.len() as f64) as f32;
            }
            PoolKind::PNorm { p } => {
                output[index] = p_norm(window.iter().map(|&at| input[at]), f64::from(p)) as f32
            }
        });
    }

    pub(super) fn backward(&self, input: &[f32], output: &[f32], d_output: &[f32], d_input: &mut [f32]) {
        let Self { shape, regions, switches } = self;
        assert_len(output, shape.output().len(), "output");
        assert_len(d_output, shape.output().len(), "d_output");
        assert_len(d_input, shape.input.len(), "d_input");
        let mut sums = vec![0.0f64; d_input.len()];
        for_each_window(shape, regions, |index, window| match shape.kind {
            PoolKind::Max => sums[switches[index]] += f64::from(d_output[index]),
            PoolKind::Average => {
                for &at in window {
                    sums[at] += f64::from(d_output[index]) / window.len() as f64;
                }
            }
            PoolKind::PNorm { p } => {
                let norm = f64::from(output[index]);
                for &at in window.iter().filter(|_| norm > 0.0) {
                    let x = f64::from(input[at]);
                    sums[at] +=
                        f64::from(d_output[index]) * x.signum() * (x.abs() / norm).powf(f64::from(p) - 1.0);
                }
            }
        });
        for (value, sum) in d_input.iter_mut().zip(sums) {
            *value = sum as f32;
        }
    }
}

/// (sum |x|^p)^(1/p), scaled by the largest |x| so that no power overflows.
fn p_norm(values: impl Iterator<Item = f32> + Clone, p: f64) -> f64 {
    let largest = values.clone().fold(0.0f64, |largest, x| largest.max(f64::from(x).abs()));
    if largest == 0.0 {
        return 0.0;
    }
    largest * values.map(|x| (f64::from(x).abs() / largest).powf(p)).sum::<f64>().powf(1.0 / p)
}

#[cfg(test)]
mod tests {
    use super::p_norm;

    #[test]
    fn the_norm_is_the_known_ones_and_tends_to_the_maximum() {
        let values = [3.0f32, -4.0, 0.0];
        assert!((p_norm(values.into_iter(), 1.0) - 7.0).abs() < 1e-12);
        assert!((p_norm(values.into_iter(), 2.0) - 5.0).abs() < 1e-12);
        assert!((p_norm(values.into_iter(), 200.0) - 4.0).abs() < 1e-9);
        assert_eq!(p_norm([0.0f32; 4].into_iter(), 3.0), 0.0);
    }
}

//! Pooling windows: maximum with switches, mean, the p-norm of Equation 1, and what is drawn.

use super::length::assert_len;
use crate::random::Stream;
use crate::{PoolKind, PoolShape, RegionDraw, Regions, Sampling};

const WITHOUT_PARAMETERS: &str = "a learned norm's passes take its parameters";

/// A pooling, its regions and the switches of its last forward pass (indices into the input buffer).
#[derive(Clone, Debug)]
pub struct Pool {
    shape: PoolShape,
    regions: Regions,
    /// `None` where nothing could be drawn.
    switches: Vec<Option<usize>>,
    /// Whether the last forward pass drew its values.
    drawn: bool,
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
        Self { shape, regions: shape.regions(), switches: vec![None; shape.output().len()], drawn: false }
    }

    pub(super) fn shape(&self) -> PoolShape {
        self.shape
    }

    /// Calls `each(index of the output, indices of the window's inputs)` for every window.
    pub(super) fn for_each_window(&self, each: impl FnMut(usize, &[usize])) {
        for_each_window(&self.shape, &self.regions, each);
    }

    /// Draws the regions of a step.
    pub(super) fn draw(&mut self, draw: RegionDraw, step: u64) {
        self.regions.draw(&self.shape, draw, step);
    }

    pub(super) fn forward(&mut self, input: &[f32], numbers: Option<Stream>, output: &mut [f32]) {
        let Self { shape, regions, switches, drawn } = self;
        let numbers = numbers.filter(|_| shape.kind.draws());
        *drawn = numbers.is_some();
        assert_len(input, shape.input.len(), "input");
        assert_len(output, shape.output().len(), "output");
        for_each_window(shape, regions, |index, window| match shape.kind {
            PoolKind::Max => {
                let first = window[0];
                let switch =
                    window.iter().fold(first, |best, &at| if input[at] > input[best] { at } else { best });
                switches[index] = Some(switch);
                output[index] = input[switch];
            }
            PoolKind::Average => {
                let sum: f64 = window.iter().map(|&at| f64::from(input[at])).sum();
                output[index] = (sum / window.len() as f64) as f32;
            }
            PoolKind::PNorm { p } => {
                output[index] = p_norm(window.iter().map(|&at| input[at]), f64::from(p)) as f32
            }
            PoolKind::Stochastic | PoolKind::Probabilistic { .. } => {
                output[index] = match numbers {
                    Some(numbers) => {
                        let weights = weights(shape.kind, window, input);
                        let chosen = Sampling::choose(weights.iter().copied(), numbers.at(index as u64));
                        switches[index] = chosen.map(|chosen| window[chosen]);
                        switches[index].map_or_else(|| weights.iter().sum(), |switch| input[switch])
                    }
                    None => Expected::of(shape.kind, window, input).value as f32,
                };
            }
            PoolKind::LearnedNorm => panic!("{WITHOUT_PARAMETERS}"),
        });
    }

    pub(super) fn backward(&self, input: &[f32], output: &[f32], d_output: &[f32], d_input: &mut [f32]) {
        let Self { shape, regions, switches, drawn } = self;
        assert_len(output, shape.output().len(), "output");
        assert_len(d_output, shape.output().len(), "d_output");
        assert_len(d_input, shape.input.len(), "d_input");
        let mut sums = vec![0.0f64; d_input.len()];
        for_each_window(shape, regions, |index, window| match shape.kind {
            PoolKind::Max => add(&mut sums, switches[index], d_output[index]),
            PoolKind::Stochastic | PoolKind::Probabilistic { .. } if *drawn => {
                add(&mut sums, switches[index], d_output[index])
            }
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
            PoolKind::LearnedNorm => panic!("{WITHOUT_PARAMETERS}"),
            PoolKind::Stochastic => {
                let Expected { value, total } = Expected::of(shape.kind, window, input);
                for &at in window.iter().filter(|&&at| total > 0.0 && input[at] >= 0.0) {
                    sums[at] += f64::from(d_output[index]) * (2.0 * f64::from(input[at]) - value) / total;
                }
            }
            PoolKind::Probabilistic { lambda } => {
                let Expected { value, total } = Expected::of(shape.kind, window, input);
                for (&at, weight) in window.iter().zip(exact_weights(shape.kind, window, input)) {
                    let slope = 1.0 + f64::from(lambda) * (f64::from(input[at]) - value);
                    sums[at] += f64::from(d_output[index]) * weight / total * slope;
                }
            }
        });
        for (value, sum) in d_input.iter_mut().zip(sums) {
            *value = sum as f32;
        }
    }
}

/// Adds a window's signal where its value came from.
fn add(sums: &mut [f64], switch: Option<usize>, signal: f32) {
    if let Some(switch) = switch {
        sums[switch] += f64::from(signal);
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

/// The weights in f32 by which a value of a window is drawn.
fn weights(kind: PoolKind, window: &[usize], input: &[f32]) -> Vec<f32> {
    let values = window.iter().map(|&at| input[at]);
    match kind {
        PoolKind::Probabilistic { lambda } => {
            let first = input[window[0]];
            let largest = values.clone().fold(first, |best, x| if x > best { x } else { best });
            values.map(|x| Sampling::exponential(lambda * (x - largest))).collect()
        }
        // Negative values count as 0; NaN stays.
        _ => values.map(|x| if x < 0.0 { 0.0 } else { x }).collect(),
    }
}

/// The same in f64, for the mean.
fn exact_weights(kind: PoolKind, window: &[usize], input: &[f32]) -> Vec<f64> {
    let values = window.iter().map(|&at| f64::from(input[at]));
    match kind {
        PoolKind::Probabilistic { lambda } => {
            let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
            values.map(|x| (f64::from(lambda) * (x - largest)).exp()).collect()
        }
        _ => weights(kind, window, input).into_iter().map(f64::from).collect(),
    }
}

/// The mean of what a window draws: sum w x / sum w.
struct Expected {
    value: f64,
    /// sum w
    total: f64,
}

impl Expected {
    fn of(kind: PoolKind, window: &[usize], input: &[f32]) -> Self {
        let weights = exact_weights(kind, window, input);
        let total: f64 = weights.iter().sum();
        let weighted: f64 =
            weights.iter().zip(window).map(|(weight, &at)| weight * f64::from(input[at])).sum();
        Self { value: if total > 0.0 { weighted / total } else { total }, total }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pool, p_norm};
    use crate::{Grid, PoolKind, PoolShape, Sampling, Shape, Windows};

    /// A window of four values whose third one is negative, beside a window of zeros.
    #[test]
    fn stochastic_pooling_tests_with_the_mean_of_what_it_draws() {
        let input = Shape { batch: 1, height: 2, width: 4, channels: 1 };
        let windows = Windows::Grid(Grid { kernel: 2, stride: 2, padding: 0, ceil: false });
        let mut pool = Pool::new(PoolShape { input, windows, kind: PoolKind::Stochastic }.checked().unwrap());
        let x = [1.0, 2.0, 0.0, 0.0, -4.0, 5.0, 0.0, 0.0];
        let (mut y, mut d) = ([9.0; 2], [9.0; 8]);
        pool.forward(&x, None, &mut y);
        assert_eq!(y, [3.75, 0.0]);
        pool.backward(&x, &y, &[1.0, 1.0], &mut d);
        assert_eq!(d.map(|d| d * 8.0), [-1.75, 0.25, 0.0, 0.0, 0.0, 6.25, 0.0, 0.0]);
        let mut sum = 0.0;
        for step in 0..4000 {
            pool.forward(&x, Some(Sampling { seed: 1, layer: 0 }.stream(step)), &mut y);
            assert!([1.0, 2.0, 5.0].contains(&y[0]) && y[1] == 0.0, "{y:?}");
            sum += f64::from(y[0]);
            pool.backward(&x, &y, &[3.0, 7.0], &mut d);
            assert_eq!(d, x.map(|x| if x == y[0] { 3.0 } else { 0.0 }));
        }
        assert!((sum / 4000.0 - 3.75).abs() < 0.1, "mean {}", sum / 4000.0);
    }

    #[test]
    fn the_norm_is_the_known_ones_and_tends_to_the_maximum() {
        let values = [3.0f32, -4.0, 0.0];
        assert!((p_norm(values.into_iter(), 1.0) - 7.0).abs() < 1e-12);
        assert!((p_norm(values.into_iter(), 2.0) - 5.0).abs() < 1e-12);
        assert!((p_norm(values.into_iter(), 200.0) - 4.0).abs() < 1e-9);
        assert_eq!(p_norm([0.0f32; 4].into_iter(), 3.0), 0.0);
    }
}

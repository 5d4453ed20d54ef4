//! Pooling, one output row (forward) or one image (backward) a chunk.

use allcnn_device::random::Stream;
use allcnn_device::{PoolKind, PoolShape, Regions, Windows};

use super::p_norm::PNorm;
use super::probout::Probout;
use super::{maxout, philox, stochastic};
use crate::simd::{Kernel, Simd};

const WITHOUT_PARAMETERS: &str = "a learned norm's passes take its parameters";
const DONE: &str = "norms, and what is over channels, are done before";

/// One output row forward.
pub(crate) struct ForwardRow<'a> {
    pub shape: PoolShape,
    pub regions: &'a Regions,
    /// Which row, counted over all images.
    pub row: usize,
    pub input: &'a [f32],
    pub output: &'a mut [f32],
    /// What values are drawn from, in training; for kinds that draw.
    pub numbers: Option<Stream>,
    /// The index of the maximum, or of the drawn value, among its window's taps; empty for other kinds.
    pub switches: &'a mut [u32],
}

impl Kernel for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (size, out, pieces) = (self.shape.input, self.shape.output(), self.shape.pieces());
        if let Some(numbers) = self.numbers {
            philox::numbers(&numbers, self.row * self.output.len(), self.switches);
        }
        if let Windows::Channels { .. } = self.shape.windows {
            let len = self.output.len() * pieces;
            let row = &self.input[self.row * len..][..len];
            return match (self.shape.kind, self.numbers) {
                (PoolKind::Probabilistic { lambda }, Some(_)) => {
                    Probout { pieces, lambda }.drawn(row, self.output, self.switches)
                }
                (PoolKind::Probabilistic { lambda }, None) => {
                    Probout { pieces, lambda }.expected(row, self.output)
                }
                _ => maxout::forward(pieces, row, self.output, self.switches),
            };
        }
        let image = &self.input[self.row / out.height * (size.len() / size.batch)..];
        let channels = size.channels;
        let mut norm = p_norm(self.shape);
        for x in 0..out.width {
            let output = &mut self.output[x * channels..][..channels];
            let taps = taps(self.regions, size.width, self.row % out.height, x);
            if let Some(norm) = &mut norm {
                norm.forward(taps, image, output);
                continue;
            }
            match self.shape.kind {
                PoolKind::Max => {
                    let switches = &mut self.switches[x * channels..][..channels];
                    output.fill(f32::NEG_INFINITY);
                    for (tap, pixel) in taps.enumerate() {
                        maximum(tap, &image[pixel * channels..][..channels], output, switches);
                    }
                }
                PoolKind::Average => {
                    output.fill(0.0);
                    let share = 1.0 / taps.clone().count() as f32;
                    for pixel in taps {
                        add(share, &image[pixel * channels..][..channels], output);
                    }
                }
                PoolKind::Stochastic if self.numbers.is_some() => {
                    let switches = &mut self.switches[x * channels..][..channels];
                    stochastic::drawn(taps, image, output, switches);
                }
                PoolKind::Stochastic => stochastic::expected(taps, image, output),
                PoolKind::LearnedNorm => panic!("{WITHOUT_PARAMETERS}"),
                PoolKind::PNorm { .. } | PoolKind::Probabilistic { .. } => unreachable!("{DONE}"),
            }
        }
    }
}

/// The back pass of one image; `d_input` is overwritten.
pub(crate) struct BackwardImage<'a> {
    pub shape: PoolShape,
    pub regions: &'a Regions,
    pub input: &'a [f32],
    pub output: &'a [f32],
    pub d_output: &'a [f32],
    pub switches: &'a [u32],
    /// Whether the values were drawn.
    pub drawn: bool,
    pub d_input: &'a mut [f32],
}

impl Kernel for BackwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (size, out, pieces) = (self.shape.input, self.shape.output(), self.shape.pieces());
        if let Windows::Channels { .. } = self.shape.windows {
            return match self.shape.kind {
                PoolKind::Probabilistic { lambda } if !self.drawn => {
                    Probout { pieces, lambda }.expected_back(self.input, self.d_output, self.d_input)
                }
                _ => maxout::backward(pieces, self.d_output, self.switches, self.d_input),
            };
        }
        let channels = size.channels;
        let mut norm = p_norm(self.shape);
        self.d_input.fill(0.0);
        for y in 0..out.height {
            for x in 0..out.width {
                let from = (y * out.width + x) * channels;
                let signal = &self.d_output[from..][..channels];
                let taps = taps(self.regions, size.width, y, x);
                let output = &self.output[from..][..channels];
                if let Some(norm) = &mut norm {
                    norm.backward(taps, self.input, output, signal, self.d_input);
                    continue;
                }
                if self.shape.kind == PoolKind::Stochastic && !self.drawn {
                    stochastic::expected_back(taps, self.input, output, signal, self.d_input);
                    continue;
                }
                let share = 1.0 / taps.clone().count() as f32;
                for (tap, pixel) in taps.enumerate() {
                    let target = &mut self.d_input[pixel * channels..][..channels];
                    match self.shape.kind {
                        PoolKind::Max | PoolKind::Stochastic => {
                            let switches = &self.switches[from..][..channels];
                            for ((d, &g), &switch) in target.iter_mut().zip(signal).zip(switches) {
                                *d += if switch == tap as u32 { g } else { 0.0 };
                            }
                        }
                        PoolKind::Average => add(share, signal, target),
                        PoolKind::LearnedNorm => panic!("{WITHOUT_PARAMETERS}"),
                        PoolKind::PNorm { .. } | PoolKind::Probabilistic { .. } => unreachable!("{DONE}"),
                    }
                }
            }
        }
    }
}

/// What computes the norms of a p-norm pooling.
#[inline(always)]
fn p_norm(shape: PoolShape) -> Option<PNorm> {
    if let PoolKind::PNorm { p } = shape.kind { Some(PNorm::new(p, shape.input.channels)) } else { None }
}

/// The pixels of a window, in row-major order.
#[inline(always)]
pub(super) fn taps(
    regions: &Regions,
    width: usize,
    y: usize,
    x: usize,
) -> impl Iterator<Item = usize> + Clone {
    let (rows, columns) = (regions.rows[y].clone(), regions.columns[x].clone());
    rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

/// sums += share * values
#[inline(always)]
fn add(share: f32, values: &[f32], sums: &mut [f32]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += share * value;
    }
}

/// Takes over the larger values of one tap and notes where they came from. The first tap always wins, so that a
/// window of NaN has a switch inside the image.
#[inline(always)]
fn maximum(tap: usize, values: &[f32], largest: &mut [f32], switches: &mut [u32]) {
    for ((&value, largest), switch) in values.iter().zip(largest).zip(switches) {
        let wins = tap == 0 || value > *largest;
        *switch = if wins { tap as u32 } else { *switch };
        *largest = if wins { value } else { *largest };
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::{Device, Grid, PoolKind, PoolShape, Shape, Windows};

    use crate::{Cpu, CpuOptions};

    #[test]
    fn a_window_may_have_more_values_than_16_bits_count() {
        let cpu = Cpu::new(CpuOptions::default()).unwrap();
        let input = Shape { batch: 1, height: 257, width: 257, channels: 1 };
        let windows = Windows::Grid(Grid { kernel: 257, stride: 1, padding: 0, ceil: false });
        let mut pool = cpu.pool(PoolShape { input, windows, kind: PoolKind::Max }).unwrap();
        let mut values = vec![0.0; input.len()];
        values[input.len() - 1] = 3.0;
        let buffers = [input.len(), 1, 1, input.len()].map(|len| cpu.alloc(len).unwrap());
        let [mut image, mut largest, mut signal, mut back] = buffers;
        cpu.upload(&values, &mut image).unwrap();
        cpu.upload(&[5.0], &mut signal).unwrap();
        cpu.pool_forward(&mut pool, &image, None, &mut largest);
        cpu.pool_backward(&pool, &image, &largest, &signal, &mut back);
        assert_eq!((largest[0], back[input.len() - 1], back.iter().sum::<f32>()), (3.0, 5.0, 5.0));
    }
}

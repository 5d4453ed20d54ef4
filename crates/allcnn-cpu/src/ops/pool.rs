//! Pooling, one output row (forward) or one image (backward) a chunk.

use allcnn_device::{PoolKind, PoolShape};

use crate::simd::{Kernel, Simd};

/// One output row forward.
pub(crate) struct ForwardRow<'a> {
    pub shape: PoolShape,
    /// Which row, counted over all images.
    pub row: usize,
    pub input: &'a [f32],
    pub output: &'a mut [f32],
    /// Place of the maximum in its window's row-major order of the unclipped kernel; empty for a norm.
    pub switches: &'a mut [u16],
}

impl Kernel for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (size, out) = (self.shape.input, self.shape.output());
        let image = &self.input[self.row / out.height * (size.len() / size.batch)..];
        let channels = size.channels;
        for x in 0..out.width {
            let pixel = &mut self.output[x * channels..][..channels];
            let taps = taps(&self.shape, self.row % out.height, x);
            match self.shape.kind {
                PoolKind::Max => {
                    let switches = &mut self.switches[x * channels..][..channels];
                    pixel.fill(f32::NEG_INFINITY);
                    for (at, (tap, place)) in taps.enumerate() {
                        maximum(at == 0, tap, &image[place * channels..][..channels], pixel, switches);
                    }
                }
                PoolKind::PNorm { p } => {
                    for (channel, value) in pixel.iter_mut().enumerate() {
                        *value = p_norm(taps.clone().map(|(_, place)| image[place * channels + channel]), p);
                    }
                }
            }
        }
    }
}

/// The back pass of one image; `d_input` is overwritten.
pub(crate) struct BackwardImage<'a> {
    pub shape: PoolShape,
    pub input: &'a [f32],
    pub output: &'a [f32],
    pub d_output: &'a [f32],
    pub switches: &'a [u16],
    pub d_input: &'a mut [f32],
}

impl Kernel for BackwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (out, channels) = (self.shape.output(), self.shape.input.channels);
        self.d_input.fill(0.0);
        for y in 0..out.height {
            for x in 0..out.width {
                let from = (y * out.width + x) * channels;
                let signal = &self.d_output[from..][..channels];
                for (tap, place) in taps(&self.shape, y, x) {
                    let target = &mut self.d_input[place * channels..][..channels];
                    match self.shape.kind {
                        PoolKind::Max => {
                            let switches = &self.switches[from..][..channels];
                            for ((d, &g), &switch) in target.iter_mut().zip(signal).zip(switches) {
                                *d += if switch == tap { g } else { 0.0 };
                            }
                        }
                        PoolKind::PNorm { p } => {
                            let values = &self.input[place * channels..][..channels];
                            let norms = &self.output[from..][..channels];
                            for channel in 0..channels {
                                target[channel] +=
                                    p_norm_back(values[channel], norms[channel], p) * signal[channel];
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The places of a window inside the image: (place in the unclipped kernel, pixel), in row-major order.
#[inline(always)]
fn taps(shape: &PoolShape, y: usize, x: usize) -> impl Iterator<Item = (u16, usize)> + Clone {
    let (size, kernel) = (shape.input, shape.kernel);
    let (top, left) = (y * shape.stride, x * shape.stride);
    let (rows, columns) = (shape.window(y, size.height), shape.window(x, size.width));
    let padding = shape.padding;
    rows.flat_map(move |row| {
        columns.clone().map(move |column| {
            let tap = (row + padding - top) * kernel + (column + padding - left);
            (tap as u16, row * size.width + column)
        })
    })
}

/// Takes over the larger values of one tap and notes where they came from. The first tap always wins, so that a
/// window of NaN has a switch inside the image.
#[inline(always)]
fn maximum(first: bool, tap: u16, values: &[f32], largest: &mut [f32], switches: &mut [u16]) {
    for ((&value, largest), switch) in values.iter().zip(largest).zip(switches) {
        let wins = first || value > *largest;
        *switch = if wins { tap } else { *switch };
        *largest = if wins { value } else { *largest };
    }
}

/// (sum |x|^p)^(1/p), scaled by the largest |x| so that no power overflows.
#[inline(always)]
fn p_norm(values: impl Iterator<Item = f32> + Clone, p: f32) -> f32 {
    let largest = values.clone().fold(0.0f32, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    let sum: f32 = values.map(|x| power(x.abs() / largest, p)).sum();
    largest * if p == 2.0 { sum.sqrt() } else { sum.powf(1.0 / p) }
}

/// d norm / d x = sign(x) (|x| / norm)^(p - 1), and 0 where the norm is 0.
#[inline(always)]
fn p_norm_back(x: f32, norm: f32, p: f32) -> f32 {
    if norm > 0.0 { power(x.abs() / norm, p - 1.0).copysign(x) } else { 0.0 }
}

/// x^p with the common orders done exactly.
#[inline(always)]
fn power(x: f32, p: f32) -> f32 {
    match p {
        0.0 => 1.0,
        1.0 => x,
        2.0 => x * x,
        _ => x.powf(p),
    }
}

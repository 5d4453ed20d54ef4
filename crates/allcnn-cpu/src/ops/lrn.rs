//! Local response normalization, pixel by pixel.

use allcnn_device::LrnShape;

use super::power::{exp2, log2};
use super::scratch::Scratch;
use crate::simd::{Kernel, Simd};
use crate::whole::{pieces, pieces_mut};

/// The values of a pixel with as many zeros on both sides as a neighborhood reaches beyond it, so that each is a plain sum.
struct Padded {
    values: Scratch,
    reach: usize,
}

impl Padded {
    #[inline(always)]
    fn new(shape: &LrnShape) -> Self {
        let reach = shape.size / 2;
        Self { values: Scratch::new(shape.input.channels + 2 * reach), reach }
    }

    /// The sums over the neighborhoods of `terms`.
    #[inline(always)]
    fn sums(&mut self, terms: impl Iterator<Item = f32>, sums: &mut [f32]) {
        let values = self.values.values();
        for (value, term) in values[self.reach..].iter_mut().zip(terms) {
            *value = term;
        }
        sums.fill(0.0);
        for offset in 0..=2 * self.reach {
            for (sum, &value) in sums.iter_mut().zip(&values[offset..]) {
                *sum += value;
            }
        }
    }
}

/// Overwrites `s` with s = k + alpha / size * (sum of the squares near each channel), and `powers` with s^-beta.
#[inline(always)]
fn bases(shape: &LrnShape, pixel: &[f32], padded: &mut Padded, s: &mut [f32], powers: &mut [f32]) {
    padded.sums(pixel.iter().map(|x| x * x), s);
    for (s, power) in s.iter_mut().zip(powers) {
        *s = shape.k + shape.alpha / shape.size as f32 * *s;
        *power = exp2(-shape.beta * log2(*s));
    }
}

/// y = x s^-beta of consecutive pixels.
pub(crate) struct Forward<'a> {
    pub shape: LrnShape,
    pub input: &'a [f32],
    pub output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let channels = self.shape.input.channels;
        let (mut padded, mut s) = (Padded::new(&self.shape), Scratch::new(channels));
        for (pixel, output) in pieces(self.input, channels).zip(pieces_mut(self.output, channels)) {
            bases(&self.shape, pixel, &mut padded, s.values(), output);
            for (value, &x) in output.iter_mut().zip(pixel) {
                *value *= x;
            }
        }
    }
}

/// d_input of consecutive pixels:
/// g_i s_i^-beta - 2 alpha beta / size * x_i * sum over j near i of g_j x_j s_j^(-beta - 1).
pub(crate) struct Backward<'a> {
    pub shape: LrnShape,
    pub input: &'a [f32],
    pub d_output: &'a [f32],
    pub d_input: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { shape, input, d_output, d_input } = self;
        let channels = shape.input.channels;
        let factor = 2.0 * shape.alpha * shape.beta / shape.size as f32;
        let mut padded = Padded::new(&shape);
        let mut scratch = [(); 3].map(|()| Scratch::new(channels));
        let [s, powers, crossed] = scratch.each_mut().map(Scratch::values);
        let pixels = pieces(input, channels).zip(pieces(d_output, channels));
        for ((pixel, signal), d_pixel) in pixels.zip(pieces_mut(d_input, channels)) {
            bases(&shape, pixel, &mut padded, s, powers);
            let terms = (0..channels).map(|at| signal[at] * pixel[at] * powers[at] / s[at]);
            padded.sums(terms, crossed);
            for (at, value) in d_pixel.iter_mut().enumerate() {
                *value = signal[at] * powers[at] - factor * pixel[at] * crossed[at];
            }
        }
    }
}

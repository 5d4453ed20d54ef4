//! Learned-norm pooling: one output row (forward), one image (backward), or some channels (gradients of the parameters) a chunk.

use allcnn_device::learned_norm::{order, order_slope};
use allcnn_device::{PoolShape, Regions};

use super::p_norm::{inverse, measure};
use super::pool::taps;
use super::power::{exp2, log2, power};
use super::scratch::Scratch;
use crate::simd::{Kernel, Simd};
use crate::whole::pieces_mut;

/// Channels whose gradients one chunk computes, and that go back side by side, in vector registers.
pub(crate) const BLOCK: usize = 16;

/// A pooling with its parameters, `[channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Norms<'a> {
    pub shape: PoolShape,
    pub regions: &'a Regions,
    pub center: &'a [f32],
    pub rho: &'a [f32],
}

/// Some neighboring channels: their centers and orders.
struct Block {
    first: usize,
    count: usize,
    center: [f32; BLOCK],
    order: [f32; BLOCK],
}

impl Norms<'_> {
    fn block(&self, first: usize) -> Block {
        let count = BLOCK.min(self.center.len() - first);
        let (mut center, mut orders) = ([0.0; BLOCK], [2.0; BLOCK]);
        for at in 0..count {
            (center[at], orders[at]) = (self.center[first + at], order(self.rho[first + at]) as f32);
        }
        Block { first, count, center, order: orders }
    }

    /// The pixels of an output's window, the outputs of an image being counted row by row.
    #[inline(always)]
    fn taps(&self, output: usize) -> impl Iterator<Item = usize> + Clone {
        let width = self.shape.output().width;
        taps(self.regions, self.shape.input.width, output / width, output % width)
    }
}

/// One output row forward.
pub(crate) struct ForwardRow<'a> {
    pub norms: Norms<'a>,
    /// Which row, counted over all images.
    pub row: usize,
    pub input: &'a [f32],
    pub output: &'a mut [f32],
}

impl Kernel for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (size, out) = (self.norms.shape.input, self.norms.shape.output());
        let image = &self.input[self.row / out.height * (size.len() / size.batch)..];
        let mut scratch = [(); 3].map(|()| Scratch::new(size.channels));
        let [orders, scale, inverse] = scratch.each_mut().map(Scratch::values);
        for (p, &rho) in orders.iter_mut().zip(self.norms.rho) {
            *p = order(rho) as f32;
        }
        for (x, output) in pieces_mut(self.output, size.channels).enumerate() {
            let taps = self.norms.taps(self.row % out.height * out.width + x);
            measure(taps.clone(), image, self.norms.center.iter(), scale, inverse);
            self.norms.forward(taps, image, orders, [scale, inverse], output);
        }
    }
}

impl Norms<'_> {
    /// (mean of |x - c|^p)^(1/p) of each channel of a window.
    #[inline(always)]
    fn forward(
        &self,
        taps: impl Iterator<Item = usize> + Clone,
        image: &[f32],
        orders: &[f32],
        [scale, inverse]: [&[f32]; 2],
        output: &mut [f32],
    ) {
        let (channels, count) = (output.len(), taps.clone().count() as f32);
        output.fill(0.0);
        for pixel in taps {
            let values = image[pixel * channels..][..channels].iter().zip(self.center);
            let of_window = inverse.iter().zip(orders);
            for ((sum, (&x, &c)), (&inverse, &order)) in output.iter_mut().zip(values).zip(of_window) {
                *sum += power((x - c).abs() * inverse, order);
            }
        }
        for (value, (&scale, &order)) in output.iter_mut().zip(scale.iter().zip(orders)) {
            let root = exp2(log2(*value / count) / order);
            *value = if *value == 0.0 { 0.0 } else { scale * root };
        }
    }
}

impl Block {
    /// Adds g / n sign(x - c) (|x - c| / y)^(p - 1) to the gradient of each x, for the outputs y and signals g of a window.
    #[inline(always)]
    fn back(
        &self,
        pixels: impl Iterator<Item = usize> + Clone,
        image: &[f32],
        output: &[f32],
        signal: &[f32],
        d_image: &mut [f32],
    ) {
        let count = pixels.clone().count() as f32;
        let (mut inverses, mut factors) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (at, (&y, &g)) in output.iter().zip(signal).enumerate() {
            (inverses[at], factors[at]) = (inverse(y), if y > 0.0 { g / count } else { 0.0 });
        }
        for pixel in pixels {
            let values = &image[pixel + self.first..][..output.len()];
            let target = &mut d_image[pixel + self.first..][..output.len()];
            for at in 0..output.len() {
                let distance = values[at] - self.center[at];
                let slope = power(distance.abs() * inverses[at], self.order[at] - 1.0).copysign(distance);
                target[at] += factors[at] * slope;
            }
        }
    }

    /// Adds a window's part to the gradients of the centers and of the orders.
    #[inline(always)]
    fn add_gradients(
        &self,
        pixels: impl Iterator<Item = usize> + Clone,
        image: &[f32],
        output: &[f32],
        signal: &[f32],
        [d_center, d_order]: [&mut [f64; BLOCK]; 2],
    ) {
        let count = pixels.clone().count() as f32;
        let (mut slopes, mut logarithms, mut inverses) = ([0.0f32; BLOCK], [0.0f32; BLOCK], [0.0; BLOCK]);
        for (at, &y) in output.iter().enumerate() {
            inverses[at] = inverse(y);
        }
        for pixel in pixels {
            let values = &image[pixel + self.first..][..output.len()];
            for at in 0..output.len() {
                let distance = values[at] - self.center[at];
                let relative = distance.abs() * inverses[at];
                let logarithm = log2(relative);
                let slope = if relative == 0.0 { 0.0 } else { exp2((self.order[at] - 1.0) * logarithm) };
                slopes[at] += slope.copysign(distance);
                logarithms[at] += slope * relative * logarithm;
            }
        }
        for at in 0..output.len() {
            let share = if output[at] > 0.0 { f64::from(signal[at] / count) } else { 0.0 };
            // What was divided by an output of 0 counts for nothing.
            let (slope, logarithm) = if output[at] > 0.0 { (slopes[at], logarithms[at]) } else { (0.0, 0.0) };
            d_center[at] -= share * f64::from(slope);
            d_order[at] += share * f64::from(logarithm * output[at] / self.order[at]);
        }
    }
}

/// The back pass of one image; `d_input` is overwritten.
pub(crate) struct BackwardImage<'a> {
    pub norms: Norms<'a>,
    pub input: &'a [f32],
    pub output: &'a [f32],
    pub d_output: &'a [f32],
    pub d_input: &'a mut [f32],
}

impl Kernel for BackwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (channels, out) = (self.norms.shape.input.channels, self.norms.shape.output());
        self.d_input.fill(0.0);
        for first in (0..channels).step_by(BLOCK) {
            let block = self.norms.block(first);
            for window in 0..out.height * out.width {
                let pixels = self.norms.taps(window).map(|pixel| pixel * channels);
                let own = window * channels + first..window * channels + first + block.count;
                let (output, signal) = (&self.output[own.clone()], &self.d_output[own]);
                match block.count {
                    BLOCK => block.back(pixels, self.input, &output[..BLOCK], &signal[..BLOCK], self.d_input),
                    _ => block.back(pixels, self.input, output, signal, self.d_input),
                }
            }
        }
    }
}

/// The gradients of the parameters of neighboring channels, over all images, which are taken in their order.
pub(crate) struct Gradients<'a> {
    pub norms: Norms<'a>,
    /// The first of the channels, of which there are [`BLOCK`] at most.
    pub first: usize,
    pub input: &'a [f32],
    pub output: &'a [f32],
    pub d_output: &'a [f32],
    pub d_center: &'a mut [f32],
    pub d_rho: &'a mut [f32],
}

impl Kernel for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (size, out) = (self.norms.shape.input, self.norms.shape.output());
        let (block, windows) = (self.norms.block(self.first), out.height * out.width);
        let (mut d_center, mut d_order) = ([0.0; BLOCK], [0.0; BLOCK]);
        for window in 0..out.batch * windows {
            let image = &self.input[window / windows * (size.len() / size.batch)..];
            let pixels = self.norms.taps(window % windows).map(|pixel| pixel * size.channels);
            let own = window * size.channels + self.first..window * size.channels + self.first + block.count;
            let (output, signal) = (&self.output[own.clone()], &self.d_output[own]);
            let sums = [&mut d_center, &mut d_order];
            match block.count {
                BLOCK => block.add_gradients(pixels, image, &output[..BLOCK], &signal[..BLOCK], sums),
                _ => block.add_gradients(pixels, image, output, signal, sums),
            }
        }
        for at in 0..block.count {
            // The logarithms were binary ones.
            let d_rho = d_order[at] * std::f64::consts::LN_2 * order_slope(self.norms.rho[self.first + at]);
            (self.d_center[at], self.d_rho[at]) = (d_center[at] as f32, d_rho as f32);
        }
    }
}

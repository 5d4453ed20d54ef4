//! Weights between taps and points: to the points for the data passes (U = G g Gt), and their gradients back from the
//! points (dw = Gt dU G).

use std::ops::Range;

use super::super::pass::Direction;
use super::data::Winograd;
use super::transform::{self, Line, Sink, Source, Spaced, WIDEST};
use super::weights::WinogradWeights;
use crate::products::bf16x6;
use crate::products::block::{BLOCK, TILE};
use crate::simd::{Kernel, Simd};
use crate::threads::SendPtr;
use crate::whole::pieces;

/// Some source channels of a panel of weights.
pub(super) struct Weights<'a> {
    pub(super) pass: &'a Winograd,
    pub(super) weights: &'a [f32],
    pub(super) depth: Range<usize>,
    pub(super) panel: usize,
    pub(super) transformed: SendPtr<f32>,
}

/// Their transform from R x R taps, [out, ky, kx, in], to P x P points.
pub(super) struct Points<'a, L, const R: usize, const P: usize>(pub Weights<'a>, pub L);

impl<L: Line<R, P>, const R: usize, const P: usize> Kernel for Points<'_, L, R, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(weights, transform) = self;
        let Winograd { panels, tiling, .. } = *weights.pass;
        let (columns, stored) = (panels.columns(weights.panel), panels.stored(weights.panel));
        for k in weights.depth.clone() {
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                let place =
                    tiling.source.channels * panels.stored_before(weights.panel) + k * stored + vector;
                let mut taps = Taps::<R> { weights: &weights, first, count, k };
                // SAFETY: every (point, panel, k, vector) has its own place.
                let mut points =
                    unsafe { Spaced::<P>::new(weights.transformed.at(place), weights.pass.point_len()) };
                transform::square::<S, _, R, P>(simd, transform, &mut taps, &mut points);
            }
        }
    }
}

/// The same as right sides of products on tiles, [point][column block][step][term][tile]: `panel` counts blocks, the
/// depth is a step.
pub(super) struct PackedPoints<'a, L, const R: usize, const P: usize>(pub Weights<'a>, pub L);

/// A square of at most 9 x 9 vectors.
#[repr(align(64))]
struct Square([f32; 81 * WIDEST]);

impl<L: Line<R, P>, const R: usize, const P: usize> Kernel for PackedPoints<'_, L, R, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(weights, transform) = self;
        let channels = weights.pass.tiling.source.channels;
        let steps = channels.div_ceil(BLOCK);
        let mut squares = [const { Square([0.0; 81 * WIDEST]) }; 2];
        for column in (0..BLOCK).step_by(TILE) {
            let first = weights.panel * BLOCK + column;
            let count = TILE.min(weights.pass.tiling.destination.channels.saturating_sub(first));
            for pair in 0..TILE {
                for (half, square) in squares.iter_mut().enumerate() {
                    let k = weights.depth.start + half * TILE + pair;
                    if k >= channels || count == 0 {
                        square.0.fill(0.0);
                        continue;
                    }
                    let mut taps = Taps::<R> { weights: &weights, first, count, k };
                    // SAFETY: a square has room for P x P vectors.
                    let mut points = unsafe { Spaced::<P>::new(square.0.as_mut_ptr(), WIDEST) };
                    transform::square::<S, _, R, P>(simd, transform, &mut taps, &mut points);
                }
                let place = bf16x6::right_row(steps, first, weights.depth.start / BLOCK, pair);
                for point in 0..P * P {
                    let [low, high] = [0, 1].map(|half| squares[half].0[point * WIDEST..].as_ptr());
                    // SAFETY: every (point, column, step, pair) has its own place; tiles are chosen for vectors of 16.
                    unsafe {
                        let to = weights.transformed.at(point * weights.pass.point_len() + place);
                        bf16x6::pack_pairs(low, high, to);
                    }
                }
            }
        }
    }
}

/// The taps between source channel `k` and `count` destination channels from `first` on.
struct Taps<'a, const R: usize> {
    weights: &'a Weights<'a>,
    first: usize,
    count: usize,
    k: usize,
}

impl<S: Simd, const R: usize> Source<S> for Taps<'_, R> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let Self { first, count, k, .. } = *self;
        match self.weights.pass.direction {
            Direction::Forward => self.gather(simd, first, count, y, x, k),
            Direction::Backward => self.row(simd, k, R - 1 - y, R - 1 - x, first, count),
        }
    }
}

impl<const R: usize> Taps<'_, R> {
    /// One tap of an input channel for `count` neighbouring output channels.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, first: usize, count: usize, ky: usize, kx: usize, i: usize) -> S::V {
        let channels = self.weights.pass.tiling.source.channels;
        let mut values = [0.0; WIDEST];
        for (at, value) in values[..count].iter_mut().enumerate() {
            *value = self.weights.weights[(((first + at) * R + ky) * R + kx) * channels + i];
        }
        // SAFETY: no vector has more than 16 lanes.
        unsafe { simd.load(values.as_ptr()) }
    }

    /// One tap of an output channel for `count` neighbouring input channels.
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, o: usize, ky: usize, kx: usize, first: usize, count: usize) -> S::V {
        let channels = self.weights.pass.tiling.destination.channels;
        let from = ((o * R + ky) * R + kx) * channels + first;
        let values = &self.weights.weights[from..from + count];
        // SAFETY: `count` values are there.
        unsafe { simd.load_first(values.as_ptr(), count) }
    }
}

/// Adds what stands at `first` of every other copy to a piece of the first copy.
pub(super) struct AddUp<'a> {
    pub(super) sums: &'a mut [f32],
    pub(super) others: &'a [f32],
    pub(super) first: usize,
    pub(super) step: usize,
}

impl Kernel for AddUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for copy in pieces(self.others, self.step) {
            for (sum, value) in self.sums.iter_mut().zip(&copy[self.first..]) {
                *sum += value;
            }
        }
    }
}

/// Where the gradients of some weights stand: one panel and as many input channels as fill a vector or a
/// block.
pub(super) struct Gradient<'a> {
    pub(super) pass: &'a WinogradWeights,
    pub(super) sums: &'a [f32],
    pub(super) panel: usize,
    pub(super) rows: usize,
    pub(super) d_weights: SendPtr<f32>,
}

/// dw = Gt dU G, from P x P points to R x R taps.
pub(super) struct Gradients<'a, L, const P: usize, const R: usize>(pub Gradient<'a>, pub L);

impl<L: Line<P, R>, const P: usize, const R: usize> Kernel for Gradients<'_, L, P, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(Gradient { pass, sums, panel, rows, d_weights }, transform) = self;
        let (columns, stored) = (pass.panels.columns(panel), pass.panels.stored(panel));
        let channels = pass.tiling.source.channels;
        let step = pass.panels.tile().step();
        for i in rows * step..((rows + 1) * step).min(channels) {
            for vector in (0..stored).step_by(S::LANES) {
                let place = pass.depth * pass.panels.stored_before(panel) + i * stored + vector;
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end.saturating_sub(first));
                // SAFETY: whole vectors stand at all points; they are only read.
                let mut points =
                    unsafe { Spaced::<P>::new(sums[place..].as_ptr().cast_mut(), pass.u_point()) };
                let mut taps = Scattered::<R> { d_weights, channels, i, first, count };
                transform::square::<S, _, P, R>(simd, transform, &mut points, &mut taps);
            }
        }
    }
}

/// The gradients of the taps between input channel `i` and `count` output channels from `first` on.
struct Scattered<const R: usize> {
    d_weights: SendPtr<f32>,
    channels: usize,
    i: usize,
    first: usize,
    count: usize,
}

impl<S: Simd, const R: usize> Sink<S> for Scattered<R> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        let mut lanes = [0.0; WIDEST];
        // SAFETY: no vector has more than 16 lanes; each panel and input channel has its own gradients.
        unsafe {
            simd.store(value, lanes.as_mut_ptr());
            for (at, &lane) in lanes[..self.count].iter().enumerate() {
                let tap = ((self.first + at) * R + y) * R + x;
                *self.d_weights.at(tap * self.channels + self.i) = lane;
            }
        }
    }
}

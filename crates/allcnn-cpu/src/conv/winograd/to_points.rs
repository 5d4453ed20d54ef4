//! Weights to the points, for the data passes: U = G g Gt.

use std::ops::Range;

use super::super::pass::Direction;
use super::data_plan::DataPlan;
use super::products::Products;
use super::scheme::{Transforms, with_transforms};
use super::transform::{Line, Source, Spaced, WIDEST, rectangle};
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::block::{BLOCK, TILE};
use crate::products::operand::{Operand, Pair};
use crate::simd::{Kernel, Simd};
use crate::threads::SharedMut;

/// Source channels of a chunk: whole pairs.
const DEPTH: usize = 16;

/// Transforms all weights, as [`DataPlan::weights_len`] says.
pub(super) fn transform(plan: &DataPlan, engine: &Engine, weights: &[f32], transformed: &mut [f32]) {
    let channels = plan.tiling.source.channels;
    let step = if plan.products == Products::Terms { BLOCK } else { DEPTH };
    let pieces = channels.div_ceil(step);
    let transformed = SharedMut::new(transformed);
    engine.threads().run(plan.panels.count() * pieces, |chunk| {
        let first = chunk % pieces * step;
        let depth = first..(first + step).min(channels);
        let weights = Weights { plan, weights, depth, panel: chunk / pieces, transformed };
        with_transforms!(plan.tiling.scheme, transforms => match plan.products {
            Products::F32 => engine.isa().run(Points(weights, transforms)),
            Products::Bf16 => engine.isa().run_dots(PairedPoints(weights, transforms)),
            Products::Terms => engine.isa().run(PackedPoints(weights, transforms)),
        });
    });
}

/// Some source channels of a panel of weights.
struct Weights<'a> {
    plan: &'a DataPlan,
    weights: &'a [f32],
    depth: Range<usize>,
    panel: usize,
    transformed: SharedMut<'a, f32>,
}

/// Their transform from R x R taps, [out, ky, kx, in], to P x P points, [point][panel][source channel][stored column].
struct Points<'a, T>(Weights<'a>, T);

impl<T: Transforms> Kernel for Points<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Weights { plan, panel, ref depth, transformed, .. } = self.0;
        let (side, point_len) = (T::Weights::OUTPUTS, plan.point_len());
        let (columns, stored) = (plan.panels.columns(panel), plan.panels.stored(panel));
        let first_row = plan.tiling.source.channels * plan.panels.stored_before(panel);
        for k in depth.clone() {
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                let mut taps = Taps { weights: &self.0, side: T::Weights::INPUTS, first, count, k };
                let to = first_row + k * stored + vector;
                let to = transformed.pointer(to..to + (side * side - 1) * point_len + S::LANES);
                // SAFETY: the range holds a vector at each point; no other (panel, k, vector) has the same ones.
                let mut points = unsafe { Spaced::new(to, point_len, side) };
                rectangle::<S, T::Weights, T::Weights>(simd, &mut taps, &mut points);
            }
        }
    }
}

/// Their transform to pairs of neighboring source channels, [point][panel][pair of source channels][stored column].
struct PairedPoints<'a, T>(Weights<'a>, T);

impl<T: Transforms> Kernel for PairedPoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Weights { plan, panel, ref depth, transformed, .. } = self.0;
        let (side, point_len) = (T::Weights::OUTPUTS, plan.point_len());
        let (columns, stored) = (plan.panels.columns(panel), plan.panels.stored(panel));
        let first_row = plan.depth() * plan.panels.stored_before(panel);
        let mut squares = [const { Square([0.0; 81 * WIDEST]) }; 2];
        for pair in depth.clone().step_by(Pair::VALUES) {
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                for (k, square) in (pair..).zip(&mut squares) {
                    if k >= depth.end {
                        square.0.fill(0.0);
                        continue;
                    }
                    let mut taps = Taps { weights: &self.0, side: T::Weights::INPUTS, first, count, k };
                    // SAFETY: a square has room for 9 x 9 vectors, more than any scheme has points.
                    let mut points = unsafe { Spaced::new(square.0.as_mut_ptr(), WIDEST, side) };
                    rectangle::<S, T::Weights, T::Weights>(simd, &mut taps, &mut points);
                }
                let to = first_row + pair / Pair::VALUES * stored + vector;
                let to = transformed.pointer(to..to + (side * side - 1) * point_len + S::LANES);
                for point in 0..side * side {
                    // SAFETY: both squares hold a vector at each point, and so does the range; no other (panel, pair,
                    // vector) has the same ones.
                    unsafe {
                        let low = simd.load(squares[0].0.as_ptr().add(point * WIDEST));
                        let high = simd.load(squares[1].0.as_ptr().add(point * WIDEST));
                        simd.store(simd.pair(low, high), to.add(point * point_len));
                    }
                }
            }
        }
    }
}

/// Their transform to right sides of products on tiles, [point][panel][step][term][tile]: a panel is a block of
/// columns, the depth one step.
struct PackedPoints<'a, T>(Weights<'a>, T);

/// A square of at most 9 x 9 vectors.
#[repr(align(64))]
struct Square([f32; 81 * WIDEST]);

impl<T: Transforms> Kernel for PackedPoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Weights { plan, panel, ref depth, transformed, .. } = self.0;
        let (source, destination) = (plan.tiling.source.channels, plan.tiling.destination.channels);
        let (side, point_len) = (T::Weights::OUTPUTS, plan.point_len());
        let steps = source.div_ceil(BLOCK);
        let mut squares = [const { Square([0.0; 81 * WIDEST]) }; 2];
        for column in (0..BLOCK).step_by(TILE) {
            let first = panel * BLOCK + column;
            let count = TILE.min(destination.saturating_sub(first));
            for pair in 0..TILE {
                for (half, square) in squares.iter_mut().enumerate() {
                    let k = depth.start + half * TILE + pair;
                    if k >= source || count == 0 {
                        square.0.fill(0.0);
                        continue;
                    }
                    let mut taps = Taps { weights: &self.0, side: T::Weights::INPUTS, first, count, k };
                    // SAFETY: a square has room for 9 x 9 vectors, more than any scheme has points.
                    let mut points = unsafe { Spaced::new(square.0.as_mut_ptr(), WIDEST, side) };
                    rectangle::<S, T::Weights, T::Weights>(simd, &mut taps, &mut points);
                }
                let row = bf16x6::right_row(steps, first, depth.start / BLOCK, pair);
                for point in 0..side * side {
                    let [low, high] = [0, 1].map(|half| squares[half].0[point * WIDEST..].as_ptr());
                    let to = point * point_len + row;
                    let to = transformed.pointer(to..(point + 1) * point_len);
                    // SAFETY: both squares hold 16 values there, and the rest of the point the row in every term,
                    // which no other (point, column, step, pair) has. A plan for products of terms runs only where
                    // there are tiles.
                    unsafe { bf16x6::pack_pairs(low, high, to) };
                }
            }
        }
    }
}

/// The taps between source channel `k` and `count` destination channels from `first` on.
struct Taps<'a> {
    weights: &'a Weights<'a>,
    /// Rows and columns of taps.
    side: usize,
    first: usize,
    count: usize,
    k: usize,
}

impl<S: Simd> Source<S> for Taps<'_> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        match self.weights.plan.direction {
            Direction::Forward => self.of_outputs(simd, y, x),
            Direction::Backward => self.of_inputs(simd, self.side - 1 - y, self.side - 1 - x),
        }
    }
}

impl Taps<'_> {
    /// One tap between input channel `k` and neighboring output channels.
    #[inline(always)]
    fn of_outputs<S: Simd>(&self, simd: S, ky: usize, kx: usize) -> S::V {
        let channels = self.weights.plan.tiling.source.channels;
        let mut values = [0.0; WIDEST];
        for (at, value) in values[..self.count].iter_mut().enumerate() {
            let tap = ((self.first + at) * self.side + ky) * self.side + kx;
            *value = self.weights.weights[tap * channels + self.k];
        }
        // SAFETY: no vector has more than 16 lanes.
        unsafe { simd.load(values.as_ptr()) }
    }

    /// One tap between output channel `k` and neighboring input channels.
    #[inline(always)]
    fn of_inputs<S: Simd>(&self, simd: S, ky: usize, kx: usize) -> S::V {
        let channels = self.weights.plan.tiling.destination.channels;
        let tap = (self.k * self.side + ky) * self.side + kx;
        let values = &self.weights.weights[tap * channels + self.first..][..self.count];
        // SAFETY: the slice holds `count` values.
        unsafe { simd.load_first(values.as_ptr(), self.count) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Matrices, assert_close, each_scheme, transformed, values};
    use super::*;

    /// The weight at a point between a source channel and a destination channel.
    fn at(plan: &DataPlan, transformed: &[f32], point: usize, k: usize, column: usize) -> f32 {
        let of_point = &transformed[point * plan.point_len()..][..plan.point_len()];
        let channels = plan.tiling.source.channels;
        if plan.products == Products::Terms {
            // Its three terms, in the low halves of pairs for the first 16 channels of a step.
            let row = bf16x6::right_row(channels.div_ceil(BLOCK), column, k / BLOCK, k % TILE);
            let shift = if k % BLOCK < TILE { 16 } else { 0 };
            let term_len = bf16x6::packed_len(1, 1) / 3;
            let pair = |term: usize| of_point[row + term * term_len + column % TILE].to_bits();
            return (0..3).map(|term| f32::from_bits(pair(term) << shift & 0xffff_0000)).sum();
        }
        let panel = column / plan.panels.tile().columns;
        let row = plan.depth() * plan.panels.stored_before(panel);
        let word = |at: usize| {
            of_point[row + at * plan.panels.stored(panel) + column - plan.panels.columns(panel).start]
        };
        match plan.products {
            Products::Bf16 => f32::from_bits(word(k / 2).to_bits() << (16 - k % 2 * 16) & 0xffff_0000),
            _ => word(k),
        }
    }

    #[test]
    fn every_weight_is_transformed_to_every_point_in_either_direction() {
        each_scheme(|engine, shape| {
            let weights = values(shape.weights_len(), 1);
            for direction in [Direction::Forward, Direction::Backward] {
                let plan = DataPlan::new(shape, direction, engine).unwrap();
                let matrix = Matrices::of(plan.tiling.scheme).weights;
                let mut to = vec![f32::NAN; plan.weights_len()];
                transform(&plan, engine, &weights, &mut to);
                for (o, i) in
                    (0..shape.out_channels).flat_map(|o| (0..shape.input.channels).map(move |i| (o, i)))
                {
                    let ((k, column), last) = match direction {
                        Direction::Forward => ((i, o), None),
                        Direction::Backward => ((o, i), Some(shape.kernel - 1)),
                    };
                    let tap = |y: usize, x: usize| {
                        let [y, x] = [y, x].map(|tap| last.map_or(tap, |last| last - tap));
                        let tap = (o * shape.kernel + y) * shape.kernel + x;
                        f64::from(weights[tap * shape.input.channels + i])
                    };
                    for point in 0..plan.sizes.points.pow(2) {
                        let row_and_column = (point / plan.sizes.points, point % plan.sizes.points);
                        let expected = transformed(&matrix, row_and_column, tap);
                        let what = format_args!("{shape:?} {direction:?} {point} {o} {i}");
                        assert_close(engine, at(&plan, &to, point, k, column), expected, what);
                    }
                }
            }
        });
    }
}

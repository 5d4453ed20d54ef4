//! A chunk of tiles through the three stages of a data pass. With stride 1:
//!
//! ```text
//! for each tile                                           transform_source
//!     for each vector of source channels
//!         V[every point][tile][channels] = Bt d B
//! for each point                                          multiply
//!     for each panel of destination channels                  multiply_panel
//!         for each R tiles, a register tile of sums
//!             M[point][tiles][panel] = sum over k of V[point][tiles][k] * U[point][panel][k]
//! for each tile                                           transform_destination
//!     for each vector of destination channels
//!         y = At M[every point][tile][channels] A, finished, to the tile's pixels inside the image
//! ```
//!
//! - The chunk outside all: V and M of its few dozen tiles stay in the second-level cache from stage to stage, so no
//!   transformed value goes to memory.
//! - The points outside the panels: a product at a point is a plain matrix product, tiles x source channels x
//!   destination channels, and the weights of a chunk are read once, in the order in which they lie.
//! - The panels outside the tiles: a panel of weights is read by all tiles, and only the first register tile waits
//!   for it; meanwhile each prefetches a share of the panel that comes next.
//! - The tiles outside the channels in both transforms: all points of a vector are made at once, in registers, and
//!   neighboring channels are neighbors in memory.
//!
//! The transformed tiles fill a worker's scratch, one slot a point. V[point] is in slot point + 1, and the products
//! M[point] are written to slot point, where V[point - 1] is used up.
//!
//! With stride 2, the four phases of the pixels (outer or middle taps, down and across) go through the slots one after
//! another, M before V: on the way forward each phase has its own V and adds to M; on the way back all share V, and
//! each yields its own pixels.

use std::ops::Range;

use allcnn_device::Shape;

use super::super::destination::Destination;
use super::super::pass::Direction;
use super::data_plan::DataPlan;
use super::scheme::{Stride1, Stride2, Transforms, with_transforms};
use super::stride2::{FINITE, MiddleInput, MiddleOutput, OuterInput, SUMS};
use super::tiling::{Corner, Half};
use super::transform::{Array, Line, Sink, Source, Spaced, rectangle};
use super::{stride1, stride2};
use crate::engine::Engine;
use crate::ops::epilogue::Position;
use crate::products::bf16x6;
use crate::products::f32::{LINE, accumulate, with_tile, zeros};
use crate::simd::{Kernel, Simd, Tiles};

/// Some tiles, and some panels of the destination that they cover.
pub(super) struct Chunk<'a> {
    pub(super) plan: &'a DataPlan,
    pub(super) source: &'a [f32],
    pub(super) weights: &'a [f32],
    /// Zeros, for pixels outside the image.
    pub(super) outside: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) destination: Destination<'a>,
    pub(super) slots: &'a mut [f32],
}

impl Chunk<'_> {
    pub(super) fn compute(self, engine: &Engine) {
        with_transforms!(self.plan.tiling.scheme, transforms => engine.isa().run(Compute(self, transforms)));
    }
}

/// A chunk with its transforms.
struct Compute<'a, T>(Chunk<'a>, T);

impl<T: Stages> Kernel for Compute<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        T::compute(simd, &mut self.0);
        self.0.end(simd);
    }
}

/// The order of the stages.
trait Stages: Transforms {
    fn compute<S: Simd>(simd: S, chunk: &mut Chunk<'_>);
}

impl<const R: usize, const M: usize> Stages for Stride1<R, M> {
    #[inline(always)]
    fn compute<S: Simd>(simd: S, chunk: &mut Chunk<'_>) {
        use stride1::{Input, Output, SIDE};
        chunk.transform_source::<S, Self, Input, Input>(simd, None);
        chunk.multiply(simd, 0..SIDE, 0..SIDE, false);
        chunk.transform_destination::<S, Self, Output<M>, Output<M>>(simd, None);
    }
}

impl Stages for Stride2 {
    #[inline(always)]
    fn compute<S: Simd>(simd: S, chunk: &mut Chunk<'_>) {
        use stride2::Output;
        match chunk.plan.direction {
            Direction::Forward => {
                // The first phase has all points, so it starts every sum.
                chunk.phase_forward::<S, OuterInput, OuterInput>(simd, Half { row: 0, column: 0 });
                chunk.phase_forward::<S, OuterInput, MiddleInput>(simd, Half { row: 0, column: 1 });
                chunk.phase_forward::<S, MiddleInput, OuterInput>(simd, Half { row: 1, column: 0 });
                chunk.phase_forward::<S, MiddleInput, MiddleInput>(simd, Half { row: 1, column: 1 });
                chunk.transform_destination::<S, Self, Output, Output>(simd, None);
            }
            Direction::Backward => {
                chunk.transform_source::<S, Self, OuterInput, OuterInput>(simd, None);
                chunk.phase_backward::<S, Output, Output>(simd, Half { row: 1, column: 1 });
                chunk.phase_backward::<S, Output, MiddleOutput>(simd, Half { row: 1, column: 0 });
                chunk.phase_backward::<S, MiddleOutput, Output>(simd, Half { row: 0, column: 1 });
                chunk.phase_backward::<S, MiddleOutput, MiddleOutput>(simd, Half { row: 0, column: 0 });
            }
        }
    }
}

/// The weights' points of the outer taps along a line, or those of the middle tap.
#[inline(always)]
fn points(is_middle: bool) -> Range<usize> {
    if is_middle { SUMS..SUMS + FINITE } else { 0..SUMS }
}

impl Chunk<'_> {
    /// The products of one phase, added to M. The outer taps see the pixels of half 0, the middle tap those of half 1.
    #[inline(always)]
    fn phase_forward<S: Simd, Down: Line, Across: Line>(&mut self, simd: S, half: Half) {
        self.transform_source::<S, Stride2, Down, Across>(simd, Some(half));
        let adds = half != Half { row: 0, column: 0 };
        self.multiply(simd, points(half.row == 1), points(half.column == 1), adds);
    }

    /// The destination pixels of one phase. The outer taps reach the pixels of half 1, the middle tap those of half 0.
    #[inline(always)]
    fn phase_backward<S: Simd, Down: Line, Across: Line>(&mut self, simd: S, half: Half) {
        self.multiply(simd, points(half.row == 0), points(half.column == 0), false);
        self.transform_destination::<S, Stride2, Down, Across>(simd, Some(half));
    }

    /// V = Bt d B of all tiles, of their pixels or of a half of them.
    #[inline(always)]
    fn transform_source<S: Simd, T: Transforms, Down: Line, Across: Line>(
        &mut self,
        simd: S,
        half: Option<Half>,
    ) {
        let DataPlan { tiling, stride, .. } = *self.plan;
        let (slot, first, side) = (self.plan.slot(), self.plan.first_left(), T::SIZES.sums);
        for (at, tile) in self.tiles.clone().enumerate() {
            let corner = tiling.source_corner(tiling.tile(tile));
            let corner = half.map_or(corner, |half| corner.half(half));
            let outside = corner.outside(self.outside);
            let mut pixels = Down::Inputs::filled(Across::Inputs::filled(outside));
            for (y, row) in pixels.elements_mut().iter_mut().enumerate() {
                corner.locate_row(y, self.source, row.elements_mut());
            }
            for channel in (0..tiling.source.channels).step_by(S::LANES) {
                let count = S::LANES.min(tiling.source.channels - channel);
                let to = &mut self.slots[first * slot + at * stride + channel..];
                let to = to[..(side * side - 1) * slot + S::LANES].as_mut_ptr();
                let ahead = channel + tiling.source_step * tiling.source.channels;
                let mut values = Pixels::<Down, Across> { pixels: &pixels, channel, count, ahead };
                // SAFETY: the slice holds a vector in the slot of each point.
                let mut points = unsafe { Spaced::new(to, slot, side) };
                rectangle::<S, Down, Across>(simd, &mut values, &mut points);
            }
        }
    }

    /// M = V * U, or M += V * U, for the weights of some rows and columns of points. V and M have as many.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, rows: Range<usize>, columns: Range<usize>, adds: bool) {
        // SAFETY: plans choose products of terms only where the machine has tiles.
        let tiles = self.plan.bf16x6.then(|| unsafe { Tiles::new() });
        for (y, x) in rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x))) {
            let sums = (y - rows.start) * self.plan.sizes.sums + x - columns.start;
            let point = Point { sums, weights: y * self.plan.sizes.points + x };
            if let Some(tiles) = &tiles {
                self.multiply_terms(tiles, point, adds);
                continue;
            }
            for panel in self.panels.clone() {
                let columns = self.plan.panels.columns(panel).len();
                with_tile!(S, columns, self.multiply_panel(simd, point, panel, adds));
            }
        }
    }

    /// A point of M, by products of terms.
    fn multiply_terms(&mut self, tiles: &Tiles, point: Point, adds: bool) {
        let DataPlan { stride, ref tiling, .. } = *self.plan;
        let (slot, count) = (self.plan.slot(), self.tiles.len());
        let (depth, columns) = (tiling.source.channels, self.columns());
        let weights = &self.weights[point.weights * self.plan.point_len()..][..self.plan.point_len()];
        let weights = &weights[self.panels.start * bf16x6::packed_len(1, depth)..];
        let (slots, packed) = self.slots.split_at_mut(self.plan.slots());
        let (products, left) = slots.split_at_mut((point.sums + self.plan.first_left()) * slot);
        let products = &mut products[point.sums * slot..][..slot];
        let to = bf16x6::Rows { start: products[columns.start..].as_mut_ptr(), stride };
        // SAFETY: V holds `count` rows of `stride` values, which is whole vectors, and `packed` their terms. Rows and
        // columns of a slot are whole blocks, so M may be written for whole blocks.
        unsafe {
            bf16x6::pack_left(left[..count * stride].as_ptr(), stride, count, depth, packed.as_mut_ptr());
            let size = bf16x6::Size { rows: count, columns: columns.len(), depth };
            bf16x6::multiply(tiles, packed, weights, size, adds, to);
        }
    }

    /// A point of M, for a panel of the destination's channels.
    #[inline(always)]
    fn multiply_panel<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        point: Point,
        panel: usize,
        adds: bool,
    ) {
        let DataPlan { ref tiling, ref panels, stride, .. } = *self.plan;
        let (slot, depth) = (self.plan.slot(), tiling.source.channels);
        let start = point.weights * self.plan.point_len() + depth * panels.stored_before(panel);
        let weights = self.weights[start..start + depth * V * S::LANES].as_ptr();
        // The panel that comes next; each register tile prefetches a share of it.
        let next = match panel + 1 < self.panels.end {
            true => weights.wrapping_add(depth * V * S::LANES),
            false => {
                let start = (point.weights + 1) * self.plan.point_len()
                    + depth * panels.stored_before(self.panels.start);
                self.weights.as_ptr().wrapping_add(start)
            }
        };
        let (products, left) = self.slots.split_at_mut((point.sums + self.plan.first_left()) * slot);
        let products = &mut products[point.sums * slot + panels.stored_before(panel)..];
        let last = self.tiles.len() - 1;
        for first in (0..self.tiles.len()).step_by(R) {
            // Rows past the last tile repeat it; they are not stored.
            let row = |r: usize| left[(first + r).min(last) * stride..][..depth].as_ptr();
            let mut sums = zeros::<S, R, V>(simd);
            let kept = R.min(self.tiles.len() - first);
            if adds {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let from = &products[(first + r).min(last) * stride..][..V * S::LANES];
                    for (v, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: the slice holds V whole vectors.
                        *sum = unsafe { simd.load(from.as_ptr().add(v * S::LANES)) };
                    }
                }
            }
            let ahead = next.wrapping_add(first / R * depth * LINE);
            // SAFETY: the slices above are rows of `depth` values and a panel of `depth` rows of V vectors.
            let sums = unsafe { accumulate(simd, &std::array::from_fn(row), depth, weights, ahead, sums) };
            for (r, sums) in sums.iter().enumerate().take(kept) {
                let to = &mut products[(first + r) * stride..][..V * S::LANES];
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: the slice holds V whole vectors.
                    unsafe { simd.store(sum, to.as_mut_ptr().add(v * S::LANES)) };
                }
            }
        }
    }

    /// The channels of the chunk's panels.
    #[inline(always)]
    fn columns(&self) -> Range<usize> {
        let panels = &self.plan.panels;
        panels.columns(self.panels.start).start..panels.columns(self.panels.end - 1).end
    }

    /// Ends the writing of the chunk's panels.
    #[inline(always)]
    fn end<S: Simd>(&self, simd: S) {
        let tiling = &self.plan.tiling;
        let Shape { width, channels, .. } = tiling.destination;
        let first = |tile: usize| tiling.first_row(tile / tiling.across()) * width;
        let pixels = first(self.tiles.start)..first(self.tiles.end);
        // SAFETY: a chunk is whole rows of tiles, so nobody else writes these channels of these pixels.
        unsafe { self.destination.end(simd, pixels, channels, self.columns()) };
    }

    /// y = At M A, without what sticks out of the image, to the pixels of the tiles or to a half of them.
    #[inline(always)]
    fn transform_destination<S: Simd, T: Transforms, Down: Line, Across: Line>(
        &mut self,
        simd: S,
        half: Option<Half>,
    ) {
        let DataPlan { tiling, stride, .. } = *self.plan;
        let Shape { height, width, channels, .. } = tiling.destination;
        let (slot, group, side) = (self.plan.slot(), self.columns(), T::SIZES.sums);
        for (at, tile) in self.tiles.clone().enumerate() {
            let corner = tiling.destination_corner(tiling.tile(tile));
            let Corner { image, row, column, step, .. } = half.map_or(corner, |half| corner.half(half));
            let rows = height.saturating_sub(row).div_ceil(step);
            let columns = width.saturating_sub(column).div_ceil(step);
            let corner = ((image * height + row) * width + column) * channels;
            for channel in group.clone().step_by(S::LANES) {
                let count = S::LANES.min(group.end - channel);
                let from = &mut self.slots[at * stride + channel..];
                let from = from[..(side * side - 1) * slot + S::LANES].as_mut_ptr();
                // SAFETY: the slice holds a vector in the slot of each point.
                let mut points = unsafe { Spaced::new(from, slot, side) };
                let mut outputs = Outputs {
                    destination: self.destination,
                    corner: corner + channel,
                    channel,
                    row: step * width * channels,
                    column: step * channels,
                    rows,
                    columns,
                    count,
                    ahead: tiling.step * channels,
                };
                rectangle::<S, Down, Across>(simd, &mut points, &mut outputs);
            }
        }
    }
}

/// A point: its index among those of V and M, and among those of the weights.
#[derive(Clone, Copy)]
struct Point {
    sums: usize,
    weights: usize,
}

/// Some channels of the pixels of a tile.
struct Pixels<'a, Down: Line, Across: Line> {
    pixels: &'a Down::Inputs<Across::Inputs<*const f32>>,
    channel: usize,
    count: usize,
    /// Values to the same channels of the next tile.
    ahead: usize,
}

impl<S: Simd, Down: Line, Across: Line> Source<S> for Pixels<'_, Down, Across> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let pixel = self.pixels.elements()[y].elements()[x];
        simd.prefetch(pixel.wrapping_add(self.ahead));
        // SAFETY: a pixel holds all channels of the source, so also `count` from `channel` on.
        unsafe { simd.load_first(pixel.add(self.channel), self.count) }
    }
}

/// A vector of channels of a tile's outputs, without what sticks out of the image.
struct Outputs<'a> {
    destination: Destination<'a>,
    corner: usize,
    channel: usize,
    /// Values from an output to the one below, and to the one beside it.
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
    count: usize,
    /// Values to the same output of the next tile.
    ahead: usize,
}

impl<S: Simd> Sink<S> for Outputs<'_> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        if y < self.rows && x < self.columns {
            let index = self.corner + y * self.row + x * self.column;
            let first = Position { index, channel: self.channel };
            // SAFETY: this chunk alone has the pixels of its tiles in its panels' channels.
            unsafe { self.destination.write(simd, first, self.count, value, self.ahead) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_close, data_pass, each_scheme, values};
    use super::super::to_points;
    use super::*;
    use crate::buffer::Buffer;
    use crate::ops::epilogue::Finish;

    #[test]
    fn a_chunk_computes_its_tiles_in_its_panels_and_writes_nothing_else() {
        each_scheme(|engine, shape| {
            for direction in [Direction::Forward, Direction::Backward] {
                let plan = DataPlan::new(shape, direction, engine).unwrap();
                let (size, weights) = (plan.tiling.destination, values(shape.weights_len(), 1));
                let source = values(plan.tiling.source.len(), 2);
                let expected = data_pass(shape, direction, &source, &weights);
                let mut transformed = vec![0.0; plan.weights_len()];
                to_points::transform(&plan, engine, &weights, &mut transformed);
                let mut written = vec![0; size.len()];
                for unit in 0..plan.units() {
                    let mut destination = Buffer::zeros(size.len()).unwrap();
                    destination.fill(f32::NAN);
                    let chunk = Chunk {
                        plan: &plan,
                        source: &source,
                        weights: &transformed,
                        outside: &vec![0.0; plan.stride],
                        tiles: plan.tiles(unit),
                        panels: plan.panels(unit),
                        destination: Destination::new(&mut destination, size.channels, Finish::Plain),
                        slots: &mut vec![f32::NAN; plan.scratch_len()],
                    };
                    let columns = chunk.columns();
                    chunk.compute(engine);
                    for (at, &value) in destination.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                        let what = format_args!("{} {shape:?} {direction:?} {unit} {at}", engine.isa());
                        assert!(columns.contains(&(at % size.channels)), "{what}");
                        assert_close(value, expected[at], what);
                        written[at] += 1;
                    }
                }
                assert!(
                    plan.units() > 1 && written.iter().all(|&times| times == 1),
                    "{shape:?} {direction:?}"
                );
            }
        });
    }
}

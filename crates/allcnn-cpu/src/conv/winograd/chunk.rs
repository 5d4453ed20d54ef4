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
//! - With products of bf16, V and U have neighboring source channels in pairs, so that V is half as wide as its slot. Where
//!   the destination is stored as pairs too, its channels are written in blocks of 32.
//!
//! The transformed tiles fill a worker's scratch, one slot a point. V[point] is in slot point + 1, and the products
//! M[point] are written to slot point, where V[point - 1] is used up.
//!
//! With stride 2, the four phases of the pixels (outer or middle taps, down and across) go through the slots one after
//! another, M before V: on the way forward each phase has its own V and adds to M; on the way back all share V, and
//! each yields its own pixels.

use std::ops::Range;

use allcnn_device::Shape;

use super::super::blocks_out::BlocksOut;
use super::super::destination::Destination;
use super::super::pass::Direction;
use super::ahead::Ahead;
use super::data_plan::DataPlan;
use super::products::Products;
use super::scheme::{Small, Stride1, Stride2, Transforms, with_transforms};
use super::stride2::{FINITE, MiddleInput, MiddleOutput, OuterInput, SUMS};
use super::tiling::{Corner, Half};
use super::transform::{Array, Line, Sink, Source, Spaced, rectangle};
use super::{small, stride1, stride2};
use crate::engine::Engine;
use crate::ops::epilogue::Position;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::{LINE, accumulate, with_tile, zeros};
use crate::products::operand::{Operand, Pair, Single};
use crate::simd::{Kernel, Simd, Tiles};
use crate::stored::{self, Storage, Stored};

/// Some tiles, and some panels of the destination that they cover.
pub(super) struct Chunk<'a> {
    pub(super) plan: &'a DataPlan,
    pub(super) source: Stored<'a>,
    pub(super) weights: &'a [f32],
    /// Zeros, for pixels outside the image.
    pub(super) outside: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) destination: Target<'a>,
    pub(super) slots: &'a mut [f32],
    /// What the chunk that comes next reads.
    pub(super) ahead: [Ahead<'a>; 2],
}

/// Where a chunk's outputs go.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Values(Destination<'a>),
    Pairs(BlocksOut<'a>),
}

impl Chunk<'_> {
    pub(super) fn compute(self, engine: &Engine) {
        with_transforms!(self.plan.tiling.scheme, transforms => match self.plan.products {
            Products::Bf16 => engine.isa().run_dots(Compute(self, transforms, Pair)),
            _ => engine.isa().run(Compute(self, transforms, Single)),
        });
    }
}

/// A chunk with its transforms and what it multiplies.
struct Compute<'a, T, O>(Chunk<'a>, T, O);

impl<T: Stages, O: Operand> Kernel for Compute<'_, T, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        T::compute::<S, O>(simd, &mut self.0);
        self.0.end(simd);
    }
}

/// The order of the stages.
trait Stages: Transforms {
    fn compute<S: Simd, O: Operand>(simd: S, chunk: &mut Chunk<'_>);
}

impl<const R: usize, const M: usize> Stages for Stride1<R, M> {
    #[inline(always)]
    fn compute<S: Simd, O: Operand>(simd: S, chunk: &mut Chunk<'_>) {
        use stride1::{Input, Output, SIDE};
        chunk.transform_source::<S, O, Self, Input, Input>(simd, None);
        chunk.multiply::<S, O>(simd, 0..SIDE, 0..SIDE, false);
        chunk.transform_destination::<S, O, Self, Output<M>, Output<M>>(simd, None);
    }
}

impl Stages for Small {
    #[inline(always)]
    fn compute<S: Simd, O: Operand>(simd: S, chunk: &mut Chunk<'_>) {
        chunk.transform_source::<S, O, Self, OuterInput, OuterInput>(simd, None);
        chunk.multiply::<S, O>(simd, 0..SUMS, 0..SUMS, false);
        chunk.transform_destination::<S, O, Self, small::Output, small::Output>(simd, None);
    }
}

impl Stages for Stride2 {
    #[inline(always)]
    fn compute<S: Simd, O: Operand>(simd: S, chunk: &mut Chunk<'_>) {
        use stride2::Output;
        match chunk.plan.direction {
            Direction::Forward => {
                // The first phase has all points, so it starts every sum.
                chunk.phase_forward::<S, O, OuterInput, OuterInput>(simd, Half { row: 0, column: 0 });
                chunk.phase_forward::<S, O, OuterInput, MiddleInput>(simd, Half { row: 0, column: 1 });
                chunk.phase_forward::<S, O, MiddleInput, OuterInput>(simd, Half { row: 1, column: 0 });
                chunk.phase_forward::<S, O, MiddleInput, MiddleInput>(simd, Half { row: 1, column: 1 });
                chunk.transform_destination::<S, O, Self, Output, Output>(simd, None);
            }
            Direction::Backward => {
                chunk.transform_source::<S, O, Self, OuterInput, OuterInput>(simd, None);
                chunk.phase_backward::<S, O, Output, Output>(simd, Half { row: 1, column: 1 });
                chunk.phase_backward::<S, O, Output, MiddleOutput>(simd, Half { row: 1, column: 0 });
                chunk.phase_backward::<S, O, MiddleOutput, Output>(simd, Half { row: 0, column: 1 });
                chunk.phase_backward::<S, O, MiddleOutput, MiddleOutput>(simd, Half { row: 0, column: 0 });
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
    fn phase_forward<S: Simd, O: Operand, Down: Line, Across: Line>(&mut self, simd: S, half: Half) {
        self.transform_source::<S, O, Stride2, Down, Across>(simd, Some(half));
        let adds = half != Half { row: 0, column: 0 };
        self.multiply::<S, O>(simd, points(half.row == 1), points(half.column == 1), adds);
    }

    /// The destination pixels of one phase. The outer taps reach the pixels of half 1, the middle tap those of half 0.
    #[inline(always)]
    fn phase_backward<S: Simd, O: Operand, Down: Line, Across: Line>(&mut self, simd: S, half: Half) {
        self.multiply::<S, O>(simd, points(half.row == 0), points(half.column == 0), false);
        self.transform_destination::<S, O, Stride2, Down, Across>(simd, Some(half));
    }

    /// V = Bt d B of all tiles, of their pixels or of a half of them.
    #[inline(always)]
    fn transform_source<S: Simd, O: Operand, T: Transforms, Down: Line, Across: Line>(
        &mut self,
        simd: S,
        half: Option<Half>,
    ) {
        let DataPlan { tiling, stride, .. } = *self.plan;
        let (slot, first, side) = (self.plan.slot(), self.plan.first_left(), T::SIZES.sums);
        let storage = self.source.storage();
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
                let to = &mut self.slots[first * slot + at * stride + channel / O::VALUES..];
                let to = to[..(side * side - 1) * slot + S::LANES / O::VALUES].as_mut_ptr();
                let ahead = storage.words(tiling.source_step * tiling.source.channels);
                let mut points = Factors { first: to, slot, side, _operand: O::default() };
                if O::VALUES > 1 && storage == Storage::Pairs {
                    let mut values = Pixels::<Down, Across, true> { pixels: &pixels, channel, count, ahead };
                    rectangle::<S, Down, Across>(simd, &mut values, &mut points);
                } else {
                    let mut values = Pixels::<Down, Across, false> { pixels: &pixels, channel, count, ahead };
                    rectangle::<S, Down, Across>(simd, &mut values, &mut points);
                }
            }
        }
    }

    /// M = V * U, or M += V * U, for the weights of some rows and columns of points. V and M have as many.
    #[inline(always)]
    fn multiply<S: Simd, O: Operand>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        columns: Range<usize>,
        adds: bool,
    ) {
        // SAFETY: plans choose products of terms only where the machine has tiles.
        let tiles = (self.plan.products == Products::Terms).then(|| unsafe { Tiles::new() });
        let operand = O::default();
        for (y, x) in rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x))) {
            let sums = (y - rows.start) * self.plan.sizes.sums + x - columns.start;
            let point = Point { sums, weights: y * self.plan.sizes.points + x };
            if let Some(tiles) = &tiles {
                self.multiply_terms(tiles, point, adds);
                continue;
            }
            for panel in self.panels.clone() {
                let columns = self.plan.panels.columns(panel).len();
                with_tile!(S, columns, self.multiply_panel(simd, operand, point, panel, adds));
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
        operand: impl Operand,
        point: Point,
        panel: usize,
        adds: bool,
    ) {
        let DataPlan { ref panels, stride, .. } = *self.plan;
        let (slot, depth) = (self.plan.slot(), self.plan.depth());
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
            // Constant indices keep the sums in registers, here and below.
            if adds {
                #[expect(clippy::needless_range_loop, reason = "by constant indices")]
                for r in 0..R {
                    let from = &products[(first + r).min(last) * stride..][..V * S::LANES];
                    for v in 0..V {
                        // SAFETY: the slice holds V whole vectors.
                        sums[r][v] = unsafe { simd.load(from.as_ptr().add(v * S::LANES)) };
                    }
                }
            }
            for ahead in &mut self.ahead {
                ahead.ask(simd);
            }
            let ahead = next.wrapping_add(first / R * depth * LINE);
            // SAFETY: the slices above are rows of `depth` words and a panel of `depth` rows of V vectors.
            let sums =
                unsafe { accumulate(simd, operand, &std::array::from_fn(row), depth, weights, ahead, sums) };
            #[expect(clippy::needless_range_loop, reason = "by constant indices")]
            for r in 0..R {
                if r < kept {
                    let to = &mut products[(first + r) * stride..][..V * S::LANES];
                    for v in 0..V {
                        // SAFETY: the slice holds V whole vectors.
                        unsafe { simd.store(sums[r][v], to.as_mut_ptr().add(v * S::LANES)) };
                    }
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
        match self.destination {
            // SAFETY: a chunk is whole rows of tiles, so nobody else writes these channels of these pixels.
            Target::Values(values) => unsafe { values.end(simd, pixels, channels, self.columns()) },
            Target::Pairs(_) => simd.fence(),
        }
    }

    /// y = At M A, without what sticks out of the image, to the pixels of the tiles or to a half of them.
    #[inline(always)]
    fn transform_destination<S: Simd, O: Operand, T: Transforms, Down: Line, Across: Line>(
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
            let destination = match self.destination {
                Target::Values(values) => values,
                Target::Pairs(blocks) => {
                    let tile =
                        Tile { corner, row: step * width * channels, column: step * channels, rows, columns };
                    if O::VALUES > 1 {
                        self.write_blocks::<S, T, Down, Across>(simd, blocks, at, &tile);
                    }
                    continue;
                }
            };
            for channel in group.clone().step_by(S::LANES) {
                let count = S::LANES.min(group.end - channel);
                let from = &mut self.slots[at * stride + channel..];
                let from = from[..(side * side - 1) * slot + S::LANES].as_mut_ptr();
                // SAFETY: the slice holds a vector in the slot of each point.
                let mut points = unsafe { Spaced::new(from, slot, side) };
                let mut outputs = Outputs {
                    destination,
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

impl Chunk<'_> {
    /// The outputs of tile `at` of the chunk, block by block of channels.
    #[inline(always)]
    fn write_blocks<S: Simd, T: Transforms, Down: Line, Across: Line>(
        &mut self,
        simd: S,
        blocks: BlocksOut<'_>,
        at: usize,
        tile: &Tile,
    ) {
        let (slot, stride, side) = (self.plan.slot(), self.plan.stride, T::SIZES.sums);
        let mut sums = Sums([[0.0; BLOCK]; MOST_OUTPUTS]);
        for first in self.columns().step_by(BLOCK) {
            for vector in (0..BLOCK).step_by(S::LANES) {
                let from = &mut self.slots[at * stride + first + vector..];
                let from = from[..(side * side - 1) * slot + S::LANES].as_mut_ptr();
                // SAFETY: the slice holds a vector in the slot of each point.
                let mut points = unsafe { Spaced::new(from, slot, side) };
                let to =
                    sums.0.as_flattened_mut()[vector..][..(MOST_OUTPUTS - 1) * BLOCK + S::LANES].as_mut_ptr();
                // SAFETY: the sums have a vector for each output.
                let mut outputs = unsafe { Spaced::new(to, BLOCK, Across::OUTPUTS) };
                rectangle::<S, Down, Across>(simd, &mut points, &mut outputs);
            }
            for y in 0..tile.rows.min(Down::OUTPUTS) {
                for x in 0..tile.columns.min(Across::OUTPUTS) {
                    let index = tile.corner + y * tile.row + x * tile.column + first;
                    let sums = &mut sums.0[y * Across::OUTPUTS + x];
                    // SAFETY: this chunk alone has the pixels of its tiles in its panels' channels.
                    unsafe { blocks.write(simd, Position { index, channel: first }, BLOCK, sums) };
                }
            }
        }
    }
}

/// The outputs of a tile in the destination.
struct Tile {
    /// Values before the first.
    corner: usize,
    /// Values from an output to the one below, and to the one beside it.
    row: usize,
    column: usize,
    /// How many are inside the image.
    rows: usize,
    columns: usize,
}

/// Most outputs of a tile: 5 x 5.
const MOST_OUTPUTS: usize = 25;

/// A block of channels of a tile's outputs.
#[repr(align(64))]
struct Sums([[f32; BLOCK]; MOST_OUTPUTS]);

/// A point: its index among those of V and M, and among those of the weights.
#[derive(Clone, Copy)]
struct Point {
    sums: usize,
    weights: usize,
}

/// Where a product's left side has a vector of channels of a tile.
struct Factors<O> {
    /// The words of a vector are writable there in the slot of each point.
    first: *mut f32,
    /// Words from a point to the next.
    slot: usize,
    /// Points in a row.
    side: usize,
    _operand: O,
}

impl<S: Simd, O: Operand> Sink<S> for Factors<O> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        // SAFETY: there are the words of a vector in the slot of each point.
        unsafe { O::store(simd, value, self.first.add((y * self.side + x) * self.slot)) };
    }
}

/// Some channels of the pixels of a tile.
pub(super) struct Pixels<'a, Down: Line, Across: Line, const PAIRS: bool> {
    pub(super) pixels: &'a Down::Inputs<Across::Inputs<*const f32>>,
    pub(super) channel: usize,
    pub(super) count: usize,
    /// Words to the same channels of the next tile.
    pub(super) ahead: usize,
}

impl<S: Simd, Down: Line, Across: Line, const PAIRS: bool> Source<S> for Pixels<'_, Down, Across, PAIRS> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let pixel = self.pixels.elements()[y].elements()[x];
        simd.prefetch(pixel.wrapping_add(stored::word::<PAIRS>(self.channel) + self.ahead));
        // SAFETY: a pixel holds all channels of the source, so also `count` from `channel` on.
        unsafe { stored::channels::<S, PAIRS>(simd, pixel, self.channel, self.count) }
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
                        source: Stored::F32(&source),
                        weights: &transformed,
                        outside: &vec![0.0; plan.outside()],
                        tiles: plan.tiles(unit),
                        panels: plan.panels(unit),
                        destination: Target::Values(Destination::new(
                            &mut destination,
                            size.channels,
                            Finish::Plain,
                        )),
                        slots: &mut vec![f32::NAN; plan.scratch_len()],
                        ahead: [
                            Ahead::new(Stored::F32(&source), 21, 1..5, 3),
                            Ahead::new(Stored::F32(&[]), 21, 0..1, 1),
                        ],
                    };
                    let columns = chunk.columns();
                    chunk.compute(engine);
                    for (at, &value) in destination.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                        let what = format_args!("{shape:?} {direction:?} {unit} {at}");
                        assert!(columns.contains(&(at % size.channels)), "{what}");
                        assert_close(engine, value, expected[at], what);
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

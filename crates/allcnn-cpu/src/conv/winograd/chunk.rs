//! A chunk of tiles through the three stages of a data pass.
//!
//! Its transformed tiles fill a buffer of the worker, one slot a point. With stride 1, V[point] stands in slot
//! point + 1, and the products M[point] are written to slot point, where V[point - 1] is used up.
//!
//! With stride 2, the four phases of the pixels (outer or middle taps, down and across) go through the buffer one after
//! another, M before V: on the way forward each phase has its own V and adds to M; on the way back all share V, and
//! each gives its own pixels.

use std::ops::Range;

use allcnn_device::Shape;

use super::super::destination::Destination;
use super::super::pass::Direction;
use super::data::Winograd;
use super::transform::{self, Line, Sink, Source, Spaced};
use super::{Corner, Scheme, strided};
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::f32::{LINE, accumulate, with_tile, zeros};
use crate::simd::{Kernel, Simd, Tiles};

/// A run of tiles, and some panels of the destination that they cover.
pub(super) struct Chunk<'a> {
    pub(super) pass: &'a Winograd,
    pub(super) source: &'a [f32],
    pub(super) weights: &'a [f32],
    /// Zeros, for pixels outside the image.
    pub(super) outside: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) destination: Destination<'a>,
    pub(super) slots: &'a mut [f32],
}

/// The three stages with stride 1, for tiles of M x M destination pixels.
struct Whole<'a, const M: usize>(Chunk<'a>);

/// The three stages with stride 2.
struct Halves<'a>(Chunk<'a>);

impl Chunk<'_> {
    pub(super) fn run(self, engine: &Engine) {
        match self.pass.tiling.scheme {
            Scheme::TwoByTwo => engine.isa().run(Whole::<5>(self)),
            Scheme::ThreeByThree => engine.isa().run(Whole::<4>(self)),
            Scheme::FiveByFive => engine.isa().run(Whole::<2>(self)),
            Scheme::Strided => engine.isa().run(Halves(self)),
        }
    }
}

impl<const M: usize> Kernel for Whole<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        use transform::{Input, Output, SIDE};
        let mut chunk = self.0;
        chunk.transform_source::<S, _, _, SIDE, SIDE, SIDE, SIDE, SIDE>(simd, Input, Input, None);
        chunk.multiply(simd, [0, 0], [SIDE, SIDE], false);
        chunk.transform_destination::<S, _, _, SIDE, M, SIDE, M, SIDE>(simd, Output, Output, None);
        chunk.end(simd);
    }
}

/// Calls a method for each phase of the pixels, with the transforms of its columns and rows and their numbers of points.
/// The first phase has all of the points.
macro_rules! each_phase {
    ($chunk:ident.$method:ident($simd:ident, $outer:expr, $middle:expr)) => {{
        use strided::{FINITE, SUMS};
        $chunk.$method::<S, _, _, SUMS, SUMS>($simd, $outer, $outer, [0, 0]);
        $chunk.$method::<S, _, _, SUMS, FINITE>($simd, $outer, $middle, [0, 1]);
        $chunk.$method::<S, _, _, FINITE, SUMS>($simd, $middle, $outer, [1, 0]);
        $chunk.$method::<S, _, _, FINITE, FINITE>($simd, $middle, $middle, [1, 1]);
    }};
}

impl Kernel for Halves<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        use strided::{MiddleInput, MiddleOutput, OUTPUTS, OuterInput, Output, SUMS};
        let mut chunk = self.0;
        match chunk.pass.direction {
            Direction::Forward => {
                each_phase!(chunk.phase_forward(simd, OuterInput, MiddleInput));
                chunk.transform_destination::<S, _, _, SUMS, OUTPUTS, SUMS, OUTPUTS, SUMS>(
                    simd, Output, Output, None,
                );
            }
            Direction::Backward => {
                chunk.transform_source::<S, _, _, SUMS, SUMS, SUMS, SUMS, SUMS>(
                    simd, OuterInput, OuterInput, None,
                );
                each_phase!(chunk.phase_backward(simd, Output, MiddleOutput));
            }
        }
        chunk.end(simd);
    }
}

impl Chunk<'_> {
    /// The products of one phase (0 for the outer taps, 1 for the middle tap, down and across), added to M.
    #[inline(always)]
    fn phase_forward<S: Simd, Down, Across, const Y: usize, const X: usize>(
        &mut self,
        simd: S,
        down: Down,
        across: Across,
        phase: [usize; 2],
    ) where
        Down: Line<Y, Y>,
        Across: Line<X, X>,
    {
        self.transform_source::<S, _, _, Y, Y, X, X, { strided::SUMS }>(simd, down, across, Some(phase));
        self.multiply(simd, phase.map(|half| half * strided::SUMS), [Y, X], phase != [0, 0]);
    }

    /// The destination pixels of one phase.
    #[inline(always)]
    fn phase_backward<S: Simd, Down, Across, const Y: usize, const X: usize>(
        &mut self,
        simd: S,
        down: Down,
        across: Across,
        phase: [usize; 2],
    ) where
        Down: Line<Y, { strided::OUTPUTS }>,
        Across: Line<X, { strided::OUTPUTS }>,
    {
        const M: usize = strided::OUTPUTS;
        self.multiply(simd, phase.map(|half| half * strided::SUMS), [Y, X], false);
        // The middle tap's pixels come first.
        let first = phase.map(|half| 1 - half);
        self.transform_destination::<S, _, _, Y, M, X, M, { strided::SUMS }>(simd, down, across, Some(first));
    }

    /// V = Bt d B of all tiles, of their pixels or of every second one from `half` on.
    #[inline(always)]
    fn transform_source<
        S: Simd,
        Down: Line<I, O>,
        Across: Line<A, B>,
        const I: usize,
        const O: usize,
        const A: usize,
        const B: usize,
        const SIDE: usize,
    >(
        &mut self,
        simd: S,
        down: Down,
        across: Across,
        half: Option<[usize; 2]>,
    ) {
        let Winograd { tiling, stride, .. } = *self.pass;
        let (slot, first) = (self.pass.slot(), self.pass.first_left());
        for (at, tile) in self.tiles.clone().enumerate() {
            let corner = tiling.source_corner(tiling.tile(tile));
            let corner = half.map_or(corner, |half| corner.half(half));
            let pixels: [[_; A]; I] = std::array::from_fn(|y| corner.pixels(y, self.source, self.outside));
            for channel in (0..tiling.source.channels).step_by(S::LANES) {
                let count = S::LANES.min(tiling.source.channels - channel);
                let place = self.slots[first * slot + at * stride + channel..].as_mut_ptr();
                let ahead = channel + tiling.source_step * tiling.source.channels;
                let mut values = Pixels { pixels: &pixels, channel, count, ahead };
                // SAFETY: a slot has room for whole vectors.
                let mut points = unsafe { Spaced::<SIDE>::new(place, slot) };
                transform::rectangle::<S, _, _, I, O, A, B>(simd, down, across, &mut values, &mut points);
            }
        }
    }

    /// M = V * U, or M += V * U, for so many rows and columns of points; the weights' from `first` on.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, first: [usize; 2], [rows, columns]: [usize; 2], adds: bool) {
        let [side, weights_side] = self.pass.sides();
        // SAFETY: chosen only where there are tiles.
        let session = self.pass.bf16x6.then(|| unsafe { Tiles::new() });
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let point = (first[0] + y) * weights_side + first[1] + x;
            if let Some(session) = &session {
                self.multiply_terms(session, (y * side + x, point), adds);
                continue;
            }
            for panel in self.panels.clone() {
                let columns = self.pass.panels.columns(panel).len();
                with_tile!(S, columns, self.multiply_panel(simd, (y * side + x, point), panel, adds));
            }
        }
    }

    /// A point of M, by products of terms.
    fn multiply_terms(&mut self, session: &Tiles, (at, point): (usize, usize), adds: bool) {
        let Winograd { stride, .. } = *self.pass;
        let (slot, count) = (self.pass.slot(), self.tiles.len());
        let (depth, columns) = (self.pass.tiling.source.channels, self.columns());
        let weights = &self.weights[point * self.pass.point_len()..][..self.pass.point_len()];
        let weights = &weights[self.panels.start * bf16x6::packed_len(1, depth)..];
        let (slots, packed) = self.slots.split_at_mut(self.pass.slots());
        let (products, left) = slots.split_at_mut((at + self.pass.first_left()) * slot);
        let to =
            bf16x6::Rows { start: products[at * slot + columns.start..(at + 1) * slot].as_mut_ptr(), stride };
        // SAFETY: V has `count` rows of whole vectors; a slot and a row of it are whole blocks.
        unsafe {
            bf16x6::pack_left(left[..count * stride].as_ptr(), stride, count, depth, packed.as_mut_ptr());
            let size = bf16x6::Size { rows: count, columns: columns.len(), depth };
            bf16x6::multiply(session, packed, weights, size, adds, to);
        }
    }

    /// A point of M, for a panel of the destination's channels.
    #[inline(always)]
    fn multiply_panel<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        (at, point): (usize, usize),
        panel: usize,
        adds: bool,
    ) {
        let Winograd { tiling, panels, stride, .. } = *self.pass;
        let (slot, depth) = (self.pass.slot(), tiling.source.channels);
        let start = point * self.pass.point_len() + depth * panels.stored_before(panel);
        let weights = self.weights[start..start + depth * V * S::LANES].as_ptr();
        // The panel that comes next; each tile of sums asks for a part of it.
        let next = match panel + 1 < self.panels.end {
            true => weights.wrapping_add(depth * V * S::LANES),
            false => {
                let start =
                    (point + 1) * self.pass.point_len() + depth * panels.stored_before(self.panels.start);
                self.weights.as_ptr().wrapping_add(start)
            }
        };
        let first_left = self.pass.first_left();
        let (products, left) = self.slots.split_at_mut((at + first_left) * slot);
        let products = &mut products[at * slot + panels.stored_before(panel)..];
        let last = self.tiles.len() - 1;
        for first in (0..self.tiles.len()).step_by(R) {
            // Rows past the last tile repeat it; they are not stored.
            let row = |r: usize| left[(first + r).min(last) * stride..][..depth].as_ptr();
            let mut sums = zeros::<S, R, V>(simd);
            let kept = R.min(self.tiles.len() - first);
            if adds {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let place = &products[(first + r).min(last) * stride..][..V * S::LANES];
                    for (v, sum) in sums.iter_mut().enumerate() {
                        // SAFETY: V whole vectors are there.
                        *sum = unsafe { simd.load(place.as_ptr().add(v * S::LANES)) };
                    }
                }
            }
            let ahead = next.wrapping_add(first / R * depth * LINE);
            // SAFETY: each row holds `depth` values, the panel `depth` rows of V vectors.
            let sums = unsafe { accumulate(simd, &std::array::from_fn(row), depth, weights, ahead, sums) };
            for (r, sums) in sums.iter().enumerate().take(kept) {
                let place = &mut products[(first + r) * stride..][..V * S::LANES];
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: V whole vectors are there.
                    unsafe { simd.store(sum, place.as_mut_ptr().add(v * S::LANES)) };
                }
            }
        }
    }

    /// The channels of the chunk's panels.
    #[inline(always)]
    fn columns(&self) -> Range<usize> {
        let panels = &self.pass.panels;
        panels.columns(self.panels.start).start..panels.columns(self.panels.end - 1).end
    }

    /// Ends the writing of the chunk's panels.
    #[inline(always)]
    fn end<S: Simd>(&self, simd: S) {
        let tiling = &self.pass.tiling;
        let Shape { width, channels, .. } = tiling.destination;
        let [first, end] =
            [self.tiles.start, self.tiles.end].map(|tile| tiling.first_row(tile / tiling.across()) * width);
        // SAFETY: the pixels' panels are this chunk's own.
        unsafe { self.destination.end(simd, first..end, channels, self.columns()) };
    }

    /// y = At M A, without what sticks out of the image, to the pixels of the tiles or to every second one from `half` on.
    #[inline(always)]
    fn transform_destination<
        S: Simd,
        Down: Line<I, O>,
        Across: Line<A, B>,
        const I: usize,
        const O: usize,
        const A: usize,
        const B: usize,
        const SIDE: usize,
    >(
        &mut self,
        simd: S,
        down: Down,
        across: Across,
        half: Option<[usize; 2]>,
    ) {
        let Winograd { tiling, stride, .. } = *self.pass;
        let Shape { height, width, channels, .. } = tiling.destination;
        let (slot, group) = (self.pass.slot(), self.columns());
        for (at, tile) in self.tiles.clone().enumerate() {
            let corner = tiling.destination_corner(tiling.tile(tile));
            let Corner { image, row, column, step, .. } = half.map_or(corner, |half| corner.half(half));
            let left = [height.saturating_sub(row), width.saturating_sub(column)];
            let [rows, columns] = left.map(|left| left.div_ceil(step));
            let corner = ((image * height + row) * width + column) * channels;
            for channel in group.clone().step_by(S::LANES) {
                let count = S::LANES.min(group.end - channel);
                let place = self.slots[at * stride + channel..].as_mut_ptr();
                // SAFETY: slots hold whole vectors.
                let mut points = unsafe { Spaced::<SIDE>::new(place, slot) };
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
                transform::rectangle::<S, _, _, I, O, A, B>(simd, down, across, &mut points, &mut outputs);
            }
        }
    }
}

/// Some channels of the pixels of a tile; they must be readable in each.
struct Pixels<'a, const A: usize, const I: usize> {
    pixels: &'a [[*const f32; A]; I],
    channel: usize,
    count: usize,
    /// The same channels in the next tile.
    ahead: usize,
}

impl<S: Simd, const A: usize, const I: usize> Source<S> for Pixels<'_, A, I> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        simd.prefetch(self.pixels[y][x].wrapping_add(self.ahead));
        // SAFETY: whoever made it vouches for the channels.
        unsafe { simd.load_first(self.pixels[y][x].add(self.channel), self.count) }
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
    /// Values to the same place of the next tile.
    ahead: usize,
}

impl<S: Simd> Sink<S> for Outputs<'_> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        if y < self.rows && x < self.columns {
            let to = self.corner + y * self.row + x * self.column;
            let place = (to, self.channel);
            // SAFETY: the place is this chunk's own.
            unsafe { self.destination.write(simd, place, self.count, value, self.ahead) };
        }
    }
}

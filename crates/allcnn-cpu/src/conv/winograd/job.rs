//! A job of backward-weights, chunk by chunk of its tiles:
//!
//! ```text
//! for each chunk of the job's tiles
//!     for each tile
//!         for each vector of input channels                       transform_input
//!             V[points of the rows][tile][channels] = rows of Bt d B
//!         for each panel and vector of output channels            transform_gradients
//!             Z[points of the rows][panel][tile][columns] = rows of A dy At
//!         for each vector of output channels                      sum_bias, in one job of a part
//!             bias[columns] += all of dy
//!     for each row of points, each point of it
//!         for each panel of output channels                       multiply
//!             for each R input channels, a register tile of sums
//!                 dU[point][panel][channels] += sum over tiles of V[point][tile][channels] * Z[point][panel][tile]
//! ```
//!
//! - The chunk outside all: V and Z of its tiles stay in the second-level cache beside the job's part of dU, and no
//!   transformed value leaves the core.
//! - The points outside the panels and channels: at a point dU += Vt Z is a plain matrix product, whose depth is the
//!   chunk's tiles. The more tiles, the fewer times dU is read and written.
//! - The panels outside the channels: a panel of Z stays in the first-level cache while V and dU stream by.
//! - Rows of points, not all of them: dU of all points would be far larger than the cache. The price is that the pixels
//!   are read once for each group of rows, and that a row is computed directly, from the terms of its matrix.
//! - Products of bf16 take the tiles in pairs: V and Z have a line for two tiles, whose values share words.

use std::ops::Range;

use super::products::Products;
use super::scheme::{Sizes, Transforms, with_transforms};
use super::tiling::Corner;
use super::transform::{Array, Line, Row};
use super::weights_plan::{Layout, Unit, WeightsPlan};
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::{Column, accumulate_transposed, load, store, with_tile, zeros};
use crate::products::operand::{Operand, Pair, Single};
use crate::simd::{Kernel, Simd, Tiles};
use crate::stored::{self, Storage, Stored};
use crate::threads::SharedMut;
use crate::whole::pieces_mut;

/// A piece of the work of a pass, on one thread.
pub(super) struct Job<'a> {
    pub(super) plan: &'a WeightsPlan,
    pub(super) input: Stored<'a>,
    pub(super) d_output: Stored<'a>,
    /// Zeros, for pixels outside the image.
    pub(super) outside: &'a [f32],
    pub(super) unit: Unit,
    pub(super) slots: Slots<'a>,
    /// The part's copy of dU, of which a job has its rows, channels and panels.
    pub(super) copy: SharedMut<'a, f32>,
}

/// A worker's scratch.
pub(super) struct Slots<'a> {
    v: &'a mut [f32],
    z: &'a mut [f32],
    /// The packed sides of a product of terms.
    left: &'a mut [f32],
    right: &'a mut [f32],
}

impl<'a> Slots<'a> {
    /// Cuts a worker's scratch.
    pub(super) fn of(scratch: &'a mut [f32], layout: Layout) -> Self {
        let (v, rest) = scratch.split_at_mut(layout.z);
        let (z, rest) = rest.split_at_mut(layout.left - layout.z);
        let (left, right) = rest.split_at_mut(layout.right - layout.left);
        Self { v, z, left, right }
    }
}

/// A point of a row of the group: its slots in V and Z, and its index in dU.
#[derive(Clone, Copy)]
struct Point {
    v: usize,
    z: usize,
    u: usize,
}

/// The tiles of a product.
#[derive(Clone, Copy)]
struct Depth {
    tiles: usize,
    /// Whether they are the part's first, so that they start the sums.
    starts: bool,
}

impl Job<'_> {
    pub(super) fn compute(self, engine: &Engine) {
        with_transforms!(self.plan.tiling.scheme, transforms => match self.plan.products {
            Products::Bf16 => engine.isa().run_dots(Compute(self, transforms, Pair)),
            _ => engine.isa().run(Compute(self, transforms, Single)),
        });
    }
}

/// A job with its transforms and what it multiplies.
struct Compute<'a, T, O>(Job<'a>, T, O);

impl<T: Transforms, O: Operand> Kernel for Compute<'_, T, O> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut job = self.0;
        let Sizes { points, sums, .. } = T::SIZES;
        let last = job.unit.rows.len() - 1;
        let [a, b] = [job.unit.rows[0], job.unit.rows[last]];
        let rows = [Row::of::<S, T::Input>(simd, a), Row::of::<S, T::Input>(simd, b)];
        let gradient_rows = [
            Row::of::<S, T::OutputTransposed>(simd, a % sums),
            Row::of::<S, T::OutputTransposed>(simd, b % sums),
        ];
        let (rows, gradient_rows) = (&rows[..=last], &gradient_rows[..=last]);
        // SAFETY: plans choose products of terms only where the machine has tiles.
        let session = (job.plan.products == Products::Terms).then(|| unsafe { Tiles::new() });
        for first in job.unit.tiles.clone().step_by(job.plan.chunk_tiles) {
            let tiles = job.plan.chunk_tiles.min(job.unit.tiles.end - first);
            let depth = Depth { tiles, starts: first == job.unit.tiles.start };
            for at in (0..tiles).step_by(O::VALUES) {
                let line = first + at..first + (at + O::VALUES).min(tiles);
                job.transform_input::<S, O, T::Input>(simd, rows, line.clone(), at / O::VALUES);
                let at = at / O::VALUES;
                job.transform_gradients::<S, O, T::OutputTransposed>(simd, gradient_rows, line.clone(), at);
                for tile in line.filter(|_| job.unit.sums_bias) {
                    let corner = job.plan.tiling.destination_corner(job.plan.tiling.tile(tile));
                    let starts = depth.starts && tile == first;
                    match job.d_output.storage() {
                        Storage::Pairs if O::VALUES > 1 => {
                            job.sum_bias::<S, T::OutputTransposed, true>(simd, corner, starts)
                        }
                        _ => job.sum_bias::<S, T::OutputTransposed, false>(simd, corner, starts),
                    }
                }
            }
            for at in 0..rows.len() {
                for x in 0..points {
                    let u = job.unit.rows[at] * points + x;
                    let point = Point { v: at * points + x, z: at * sums + x % sums, u };
                    if let Some(session) = &session {
                        job.multiply_terms(simd, session, point, depth);
                        continue;
                    }
                    for panel in job.unit.panels.clone() {
                        let columns = job.plan.panels.columns(panel).len();
                        with_tile!(S, columns, job.multiply(simd, O::default(), point, panel, depth));
                    }
                }
            }
        }
    }
}

impl Job<'_> {
    /// The rows of V of line `at` of the chunk, which is of these tiles.
    #[inline(always)]
    fn transform_input<S: Simd, O: Operand, L: Line>(
        &mut self,
        simd: S,
        rows: &[Row],
        tiles: Range<usize>,
        at: usize,
    ) {
        let tiling = &self.plan.tiling;
        let ahead = O::VALUES * tiling.source_step * tiling.source.channels;
        let corner = |tile| tiling.source_corner(tiling.tile(tile));
        let pixels = Depths::<L>::of(rows, tiles, corner, self.input, self.outside, ahead);
        let (line, slot) = (at * self.plan.v_stride(), self.plan.v_slot());
        for channel in self.unit.channels.clone().step_by(S::LANES) {
            let count = S::LANES.min(tiling.source.channels.saturating_sub(channel));
            let to = line + channel - self.unit.channels.start;
            let to = self.slots.v[to..][..(rows.len() * L::OUTPUTS - 1) * slot + S::LANES].as_mut_ptr();
            // SAFETY: `count` stops at the last channel, and the slice above holds a vector in the slot of each of the
            // rows' points.
            unsafe { pixels.transform::<S, O>(simd, rows, channel, count, to, slot) };
        }
    }

    /// The rows of Z of line `at` of the chunk, which is of these tiles.
    #[inline(always)]
    fn transform_gradients<S: Simd, O: Operand, L: Line>(
        &mut self,
        simd: S,
        rows: &[Row],
        tiles: Range<usize>,
        at: usize,
    ) {
        let tiling = &self.plan.tiling;
        let ahead = O::VALUES * tiling.step * tiling.destination.channels;
        let corner = |tile| tiling.destination_corner(tiling.tile(tile));
        let pixels = Depths::<L>::of(rows, tiles, corner, self.d_output, self.outside, ahead);
        let slot = self.plan.z_slot();
        for panel in self.unit.panels.clone() {
            let (columns, stored) = (self.plan.panels.columns(panel), self.plan.panels.stored(panel));
            let line = self.z_panel(panel) + at * stored;
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end.saturating_sub(first));
                let to = &mut self.slots.z[line + vector..];
                let to = to[..(rows.len() * L::OUTPUTS - 1) * slot + S::LANES].as_mut_ptr();
                // SAFETY: `count` stops at the last channel, and the slice above holds a vector in the slot of each of
                // the rows' points.
                unsafe { pixels.transform::<S, O>(simd, rows, first, count, to, slot) };
            }
        }
    }

    /// Where a panel starts in a point of Z.
    #[inline(always)]
    fn z_panel(&self, panel: usize) -> usize {
        let panels = &self.plan.panels;
        self.plan.lines(self.plan.chunk_tiles)
            * (panels.stored_before(panel) - panels.stored_before(self.unit.panels.start))
    }

    /// Adds a tile's gradients to the sums for the bias, which the part's first tile starts.
    #[inline(always)]
    fn sum_bias<S: Simd, L: Line, const PAIRS: bool>(&self, simd: S, corner: Corner, starts: bool) {
        for panel in self.unit.panels.clone() {
            let columns = self.plan.panels.columns(panel);
            for first in columns.clone().step_by(S::LANES) {
                let count = S::LANES.min(columns.end - first);
                let sums = self.plan.bias_start() + first;
                let sums = self.copy.pointer(sums..sums + S::LANES);
                // SAFETY: the range is a vector, and one job of a part sums the bias of these channels.
                let mut total = if starts { simd.splat(0.0) } else { unsafe { simd.load(sums) } };
                for y in 0..L::INPUTS {
                    let mut pixels = L::Inputs::filled(corner.outside(self.outside));
                    corner.locate_row(y, self.d_output, pixels.elements_mut());
                    for pixel in pixels.elements() {
                        // SAFETY: a pixel holds all output channels, and `count` stops at the last.
                        let value = unsafe { stored::channels::<S, PAIRS>(simd, *pixel, first, count) };
                        total = simd.add(total, value);
                    }
                }
                // SAFETY: the range is a vector, and one job of a part sums the bias of these channels.
                unsafe { simd.store(total, sums) };
            }
        }
    }

    /// The elements of a panel of dU that are this job's, at one point.
    #[inline(always)]
    fn d_u(&self, point: Point, panel: usize, width: usize) -> Range<usize> {
        let panel = point.u * self.plan.u_point() + self.plan.depth * self.plan.panels.stored_before(panel);
        let channels = &self.unit.channels;
        panel + channels.start * width..panel + channels.end * width
    }

    /// dU += Vt Z for all of the job's channels, by products of terms.
    #[inline(always)]
    fn multiply_terms<S: Simd>(
        &mut self,
        simd: S,
        session: &Tiles,
        point: Point,
        Depth { tiles, starts }: Depth,
    ) {
        let (v_slot, z_slot) = (self.plan.v_slot(), self.plan.z_slot());
        let v = self.slots.v[point.v * v_slot..][..v_slot].as_mut_ptr();
        let v = bf16x6::Rows { start: v, stride: self.plan.v_stride() };
        let channels = self.unit.channels.len();
        // SAFETY: V holds whole blocks of channels for each tile, and `left` has room for all tiles of a chunk.
        unsafe { bf16x6::pack_left_transposed(simd, v, tiles, channels, self.slots.left.as_mut_ptr()) };
        for panel in self.unit.panels.clone() {
            let to = self.copy.pointer(self.d_u(point, panel, BLOCK));
            let z_panel = self.z_panel(panel);
            let z = self.slots.z[point.z * z_slot..][..z_slot][z_panel..][..tiles * BLOCK].as_mut_ptr();
            let right =
                &mut self.slots.right[(panel - self.unit.panels.start) * bf16x6::packed_len(1, tiles)..];
            let size = bf16x6::Size { rows: channels, columns: BLOCK, depth: tiles };
            // SAFETY: Z holds a block of columns for each tile, and `right` has room for the block's panels. The
            // range of dU is whole blocks, and no other job of the part has the same rows, channels and panels.
            unsafe {
                bf16x6::pack_right(bf16x6::Rows { start: z, stride: BLOCK }, tiles, right.as_mut_ptr());
                let to = bf16x6::Rows { start: to, stride: BLOCK };
                bf16x6::multiply(session, self.slots.left, right, size, !starts, to);
            }
        }
    }

    /// dU of one panel += Vt Z over the chunk's tiles; the part's first chunk starts it.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        operand: impl Operand,
        point: Point,
        panel: usize,
        Depth { tiles, starts }: Depth,
    ) {
        let (v_slot, z_slot, width) = (self.plan.v_slot(), self.plan.z_slot(), V * S::LANES);
        let v = self.slots.v[point.v * v_slot..][..v_slot].as_ptr();
        let z = &self.slots.z[point.z * z_slot..][..z_slot];
        let lines = self.plan.lines(tiles);
        let z = z[self.z_panel(panel)..][..lines * width].as_ptr();
        // SAFETY: no other job of the part has the same rows, channels and panels.
        let rows = unsafe { self.copy.slice(self.d_u(point, panel, width)) };
        for (first, rows) in pieces_mut(rows, R * width).enumerate() {
            let sums = if starts { zeros::<S, R, V>(simd) } else { load::<S, R, V>(simd, rows) };
            let column = Column { start: v.wrapping_add(first * R), step: self.plan.v_stride() };
            let ahead = rows.as_ptr().wrapping_add(R * width);
            // SAFETY: the block's channels are multiples of R, so V holds R of them from `first` on for each line; Z
            // holds V vectors for each line.
            let sums = unsafe { accumulate_transposed(simd, operand, column, lines, z, ahead, sums) };
            store(simd, &sums, rows);
        }
    }
}

/// The pixels of the tiles of a line: of one, or of two whose values are pairs.
struct Depths<L: Line> {
    first: Pixels<L>,
    /// None where there is no tile left.
    second: Option<Pixels<L>>,
    storage: Storage,
}

impl<L: Line> Depths<L> {
    #[inline(always)]
    fn of(
        rows: &[Row],
        tiles: Range<usize>,
        corner: impl Fn(usize) -> Corner,
        values: Stored<'_>,
        outside: &[f32],
        ahead: usize,
    ) -> Self {
        let first = Pixels::of(rows, corner(tiles.start), values, outside, ahead);
        let second = match tiles.len() {
            2 => Some(Pixels::of(rows, corner(tiles.start + 1), values, outside, ahead)),
            _ => None,
        };
        Self { first, second, storage: values.storage() }
    }

    /// Transforms `count` channels from `channel` on to the rows' points, `slot` words from one to the next.
    ///
    /// # Safety
    /// The rows must be those that the pixels were made for, the channels readable in each pixel, and a vector writable
    /// at each of the rows' points.
    #[inline(always)]
    unsafe fn transform<S: Simd, O: Operand>(
        &self,
        simd: S,
        rows: &[Row],
        channel: usize,
        count: usize,
        to: *mut f32,
        slot: usize,
    ) {
        // SAFETY: the caller's promises are the same.
        unsafe {
            match self.storage {
                Storage::Pairs if O::VALUES > 1 => {
                    self.read::<S, O, true>(simd, rows, channel, count, to, slot)
                }
                _ => self.read::<S, O, false>(simd, rows, channel, count, to, slot),
            }
        }
    }

    /// [`Self::transform`] of values that are stored as pairs where `PAIRS`.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn read<S: Simd, O: Operand, const PAIRS: bool>(
        &self,
        simd: S,
        rows: &[Row],
        channel: usize,
        count: usize,
        to: *mut f32,
        slot: usize,
    ) {
        for (at, row) in rows.iter().enumerate() {
            // SAFETY: the caller promises the row and the channels.
            let first = L::apply(simd, unsafe { self.first.line::<S, PAIRS>(simd, row, channel, count) });
            let mut second = L::Outputs::filled(simd.splat(0.0));
            if let (2, Some(pixels)) = (O::VALUES, &self.second) {
                // SAFETY: as above.
                second = L::apply(simd, unsafe { pixels.line::<S, PAIRS>(simd, row, channel, count) });
            }
            for (point, (&first, &second)) in first.elements().iter().zip(second.elements()).enumerate() {
                // SAFETY: the caller promises a vector at each point.
                unsafe { simd.store(O::join(simd, first, second), to.add((at * L::OUTPUTS + point) * slot)) };
            }
        }
    }
}

/// The pixels of a tile that some rows of a transform take.
struct Pixels<L: Line> {
    pixels: L::Inputs<L::Inputs<*const f32>>,
    /// Words to the same pixel of the next line.
    ahead: usize,
}

impl<L: Line> Pixels<L> {
    #[inline(always)]
    fn of(rows: &[Row], corner: Corner, values: Stored<'_>, outside: &[f32], ahead: usize) -> Self {
        let mut pixels = L::Inputs::filled(L::Inputs::filled(corner.outside(outside)));
        let mut seen = L::Inputs::filled(false);
        for &(y, _) in rows.iter().flat_map(Row::terms) {
            if !std::mem::replace(&mut seen.elements_mut()[y], true) {
                corner.locate_row(y, values, pixels.elements_mut()[y].elements_mut());
            }
        }
        Self { pixels, ahead: values.storage().words(ahead) }
    }

    /// The columns' sums of pixels times a row's factors, for `count` channels from `channel` on.
    ///
    /// # Safety
    /// They must be readable in each pixel, and the row among those that the pixels were made for.
    #[inline(always)]
    unsafe fn line<S: Simd, const PAIRS: bool>(
        &self,
        simd: S,
        row: &Row,
        channel: usize,
        count: usize,
    ) -> L::Inputs<S::V> {
        let mut line = L::Inputs::filled(simd.splat(0.0));
        for &(y, factor) in row.terms() {
            let factor = simd.splat(factor);
            let pixels = self.pixels.elements()[y].elements();
            for (sum, pixel) in line.elements_mut().iter_mut().zip(pixels) {
                simd.prefetch(pixel.wrapping_add(stored::word::<PAIRS>(channel) + self.ahead));
                // SAFETY: the caller promises that these channels are readable in each pixel.
                let value = unsafe { stored::channels::<S, PAIRS>(simd, *pixel, channel, count) };
                *sum = simd.mul_add(factor, value, *sum);
            }
        }
        line
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::testing::{Matrices, assert_close, each_scheme, pixel, transformed, values};
    use super::*;

    /// The values of a tile's pixels in one channel, at a point.
    pub(in super::super) fn at_point(
        matrix: &[Vec<f64>],
        point: (usize, usize),
        corner: Corner,
        values: &[f32],
        channel: usize,
    ) -> f64 {
        transformed(matrix, point, |y, x| {
            let (row, column) = (corner.row.wrapping_add(y), corner.column.wrapping_add(x));
            pixel(corner.size, corner.image, row, column).map_or(0.0, |at| f64::from(values[at + channel]))
        })
    }

    #[test]
    fn a_job_sums_its_points_and_channels_over_its_tiles_and_writes_nothing_else() {
        each_scheme(|engine, shape| {
            let plan = WeightsPlan::new(shape, engine).unwrap();
            let (input, d_output) = (values(shape.input.len(), 1), values(shape.output().len(), 2));
            let (matrices, points, sums) =
                (Matrices::of(plan.tiling.scheme), plan.sizes.points, plan.sizes.sums);
            let mut copy = vec![f32::NAN; plan.copy_len()];
            let layout = plan.layout();
            for unit in 0..plan.units() {
                let (before, mut scratch) = (copy.clone(), vec![0.0; layout.end]);
                let job = Job {
                    plan: &plan,
                    input: Stored::F32(&input),
                    d_output: Stored::F32(&d_output),
                    outside: &vec![0.0; plan.outside()],
                    unit: plan.unit(unit),
                    slots: Slots::of(&mut scratch, layout),
                    copy: SharedMut::new(&mut copy),
                };
                job.compute(engine);
                let Unit { tiles, rows, channels, panels, sums_bias, .. } = plan.unit(unit);
                let mut changed = 0;
                for (y, panel) in rows.iter().flat_map(|&y| panels.clone().map(move |panel| (y, panel))) {
                    let (columns, stored) = (plan.panels.columns(panel), plan.panels.stored(panel));
                    for (x, k) in (0..points).flat_map(|x| channels.clone().map(move |k| (x, k))) {
                        let row = (y * points + x) * plan.u_point()
                            + plan.depth * plan.panels.stored_before(panel)
                            + k * stored;
                        changed += stored;
                        for (at, o) in columns.clone().enumerate().step_by(5) {
                            let product = |tile: usize| {
                                let tile = plan.tiling.tile(tile);
                                let corner = plan.tiling.source_corner(tile);
                                let v = at_point(&matrices.input, (y, x), corner, &input, k);
                                let corner = plan.tiling.destination_corner(tile);
                                v * at_point(
                                    &matrices.output_transposed,
                                    (y % sums, x % sums),
                                    corner,
                                    &d_output,
                                    o,
                                )
                            };
                            let expected =
                                if k < shape.input.channels { tiles.clone().map(product).sum() } else { 0.0 };
                            let what = format_args!("{shape:?} {y} {x} {k} {o}");
                            assert_close(engine, copy[row + at], expected, what);
                        }
                    }
                }
                if sums_bias {
                    for o in panels.clone().flat_map(|panel| plan.panels.columns(panel)) {
                        let gradients = d_output.iter().skip(o).step_by(shape.out_channels);
                        let expected = gradients.map(|&d| f64::from(d)).sum();
                        let bias = copy[plan.bias_start() + o];
                        assert_close(engine, bias, expected, format_args!("{shape:?} bias {o}"));
                    }
                    changed += panels.map(|panel| plan.panels.stored(panel)).sum::<usize>();
                }
                let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
                assert_eq!(copy.iter().zip(&before).filter(|&pair| differs(pair)).count(), changed);
            }
            assert!(
                plan.units() > 1 && plan.parts == 1 && copy.iter().all(|value| !value.is_nan()),
                "{shape:?}"
            );
        });
    }
}

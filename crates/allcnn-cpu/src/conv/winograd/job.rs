//! A job of backward-weights: some rows of points of dU between some channels, over some tiles, chunk by chunk.

use std::ops::Range;

use super::transform::{self, Line, Row};
use super::weights::WinogradWeights;
use super::{Corner, Scheme, strided};
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::{accumulate_transposed, load, store, with_tile, zeros};
use crate::simd::{Kernel, Simd, Tiles};
use crate::whole::pieces_mut;

/// Some rows of points of dU between some input channels and some panels of output channels, over some tiles.
pub(super) struct Job<'a> {
    pub(super) pass: &'a WinogradWeights,
    pub(super) input: &'a [f32],
    pub(super) d_output: &'a [f32],
    /// Zeros, for pixels outside the image.
    pub(super) outside: &'a [f32],
    pub(super) tiles: Range<usize>,
    pub(super) rows: &'static [usize],
    pub(super) channels: Range<usize>,
    pub(super) panels: Range<usize>,
    /// The worker's memory, see [`WinogradWeights::places`].
    pub(super) slots: *mut f32,
    /// The part's copy of dU.
    pub(super) copy: *mut f32,
}

/// A job with its transforms: of I x I pixels to lines of P points, and of M x M gradients to lines of Q points.
struct Lines<'a, In, Out, const I: usize, const P: usize, const M: usize, const Q: usize>(Job<'a>, In, Out);

impl Job<'_> {
    pub(super) fn run(self, engine: &Engine) {
        use transform::{Input, OutputTransposed as Gradients, SIDE};
        match self.pass.tiling.scheme {
            Scheme::TwoByTwo => engine.isa().run(Lines::<_, _, SIDE, SIDE, 5, SIDE>(self, Input, Gradients)),
            Scheme::ThreeByThree => {
                engine.isa().run(Lines::<_, _, SIDE, SIDE, 4, SIDE>(self, Input, Gradients))
            }
            Scheme::FiveByFive => {
                engine.isa().run(Lines::<_, _, SIDE, SIDE, 2, SIDE>(self, Input, Gradients))
            }
            Scheme::Strided => {
                use strided::{Input, OUTPUTS, OutputTransposed, SIDE, SUMS};
                engine.isa().run(Lines::<_, _, SIDE, SIDE, OUTPUTS, SUMS>(self, Input, OutputTransposed))
            }
        }
    }
}

impl<In, Out, const I: usize, const P: usize, const M: usize, const Q: usize> Kernel
    for Lines<'_, In, Out, I, P, M, Q>
where
    In: Line<I, P>,
    Out: Line<M, Q>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(job, input, gradients) = self;
        let last = job.rows.len() - 1;
        let rows = [Row::of(simd, input, job.rows[0]), Row::of(simd, input, job.rows[last])];
        let gradient_rows =
            [Row::of(simd, gradients, job.rows[0] % Q), Row::of(simd, gradients, job.rows[last] % Q)];
        let (rows, gradient_rows) = (&rows[..=last], &gradient_rows[..=last]);
        let sums_bias = job.rows[0] == 1 || job.rows[0] == 0 && P > Q;
        // SAFETY: chosen only where there are tiles.
        let session = job.pass.bf16x6.then(|| unsafe { Tiles::new() });
        for first in job.tiles.clone().step_by(job.pass.chunk_tiles) {
            let count = job.pass.chunk_tiles.min(job.tiles.end - first);
            let starts = first == job.tiles.start;
            for at in 0..count {
                let tile = job.pass.tiling.tile(first + at);
                job.transform_input(simd, input, rows, job.pass.tiling.source_corner(tile), at);
                let corner = job.pass.tiling.destination_corner(tile);
                job.transform_gradients(simd, gradients, gradient_rows, corner, at);
                if sums_bias && job.channels.start == 0 {
                    job.sum_bias::<S, M>(simd, corner, starts && at == 0);
                }
            }
            for at in 0..rows.len() {
                for point in 0..P {
                    if let Some(session) = &session {
                        job.multiply_terms(simd, session, (at, point, at * Q + point % Q), count, starts);
                        continue;
                    }
                    for panel in job.panels.clone() {
                        let columns = job.pass.panels.columns(panel).len();
                        let gradient = at * Q + point % Q;
                        with_tile!(
                            S,
                            columns,
                            job.multiply(simd, (at, point, gradient), panel, count, starts)
                        );
                    }
                }
            }
        }
    }
}

impl Job<'_> {
    /// The rows of V of tile `at` of the chunk.
    #[inline(always)]
    fn transform_input<S: Simd, L: Line<I, P>, const I: usize, const P: usize>(
        &self,
        simd: S,
        transform: L,
        rows: &[Row<I>],
        corner: Corner,
        at: usize,
    ) {
        let ahead = self.pass.tiling.source_step * corner.size.channels;
        let pixels = Pixels::of(rows, corner, self.input, self.outside, ahead);
        let (place, slot) = (at * self.pass.v_stride(), self.pass.v_slot());
        for channel in self.channels.clone().step_by(S::LANES) {
            let count = S::LANES.min(corner.size.channels.saturating_sub(channel));
            let place = place + channel - self.channels.start;
            for (at, row) in rows.iter().enumerate() {
                // SAFETY: each pixel holds all channels; every tile has its own place in V, whole vectors long.
                unsafe {
                    let line = transform.apply(simd, pixels.line(simd, row, channel, count));
                    for (point, value) in line.into_iter().enumerate() {
                        simd.store(value, self.slots.add(place + (at * P + point) * slot));
                    }
                }
            }
        }
    }

    /// The rows of Z of tile `at` of the chunk.
    #[inline(always)]
    fn transform_gradients<S: Simd, L: Line<M, Q>, const M: usize, const Q: usize>(
        &self,
        simd: S,
        transform: L,
        rows: &[Row<M>],
        corner: Corner,
        at: usize,
    ) {
        let ahead = self.pass.tiling.step * corner.size.channels;
        let pixels = Pixels::of(rows, corner, self.d_output, self.outside, ahead);
        let slot = self.pass.z_slot();
        // SAFETY: the slots hold Z there.
        let z = unsafe { self.slots.add(self.pass.places()[0]) };
        for panel in self.panels.clone() {
            let (columns, stored) = (self.pass.panels.columns(panel), self.pass.panels.stored(panel));
            let place = self.z_panel(panel) + at * stored;
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end.saturating_sub(first));
                for (at, row) in rows.iter().enumerate() {
                    // SAFETY: each pixel holds all channels; every tile has its own place in Z, whole vectors long.
                    unsafe {
                        let line = transform.apply(simd, pixels.line(simd, row, first, count));
                        for (point, value) in line.into_iter().enumerate() {
                            simd.store(value, z.add(place + vector + (at * Q + point) * slot));
                        }
                    }
                }
            }
        }
    }

    /// Where a panel starts in a point of Z.
    #[inline(always)]
    fn z_panel(&self, panel: usize) -> usize {
        let panels = &self.pass.panels;
        self.pass.chunk_tiles * (panels.stored_before(panel) - panels.stored_before(self.panels.start))
    }

    /// Adds a tile's gradients to the sums for the bias, which the part's first tile starts.
    #[inline(always)]
    fn sum_bias<S: Simd, const M: usize>(&self, simd: S, corner: Corner, starts: bool) {
        let place = self.pass.copy_len() - self.pass.panels.stored_all();
        for panel in self.panels.clone() {
            let columns = self.pass.panels.columns(panel);
            for first in columns.clone().step_by(S::LANES) {
                let count = S::LANES.min(columns.end - first);
                // SAFETY: the sums stand behind the points, whole vectors long; each pixel holds all channels.
                unsafe {
                    let sums = self.copy.add(place + first);
                    let mut total = if starts { simd.splat(0.0) } else { simd.load(sums) };
                    for y in 0..M {
                        for pixel in corner.pixels::<M>(y, self.d_output, self.outside) {
                            total = simd.add(total, simd.load_first(pixel.add(first), count));
                        }
                    }
                    simd.store(total, sums);
                }
            }
        }
    }

    /// dU += Vt Z for all of the job's channels, by products of terms; see [`Self::multiply`].
    #[inline(always)]
    fn multiply_terms<S: Simd>(
        &self,
        simd: S,
        session: &Tiles,
        (at, point, gradient): (usize, usize, usize),
        tiles: usize,
        starts: bool,
    ) {
        let WinogradWeights { depth, panels, points, .. } = *self.pass;
        let [z, left, right, end] = self.pass.places();
        let u = (self.rows[at] * points[0] + point) * self.pass.u_point() + self.channels.start * BLOCK;
        // SAFETY: V and Z hold whole blocks for each tile, and the packed sides have room for all tiles of a chunk; the
        // rows, channels and panels of dU are this job's own.
        unsafe {
            let v = self.slots.add((at * points[0] + point) * self.pass.v_slot());
            let v = bf16x6::Rows { start: v, stride: self.pass.v_stride() };
            bf16x6::pack_left_transposed(simd, v, tiles, self.channels.len(), self.slots.add(left));
            for panel in self.panels.clone() {
                let z = self.slots.add(z + gradient * self.pass.z_slot() + self.z_panel(panel));
                let z = bf16x6::Rows { start: z, stride: BLOCK };
                let place = (panel - self.panels.start) * bf16x6::packed_len(1, tiles);
                bf16x6::pack_right(z, tiles, self.slots.add(right + place));
                let [left, right] = [left..right, right + place..end]
                    .map(|side| std::slice::from_raw_parts(self.slots.add(side.start), side.len()));
                let to = self.copy.add(u + depth * panels.stored_before(panel));
                let to = bf16x6::Rows { start: to, stride: BLOCK };
                let size = bf16x6::Size { rows: self.channels.len(), columns: BLOCK, depth: tiles };
                bf16x6::multiply(session, left, right, size, !starts, to);
            }
        }
    }

    /// dU of one panel += Vt Z over the chunk's tiles, for a point of a row of the group and its gradient's point; the
    /// part's first chunk starts it.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        (at, point, gradient): (usize, usize, usize),
        panel: usize,
        tiles: usize,
        starts: bool,
    ) {
        let WinogradWeights { depth, panels, points, .. } = *self.pass;
        let (stride, width) = (self.pass.v_stride(), V * S::LANES);
        let u =
            (self.rows[at] * points[0] + point) * self.pass.u_point() + depth * panels.stored_before(panel);
        // SAFETY: depth and the blocks are multiples of R, so V holds R channels from `first` on for each tile; Z holds V
        // vectors for each tile; the row, channels and panel of dU are this job's own.
        unsafe {
            let v = self.slots.add((at * points[0] + point) * self.pass.v_slot());
            let place = self.pass.places()[0] + gradient * self.pass.z_slot() + self.z_panel(panel);
            let z = self.slots.add(place);
            let rows = std::slice::from_raw_parts_mut(
                self.copy.add(u + self.channels.start * width),
                self.channels.len() * width,
            );
            for (first, rows) in pieces_mut(rows, R * width).enumerate() {
                let sums = if starts { zeros::<S, R, V>(simd) } else { load::<S, R, V>(simd, rows) };
                let ahead = rows.as_ptr().wrapping_add(R * width);
                let sums = accumulate_transposed(simd, v.add(first * R), stride, tiles, z, ahead, sums);
                store(simd, &sums, rows);
            }
        }
    }
}

/// The pixels of a tile that some rows of a transform take.
struct Pixels<const N: usize> {
    pixels: [[*const f32; N]; N],
    /// Values to the same pixel of the next tile.
    ahead: usize,
}

impl<const N: usize> Pixels<N> {
    #[inline(always)]
    fn of(rows: &[Row<N>], corner: Corner, values: &[f32], outside: &[f32], ahead: usize) -> Self {
        let mut pixels = [[outside.as_ptr(); N]; N];
        let mut seen = [false; N];
        for &(y, _) in rows.iter().flat_map(Row::terms) {
            if !std::mem::replace(&mut seen[y], true) {
                pixels[y] = corner.pixels(y, values, outside);
            }
        }
        Self { pixels, ahead }
    }

    /// The columns' sums of pixels times a row's factors, for `count` channels from `channel` on.
    ///
    /// # Safety
    /// They must be readable in each pixel, and the row among those that the pixels were made for.
    #[inline(always)]
    unsafe fn line<S: Simd>(&self, simd: S, row: &Row<N>, channel: usize, count: usize) -> [S::V; N] {
        let mut line = [simd.splat(0.0); N];
        for &(y, factor) in row.terms() {
            let factor = simd.splat(factor);
            for (sum, pixel) in line.iter_mut().zip(&self.pixels[y]) {
                simd.prefetch(pixel.wrapping_add(channel + self.ahead));
                // SAFETY: the caller's promise.
                let value = unsafe { simd.load_first(pixel.add(channel), count) };
                *sum = simd.mul_add(factor, value, *sum);
            }
        }
        line
    }
}

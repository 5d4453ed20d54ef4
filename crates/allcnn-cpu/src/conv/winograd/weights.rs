//! Backward-weights in the transformed domain: dU[point] = sum over tiles of V[point]t Z[point], then dw = Gt dU G.
//!
//! dU is as large as all points of all weights, and each chunk of tiles adds to all of it. So the work is cut such that
//! the part of dU that a job adds to stays in the second-level cache: a job takes a group of rows of points, a block of
//! input and output channels, and a part of the tiles, and transforms its own tiles to these rows. That reads the pixels
//! anew for each group and costs a few operations more than all rows together; in exchange no transformed value
//! leaves the core. How the work is cut depends on the shape alone, and the parts' sums are added in their order.

use std::ops::Range;

use allcnn_device::ConvShape;

use super::super::tile::{Panels, accumulate_transposed, load, store, with_tile, zeros};
use super::super::{Declined, Direction, WeightsPass};
use super::taps::{AddUp, Gradient, Gradients};
use super::transform::{self, Line, Row, WIDEST};
use super::{Corner, SLOT_PADDING, Scheme, Tiling, strided};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};
use crate::threads::SendPtr;

/// Rows of points that a job takes, those of a point and its negative together: they are made of the same pixels.
const GROUPS: &[&[usize]] = &[&[1, 2], &[3, 4], &[0, 5]];
/// The same for stride 2.
const STRIDED_GROUPS: &[&[usize]] = &[&[0, 1], &[2, 3], &[5, 6], &[7, 8], &[4]];
/// Most rows of a group.
const GROUP: usize = 2;
/// Values of dU that a job adds to: 864 KiB.
const JOB_VALUES: usize = 6 * 192 * 192;
/// transformed values of a chunk of tiles: 576 KiB.
const CHUNK_VALUES: usize = 144 << 10;
/// Tiles of a chunk: enough to pay for reading and writing dU, few enough for the first-level cache.
const CHUNK_TILES: Range<usize> = 16..128;
/// Enough jobs to keep many threads busy.
const MOST_JOBS: usize = 24;
/// A part is worth its copy of dU from so many tiles on.
const PART_TILES: usize = 128;
/// All copies together: 16 MiB.
const COPY_VALUES: usize = 4 << 20;
/// Values that are added up over the copies at a time.
const SUM_VALUES: usize = 16 << 10;

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(in super::super) struct WinogradWeights {
    /// Tiles from the input to the output.
    pub(super) tiling: Tiling,
    /// Points of a line of the input and of the output's gradient.
    pub(super) points: [usize; 2],
    pub(super) panels: Panels,
    /// Input channels, filled up to whole vectors.
    pub(super) depth: usize,
    /// Input channels of a block.
    pub(super) block_depth: usize,
    /// Panels of output channels of a block.
    pub(super) block_panels: usize,
    pub(super) chunk_tiles: usize,
    pub(super) parts: usize,
    pub(super) workers: usize,
}

impl WinogradWeights {
    /// Takes what [`Scheme`] has transforms for.
    pub(in super::super) fn choose(
        shape: ConvShape,
        engine: &Engine,
    ) -> Result<Box<dyn WeightsPass>, Declined> {
        let tiling = Tiling::new(&shape, Direction::Forward, engine)?;
        let points = match tiling.scheme {
            Scheme::Strided => [strided::SIDE, strided::SUMS],
            _ => [transform::SIDE; 2],
        };
        let panels = Panels::new(shape.out_channels, engine.isa());
        let depth = shape.input.channels.next_multiple_of(panels.lanes());
        let mut pass = Self {
            tiling,
            points,
            panels,
            depth,
            block_depth: 0,
            block_panels: 0,
            chunk_tiles: 0,
            parts: 1,
            workers: engine.threads().count(),
        };
        pass.cut_into_blocks();
        let tile = GROUP * (points[0] * pass.v_stride() + points[1] * pass.block_columns());
        pass.chunk_tiles = (CHUNK_VALUES / tile).clamp(CHUNK_TILES.start, CHUNK_TILES.end) / 8 * 8;
        let jobs = pass.groups().len() * pass.blocks().iter().product::<usize>();
        let fitting = (tiling.count() / PART_TILES).min(COPY_VALUES / pass.copy_len());
        pass.parts = fitting.min(MOST_JOBS / jobs).max(1);
        Ok(Box::new(pass))
    }

    /// The groups of rows of points.
    fn groups(&self) -> &'static [&'static [usize]] {
        if self.tiling.scheme == Scheme::Strided { STRIDED_GROUPS } else { GROUPS }
    }

    /// The blocks of channels that fit and repeat the fewest transforms.
    fn cut_into_blocks(&mut self) {
        let columns = self.panels.stored(0);
        let all = self.panels.stored_all();
        let cut = |block_panels: usize| {
            let fitting = JOB_VALUES / (GROUP * self.points[0] * block_panels * columns);
            let blocks = self.depth.div_ceil((fitting / WIDEST * WIDEST).max(WIDEST));
            let block_depth = self.depth.div_ceil(blocks).next_multiple_of(self.panels.lanes());
            let transforms = self.depth * self.panels.count().div_ceil(block_panels) + all * blocks;
            (transforms, block_depth, block_panels)
        };
        let best = (1..=self.panels.count()).map(cut).min().expect("there is at least one panel");
        (self.block_depth, self.block_panels) = (best.1, best.2);
    }

    /// Blocks of input channels and of output channels.
    fn blocks(&self) -> [usize; 2] {
        [self.depth.div_ceil(self.block_depth), self.panels.count().div_ceil(self.block_panels)]
    }

    /// Most stored output columns of a block.
    fn block_columns(&self) -> usize {
        self.panels.stored_before(self.block_panels.min(self.panels.count()))
    }

    /// Values between the tiles of a point of V: an odd number of cache lines, so that they use all cache sets.
    fn v_stride(&self) -> usize {
        (self.block_depth.div_ceil(WIDEST) | 1) * WIDEST
    }

    /// Values of one point of a chunk's V, [tile][channel].
    fn v_slot(&self) -> usize {
        self.chunk_tiles * self.v_stride() + SLOT_PADDING
    }

    /// Values of one point of a chunk's Z, [panel][tile][stored column].
    fn z_slot(&self) -> usize {
        self.chunk_tiles * self.block_columns() + SLOT_PADDING
    }

    /// Values of a worker's V and Z.
    fn slots(&self) -> usize {
        GROUP * (self.points[0] * self.v_slot() + self.points[1] * self.z_slot())
    }

    /// Values of one point of dU, [panel][input channel][stored column].
    pub(super) fn u_point(&self) -> usize {
        self.depth * self.panels.stored_all()
    }

    /// Values of a part's copy of dU, the bias after the points.
    fn copy_len(&self) -> usize {
        self.tiling.scheme.products() * self.u_point() + self.panels.stored_all()
    }

    /// Values of a row of zeros.
    fn outside(&self) -> usize {
        self.depth.max(self.panels.stored_all())
    }

    /// Adds up the copies in the first one and brings it back from the points to the taps.
    fn finish(&self, engine: &Engine, copies: &mut [f32], d_weights: &mut [f32], d_bias: &mut [f32]) {
        let (sums, others) = copies.split_at_mut(self.copy_len());
        let others = &*others;
        engine.threads().run_over(sums, SUM_VALUES, |chunk, sums| {
            engine.isa().run(AddUp { sums, others, first: chunk * SUM_VALUES, step: self.copy_len() });
        });
        let sums = &*sums;
        d_bias.copy_from_slice(&sums[self.copy_len() - self.panels.stored_all()..][..d_bias.len()]);
        let d_weights = SendPtr(d_weights.as_mut_ptr());
        engine.threads().run(self.panels.count() * self.depth / self.panels.lanes(), |chunk, _| {
            use transform::{SIDE, WeightsTransposed as Plain};
            let (panel, rows) = (chunk % self.panels.count(), chunk / self.panels.count());
            let gradient = Gradient { pass: self, sums, panel, rows, d_weights };
            match self.tiling.scheme {
                Scheme::TwoByTwo => engine.isa().run(Gradients::<_, SIDE, 2>(gradient, Plain)),
                Scheme::ThreeByThree => engine.isa().run(Gradients::<_, SIDE, 3>(gradient, Plain)),
                Scheme::FiveByFive => engine.isa().run(Gradients::<_, SIDE, 5>(gradient, Plain)),
                Scheme::Strided => {
                    let transform = strided::WeightsTransposed;
                    engine.isa().run(Gradients::<_, { strided::SIDE }, 3>(gradient, transform));
                }
            }
        });
    }
}

impl WeightsPass for WinogradWeights {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn multiply_adds(&self) -> usize {
        self.tiling.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        self.parts * self.copy_len() + self.workers * self.slots() + self.outside()
    }

    fn run(
        &self,
        engine: &Engine,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut [f32],
        d_bias: &mut [f32],
        workspace: &mut [f32],
    ) {
        let (copies, rest) = workspace.split_at_mut(self.parts * self.copy_len());
        let (slots, outside) = rest.split_at_mut(self.workers * self.slots());
        let outside = &mut outside[..self.outside()];
        outside.fill(0.0);
        let (outside, places) = (&*outside, [slots.as_mut_ptr(), copies.as_mut_ptr()].map(SendPtr));
        let [blocks_in, blocks_out] = self.blocks();
        let jobs = self.groups().len() * blocks_in * blocks_out;
        engine.threads().run(self.parts * jobs, |chunk, worker| {
            // Jobs of a part follow one another, so that its pixels stay in the last cache.
            let (part, job) = (chunk / jobs, chunk % jobs);
            let (group, block) = (job / (blocks_in * blocks_out), job % (blocks_in * blocks_out));
            let (first_channel, first_panel) =
                (block % blocks_in * self.block_depth, block / blocks_in * self.block_panels);
            let [slots, copy] = [(places[0], worker * self.slots()), (places[1], part * self.copy_len())]
                // SAFETY: each worker has its slots and each part its copy.
                .map(|(place, offset)| SendPtr(unsafe { place.at(offset) }));
            let job = Job {
                pass: self,
                input,
                d_output,
                outside,
                tiles: self.tiling.count() * part / self.parts..self.tiling.count() * (part + 1) / self.parts,
                rows: self.groups()[group],
                channels: first_channel..(first_channel + self.block_depth).min(self.depth),
                panels: first_panel..(first_panel + self.block_panels).min(self.panels.count()),
                v: slots.0,
                // SAFETY: Z stands behind V in the worker's slots.
                z: unsafe { slots.at(GROUP * self.points[0] * self.v_slot()) },
                copy: copy.0,
            };
            job.run(engine);
        });
        self.finish(engine, copies, d_weights, d_bias);
    }
}

/// Some rows of points of dU between some input channels and some panels of output channels, over some tiles.
struct Job<'a> {
    pass: &'a WinogradWeights,
    input: &'a [f32],
    d_output: &'a [f32],
    /// Zeros, for pixels outside the image.
    outside: &'a [f32],
    tiles: Range<usize>,
    rows: &'static [usize],
    channels: Range<usize>,
    panels: Range<usize>,
    v: *mut f32,
    z: *mut f32,
    /// The part's copy of dU.
    copy: *mut f32,
}

/// A job with its transforms: of I x I pixels to lines of P points, and of M x M gradients to lines of Q points.
struct Lines<'a, In, Out, const I: usize, const P: usize, const M: usize, const Q: usize>(Job<'a>, In, Out);

impl Job<'_> {
    fn run(self, engine: &Engine) {
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
            let count = S::LANES.min(corner.size.channels - channel);
            let place = place + channel - self.channels.start;
            for (at, row) in rows.iter().enumerate() {
                // SAFETY: each pixel holds all channels; every tile has its own place in V, whole vectors long.
                unsafe {
                    let line = transform.apply(simd, pixels.line(simd, row, channel, count));
                    for (point, value) in line.into_iter().enumerate() {
                        simd.store(value, self.v.add(place + (at * P + point) * slot));
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
        for panel in self.panels.clone() {
            let (columns, stored) = (self.pass.panels.columns(panel), self.pass.panels.stored(panel));
            let place = self.z_panel(panel) + at * stored;
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                for (at, row) in rows.iter().enumerate() {
                    // SAFETY: each pixel holds all channels; every tile has its own place in Z, whole vectors long.
                    unsafe {
                        let line = transform.apply(simd, pixels.line(simd, row, first, count));
                        for (point, value) in line.into_iter().enumerate() {
                            simd.store(value, self.z.add(place + vector + (at * Q + point) * slot));
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
        let place =
            (self.rows[at] * points[0] + point) * self.pass.u_point() + depth * panels.stored_before(panel);
        // SAFETY: depth and the blocks are multiples of R, so V holds R channels from `first` on for each tile; Z holds V
        // vectors for each tile; the row, channels and panel of dU are this job's own.
        unsafe {
            let v = self.v.add((at * points[0] + point) * self.pass.v_slot());
            let z = self.z.add(gradient * self.pass.z_slot() + self.z_panel(panel));
            let rows = std::slice::from_raw_parts_mut(
                self.copy.add(place + self.channels.start * width),
                self.channels.len() * width,
            );
            for (first, rows) in rows.chunks_exact_mut(R * width).enumerate() {
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

//! Forward and backward-data.
//!
//! A unit of work is a chunk of destination rows (or of whole small images) and a group of destination channels. Its
//! source is packed to bf16 in the worker's own cache, then each block of 32 positions x 32 channels is one product over
//! all taps and source channels, finished while it is in the first-level cache.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::{DataPass, Declined, Direction};
use super::pack::{Values, store_pairs, store_whole_pairs};
use super::pack_weights::PackSteps;
use super::product::{Factors, Multiplier, Session, Sums};
use super::run::{Chunk, Chunks, Grid, Layout, Tap, Walk};
use super::source::Source;
use super::{BLOCK, TILE};
use crate::engine::Engine;
use crate::ops::epilogue::Finish;
use crate::simd::{Kernel, Simd};
use crate::threads::SendPtr;

/// Positions of a chunk: enough to pay for reading the weights.
const CHUNK_POSITIONS: usize = 640;
/// f32-sized places that a packed chunk may take, so that it stays in a second-level cache beside the weights: 1 MiB.
const CHUNK_PLACES: usize = 1 << 18;
/// A small batch is still cut into so many units, for the threads' sake.
const FEWEST_UNITS: usize = 8;

/// The place of a position that is not a pixel.
const NOWHERE: usize = usize::MAX;

/// The algorithm, prepared for one shape and direction.
#[derive(Debug)]
pub(in super::super) struct Bf16 {
    pub(super) direction: Direction,
    pub(super) shape: ConvShape,
    pub(super) source: Source,
    destination: Shape,
    pub(super) terms: usize,
    multiplier: Multiplier,
    grids: Vec<PackedGrid>,
    layout: Layout,
    /// Blocks of source and of destination channels.
    depth_blocks: usize,
    column_blocks: usize,
    chunks: Chunks,
    groups: usize,
    workers: usize,
}

/// A grid, the place of its packed weights, and for each step in depth the bytes that the source lies further on.
#[derive(Debug)]
struct PackedGrid {
    grid: Grid,
    weights: Range<usize>,
    offsets: Vec<isize>,
}

impl Bf16 {
    /// Takes convolutions of one group.
    pub(in super::super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let terms = super::terms(&shape, engine)?;
        let destination = match direction {
            Direction::Forward => shape.output(),
            Direction::Backward => shape.input,
        };
        let (source, grids) = Source::new(shape, direction);
        let layout = Layout::new(&grids, source.size.width.div_ceil(source.step));
        let (depth_blocks, column_blocks) =
            (source.size.channels.div_ceil(BLOCK), destination.channels.div_ceil(BLOCK));
        let height = grids.iter().map(|grid| grid.height).max().unwrap_or(0);
        let places = source.phases() * terms * depth_blocks * TILE;
        let positions = CHUNK_POSITIONS.min(CHUNK_PLACES / places);
        let chunks = Chunks::new(&layout, destination.batch, height, positions);
        let mut pass = Self {
            direction,
            shape,
            source,
            destination,
            terms,
            multiplier: Multiplier::new(engine.isa()),
            grids: Vec::new(),
            layout,
            depth_blocks,
            column_blocks,
            chunks,
            groups: (FEWEST_UNITS / chunks.count()).clamp(1, column_blocks),
            workers: engine.threads().count(),
        };
        pass.lay_out(grids);
        Ok(Box::new(pass))
    }

    /// Gives each grid its place among the packed weights and its offsets.
    fn lay_out(&mut self, grids: Vec<Grid>) {
        let mut end = 0;
        for grid in grids {
            let steps = grid.taps.len() * self.depth_blocks;
            let start = end;
            end += self.column_blocks * steps * self.step_places();
            let offsets = (0..steps).map(|at| self.offset(&grid.taps, at)).collect();
            self.grids.push(PackedGrid { grid, weights: start..end, offsets });
        }
    }

    /// Step `at` goes over all taps of a block of channels before the next block.
    fn offset(&self, taps: &[Tap], at: usize) -> isize {
        let (block, tap) = (at / taps.len(), taps[at % taps.len()]);
        let row = tap.row - self.layout.rows[0];
        let position = row * self.layout.pitch as isize + tap.column + self.layout.lead as isize;
        let plane = self.source.phase(tap.phase) * self.depth_blocks + block;
        (plane * self.plane() * TILE * size_of::<f32>()) as isize
            + position * (TILE * size_of::<f32>()) as isize
    }

    /// f32-sized places of the packed weights of a step: [pair][term][half of the block's columns][column].
    pub(super) fn step_places(&self) -> usize {
        self.terms * 2 * TILE * TILE
    }

    /// Rows of an image in a packed chunk.
    fn image_rows(&self) -> usize {
        self.chunks.rows + self.layout.halo()
    }

    /// Positions of a plane of a chunk. Tiles may reach past the last row; what they read there is not used.
    fn plane(&self) -> usize {
        let reach = TILE + self.layout.columns[1].unsigned_abs();
        self.layout.lead + self.chunks.images * self.image_rows() * self.layout.pitch + reach
    }

    /// Rows of a grid in a chunk.
    fn grid_rows(&self, grid: &Grid, chunk: Chunk) -> usize {
        chunk.rows.min(grid.height.saturating_sub(chunk.first_row))
    }

    /// The first position from `position` on that is a pixel of the grid.
    #[inline(always)]
    fn valid_from(&self, grid: &Grid, chunk: Chunk, position: usize) -> Option<usize> {
        let (pitch, image_rows) = (self.layout.pitch, self.image_rows());
        let rows = self.grid_rows(grid, chunk);
        let (mut line, mut column) = (position / pitch, position % pitch);
        if column >= grid.width {
            (line, column) = (line + 1, 0);
        }
        let (mut image, mut row) = (line / image_rows, line % image_rows);
        if row >= rows {
            (image, row, column) = (image + 1, 0, 0);
        }
        (image < chunk.images && rows > 0).then_some((image * image_rows + row) * pitch + column)
    }

    /// Tiles of 16 positions that cover a grid in a chunk.
    fn tiles(&self, grid: &Grid, chunk: Chunk) -> usize {
        let mut next = self.valid_from(grid, chunk, 0);
        let tile = || {
            let first = next?;
            next = self.valid_from(grid, chunk, first + TILE);
            Some(first)
        };
        std::iter::from_fn(tile).count()
    }

    /// f32-sized places of one term of a packed chunk.
    fn term(&self) -> usize {
        self.source.phases() * self.depth_blocks * self.plane() * TILE
    }
}

impl DataPass for Bf16 {
    fn name(&self) -> &'static str {
        super::name(self.terms)
    }

    fn multiply_adds(&self) -> usize {
        let chunk = |at: usize| {
            let chunk = self.chunks.get(at);
            let steps = |grid: &PackedGrid| self.tiles(&grid.grid, chunk) * grid.offsets.len();
            self.grids.iter().map(steps).sum::<usize>()
        };
        let steps: usize = (0..self.chunks.count()).map(chunk).sum();
        steps * TILE * BLOCK * self.column_blocks * BLOCK * super::products(self.terms)
    }

    /// [grid][block of columns][block in depth][tap], each as in [`Bf16::pack_step`].
    fn weights_len(&self) -> usize {
        self.grids.last().map_or(0, |grid| grid.weights.end)
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], prepared: &mut [f32]) {
        for PackedGrid { grid, weights: range, offsets } in &self.grids {
            let packed = &mut prepared[range.clone()];
            let steps = offsets.len();
            if steps == 0 {
                continue;
            }
            engine.threads().run_over(packed, grid.taps.len() * self.step_places(), |at, packed| {
                let (columns, block) = (at / self.depth_blocks, at % self.depth_blocks);
                engine.isa().run(PackSteps { pass: self, weights, taps: &grid.taps, block, columns, packed });
            });
        }
    }

    fn workspace_len(&self) -> usize {
        self.workers * self.terms * self.term()
    }

    fn run(
        &self,
        engine: &Engine,
        source: &[f32],
        prepared: &[f32],
        finish: Finish<'_>,
        destination: &mut [f32],
        workspace: &mut [f32],
    ) {
        let (start, workspace) = (SendPtr(destination.as_mut_ptr()), SendPtr(workspace.as_mut_ptr()));
        engine.threads().run(self.chunks.count() * self.groups, |unit, worker| {
            let (chunk, group) = (unit / self.groups, unit % self.groups);
            let places = self.terms * self.term();
            // SAFETY: each worker has its own part of the workspace.
            let packed = unsafe { std::slice::from_raw_parts_mut(workspace.at(worker * places), places) };
            let columns = |group: usize| self.column_blocks * group / self.groups;
            let work = Unit {
                pass: self,
                source,
                weights: prepared,
                finish,
                chunk: self.chunks.get(chunk),
                columns: columns(group)..columns(group + 1),
                packed,
                destination: start,
            };
            engine.isa().run(work);
        });
    }
}

/// A unit of work.
struct Unit<'a> {
    pass: &'a Bf16,
    source: &'a [f32],
    weights: &'a [f32],
    finish: Finish<'a>,
    /// Rows of each grid.
    chunk: Chunk,
    /// Blocks of destination channels.
    columns: Range<usize>,
    packed: &'a mut [f32],
    destination: SendPtr<f32>,
}

impl Kernel for Unit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for phase in 0..self.pass.source.phases() {
            self.pack_phase(simd, phase);
        }
        let session = self.pass.multiplier.session();
        let mut sums = Sums([[0.0; BLOCK * BLOCK]; 2]);
        for grid in &self.pass.grids {
            for block in self.columns.clone() {
                self.block_of_columns(simd, &session, grid, block, &mut sums);
            }
        }
        simd.fence();
    }
}

impl Unit<'_> {
    /// Packs the rows that the chunk sees of one phase: [term][phase][block][position][pair].
    #[inline(always)]
    fn pack_phase<S: Simd>(&mut self, simd: S, phase: usize) {
        let Bf16 { layout, depth_blocks, .. } = *self.pass;
        let image_rows = self.pass.image_rows();
        let lines = self.chunk.source_lines(&layout, image_rows);
        let mut pixels = self.pass.source.pixels(self.source, phase, lines, layout.lead);
        let mut room = self.pass.source.room();
        let first = phase * depth_blocks * self.pass.plane();
        for position in 0..layout.lead + self.chunk.images * image_rows * layout.pitch {
            let pixel = pixels.next(simd, &mut room);
            // SAFETY: all channels of the pixel can be read, and the planes hold the position.
            unsafe { self.pack_pixel(simd, pixel, (first + position) * TILE) };
        }
    }

    /// Packs all channels of a pixel, block after block from place `to` on.
    ///
    /// # Safety
    /// All channels of the source must be readable at `pixel`.
    #[inline(always)]
    unsafe fn pack_pixel<S: Simd>(&mut self, simd: S, pixel: *const f32, to: usize) {
        let (terms, second, block_step) = (self.pass.terms, self.pass.term(), self.pass.plane() * TILE);
        let (blocks, whole) = (self.pass.depth_blocks, self.pass.source.size.channels / BLOCK);
        let end = to + (blocks - 1) * block_step + (terms - 1) * second + TILE;
        let to = self.packed[to..end].as_mut_ptr();
        // SAFETY: the slice holds the rows of all blocks and terms; else the caller's promise.
        unsafe {
            for block in 0..whole {
                let channels = pixel.add(block * BLOCK);
                let to = to.add(block * block_step);
                store_whole_pairs(simd, channels, channels.add(TILE), terms, to, second);
            }
            if whole < blocks {
                let rest = self.pass.source.size.channels - whole * BLOCK;
                let channels = std::slice::from_raw_parts(pixel.add(whole * BLOCK), rest);
                let high = channels.get(TILE..).map_or(Values::NONE, Values::new);
                store_pairs(simd, Values::new(channels), high, terms, to.add(whole * block_step), second);
            }
        }
    }

    /// 32 channels of all positions of a grid.
    #[inline(always)]
    fn block_of_columns<S: Simd>(
        &self,
        simd: S,
        session: &Session,
        grid: &PackedGrid,
        block: usize,
        sums: &mut Sums,
    ) {
        let pass = self.pass;
        let PackedGrid { grid, weights, offsets } = grid;
        let panel = offsets.len() * pass.step_places();
        let right = self.weights[weights.clone()][block * panel..][..panel].as_ptr();
        let rows = pass.grid_rows(grid, self.chunk);
        // A block is finished while the next one's products run, so that they do not wait for one another.
        let (sums, mut other) = (sums.0.each_mut(), None);
        let [mut sums, mut spare] = sums;
        let mut next = pass.valid_from(grid, self.chunk, 0);
        while let Some(first) = next {
            let second = pass.valid_from(grid, self.chunk, first + TILE);
            next = second.and_then(|second| pass.valid_from(grid, self.chunk, second + TILE));
            let left =
                [first, second.unwrap_or(first)].map(|position| self.packed[position * TILE..].as_ptr());
            let row = TILE * size_of::<f32>();
            let factors = Factors {
                left,
                row,
                second: pass.term() * size_of::<f32>(),
                offsets,
                right,
                terms: pass.terms,
            };
            let tiles = 1 + usize::from(second.is_some());
            let places = [Some(first), second].map(|position| self.places(grid, rows, position, block));
            self.prefetch(simd, &places);
            // SAFETY: planes have room for a tile at each position of a row, under each tap.
            unsafe { session.multiply(simd, &factors, tiles, false, sums) };
            let done = other.replace(places);
            std::mem::swap(&mut sums, &mut spare);
            if let Some(places) = done {
                self.finish_block(simd, block, &places, sums);
            }
        }
        if let Some(places) = other {
            self.finish_block(simd, block, &places, spare);
        }
    }

    /// Where the first channel of a block goes for each of 16 positions; [`NOWHERE`] for what is not a pixel.
    #[inline(always)]
    fn places(&self, grid: &Grid, rows: usize, position: Option<usize>, block: usize) -> [usize; TILE] {
        let Shape { height, width, channels, .. } = self.pass.destination;
        let mut places = [NOWHERE; TILE];
        let Some(position) = position else { return places };
        let mut walk = Walk::new(self.pass.layout.pitch, 0, Some(self.pass.image_rows()), position as isize);
        for place in &mut places {
            if walk.image < self.chunk.images && (walk.row as usize) < rows && walk.column < grid.width {
                let row = (self.chunk.first_row + walk.row as usize) * grid.step + grid.row;
                let column = walk.column * grid.step + grid.column;
                let pixel = ((self.chunk.first_image + walk.image) * height + row) * width + column;
                *place = pixel * channels + block * BLOCK;
            }
            walk.step();
        }
        places
    }

    /// Brings near what finishing a block will read, while its products are computed.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, places: &[[usize; TILE]; 2]) {
        let Finish::Gate { output, .. } = self.finish else { return };
        for &place in places.as_flattened() {
            simd.prefetch(output.as_ptr().wrapping_add(place));
            simd.prefetch(output.as_ptr().wrapping_add(place).wrapping_add(TILE));
        }
    }

    /// Finishes the sums of two tiles of rows and brings them to their places.
    #[inline(always)]
    fn finish_block<S: Simd>(
        &self,
        simd: S,
        block: usize,
        places: &[[usize; TILE]; 2],
        sums: &mut [f32; BLOCK * BLOCK],
    ) {
        let channel = block * BLOCK;
        let count = BLOCK.min(self.pass.destination.channels - channel);
        for (sums, &first) in sums.as_chunks_mut::<BLOCK>().0.iter_mut().zip(places.as_flattened()) {
            if first == NOWHERE {
                continue;
            }
            // SAFETY: units have their own pixels and channels of the destination.
            let place = unsafe { std::slice::from_raw_parts_mut(self.destination.at(first), count) };
            // Lengths that the compiler knows make straight vector code.
            if let Ok(place) = <&mut [f32; BLOCK]>::try_from(&mut *place) {
                self.finish.apply_run(simd, first, channel, sums);
                store_block_row(simd, sums, place);
            } else {
                self.finish.apply_run(simd, first, channel, &mut sums[..count]);
                place.copy_from_slice(&sums[..count]);
            }
        }
    }
}

/// Copies the row of a block past the caches where its place begins a cache line: nobody reads it soon, and the line's
/// old values need not be fetched.
#[inline(always)]
fn store_block_row<S: Simd>(simd: S, sums: &[f32; BLOCK], place: &mut [f32; BLOCK]) {
    if !place.as_ptr().addr().is_multiple_of(TILE * size_of::<f32>()) {
        *place = *sums;
        return;
    }
    for at in (0..BLOCK).step_by(S::LANES) {
        // SAFETY: both have 32 values, and `place` is aligned to 16 of them.
        unsafe { simd.stream(simd.load(sums.as_ptr().add(at)), place.as_mut_ptr().add(at)) };
    }
}

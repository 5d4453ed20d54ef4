//! Forward and backward-data.
//!
//! A unit of work is a chunk of destination rows (or of whole small images) and a group of destination channels. Its
//! source is packed to bf16 in the worker's own cache. The depth of the products (all taps and source channels) is cut into
//! slabs: one by one they are added to the sums of all blocks of 32 positions x 32 channels, which are finished with the
//! last one.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::pass::{DataPass, Declined, Direction};
use super::blocks::{Block, Extent, NOWHERE};
use super::output::Output;
use super::pack_weights::PackSteps;
use super::run::{Chunk, Chunks, Grid, Layout, Tap};
use super::source::Source;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::Finish;
use crate::products::bf16::{Factors, Multiplier, Session};
use crate::products::block::{BLOCK, TILE, TILE_BYTES};
use crate::products::pack::{Values, copy_pairs, store_pairs, store_whole_pairs};
use crate::simd::{Kernel, Simd};
use crate::stored::{Storage, Stored};
use crate::threads::SendPtr;
use crate::whole::arrays_mut;

/// Positions of a chunk: enough to pay for reading the weights.
const CHUNK_POSITIONS: usize = 640;
/// f32-sized places that a packed chunk may take, so that it stays in a second-level cache beside the weights: 1 MiB.
const CHUNK_PLACES: usize = 1 << 18;
/// Bytes of packed weights that stay in a first-level cache while all positions of a chunk are multiplied with them.
const SLAB_BYTES: usize = 24 << 10;

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

/// A grid, prepared.
#[derive(Debug)]
struct PackedGrid {
    grid: Grid,
    /// The place of its packed weights.
    weights: Range<usize>,
    /// For each step in depth the bytes that the source lies further on.
    offsets: Vec<isize>,
    /// The blocks of every kind of chunk that there is.
    blocks: Vec<(Extent, Vec<Block>)>,
}

impl PackedGrid {
    fn blocks(&self, extent: Extent) -> &[Block] {
        let of_extent = self.blocks.iter().find(|(of, _)| *of == extent);
        of_extent.map_or_else(|| unreachable!("blocks for {extent:?}"), |(_, blocks)| blocks)
    }
}

impl Bf16 {
    /// Takes convolutions of one group.
    pub(in super::super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let (depth, destination) = match direction {
            Direction::Forward => (shape.input.channels, shape.output()),
            Direction::Backward => (shape.out_channels, shape.input),
        };
        let terms = super::terms(&shape, depth, engine)?;
        let (source, grids) = Source::new(shape, direction);
        let layout = Layout::new(&grids, source.phase_size());
        let (depth_blocks, column_blocks) =
            (source.size.channels.div_ceil(BLOCK), destination.channels.div_ceil(BLOCK));
        let height = grids.iter().map(|grid| grid.height).max().unwrap_or(0);
        let places = source.phases() * terms * depth_blocks * TILE;
        let positions = CHUNK_POSITIONS.min(CHUNK_PLACES / places);
        let chunks = Chunks::new(&layout, destination.batch, height, positions);
        // A small batch is cut for the threads' sake: best by channels, since each thread then reads its own weights.
        let workers = engine.threads().count();
        let wanted = workers.div_ceil(chunks.count());
        let groups = (1..=wanted.min(column_blocks)).rfind(|&groups| column_blocks.is_multiple_of(groups));
        let groups = groups.unwrap_or(1);
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
            chunks: chunks.at_least(workers.div_ceil(groups)),
            groups,
            workers,
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
            let mut blocks = Vec::<(Extent, _)>::new();
            for at in 0..self.chunks.count() {
                let extent = self.extent(&grid, self.chunks.get(at));
                if blocks.iter().all(|(of, _)| *of != extent) {
                    blocks.push((extent, extent.blocks(&grid, self.destination)));
                }
            }
            self.grids.push(PackedGrid { grid, weights: start..end, offsets, blocks });
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

    /// f32-sized places of the packed weights of a step: [term][half of the block's columns][pair][column].
    pub(super) fn step_places(&self) -> usize {
        self.terms * 2 * TILE * TILE
    }

    /// Rows of an image in a packed chunk.
    fn image_rows(&self) -> usize {
        self.chunks.image_rows(&self.layout)
    }

    /// Positions that are packed of each plane of a chunk.
    fn packed_positions(&self) -> usize {
        self.layout.lead + self.chunks.source_rows(&self.layout) * self.layout.pitch
    }

    /// Positions of a plane of a chunk. Tiles may reach past the last row; what they read there is not used.
    fn plane(&self) -> usize {
        let reach = TILE + self.layout.columns[1].unsigned_abs();
        self.packed_positions() + reach
    }

    /// A chunk as a grid sees it.
    fn extent(&self, grid: &Grid, chunk: Chunk) -> Extent {
        let rows = chunk.rows.min(grid.height.saturating_sub(chunk.first_row));
        Extent { images: chunk.images, rows, image_rows: self.image_rows(), pitch: self.layout.pitch }
    }

    /// Blocks of sums of a chunk, two tiles of positions each.
    fn sums(&self) -> usize {
        self.plane().div_ceil(BLOCK)
    }

    /// f32-sized places of a worker: sums, then the packed chunk.
    fn worker_len(&self) -> usize {
        self.sums() * BLOCK * BLOCK + self.terms * self.term()
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
        let steps = |grid: &PackedGrid, chunk: Chunk| {
            let blocks = grid.blocks(self.extent(&grid.grid, chunk));
            blocks.iter().map(|block| block.tiles).sum::<usize>() * grid.offsets.len()
        };
        let chunks = (0..self.chunks.count()).map(|at| self.chunks.get(at));
        let steps: usize =
            chunks.map(|chunk| self.grids.iter().map(|grid| steps(grid, chunk)).sum::<usize>()).sum();
        steps * TILE * BLOCK * self.column_blocks * BLOCK * super::products(self.terms)
    }

    /// [grid][block of columns][block in depth][tap], each as in [`Bf16::pack_step`].
    fn weights_len(&self) -> usize {
        self.grids.last().map_or(0, |grid| grid.weights.end)
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], prepared: &mut [f32]) {
        for PackedGrid { grid, weights: range, offsets, .. } in &self.grids {
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
        self.workers * self.worker_len()
    }

    fn takes_pairs(&self) -> bool {
        self.terms == 1
    }

    fn compute(
        &self,
        engine: &Engine,
        source: &Buffer,
        prepared: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
        workspace: &mut [f32],
    ) {
        let (source, storage) = (source.stored(), destination.stored().storage());
        let is_streamed = destination.exceeds_caches();
        let start = SendPtr(destination.overwrite(storage).as_mut_ptr());
        let output = Output { finish, start, storage, is_streamed };
        let workspace = SendPtr(workspace.as_mut_ptr());
        engine.threads().run(self.chunks.count() * self.groups, |unit, worker| {
            let (chunk, group) = (unit / self.groups, unit % self.groups);
            let len = self.worker_len();
            // SAFETY: each worker has its own part of the workspace.
            let own = unsafe { std::slice::from_raw_parts_mut(workspace.at(worker * len), len) };
            let (sums, packed) = own.split_at_mut(self.sums() * BLOCK * BLOCK);
            let columns = |group: usize| self.column_blocks * group / self.groups;
            let work = Unit {
                pass: self,
                source,
                weights: prepared,
                chunk: self.chunks.get(chunk),
                columns: columns(group)..columns(group + 1),
                packed,
                sums: arrays_mut(sums),
                output,
            };
            engine.isa().run(work);
        });
    }
}

/// A unit of work.
struct Unit<'a> {
    pass: &'a Bf16,
    source: Stored<'a>,
    weights: &'a [f32],
    /// Rows of each grid.
    chunk: Chunk,
    /// Blocks of destination channels.
    columns: Range<usize>,
    packed: &'a mut [f32],
    /// The sums of a block of channels of all positions.
    sums: &'a mut [[f32; BLOCK * BLOCK]],
    output: Output<'a>,
}

/// Part `at` of `slabs` of the depth of the products for a block of columns.
struct Slab<'a> {
    /// For each step the bytes that the source lies further on.
    offsets: &'a [isize],
    /// The packed weights of the steps.
    right: *const f32,
    at: usize,
    slabs: usize,
}

impl Kernel for Unit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for phase in 0..self.pass.source.phases() {
            self.pack_phase(simd, phase);
        }
        let session = self.pass.multiplier.session();
        for grid in &self.pass.grids {
            for block in self.columns.clone() {
                self.block_of_columns(simd, &session, grid, block);
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
        for position in 0..self.pass.packed_positions() {
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
            if self.source.storage() == Storage::Pairs {
                return (0..blocks)
                    .for_each(|block| copy_pairs(simd, pixel.add(block * TILE), to.add(block * block_step)));
            }
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

    /// A block of columns of all positions of a grid, slab by slab of the depth.
    #[inline(always)]
    fn block_of_columns<S: Simd>(&mut self, simd: S, session: &Session, grid: &PackedGrid, columns: usize) {
        let pass = self.pass;
        let blocks = grid.blocks(pass.extent(&grid.grid, self.chunk));
        let panel = grid.offsets.len() * pass.step_places();
        let mut right = &self.weights[grid.weights.clone()][columns * panel..][..panel];
        let slabs = (size_of_val(right) / SLAB_BYTES).max(1);
        let place = self.place(&grid.grid, columns);
        for at in 0..slabs {
            let steps = grid.offsets.len() * at / slabs..grid.offsets.len() * (at + 1) / slabs;
            let own;
            (own, right) = right.split_at(steps.len() * pass.step_places());
            let slab = Slab { offsets: &grid.offsets[steps], right: own.as_ptr(), at, slabs };
            self.add_slab(simd, session, blocks, &slab, place);
        }
    }

    /// Where the first channel of a block of columns goes for a grid's first pixel.
    fn place(&self, grid: &Grid, columns: usize) -> usize {
        let Shape { height, width, channels, .. } = self.pass.destination;
        let row = self.chunk.first_row * grid.step + grid.row;
        let pixel = (self.chunk.first_image * height + row) * width + grid.column;
        pixel * channels + columns * BLOCK
    }

    /// Adds the products of a slab to the sums of all blocks, and finishes them after the last slab.
    #[inline(always)]
    fn add_slab<S: Simd>(
        &mut self,
        simd: S,
        session: &Session,
        blocks: &[Block],
        slab: &Slab<'_>,
        place: usize,
    ) {
        let is_last = slab.at + 1 == slab.slabs;
        for (at, block) in blocks.iter().enumerate() {
            let left = |position: usize| self.packed[position * TILE..].as_ptr();
            let factors = Factors {
                left: [left(block.positions[0]), left(block.positions[1])],
                left_second: self.pass.term() * size_of::<f32>(),
                offsets: slab.offsets,
                right: slab.right,
                right_half: TILE_BYTES,
                right_second: 2 * TILE_BYTES,
                right_step: self.pass.step_places() * size_of::<f32>(),
                terms: self.pass.terms,
            };
            self.prefetch(simd, block, slab, place);
            // SAFETY: planes have room for a tile at each position of a row, under each tap.
            unsafe { session.multiply(simd, &factors, block.tiles, slab.at > 0, &mut self.sums[at]) };
            // A block is finished while the next one's products run, so that they do not wait for one another.
            if is_last && at > 0 {
                self.finish_block(simd, &blocks[at - 1], at - 1, place);
            }
        }
        if let (true, Some(block)) = (is_last, blocks.last()) {
            self.finish_block(simd, block, blocks.len() - 1, place);
        }
    }

    /// Brings near what finishing a block will read: a part of it with each slab before the last.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, block: &Block, slab: &Slab<'_>, place: usize) {
        let Finish::Gate { output, .. } = self.output.finish else { return };
        let (words, storage) = (output.words(), output.storage());
        let (early, at) = ((slab.slabs - 1).max(1), slab.at);
        if at >= early {
            return;
        }
        for &pixel in &block.pixels[BLOCK * at / early..BLOCK * (at + 1) / early] {
            let place = pixel.wrapping_mul(self.pass.destination.channels).wrapping_add(place);
            for line in (0..storage.words(BLOCK)).step_by(TILE) {
                simd.prefetch(words.as_ptr().wrapping_add(storage.words(place)).wrapping_add(line));
            }
        }
    }

    /// Finishes the sums of a block of positions and brings them to their places.
    #[inline(always)]
    fn finish_block<S: Simd>(&mut self, simd: S, block: &Block, at: usize, place: usize) {
        let channels = self.pass.destination.channels;
        let channel = place % channels;
        let count = BLOCK.min(channels - channel);
        let output = self.output;
        let sums = arrays_mut::<_, BLOCK>(&mut self.sums[at]);
        for (sums, &pixel) in sums.iter_mut().zip(&block.pixels) {
            if pixel == NOWHERE {
                continue;
            }
            // SAFETY: units have their own pixels and channels of the destination.
            unsafe { output.write(simd, (pixel * channels + place, channel), count, sums) };
        }
    }
}

//! Forward and backward-data.
//!
//! ```text
//! for chunk of destination rows (or of whole small images),
//!     group of blocks of 32 destination channels          a unit of work: units share nothing but the weights
//!     pack the source rows that the chunk sees            [term][phase][block of channels][position][pair]
//!     for grid                                            one forward; one for each phase of a stride going back
//!         for block of columns in the group
//!             for slab of the depth                       some steps: (block of source channels, tap)
//!                 for block of 32 positions
//!                     for step of the slab                the product: 2 x 2 tiles of sums stay in registers
//!                         sums[block] += source[step][positions + tap] * weights[step]
//!                     after the last slab: finish the previous block, registers to destination
//! ```
//!
//! Tiles multiply faster than a second-level cache feeds them, so what is read most must lie in the first-level one:
//!
//! - The weights of a slab, 24 KiB, stay there while all positions of the chunk go by. With positions outside and slabs
//!   inside, the sums would stay in registers, but each block of positions would read all weights from the second level: 24
//!   KiB a slab, where its sums are 4 KiB, read and written once a slab.
//! - The source comes from the second level, where the packed chunk (up to 1 MiB) lies beside the sums of one block of columns.
//!   Steps go over all taps of a block of channels before the next channels: taps of a row of the kernel see nearly the same
//!   lines, which the first of them brings to the first level.
//! - A block is finished (bias, activation or gate, then the store) while the products of the next one run, since both need
//!   different units. What it will read of the gate's stored output is prefetched, a share with each slab before the last.

use std::ops::Range;

use allcnn_device::ConvShape;

use super::super::blocks_out::BlocksOut;
use super::super::pass::{DataPass, Declined, Direction};
use super::blocks::{Block, NOWHERE};
use super::data_plan::{DataPlan, PackedGrid};
use super::right_side::PackSteps;
use super::runs::Chunk;
use super::terms;
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::{Finish, Position};
use crate::products::bf16::{Factors, Multiplier, Session};
use crate::products::block::{BLOCK, TILE, TILE_BYTES};
use crate::products::pack::{Terms, Values, copy_pairs, store_pairs, store_whole_pairs};
use crate::simd::{Kernel, Simd};
use crate::stored::{Storage, Stored};
use crate::threads::SharedMut;
use crate::whole::arrays_mut;

/// Bytes of packed weights that stay in a first-level cache while all positions of a chunk are multiplied with them.
const SLAB_BYTES: usize = 24 << 10;

/// The algorithm, prepared for one shape and direction.
#[derive(Debug)]
pub(in super::super) struct Bf16 {
    plan: DataPlan,
    multiplier: Multiplier,
}

impl Bf16 {
    /// Takes convolutions of one group.
    pub(in super::super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let plan = DataPlan::new(shape, direction, engine)?;
        Ok(Box::new(Self { plan, multiplier: Multiplier::new(engine.isa()) }))
    }
}

impl DataPass for Bf16 {
    fn name(&self) -> &'static str {
        terms::name(self.plan.terms)
    }

    fn multiply_adds(&self) -> usize {
        self.plan.multiply_adds()
    }

    fn weights_len(&self) -> usize {
        self.plan.weights_len()
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], prepared: &mut [f32]) {
        let DataPlan { right: side, depth_blocks, .. } = &self.plan;
        for PackedGrid { grid, weights: range, offsets, .. } in &self.plan.grids {
            if offsets.is_empty() {
                continue;
            }
            let packed = &mut prepared[range.clone()];
            engine.threads().run_over(packed, grid.taps.len() * side.step_words(), |at, packed| {
                let (columns, depth) = (at / depth_blocks, at % depth_blocks);
                engine.isa().run(PackSteps { side, weights, taps: &grid.taps, depth, columns, packed });
            });
        }
    }

    fn workspace_len(&self) -> usize {
        self.plan.workers * self.plan.worker_words()
    }

    fn takes_pairs(&self) -> bool {
        self.plan.terms == 1
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
        let plan = &self.plan;
        let (source, storage) = (source.stored(), destination.stored().storage());
        let is_streamed = destination.exceeds_caches();
        let words = SharedMut::new(destination.overwrite(storage));
        let output = BlocksOut { finish, words, storage, is_streamed };
        engine.threads().run_with_scratch(plan.units(), workspace, plan.worker_words(), |unit, own| {
            let (sums, packed) = own.split_at_mut(plan.sums_len());
            let (chunk, columns) = plan.unit(unit);
            engine.isa().run(DataUnit {
                plan,
                multiplier: self.multiplier,
                source,
                weights: prepared,
                chunk,
                columns,
                packed,
                sums: arrays_mut(sums),
                output,
            });
        });
    }
}

/// A unit of work.
struct DataUnit<'a> {
    plan: &'a DataPlan,
    multiplier: Multiplier,
    source: Stored<'a>,
    weights: &'a [f32],
    /// Rows of each grid.
    chunk: Chunk,
    /// Blocks of destination channels.
    columns: Range<usize>,
    packed: &'a mut [f32],
    /// The sums of a block of channels at all positions.
    sums: &'a mut [[f32; BLOCK * BLOCK]],
    output: BlocksOut<'a>,
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

impl Kernel for DataUnit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for phase in 0..self.plan.source.phases() {
            self.pack_phase(simd, phase);
        }
        let session = self.multiplier.session();
        for grid in &self.plan.grids {
            for block in self.columns.clone() {
                self.block_of_columns(simd, &session, grid, block);
            }
        }
        simd.fence();
    }
}

impl DataUnit<'_> {
    /// Packs the rows that the chunk sees of one phase.
    #[inline(always)]
    fn pack_phase<S: Simd>(&mut self, simd: S, phase: usize) {
        let DataPlan { source, layout, depth_blocks, .. } = *self.plan;
        let lines = self.chunk.source_lines(&layout, self.plan.image_rows());
        let mut positions = source.positions(self.source, phase, lines, layout.lead);
        let mut window = source.window_buffer();
        let first = phase * depth_blocks * self.plan.plane();
        for position in 0..self.plan.packed_positions() {
            let pixel = positions.next(simd, &mut window);
            // SAFETY: `next` returns the address of all channels of a pixel, or of zeros.
            unsafe { self.pack_pixel(simd, pixel, (first + position) * TILE) };
        }
    }

    /// Packs all channels of a pixel, block after block from word `to` on.
    ///
    /// # Safety
    /// All channels of the source must be readable at `pixel`.
    #[inline(always)]
    unsafe fn pack_pixel<S: Simd>(&mut self, simd: S, pixel: *const f32, to: usize) {
        let terms = Terms { count: self.plan.terms, apart: self.plan.term_words() };
        let block_step = self.plan.plane() * TILE;
        let (blocks, whole) = (self.plan.depth_blocks, self.plan.source.size.channels / BLOCK);
        let end = to + (blocks - 1) * block_step + (terms.count - 1) * terms.apart + TILE;
        let to = self.packed[to..end].as_mut_ptr();
        // SAFETY: slicing checked that the last row of all blocks and terms lies in the packed chunk; the caller promises the
        // channels, of which pairs fill whole blocks.
        unsafe {
            if self.source.storage() == Storage::Pairs {
                return (0..blocks)
                    .for_each(|block| copy_pairs(simd, pixel.add(block * TILE), to.add(block * block_step)));
            }
            for block in 0..whole {
                let channels = pixel.add(block * BLOCK);
                store_whole_pairs(simd, channels, channels.add(TILE), terms, to.add(block * block_step));
            }
            if whole < blocks {
                let rest = self.plan.source.size.channels - whole * BLOCK;
                let channels = std::slice::from_raw_parts(pixel.add(whole * BLOCK), rest);
                let high = channels.get(TILE..).map_or(Values::NONE, Values::new);
                store_pairs(simd, Values::new(channels), high, terms, to.add(whole * block_step));
            }
        }
    }

    /// A block of columns of all positions of a grid, slab by slab of the depth.
    #[inline(always)]
    fn block_of_columns<S: Simd>(&mut self, simd: S, session: &Session, grid: &PackedGrid, columns: usize) {
        let plan = self.plan;
        let blocks = grid.blocks(plan.extent(&grid.grid, self.chunk));
        let panel = grid.offsets.len() * plan.right.step_words();
        let mut right = &self.weights[grid.weights.clone()][columns * panel..][..panel];
        let slabs = (size_of_val(right) / SLAB_BYTES).max(1);
        let first = plan.first_value(&grid.grid, self.chunk, columns);
        for at in 0..slabs {
            let steps = grid.offsets.len() * at / slabs..grid.offsets.len() * (at + 1) / slabs;
            let own;
            (own, right) = right.split_at(steps.len() * plan.right.step_words());
            let slab = Slab { offsets: &grid.offsets[steps], right: own.as_ptr(), at, slabs };
            self.add_slab(simd, session, blocks, &slab, first);
        }
    }

    /// Adds the products of a slab to the sums of all blocks, and finishes them after the last slab; `first` is the index in
    /// the destination of the blocks' first pixel and channel.
    #[inline(always)]
    fn add_slab<S: Simd>(
        &mut self,
        simd: S,
        session: &Session,
        blocks: &[Block],
        slab: &Slab<'_>,
        first: usize,
    ) {
        let is_last = slab.at + 1 == slab.slabs;
        for (at, block) in blocks.iter().enumerate() {
            let left = |position: usize| self.packed[position * TILE..].as_ptr();
            let factors = Factors {
                left: [left(block.positions[0]), left(block.positions[1])],
                left_second: self.plan.term_words() * size_of::<f32>(),
                offsets: slab.offsets,
                right: slab.right,
                right_half: TILE_BYTES,
                right_second: 2 * TILE_BYTES,
                right_step: self.plan.right.step_words() * size_of::<f32>(),
                terms: self.plan.terms,
            };
            self.prefetch(simd, block, slab, first);
            // SAFETY: a plane has 16 positions more than the furthest one that a tap of a pixel sees, so the tiles' rows lie in
            // the packed chunk; the slab's weights are as long as its steps.
            unsafe { session.multiply(simd, &factors, block.tiles, slab.at > 0, &mut self.sums[at]) };
            // A block is finished while the next one's products run, so that they do not wait for one another.
            if is_last && at > 0 {
                self.finish_block(simd, &blocks[at - 1], at - 1, first);
            }
        }
        if let (true, Some(block)) = (is_last, blocks.last()) {
            self.finish_block(simd, block, blocks.len() - 1, first);
        }
    }

    /// Prefetches the gate's stored output for a block: a share with each slab before the last.
    #[inline(always)]
    fn prefetch<S: Simd>(&self, simd: S, block: &Block, slab: &Slab<'_>, first: usize) {
        let Finish::Gate { output, .. } = self.output.finish else { return };
        let (words, storage) = (output.words(), output.storage());
        let (early, at) = ((slab.slabs - 1).max(1), slab.at);
        if at >= early {
            return;
        }
        for &pixel in &block.pixels[BLOCK * at / early..BLOCK * (at + 1) / early] {
            let value = pixel.wrapping_mul(self.plan.destination.channels).wrapping_add(first);
            for line in (0..storage.words(BLOCK)).step_by(TILE) {
                simd.prefetch(words.as_ptr().wrapping_add(storage.words(value)).wrapping_add(line));
            }
        }
    }

    /// Finishes the sums of block `at` and writes them to the destination.
    #[inline(always)]
    fn finish_block<S: Simd>(&mut self, simd: S, block: &Block, at: usize, first: usize) {
        let channels = self.plan.destination.channels;
        let channel = first % channels;
        let count = BLOCK.min(channels - channel);
        let output = self.output;
        let sums = arrays_mut::<_, BLOCK>(&mut self.sums[at]);
        for (sums, &pixel) in sums.iter_mut().zip(&block.pixels) {
            if pixel == NOWHERE {
                continue;
            }
            // SAFETY: the pixel is one of this unit's chunk and grid, and the channels are of its group.
            unsafe { output.write(simd, Position { index: pixel * channels + first, channel }, count, sums) };
        }
    }
}

//! How a backward-weights pass with products in f32 is cut into parts and blocks, and where their values lie.
//!
//! A part is a share of the tiles, with a copy of dU of its own; a block is some input and output channels. A worker takes
//! both: batch after batch of the part's tiles it transforms the block's channels to all points, then multiplies point after
//! point, and nothing that it writes is read by another core. The parts depend on the shape alone, and their sums are added in
//! their order; how many blocks there are depends on the number of threads, what is computed does not.

use std::ops::Range;

use allcnn_device::ConvShape;

use super::super::pass::{Declined, Direction};
use super::point_sums::PointSums;
use super::products::Products;
use super::scheme::Sizes;
use super::tiling::{SLOT_PADDING, Tiling};
use crate::engine::Engine;
use crate::products::f32::Panels;

/// Transformed values of a batch: 3 MiB.
const BATCH_VALUES: usize = 768 << 10;
/// Tiles of a batch: enough to pay for reading and writing dU, few enough for the first-level cache.
const BATCH_TILES: Range<usize> = 48..96;
/// Fewest tiles of a part, for which its copy of dU is worth it.
const PART_TILES: usize = 128;
/// All copies together: 24 MiB.
const COPY_VALUES: usize = 6 << 20;
/// Enough parts to keep many threads busy.
const MOST_PARTS: usize = 16;

/// A backward-weights pass, planned for one shape.
#[derive(Debug)]
pub(super) struct BatchPlan {
    pub(super) sums: PointSums,
    /// The lengths of the scheme's lines: V has `points` in each direction, Z has `sums`.
    pub(super) sizes: Sizes,
    /// Parts of the tiles, each with a copy of dU of its own.
    pub(super) parts: usize,
    /// Input channels of a block.
    depth: usize,
    /// Panels of output channels of a block.
    panels: usize,
    /// Most tiles of a batch.
    pub(super) batch: usize,
}

/// What a worker computes on its own: dU between some channels over a part of the tiles.
pub(super) struct Share {
    /// Which copy of dU it adds to.
    pub(super) part: usize,
    pub(super) tiles: Range<usize>,
    pub(super) channels: Range<usize>,
    pub(super) panels: Range<usize>,
}

impl BatchPlan {
    /// The plan for a shape that [`super::scheme::Scheme`] has transforms for.
    pub(super) fn new(shape: &ConvShape, engine: &Engine) -> Result<Self, Declined> {
        let tiling = Tiling::new(shape, Direction::Forward, engine)?;
        let sizes = tiling.scheme.sizes();
        let tile = Products::F32.tile(engine);
        let panels = Panels::new(shape.out_channels, tile);
        let depth = tile.filled(shape.input.channels);
        tile.check_filled(depth, "input channels");
        let sums = PointSums { tiling, panels, depth };
        let fitting = (COPY_VALUES / sums.len()).min(tiling.count() / PART_TILES).clamp(1, MOST_PARTS);
        let parts = 1 << fitting.ilog2();
        let mut plan = Self { sums, sizes, parts, depth, panels: panels.count(), batch: 0 };
        plan.cut_channels(engine.threads().count());
        let of_a_tile = sizes.points.pow(2) * plan.depth + sizes.sums.pow(2) * plan.block_columns();
        let most = (BATCH_VALUES / of_a_tile).clamp(BATCH_TILES.start, BATCH_TILES.end);
        let tiles = tiling.count().div_ceil(parts);
        plan.batch = tiles.div_ceil(tiles.div_ceil(most));
        Ok(plan)
    }

    /// The fewest blocks that keep all threads busy, those of them that repeat the fewest transforms.
    fn cut_channels(&mut self, threads: usize) {
        let PointSums { panels, depth, .. } = self.sums;
        let step = panels.tile().step();
        let busy = |blocks: usize| {
            (self.parts * blocks).is_multiple_of(threads) || self.parts * blocks >= 4 * threads
        };
        let cut = |blocks_in: usize, blocks_out: usize| {
            let transforms = depth * blocks_out + panels.stored_all() * blocks_in;
            (blocks_in * blocks_out, transforms, blocks_in, blocks_out)
        };
        let cuts = (1..=depth / step)
            .flat_map(|blocks_in| (1..=panels.count()).map(move |blocks_out| cut(blocks_in, blocks_out)));
        let best = cuts.filter(|&(blocks, ..)| busy(blocks)).min();
        let (_, _, blocks_in, blocks_out) = best.unwrap_or((0, 0, depth / step, panels.count()));
        self.depth = panels.tile().filled(depth.div_ceil(blocks_in));
        self.panels = panels.count().div_ceil(blocks_out);
    }

    /// Blocks of input channels.
    fn blocks_in(&self) -> usize {
        self.sums.depth.div_ceil(self.depth)
    }

    /// Blocks of output channels.
    fn blocks_out(&self) -> usize {
        self.sums.panels.count().div_ceil(self.panels)
    }

    /// Shares of the work.
    pub(super) fn shares(&self) -> usize {
        self.parts * self.blocks_in() * self.blocks_out()
    }

    /// Share `at` of the work.
    pub(super) fn share(&self, at: usize) -> Share {
        let (block, part) = (at / self.parts, at % self.parts);
        let first_tile = |part: usize| self.sums.tiling.count() * part / self.parts;
        let first_channel = block % self.blocks_in() * self.depth;
        let first_panel = block / self.blocks_in() * self.panels;
        Share {
            part,
            tiles: first_tile(part)..first_tile(part + 1),
            channels: first_channel..(first_channel + self.depth).min(self.sums.depth),
            panels: first_panel..(first_panel + self.panels).min(self.sums.panels.count()),
        }
    }

    /// Most stored output columns of a block.
    fn block_columns(&self) -> usize {
        self.sums.panels.stored_before(self.panels)
    }

    /// Input channels that lie side by side for each tile: whole vectors and whole rows of a register tile.
    pub(super) fn step(&self) -> usize {
        self.sums.panels.tile().step()
    }

    /// Where a channel of the block begins in a point of V, [step of channels][tile][channel of the step].
    pub(super) fn v_channel(&self, channel: usize) -> usize {
        channel / self.step() * self.batch * self.step() + channel % self.step()
    }

    /// Values of one point of V.
    pub(super) fn v_point(&self) -> usize {
        self.depth * self.batch + SLOT_PADDING
    }

    /// Values of one point of Z, [panel][tile][stored column].
    pub(super) fn z_point(&self) -> usize {
        self.block_columns() * self.batch + SLOT_PADDING
    }

    /// Values of V; Z follows it in a worker's scratch.
    pub(super) fn v_len(&self) -> usize {
        self.sizes.points.pow(2) * self.v_point()
    }

    /// Values of a worker's scratch.
    pub(super) fn scratch_len(&self) -> usize {
        self.v_len() + self.sizes.sums.pow(2) * self.z_point()
    }

    /// Values of a row of zeros.
    pub(super) fn outside(&self) -> usize {
        self.sums.depth.max(self.sums.panels.stored_all())
    }
}

//! How a backward-weights pass is cut into jobs, and where their values lie.
//!
//! dU is as large as all points of all weights, and each chunk of tiles adds to all of it. So the work is cut such that
//! the part of dU that a job adds to stays in the second-level cache: a job takes a group of rows of points, a block of
//! input and output channels, and a part of the tiles, and transforms its own tiles to these rows. That reads the pixels
//! anew for each group and costs a few operations more than all rows together; in exchange no transformed value
//! leaves the core. The parts and chunks of the tiles depend on the shape alone, and the parts' sums are added in their
//! order; only the blocks of channels become smaller where there are more threads than jobs.

use std::ops::Range;

use allcnn_device::ConvShape;

use super::super::pass::{Declined, Direction};
use super::point_sums::PointSums;
use super::products::Products;
use super::scheme::{Scheme, Sizes};
use super::tiling::{SLOT_PADDING, Tiling};
use super::transform::WIDEST;
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::Panels;

/// Rows of points that a job takes, those of a point and its negative together: they are made of the same pixels.
const GROUPS: &[&[usize]] = &[&[1, 2], &[3, 4], &[0, 5]];
/// Those of stride 2.
const STRIDED_GROUPS: &[&[usize]] = &[&[0, 1], &[2, 3], &[5, 6], &[7, 8], &[4]];
/// Those of small tiles.
const SMALL_GROUPS: &[&[usize]] = &[&[0, 1], &[2, 3], &[4]];
/// Most rows of a group.
const GROUP: usize = 2;
/// Values of dU that a job adds to: 864 KiB.
const JOB_VALUES: usize = 6 * 192 * 192;
/// Transformed values of a chunk of tiles: 576 KiB.
const CHUNK_VALUES: usize = 144 << 10;
/// Those for products of terms: 1 MiB. These are so fast that reading and writing dU takes more tiles to pay.
const CHUNK_OF_TERMS: usize = 256 << 10;
/// Those for products of bf16, which take half the room: 576 KiB.
const CHUNK_OF_PAIRS: usize = 2 * CHUNK_VALUES;
/// Tiles of a chunk: enough to pay for reading and writing dU, few enough for the first-level cache.
const CHUNK_TILES: Range<usize> = 16..128;
/// Enough jobs to keep many threads busy.
const MOST_JOBS: usize = 24;
/// Fewest tiles of a part, for which its copy of dU is worth it.
const PART_TILES: usize = 128;
/// Multiply-adds in whose time a value is transformed, as measured.
const TRANSFORM_COST: usize = 28;
/// All copies together: 16 MiB.
const COPY_VALUES: usize = 4 << 20;

/// A backward-weights pass, planned for one shape.
#[derive(Clone, Debug)]
pub(super) struct WeightsPlan {
    /// Tiles from the input to the output.
    pub(super) tiling: Tiling,
    /// The lengths of the scheme's lines: V has `points` in each direction, Z has `sums`.
    pub(super) sizes: Sizes,
    pub(super) panels: Panels,
    /// Input channels, zero-padded to whole tiles.
    pub(super) depth: usize,
    block: Block,
    pub(super) chunk_tiles: usize,
    pub(super) products: Products,
    /// Parts of the tiles, each with a copy of dU of its own.
    pub(super) parts: usize,
}

/// The channels that a job takes.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Input channels.
    depth: usize,
    /// Panels of output channels.
    panels: usize,
}

/// What a job computes: some rows of points of dU between some channels, over some tiles.
pub(super) struct Unit {
    /// Which copy of dU it adds to.
    pub(super) part: usize,
    pub(super) tiles: Range<usize>,
    pub(super) rows: &'static [usize],
    pub(super) channels: Range<usize>,
    pub(super) panels: Range<usize>,
    /// Whether it also sums the gradients of the bias.
    pub(super) sums_bias: bool,
}

/// Where a worker's values begin in its scratch; V begins at 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) z: usize,
    /// The packed sides of a product of terms.
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) end: usize,
}

impl WeightsPlan {
    /// The plan for a shape that [`Scheme`] has transforms for.
    pub(super) fn new(shape: &ConvShape, engine: &Engine) -> Result<Self, Declined> {
        let tiling = Tiling::new(shape, Direction::Forward, engine)?;
        let sizes = tiling.scheme.sizes();
        let products = Products::new(&tiling, engine);
        let tile = products.tile(engine);
        let panels = Panels::new(shape.out_channels, tile);
        let depth = tile.filled(shape.input.channels);
        let block = Block::new(depth, &panels, sizes);
        tile.check_filled(depth, "input channels");
        tile.check_filled(block.depth, "input channels of a block");
        let mut plan = Self { tiling, sizes, panels, depth, block, chunk_tiles: 0, products, parts: 1 };
        let of_a_tile = GROUP * (sizes.points * plan.v_stride() + sizes.sums * plan.block_columns());
        plan.chunk_tiles = match products {
            Products::Terms => (CHUNK_OF_TERMS / of_a_tile).clamp(BLOCK, CHUNK_TILES.end) / BLOCK * BLOCK,
            Products::F32 => (CHUNK_VALUES / of_a_tile).clamp(CHUNK_TILES.start, CHUNK_TILES.end) / 8 * 8,
            Products::Bf16 => (CHUNK_OF_PAIRS / of_a_tile).clamp(CHUNK_TILES.start, CHUNK_TILES.end) / 8 * 8,
        };
        let fitting = (tiling.count() / PART_TILES).min(COPY_VALUES / plan.copy_len());
        plan.parts = fitting.min(MOST_JOBS / plan.jobs()).max(1);
        plan.block = plan.block_for(engine.threads().count());
        Ok(plan)
    }

    /// The block of at most the channels of this one with which many threads end first, although the tiles are transformed
    /// anew for each block. Every sum stays what it is, since tiles and parts do.
    fn block_for(&self, workers: usize) -> Block {
        let tile = self.panels.tile();
        let cost = |block: Block| {
            let columns = self.panels.stored_before(block.panels.min(self.panels.count()));
            let transforms = self.sizes.points * block.depth + self.sizes.sums * columns;
            let job = self.sizes.points * block.depth * columns + TRANSFORM_COST * transforms;
            let units = Self { block, ..self.clone() }.units();
            (units.div_ceil(workers) * job, units)
        };
        let depths = (1..=self.depth / tile.step()).map(|blocks| tile.filled(self.depth.div_ceil(blocks)));
        let blocks = depths
            .filter(|&depth| depth <= self.block.depth)
            .flat_map(|depth| (1..=self.block.panels).map(move |panels| Block { depth, panels }));
        blocks.min_by_key(|&block| cost(block)).unwrap_or(self.block)
    }

    /// The groups of rows of points.
    fn groups(&self) -> &'static [&'static [usize]] {
        match self.tiling.scheme {
            Scheme::Strided => STRIDED_GROUPS,
            Scheme::Small => SMALL_GROUPS,
            _ => GROUPS,
        }
    }

    /// Blocks of input channels.
    fn blocks_in(&self) -> usize {
        self.depth.div_ceil(self.block.depth)
    }

    /// Blocks of output channels.
    fn blocks_out(&self) -> usize {
        self.panels.count().div_ceil(self.block.panels)
    }

    /// Jobs of a part.
    fn jobs(&self) -> usize {
        self.groups().len() * self.blocks_in() * self.blocks_out()
    }

    /// Jobs of all parts.
    pub(super) fn units(&self) -> usize {
        self.parts * self.jobs()
    }

    /// Job `at` of all parts. Those of a part follow one another, so that its pixels stay in the last-level cache.
    pub(super) fn unit(&self, at: usize) -> Unit {
        let (part, job) = (at / self.jobs(), at % self.jobs());
        let blocks = self.blocks_in() * self.blocks_out();
        let (group, block) = (job / blocks, job % blocks);
        let first_tile = |part: usize| self.tiling.count() * part / self.parts;
        let first_channel = block % self.blocks_in() * self.block.depth;
        let first_panel = block / self.blocks_in() * self.block.panels;
        Unit {
            part,
            tiles: first_tile(part)..first_tile(part + 1),
            rows: self.groups()[group],
            channels: first_channel..(first_channel + self.block.depth).min(self.depth),
            panels: first_panel..(first_panel + self.block.panels).min(self.panels.count()),
            sums_bias: group == 0 && first_channel == 0,
        }
    }

    /// Most stored output columns of a block.
    fn block_columns(&self) -> usize {
        self.panels.stored_before(self.block.panels.min(self.panels.count()))
    }

    /// Lines of a product's sides, over the depth that `tiles` are: one a tile or pair of tiles.
    pub(super) fn lines(&self, tiles: usize) -> usize {
        self.products.words(tiles)
    }

    /// Words between the lines of a point of V: an odd number of cache lines, so that they use all cache sets.
    pub(super) fn v_stride(&self) -> usize {
        (self.block.depth.div_ceil(WIDEST) | 1) * WIDEST
    }

    /// Words of one point of a chunk's V, [line][channel].
    pub(super) fn v_slot(&self) -> usize {
        self.lines(self.chunk_tiles) * self.v_stride() + SLOT_PADDING
    }

    /// Words of one point of a chunk's Z, [panel][line][stored column].
    pub(super) fn z_slot(&self) -> usize {
        self.lines(self.chunk_tiles) * self.block_columns() + SLOT_PADDING
    }

    /// Where a worker's values lie.
    pub(super) fn layout(&self) -> Layout {
        let z = GROUP * self.sizes.points * self.v_slot();
        let left = z + GROUP * self.sizes.sums * self.z_slot();
        let packed = |lines: usize| match self.products {
            Products::Terms => bf16x6::packed_len(lines, self.chunk_tiles),
            _ => 0,
        };
        let right = left + packed(self.block.depth);
        Layout { z, left, right, end: right + packed(self.block_columns()) }
    }

    /// Where the sums lie in a part's copy.
    pub(super) fn sums(&self) -> PointSums {
        PointSums { tiling: self.tiling, panels: self.panels, depth: self.depth }
    }

    /// Values of one point of dU.
    pub(super) fn u_point(&self) -> usize {
        self.sums().point_len()
    }

    /// Values of a part's copy of dU, the bias after the points.
    pub(super) fn copy_len(&self) -> usize {
        self.sums().len()
    }

    /// Where the sums for the bias begin in a copy.
    pub(super) fn bias_start(&self) -> usize {
        self.sums().bias_start()
    }

    /// Values of a row of zeros.
    pub(super) fn outside(&self) -> usize {
        self.depth.max(self.panels.stored_all())
    }
}

impl Block {
    /// The block of channels that fits and repeats the fewest transforms.
    fn new(depth: usize, panels: &Panels, sizes: Sizes) -> Self {
        let (tile, columns) = (panels.tile(), panels.stored(0));
        let cut = |block_panels: usize| {
            let fitting = JOB_VALUES / (GROUP * sizes.points * block_panels * columns);
            let blocks = depth.div_ceil((fitting / WIDEST * WIDEST).max(WIDEST));
            let block_depth = tile.filled(depth.div_ceil(blocks));
            let transforms = depth * panels.count().div_ceil(block_panels) + panels.stored_all() * blocks;
            (transforms, block_depth, block_panels)
        };
        let (_, depth, panels) = (1..=panels.count()).map(cut).min().expect("there is at least one panel");
        Self { depth, panels }
    }
}

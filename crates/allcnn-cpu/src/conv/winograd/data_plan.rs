//! How a forward or backward-data pass is cut into chunks, and where their values lie.
//!
//! A chunk is some whole rows of tiles, so that its destination is one run of memory.

use allcnn_device::ConvShape;

use super::super::pass::{Declined, Direction};
use super::products::Products;
use super::scheme::{Scheme, Sizes};
use super::tiling::{SLOT_PADDING, Tiling};
use super::transform::WIDEST;
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::Panels;

/// Tiles of a chunk: enough to pay for reading the weights, few enough for the cache.
const CHUNK_TILES: usize = 32;
/// Products of terms read larger weights in less time: the more weights, the more tiles share them. Both were measured.
const WEIGHTS_OF_A_TILE: usize = 288;
const MOST_TILES: usize = 128;

/// A data pass, planned for one shape and direction.
#[derive(Debug)]
pub(super) struct DataPlan {
    pub(super) direction: Direction,
    pub(super) tiling: Tiling,
    /// The lengths of the scheme's lines.
    pub(super) sizes: Sizes,
    pub(super) panels: Panels,
    pub(super) products: Products,
    /// Words between tiles of a point.
    pub(super) stride: usize,
    cut: Cut,
}

/// How the work is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Rows of tiles in a chunk.
    chunk_rows: usize,
    /// Groups of panels that are work of their own.
    groups: usize,
}

impl DataPlan {
    /// The plan for a shape that [`Scheme`] has transforms for.
    pub(super) fn new(shape: &ConvShape, direction: Direction, engine: &Engine) -> Result<Self, Declined> {
        let tiling = Tiling::new(shape, direction, engine)?;
        let (depth, columns) = (tiling.source.channels, tiling.destination.channels);
        let products = Products::new(&tiling, engine);
        let tile = products.tile(engine);
        let panels = Panels::new(columns, tile);
        let most_tiles = match products {
            Products::Terms => (depth * columns / WEIGHTS_OF_A_TILE).clamp(CHUNK_TILES, MOST_TILES),
            Products::F32 | Products::Bf16 => CHUNK_TILES,
        };
        // Blocks of pairs are whole.
        let group_of = match products {
            Products::Bf16 => BLOCK,
            _ => 1,
        };
        let cut = Cut::new(&tiling, &panels, group_of, most_tiles, engine.threads().count());
        let stride = match products {
            Products::Terms => depth.max(columns).next_multiple_of(BLOCK),
            _ => products.words(tile.filled(depth)).max(panels.stored_all()),
        };
        Ok(Self { direction, tiling, sizes: tiling.scheme.sizes(), panels, products, stride, cut })
    }

    /// Pieces of work: chunks, times groups of panels.
    pub(super) fn units(&self) -> usize {
        self.tiling.rows().div_ceil(self.cut.chunk_rows) * self.cut.groups
    }

    /// The tiles of a piece of work.
    pub(super) fn tiles(&self, unit: usize) -> std::ops::Range<usize> {
        let chunk = unit / self.cut.groups;
        let first =
            |chunk: usize| (chunk * self.cut.chunk_rows).min(self.tiling.rows()) * self.tiling.across();
        first(chunk)..first(chunk + 1)
    }

    /// The panels of a piece of work.
    pub(super) fn panels(&self, unit: usize) -> std::ops::Range<usize> {
        let group = unit % self.cut.groups;
        let first = |group: usize| self.panels.count() * group / self.cut.groups;
        first(group)..first(group + 1)
    }

    /// Register tiles that the products of a piece of work consist of.
    pub(super) fn tile_products(&self, unit: usize) -> usize {
        let rows = self.tiles(unit).len().div_ceil(self.panels.tile().rows);
        self.tiling.scheme.products() * self.panels(unit).len() * rows
    }

    /// The slot of the first V. With stride 2 M has slots of its own.
    pub(super) fn first_left(&self) -> usize {
        if self.tiling.scheme == Scheme::Strided { self.sizes.sums.pow(2) } else { 1 }
    }

    /// Words of a slot: a point of all tiles in a chunk.
    pub(super) fn slot(&self) -> usize {
        self.slot_rows() * self.stride + SLOT_PADDING
    }

    /// Rows of a slot: tiles, or whole blocks of them.
    fn slot_rows(&self) -> usize {
        let tiles = self.cut.chunk_rows * self.tiling.across();
        if self.products == Products::Terms { tiles.next_multiple_of(BLOCK) } else { tiles }
    }

    /// Values of all slots.
    pub(super) fn slots(&self) -> usize {
        (self.first_left() + self.sizes.sums.pow(2)) * self.slot()
    }

    /// Values of a worker's scratch: the slots, and the packed left side of a product on tiles.
    pub(super) fn scratch_len(&self) -> usize {
        let (rows, depth) = (self.slot_rows(), self.tiling.source.channels);
        match self.products {
            Products::Terms => self.slots() + bf16x6::packed_len(rows, depth),
            _ => self.slots(),
        }
    }

    /// Values of a row of zeros, whole vectors.
    pub(super) fn outside(&self) -> usize {
        self.stride.max(self.tiling.source.channels.next_multiple_of(WIDEST))
    }

    /// Words of a line of a product's left side: the source channels.
    pub(super) fn depth(&self) -> usize {
        self.products.words(self.tiling.source.channels)
    }

    /// Words of a point of the transformed weights, [panel][word of source channels][stored column], or packed for tiles.
    pub(super) fn point_len(&self) -> usize {
        let (depth, columns) = (self.tiling.source.channels, self.tiling.destination.channels);
        match self.products {
            Products::Terms => bf16x6::packed_len(columns, depth),
            _ => self.depth() * self.panels.stored_all(),
        }
    }

    /// Words of the transformed weights, [point] of [`Self::point_len`].
    pub(super) fn weights_len(&self) -> usize {
        self.tiling.scheme.products() * self.point_len()
    }
}

impl Cut {
    fn new(tiling: &Tiling, panels: &Panels, group_of: usize, most_tiles: usize, workers: usize) -> Self {
        let rows = tiling.rows();
        let rows_of = |tiles: usize| (tiles / tiling.across()).max(1);
        let most = rows_of(most_tiles);
        // As many chunks for every thread, but none so small that reading the weights takes the time.
        let chunks = rows.div_ceil(most).next_multiple_of(workers);
        let chunk_rows = rows.div_ceil(chunks).clamp(rows_of(CHUNK_TILES), most);
        // Where these are too few, cutting by channels comes first, since each thread then reads its own weights.
        let wanted = workers.div_ceil(rows.div_ceil(chunk_rows));
        let is_whole = |groups: usize| {
            let panels_of = panels.count() / groups;
            panels.count().is_multiple_of(groups)
                && (groups == 1 || panels.stored_before(panels_of).is_multiple_of(group_of))
        };
        let groups = (1..=wanted).rfind(|&groups| is_whole(groups)).unwrap_or(1);
        Self { chunk_rows: chunk_rows.min(rows.div_ceil(workers.div_ceil(groups))), groups }
    }
}

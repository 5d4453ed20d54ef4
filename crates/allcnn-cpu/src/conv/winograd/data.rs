//! Forward and backward-data. Going back is going forward from d_output with the weights rotated and transposed.
//!
//! A chunk is some whole rows of tiles, so that its destination is one run of memory.

use allcnn_device::ConvShape;

use super::super::destination::Destination;
use super::super::pass::{DataPass, Declined, Direction};
use super::chunk::Chunk;
use super::taps::{PackedPoints, Points, Weights};
use super::{SLOT_PADDING, Scheme, Tiling, product_tile, strided, terms_pay, transform};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::Finish;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::Panels;
use crate::threads::SendPtr;

/// Tiles of a chunk: enough to pay for reading the weights, few enough for the cache.
const CHUNK_TILES: usize = 32;
/// Products of terms read larger weights in less time: the more weights, the more tiles share them. Both were measured.
const WEIGHTS_OF_A_TILE: usize = 288;
const MOST_TILES: usize = 128;

/// The algorithm, prepared for one shape and direction.
#[derive(Debug)]
pub(in super::super) struct Winograd {
    pub(super) direction: Direction,
    pub(super) tiling: Tiling,
    pub(super) panels: Panels,
    /// Rows of tiles in a chunk.
    pub(super) chunk_rows: usize,
    /// Groups of panels that are work of their own.
    groups: usize,
    /// Values between tiles of a point.
    pub(super) stride: usize,
    /// Whether products are those of terms on matrix tiles.
    pub(super) bf16x6: bool,
    pub(super) workers: usize,
}

impl Winograd {
    /// Takes what [`Scheme`] has transforms for.
    pub(in super::super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let tiling = Tiling::new(&shape, direction, engine)?;
        let channels = [tiling.source.channels, tiling.destination.channels];
        let bf16x6 = terms_pay(engine, channels, tiling.count());
        let tile = product_tile(engine, bf16x6);
        let panels = Panels::new(channels[1], tile);
        let workers = engine.threads().count();
        let most_tiles = match bf16x6 {
            true => (channels[0] * channels[1] / WEIGHTS_OF_A_TILE).clamp(CHUNK_TILES, MOST_TILES),
            false => CHUNK_TILES,
        };
        let [chunk_rows, groups] = cut(&tiling, &panels, most_tiles, workers);
        let stride = match bf16x6 {
            true => channels[0].max(channels[1]).next_multiple_of(BLOCK),
            false => tile.filled(channels[0]).max(panels.stored_all()),
        };
        Ok(Box::new(Self { direction, tiling, panels, chunk_rows, groups, stride, bf16x6, workers }))
    }

    /// Points of a line that M has, and that the weights have.
    pub(super) fn sides(&self) -> [usize; 2] {
        match self.tiling.scheme {
            Scheme::Strided => [strided::SUMS, strided::SIDE],
            _ => [transform::SIDE; 2],
        }
    }

    /// The slot of the first V.
    pub(super) fn first_left(&self) -> usize {
        if self.tiling.scheme == Scheme::Strided { strided::SUMS * strided::SUMS } else { 1 }
    }

    /// Values of a slot: a point of all tiles in a chunk.
    pub(super) fn slot(&self) -> usize {
        let tiles = self.chunk_rows * self.tiling.across();
        let rows = if self.bf16x6 { tiles.next_multiple_of(BLOCK) } else { tiles };
        rows * self.stride + SLOT_PADDING
    }

    /// Values of a worker's buffer: the slots, and the left side of a product on tiles.
    fn buffer(&self) -> usize {
        self.slots()
            + if self.bf16x6 {
                bf16x6::packed_len(self.slot() / self.stride, self.tiling.source.channels)
            } else {
                0
            }
    }

    /// Values of all slots.
    pub(super) fn slots(&self) -> usize {
        (self.first_left() + self.sides()[0] * self.sides()[0]) * self.slot()
    }

    /// Values of a point of the transformed weights.
    pub(super) fn point_len(&self) -> usize {
        let [depth, columns] = [self.tiling.source.channels, self.tiling.destination.channels];
        if self.bf16x6 { bf16x6::packed_len(columns, depth) } else { depth * self.panels.stored_all() }
    }
}

/// Rows of tiles in a chunk, and groups of panels, for so many threads.
fn cut(tiling: &Tiling, panels: &Panels, most_tiles: usize, workers: usize) -> [usize; 2] {
    let rows = tiling.rows();
    let rows_of = |tiles: usize| (tiles / tiling.across()).max(1);
    let most = rows_of(most_tiles);
    // As many chunks for every thread, but none so small that reading the weights takes the time.
    let chunks = rows.div_ceil(most).next_multiple_of(workers);
    let chunk_rows = rows.div_ceil(chunks).clamp(rows_of(CHUNK_TILES), most);
    // Where these are too few, cutting by channels comes first, since each thread then reads its own weights.
    let wanted = workers.div_ceil(rows.div_ceil(chunk_rows));
    let groups = (1..=wanted).rfind(|&groups| panels.count().is_multiple_of(groups)).unwrap_or(1);
    [chunk_rows.min(rows.div_ceil(workers.div_ceil(groups))), groups]
}

impl Winograd {
    /// The weights as right sides of products of terms.
    fn prepare_terms(&self, engine: &Engine, weights: &[f32], transformed: SendPtr<f32>) {
        use transform::{SIDE, Weights as Plain};
        let steps = self.tiling.source.channels.div_ceil(BLOCK);
        let blocks = self.tiling.destination.channels.div_ceil(BLOCK);
        engine.threads().run(blocks * steps, |chunk, _| {
            let depth = chunk % steps * BLOCK..(chunk % steps + 1) * BLOCK;
            let weights = Weights { pass: self, weights, depth, panel: chunk / steps, transformed };
            match self.tiling.scheme {
                Scheme::TwoByTwo => engine.isa().run(PackedPoints::<_, 2, SIDE>(weights, Plain)),
                Scheme::ThreeByThree => engine.isa().run(PackedPoints::<_, 3, SIDE>(weights, Plain)),
                Scheme::FiveByFive => engine.isa().run(PackedPoints::<_, 5, SIDE>(weights, Plain)),
                Scheme::Strided => {
                    let transform = strided::Weights;
                    engine.isa().run(PackedPoints::<_, 3, { strided::SIDE }>(weights, transform));
                }
            }
        });
    }
}

impl DataPass for Winograd {
    fn name(&self) -> &'static str {
        "winograd"
    }

    /// The transformed weights, [point][panel][source channel][stored column] or packed for tiles.
    fn weights_len(&self) -> usize {
        self.tiling.scheme.products() * self.point_len()
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], transformed: &mut [f32]) {
        let transformed = SendPtr(transformed.as_mut_ptr());
        if self.bf16x6 {
            return self.prepare_terms(engine, weights, transformed);
        }
        /// Source channels of a chunk.
        const DEPTH: usize = 16;
        let pieces = self.tiling.source.channels.div_ceil(DEPTH);
        engine.threads().run(self.panels.count() * pieces, |chunk, _| {
            use transform::{SIDE, Weights as Plain};
            let first = chunk % pieces * DEPTH;
            let depth = first..(first + DEPTH).min(self.tiling.source.channels);
            let weights = Weights { pass: self, weights, depth, panel: chunk / pieces, transformed };
            match self.tiling.scheme {
                Scheme::TwoByTwo => engine.isa().run(Points::<_, 2, SIDE>(weights, Plain)),
                Scheme::ThreeByThree => engine.isa().run(Points::<_, 3, SIDE>(weights, Plain)),
                Scheme::FiveByFive => engine.isa().run(Points::<_, 5, SIDE>(weights, Plain)),
                Scheme::Strided => {
                    engine.isa().run(Points::<_, 3, { strided::SIDE }>(weights, strided::Weights));
                }
            }
        });
    }

    fn multiply_adds(&self) -> usize {
        self.tiling.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        self.stride + self.workers * self.buffer()
    }

    fn compute(
        &self,
        engine: &Engine,
        source: &Buffer,
        weights: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
        workspace: &mut [f32],
    ) {
        let (outside, slots) = workspace.split_at_mut(self.stride);
        outside.fill(0.0);
        let outside = &*outside;
        let slots = SendPtr(slots.as_mut_ptr());
        let destination = Destination::new(destination, self.tiling.destination.channels, finish);
        let (rows, across) = (self.tiling.rows(), self.tiling.across());
        engine.threads().run(rows.div_ceil(self.chunk_rows) * self.groups, |unit, worker| {
            let (chunk, group) = (unit / self.groups, unit % self.groups);
            let tiles = chunk * self.chunk_rows * across..((chunk + 1) * self.chunk_rows).min(rows) * across;
            let panels = [group, group + 1].map(|group| self.panels.count() * group / self.groups);
            // SAFETY: each worker has its own slots.
            let slots =
                unsafe { std::slice::from_raw_parts_mut(slots.at(worker * self.buffer()), self.buffer()) };
            let panels = panels[0]..panels[1];
            Chunk { pass: self, source, weights, outside, tiles, panels, destination, slots }.run(engine);
        });
    }
}

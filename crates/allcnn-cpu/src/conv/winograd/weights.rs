//! Backward-weights in the transformed domain: dU[point] = sum over tiles of V[point]t Z[point], then dw = Gt dU G.
//!
//! dU is as large as all points of all weights, and each chunk of tiles adds to all of it. So the work is cut such that
//! the part of dU that a job adds to stays in the second-level cache: a job takes a group of rows of points, a block of
//! input and output channels, and a part of the tiles, and transforms its own tiles to these rows. That reads the pixels
//! anew for each group and costs a few operations more than all rows together; in exchange no transformed value
//! leaves the core. How the work is cut depends on the shape alone, and the parts' sums are added in their order.

use std::ops::Range;

use allcnn_device::ConvShape;

use super::super::pass::{Declined, Direction, WeightsPass};
use super::job::Job;
use super::taps::{AddUp, Gradient, Gradients};
use super::transform::{self, WIDEST};
use super::{SLOT_PADDING, Scheme, Tiling, product_tile, strided, terms_pay};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::products::bf16x6;
use crate::products::block::BLOCK;
use crate::products::f32::Panels;
use crate::threads::SendPtr;

/// Rows of points that a job takes, those of a point and its negative together: they are made of the same pixels.
const GROUPS: &[&[usize]] = &[&[1, 2], &[3, 4], &[0, 5]];
/// The same for stride 2.
const STRIDED_GROUPS: &[&[usize]] = &[&[0, 1], &[2, 3], &[5, 6], &[7, 8], &[4]];
/// Most rows of a group.
const GROUP: usize = 2;
/// Values of dU that a job adds to: 864 KiB.
const JOB_VALUES: usize = 6 * 192 * 192;
/// Transformed values of a chunk of tiles: 576 KiB.
const CHUNK_VALUES: usize = 144 << 10;
/// The same for products of terms, which are so fast that reading and writing dU needs more tiles to pay: 1 MiB.
const CHUNK_OF_TERMS: usize = 256 << 10;
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
    /// Input channels, filled up to whole tiles.
    pub(super) depth: usize,
    /// Input channels of a block.
    pub(super) block_depth: usize,
    /// Panels of output channels of a block.
    pub(super) block_panels: usize,
    pub(super) chunk_tiles: usize,
    /// Whether products are those of terms on matrix tiles.
    pub(super) bf16x6: bool,
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
        let bf16x6 = terms_pay(engine, [shape.input.channels, shape.out_channels], tiling.count());
        let tile = product_tile(engine, bf16x6);
        let panels = Panels::new(shape.out_channels, tile);
        let depth = tile.filled(shape.input.channels);
        let mut pass = Self {
            tiling,
            points,
            panels,
            depth,
            block_depth: 0,
            block_panels: 0,
            chunk_tiles: 0,
            bf16x6,
            parts: 1,
            workers: engine.threads().count(),
        };
        pass.cut_into_blocks();
        tile.check_filled(pass.depth, "input channels");
        tile.check_filled(pass.block_depth, "input channels of a block");
        let of_a_tile = GROUP * (points[0] * pass.v_stride() + points[1] * pass.block_columns());
        pass.chunk_tiles = match bf16x6 {
            true => (CHUNK_OF_TERMS / of_a_tile).clamp(BLOCK, CHUNK_TILES.end) / BLOCK * BLOCK,
            false => (CHUNK_VALUES / of_a_tile).clamp(CHUNK_TILES.start, CHUNK_TILES.end) / 8 * 8,
        };
        let jobs = pass.groups().len() * pass.blocks().iter().product::<usize>();
        let fitting = (tiling.count() / PART_TILES).min(COPY_VALUES / pass.copy_len());
        pass.parts = fitting.min(MOST_JOBS / jobs).max(1);
        Ok(Box::new(pass))
    }

    /// The groups of rows of points.
    pub(super) fn groups(&self) -> &'static [&'static [usize]] {
        if self.tiling.scheme == Scheme::Strided { STRIDED_GROUPS } else { GROUPS }
    }

    /// The blocks of channels that fit and repeat the fewest transforms.
    fn cut_into_blocks(&mut self) {
        let columns = self.panels.stored(0);
        let all = self.panels.stored_all();
        let cut = |block_panels: usize| {
            let fitting = JOB_VALUES / (GROUP * self.points[0] * block_panels * columns);
            let blocks = self.depth.div_ceil((fitting / WIDEST * WIDEST).max(WIDEST));
            let block_depth = self.panels.tile().filled(self.depth.div_ceil(blocks));
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
    pub(super) fn block_columns(&self) -> usize {
        self.panels.stored_before(self.block_panels.min(self.panels.count()))
    }

    /// Values between the tiles of a point of V: an odd number of cache lines, so that they use all cache sets.
    pub(super) fn v_stride(&self) -> usize {
        (self.block_depth.div_ceil(WIDEST) | 1) * WIDEST
    }

    /// Values of one point of a chunk's V, [tile][channel].
    pub(super) fn v_slot(&self) -> usize {
        self.chunk_tiles * self.v_stride() + SLOT_PADDING
    }

    /// Values of one point of a chunk's Z, [panel][tile][stored column].
    pub(super) fn z_slot(&self) -> usize {
        self.chunk_tiles * self.block_columns() + SLOT_PADDING
    }

    /// Where Z, the packed sides of a product of terms and the end lie in a worker's slots; V lies at 0.
    pub(super) fn places(&self) -> [usize; 4] {
        let z = GROUP * self.points[0] * self.v_slot();
        let left = z + GROUP * self.points[1] * self.z_slot();
        let packed = |lines: usize| if self.bf16x6 { bf16x6::packed_len(lines, self.chunk_tiles) } else { 0 };
        let right = left + packed(self.block_depth);
        [z, left, right, right + packed(self.block_columns())]
    }

    /// Values of a worker's slots.
    fn slots(&self) -> usize {
        self.places()[3]
    }

    /// Values of one point of dU, [panel][input channel][stored column].
    pub(super) fn u_point(&self) -> usize {
        self.depth * self.panels.stored_all()
    }

    /// Values of a part's copy of dU, the bias after the points.
    pub(super) fn copy_len(&self) -> usize {
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
        engine.threads().run(self.panels.count() * self.depth / self.panels.tile().step(), |chunk, _| {
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

    fn compute(
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
                slots: slots.0,
                copy: copy.0,
            };
            job.run(engine);
        });
        self.finish(engine, copies, d_weights, d_bias);
    }
}

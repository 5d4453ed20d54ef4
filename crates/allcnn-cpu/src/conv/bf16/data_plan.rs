//! What is prepared for forward or backward-data of a shape: how its images are cut and laid out, and which products follow.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::geometry::{Grid, Tap};
use super::super::pass::{Declined, Direction};
use super::blocks::{Block, Extent};
use super::right_side::RightSide;
use super::runs::{Chunk, Chunks, Layout};
use super::source::SourceView;
use super::terms;
use crate::engine::Engine;
use crate::products::block::{BLOCK, TILE};

/// Positions of a chunk: enough to pay for reading the weights.
const CHUNK_POSITIONS: usize = 640;
/// f32-sized words that a packed chunk may take, so that it stays in a second-level cache beside the weights: 1 MiB.
const CHUNK_WORDS: usize = 1 << 18;

/// The plan of a pass. Its units of work are chunks of the destination's rows by groups of its channels.
#[derive(Debug)]
pub(super) struct DataPlan {
    pub source: SourceView,
    pub destination: Shape,
    /// bf16 terms of a factor.
    pub terms: usize,
    pub right: RightSide,
    pub grids: Vec<PackedGrid>,
    pub layout: Layout,
    /// Blocks of source and of destination channels.
    pub depth_blocks: usize,
    pub column_blocks: usize,
    pub chunks: Chunks,
    groups: usize,
    pub workers: usize,
}

/// A grid, prepared.
#[derive(Debug)]
pub(super) struct PackedGrid {
    pub grid: Grid,
    /// The range of its packed weights: [block of columns][step in depth], see [`RightSide`].
    pub weights: Range<usize>,
    /// For each step in depth the bytes that the source lies further on.
    pub offsets: Vec<isize>,
    /// The blocks of every kind of chunk that there is.
    blocks: Vec<(Extent, Vec<Block>)>,
}

impl PackedGrid {
    /// The blocks that cover the grid in a chunk.
    pub(super) fn blocks(&self, extent: Extent) -> &[Block] {
        let of_extent = self.blocks.iter().find(|(of, _)| *of == extent);
        of_extent.map_or_else(|| unreachable!("blocks for {extent:?}"), |(_, blocks)| blocks)
    }
}

impl DataPlan {
    /// The plan for a convolution of one group.
    pub(super) fn new(shape: ConvShape, direction: Direction, engine: &Engine) -> Result<Self, Declined> {
        let (depth, destination) = match direction {
            Direction::Forward => (shape.input.channels, shape.output()),
            Direction::Backward => (shape.out_channels, shape.input),
        };
        let terms = terms::of_shape(&shape, depth, engine)?;
        let (source, grids) = SourceView::new(shape, direction);
        let layout = Layout::new(&grids, source.phase_height(), source.phase_width());
        let (depth_blocks, column_blocks) =
            (source.size.channels.div_ceil(BLOCK), destination.channels.div_ceil(BLOCK));
        let height = grids.iter().map(|grid| grid.height).max().unwrap_or(0);
        let words = source.phases() * terms * depth_blocks * TILE;
        let positions = CHUNK_POSITIONS.min(CHUNK_WORDS / words);
        let chunks = Chunks::new(&layout, destination.batch, height, positions);
        // A small batch is cut for the threads' sake: best by channels, since each thread then reads its own weights.
        let workers = engine.threads().count();
        let wanted = workers.div_ceil(chunks.count());
        let groups = (1..=wanted.min(column_blocks)).rfind(|&groups| column_blocks.is_multiple_of(groups));
        let groups = groups.unwrap_or(1);
        let mut plan = Self {
            source,
            destination,
            terms,
            right: RightSide::new(&shape, direction, &source, terms),
            grids: Vec::new(),
            layout,
            depth_blocks,
            column_blocks,
            chunks: chunks.at_least(workers.div_ceil(groups)),
            groups,
            workers,
        };
        plan.lay_out(grids);
        Ok(plan)
    }

    /// Finds the range of each grid's packed weights, its offsets and its blocks.
    fn lay_out(&mut self, grids: Vec<Grid>) {
        let mut end = 0;
        for grid in grids {
            let steps = grid.taps.len() * self.depth_blocks;
            let start = end;
            end += self.column_blocks * steps * self.right.step_words();
            let offsets = (0..steps).map(|step| self.offset(&grid, step)).collect();
            let mut blocks = Vec::<(Extent, _)>::new();
            for chunk in self.chunks.iter() {
                let extent = self.extent(&grid, chunk);
                if blocks.iter().all(|(of, _)| *of != extent) {
                    blocks.push((extent, extent.blocks(&grid, self.destination)));
                }
            }
            self.grids.push(PackedGrid { grid, weights: start..end, offsets, blocks });
        }
    }

    /// The bytes that the source lies further on at a step. The steps of a block of channels are all taps, one by one.
    fn offset(&self, grid: &Grid, step: usize) -> isize {
        let (block, tap): (_, Tap) = (step / grid.taps.len(), grid.taps[step % grid.taps.len()]);
        let tap = tap.in_phase(grid.source_step);
        let plane = self.source.phase(tap.phase) * self.depth_blocks + block;
        ((plane * self.plane() + self.layout.position(tap)) * TILE * size_of::<f32>()) as isize
    }

    /// Number of units of work.
    pub(super) fn units(&self) -> usize {
        self.chunks.count() * self.groups
    }

    /// A unit of work: its chunk, and its blocks of destination channels.
    pub(super) fn unit(&self, at: usize) -> (Chunk, Range<usize>) {
        let (chunk, group) = (at / self.groups, at % self.groups);
        let start = |group: usize| self.column_blocks * group / self.groups;
        (self.chunks.get(chunk), start(group)..start(group + 1))
    }

    /// Rows from an image to the next one in a packed chunk.
    pub(super) fn image_rows(&self) -> usize {
        self.chunks.image_rows(&self.layout)
    }

    /// Positions that are packed of each plane of a chunk.
    pub(super) fn packed_positions(&self) -> usize {
        self.layout.lead + self.chunks.source_rows(&self.layout) * self.layout.pitch
    }

    /// Positions of a plane of a chunk. Tiles may reach past the last row; what they read there is not used.
    pub(super) fn plane(&self) -> usize {
        let reach = TILE + self.layout.columns.last.unsigned_abs();
        self.packed_positions() + reach
    }

    /// A chunk as a grid sees it.
    pub(super) fn extent(&self, grid: &Grid, chunk: Chunk) -> Extent {
        let rows = chunk.rows.min(grid.height.saturating_sub(chunk.first_row));
        Extent { images: chunk.images, rows, image_rows: self.image_rows(), pitch: self.layout.pitch }
    }

    /// The index in the destination of the first channel of a block, at the first pixel that a grid has in a chunk.
    pub(super) fn first_value(&self, grid: &Grid, chunk: Chunk, column_block: usize) -> usize {
        let Shape { height, width, channels, .. } = self.destination;
        let row = chunk.first_row * grid.step + grid.row;
        let pixel = (chunk.first_image * height + row) * width + grid.column;
        pixel * channels + column_block * BLOCK
    }

    /// f32-sized words of the packed weights of all grids.
    pub(super) fn weights_len(&self) -> usize {
        self.grids.last().map_or(0, |grid| grid.weights.end)
    }

    /// Values of the sums of a block of channels at all positions of a chunk.
    pub(super) fn sums_len(&self) -> usize {
        self.plane().div_ceil(BLOCK) * BLOCK * BLOCK
    }

    /// f32-sized words of one term of a packed chunk: [phase][block of channels][position][pair].
    pub(super) fn term_words(&self) -> usize {
        self.source.phases() * self.depth_blocks * self.plane() * TILE
    }

    /// f32-sized words of a worker: sums, then the packed chunk, [term].
    pub(super) fn worker_words(&self) -> usize {
        self.sums_len() + self.terms * self.term_words()
    }

    /// Multiply-adds of the tiles of a whole pass.
    pub(super) fn multiply_adds(&self) -> usize {
        let steps = |grid: &PackedGrid, chunk: Chunk| {
            let blocks = grid.blocks(self.extent(&grid.grid, chunk));
            blocks.iter().map(|block| block.tiles).sum::<usize>() * grid.offsets.len()
        };
        let of_chunk = |chunk| self.grids.iter().map(|grid| steps(grid, chunk)).sum::<usize>();
        let steps: usize = self.chunks.iter().map(of_chunk).sum();
        steps * TILE * BLOCK * self.column_blocks * BLOCK * terms::products(self.terms)
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::Precision;

    use super::super::blocks::NOWHERE;
    use super::super::testing::shapes;
    use super::*;
    use crate::simd::Portable;
    use crate::stored::Stored;
    use crate::{Choice, CpuOptions, Isa};

    fn plan(shape: ConvShape, direction: Direction, threads: usize) -> DataPlan {
        let options = CpuOptions {
            threads: Some(threads),
            isa: Some(Isa::Portable),
            precision: Precision::Bf16,
            choice: Choice::First,
        };
        DataPlan::new(shape, direction, &Engine::new(options).unwrap()).unwrap()
    }

    /// The first value of each position of each phase that a chunk packs.
    fn packed(plan: &DataPlan, chunk: Chunk, values: &[f32]) -> Vec<Vec<f32>> {
        let lines = chunk.source_lines(&plan.layout, plan.image_rows());
        let phase = |phase| {
            let mut positions = plan.source.positions(Stored::F32(values), phase, lines, plan.layout.lead);
            // SAFETY: every position has the values of all channels.
            let mut next = || unsafe { *positions.next(Portable::<4>, &mut None) };
            (0..plan.packed_positions()).map(|_| next()).collect()
        };
        (0..plan.source.phases()).map(phase).collect()
    }

    /// The number of the source pixel, from 1 on, that a tap of a destination pixel sees; 0 outside.
    fn seen(plan: &DataPlan, grid: &Grid, tap: Tap, pixel: usize) -> usize {
        let (Shape { height, width, .. }, source) = (plan.destination, plan.source.size);
        let (line, column) = (pixel / width, pixel % width);
        let along = |at: usize, first: usize, distance: isize| {
            ((at - first) / grid.step * grid.source_step) as isize + distance
        };
        let (row, column) = (along(line % height, grid.row, tap.row), along(column, grid.column, tap.column));
        let is_inside =
            (0..source.height as isize).contains(&row) && (0..source.width as isize).contains(&column);
        let first = line / height * source.height * source.width;
        if is_inside { first + row as usize * source.width + column as usize + 1 } else { 0 }
    }

    #[test]
    fn every_destination_pixel_is_in_one_block_and_its_taps_see_their_source_pixels() {
        for shape in shapes(40, 70) {
            for (direction, threads) in
                [Direction::Forward, Direction::Backward].map(|to| [(to, 1), (to, 5)]).concat()
            {
                let plan = plan(shape, direction, threads);
                let Shape { channels, .. } = plan.source.size;
                let values: Vec<f32> =
                    (0..plan.source.size.len()).map(|at| (at / channels + 1) as f32).collect();
                let pixels = plan.destination.len() / plan.destination.channels;
                let mut times = vec![0; pixels];
                for chunk in plan.chunks.iter() {
                    let packed = packed(&plan, chunk, &values);
                    for grid in &plan.grids {
                        let first = plan.first_value(&grid.grid, chunk, 0);
                        for block in grid.blocks(plan.extent(&grid.grid, chunk)) {
                            for (at, &pixel) in
                                block.pixels.iter().enumerate().filter(|(_, pixel)| **pixel != NOWHERE)
                            {
                                let pixel = pixel + first / plan.destination.channels;
                                times[pixel] += 1;
                                let position = block.positions[at / TILE] + at % TILE;
                                for (&tap, &offset) in grid.grid.taps.iter().zip(&grid.offsets) {
                                    let word = position + offset as usize / (TILE * size_of::<f32>());
                                    let phase = word / plan.plane() / plan.depth_blocks;
                                    let value = packed[phase][word % plan.plane()];
                                    let expected = seen(&plan, &grid.grid, tap, pixel) as f32;
                                    assert_eq!(
                                        value, expected,
                                        "{direction:?}, {shape:?}, pixel {pixel}, {tap:?}"
                                    );
                                }
                            }
                        }
                    }
                }
                assert_eq!(times, vec![1; pixels], "{direction:?}, {shape:?}");
            }
        }
    }

    #[test]
    fn units_of_work_have_every_chunk_and_block_of_channels_once() {
        let input = Shape { batch: 1, height: 8, width: 8, channels: 64 };
        let shape = ConvShape { input, out_channels: 128, kernel: 3, stride: 1, padding: 1, groups: 1 };
        for threads in 1..8 {
            let plan = plan(shape, Direction::Forward, threads);
            let units = (0..plan.units()).map(|at| plan.unit(at));
            let mut all: Vec<_> = units
                .flat_map(|(chunk, columns)| {
                    let rows = chunk.first_row..chunk.first_row + chunk.rows;
                    rows.flat_map(move |row| columns.clone().map(move |block| (row, block)))
                })
                .collect();
            all.sort_unstable();
            let expected: Vec<_> = (0..8).flat_map(|row| (0..4).map(move |block| (row, block))).collect();
            assert_eq!(all, expected, "{threads} threads");
        }
    }
}

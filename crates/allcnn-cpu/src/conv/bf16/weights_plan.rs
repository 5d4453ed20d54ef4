//! What is prepared for backward-weights of a shape: how its images are cut and packed, and which planes the taps see.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::geometry::Grid;
use super::super::pass::{Declined, Direction};
use super::copies::CopyLayout;
use super::runs::{Chunk, Chunks, Layout};
use super::source::SourceView;
use super::terms;
use crate::engine::Engine;
use crate::products::block::{BLOCK, TILE, TILE_PAIRS};

/// Positions of a chunk.
const CHUNK_POSITIONS: usize = 1152;
/// f32-sized words that a packed chunk may take, to stay in a second-level cache: 768 KiB.
const CHUNK_WORDS: usize = 192 << 10;
/// Steps in depth of one term whose factors stay in a first-level cache while they are multiplied.
const SLAB_STEPS: usize = 10;
/// Positions that a part has at least, to pay for adding its copy.
const PART_POSITIONS: usize = 2048;
/// The most parts, and the most values that all copies may have.
const MOST_PARTS: usize = 4;
const COPY_VALUES: usize = 16 << 20;

/// The plan of a pass. Its units of work are parts of all positions by groups of output channels.
#[derive(Debug)]
pub(super) struct WeightsPlan {
    pub source: SourceView,
    pub output: Shape,
    /// bf16 terms of a factor.
    pub terms: usize,
    pub taps: Vec<PlaneTap>,
    pub planes: Vec<Plane>,
    pub layout: Layout,
    pub copy: CopyLayout,
    chunks: Chunks,
    pub parts: usize,
    groups: usize,
    /// Groups of blocks of source channels, and of taps: more than one where there are more threads than units otherwise.
    source_groups: usize,
    tap_groups: usize,
    pub workers: usize,
    /// For each step in depth the bytes that the gradients lie further on.
    pub offsets: Vec<isize>,
}

/// A phase of the source, packed as pairs that begin at positions `parity`, `parity + 2`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plane {
    pub phase: usize,
    pub parity: usize,
}

/// A tap, the plane that it sees, and the pair that its first position is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaneTap {
    pub tap: usize,
    pub plane: usize,
    pub pair: usize,
}

/// A unit of work.
#[derive(Clone, Debug)]
pub(super) struct GradientUnit {
    pub part: usize,
    /// Chunks of the part.
    pub chunks: Range<usize>,
    /// Blocks of output channels, and of source channels.
    pub outs: Range<usize>,
    pub sources: Range<usize>,
    /// Which of [`WeightsPlan::taps`].
    pub taps: Range<usize>,
}

impl WeightsPlan {
    /// The plan for a convolution of one group.
    pub(super) fn new(shape: ConvShape, engine: &Engine) -> Result<Self, Declined> {
        let terms = terms::of_shape(&shape, shape.input.channels.min(shape.out_channels), engine)?;
        let output = shape.output();
        let (source, grids) = SourceView::new(shape, Direction::Forward);
        let layout = Layout::new(&grids, source.phase_height(), source.phase_width());
        let (out_blocks, source_blocks) =
            (output.channels.div_ceil(BLOCK), source.size.channels.div_ceil(BLOCK));
        let (taps, planes) = planes(&source, &layout, &grids);
        let words = terms * TILE * (planes.len() * source_blocks + out_blocks);
        let positions = CHUNK_POSITIONS.min(CHUNK_WORDS / words);
        let mut plan = Self {
            source,
            output,
            terms,
            copy: CopyLayout { taps: taps.len(), out_blocks, source_blocks },
            taps,
            planes,
            layout,
            chunks: Chunks::new(&layout, output.batch, output.height, positions),
            parts: 1,
            groups: 1,
            source_groups: 1,
            tap_groups: 1,
            workers: engine.threads().count(),
            offsets: Vec::new(),
        };
        let parts = (output.len() / output.channels / PART_POSITIONS).min(COPY_VALUES / plan.copy.len());
        plan.parts = parts.clamp(1, MOST_PARTS).min(plan.chunks.count());
        // Groups repeat the packing of the source: only for threads that would have nothing to do.
        plan.groups = match plan.parts.is_multiple_of(plan.workers) {
            true => 1,
            false => (2 * plan.workers).div_ceil(plan.parts).min(out_blocks),
        };
        // These repeat the packing of the gradients too.
        plan.source_groups = plan.workers.div_ceil(plan.units()).min(source_blocks);
        plan.tap_groups = plan.workers.div_ceil(plan.units()).min(plan.taps.len());
        let step_bytes = plan.gradient_step() * size_of::<f32>();
        plan.offsets = (0..plan.steps()).map(|step| (step * step_bytes) as isize).collect();
        Ok(plan)
    }

    /// Number of units of work.
    pub(super) fn units(&self) -> usize {
        self.parts * self.groups * self.source_groups * self.tap_groups
    }

    /// Unit `at`.
    pub(super) fn unit(&self, at: usize) -> GradientUnit {
        let (at, taps) =
            (at / self.tap_groups, share(self.taps.len(), at % self.tap_groups, self.tap_groups));
        let (at, source) = (at / self.source_groups, at % self.source_groups);
        let (part, group) = (at / self.groups, at % self.groups);
        GradientUnit {
            part,
            chunks: share(self.chunks.count(), part, self.parts),
            outs: share(self.copy.out_blocks, group, self.groups),
            sources: share(self.copy.source_blocks, source, self.source_groups),
            taps,
        }
    }

    /// Chunk `at`.
    pub(super) fn chunk(&self, at: usize) -> Chunk {
        self.chunks.get(at)
    }

    /// Rows from an image to the next one in a packed chunk.
    pub(super) fn image_rows(&self) -> usize {
        self.chunks.image_rows(&self.layout)
    }

    /// Steps in depth of a chunk, 32 positions each, up to the last row of gradients.
    pub(super) fn steps(&self) -> usize {
        let rows = (self.chunks.images - 1) * self.image_rows() + self.chunks.rows;
        (rows * self.layout.pitch).div_ceil(BLOCK)
    }

    /// The slabs that a chunk's steps are cut into.
    pub(super) fn slabs(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let steps = self.steps();
        let slabs = steps.div_ceil(SLAB_STEPS / self.terms);
        (0..slabs).map(move |at| steps * at / slabs..steps * (at + 1) / slabs)
    }

    /// f32-sized words of a step of a block of gradients: [term][half of the channels][channel][pair of positions].
    pub(super) fn gradient_step(&self) -> usize {
        self.terms * 2 * TILE_PAIRS
    }

    /// f32-sized words of a block of gradients, [step].
    fn gradient_block(&self) -> usize {
        self.steps() * self.gradient_step()
    }

    /// Pairs of a plane: those of all steps, and what taps reach beyond.
    pub(super) fn pairs(&self) -> usize {
        self.steps() * TILE + self.taps.iter().map(|tap| tap.pair).max().unwrap_or(0)
    }

    /// f32-sized words of one term of 16 source channels of a plane, [pair][channel].
    pub(super) fn source_term(&self) -> usize {
        self.pairs() * TILE
    }

    /// f32-sized words of 16 source channels of a plane, [term].
    pub(super) fn source_half(&self) -> usize {
        self.terms * self.source_term()
    }

    /// The first word of a block of source channels of a plane: [plane][block][half].
    pub(super) fn source_block(&self, plane: usize, block: usize) -> usize {
        (plane * self.copy.source_blocks + block) * 2 * self.source_half()
    }

    /// The first word of a step of a block of gradients, which follow the source.
    pub(super) fn gradients(&self, out: usize, step: usize) -> usize {
        self.source_block(self.planes.len(), 0) + out * self.gradient_block() + step * self.gradient_step()
    }

    /// f32-sized words of a worker.
    pub(super) fn worker_words(&self) -> usize {
        self.gradients(self.copy.out_blocks, 0)
    }

    /// Multiply-adds of the tiles of a whole pass.
    pub(super) fn multiply_adds(&self) -> usize {
        let blocks = self.copy.taps * self.copy.out_blocks * self.copy.source_blocks;
        self.chunks.count() * self.steps() * BLOCK * blocks * BLOCK * BLOCK * terms::products(self.terms)
    }
}

/// Share `at` of `all` things that are cut into `shares`.
fn share(all: usize, at: usize, shares: usize) -> Range<usize> {
    all * at / shares..all * (at + 1) / shares
}

/// Finds for each tap its plane and pair, and the planes that there are. Taps of one plane follow one another, so that the
/// part of it which they see stays in a first-level cache.
fn planes(source: &SourceView, layout: &Layout, grids: &[Grid]) -> (Vec<PlaneTap>, Vec<Plane>) {
    let mut planes = Vec::new();
    let taps = grids.iter().flat_map(|grid| grid.taps.iter().map(|tap| tap.in_phase(grid.source_step)));
    let taps = taps.enumerate().map(|(at, tap)| {
        let position = layout.position(tap);
        let own = Plane { phase: source.phase(tap.phase), parity: position % 2 };
        let plane = planes.iter().position(|&other| other == own).unwrap_or_else(|| {
            planes.push(own);
            planes.len() - 1
        });
        PlaneTap { tap: at, plane, pair: position / 2 }
    });
    let mut taps: Vec<_> = taps.collect();
    taps.sort_by_key(|tap| tap.plane);
    (taps, planes)
}

#[cfg(test)]
mod tests {
    use allcnn_device::Precision;

    use super::super::runs::Lines;
    use super::super::testing::shapes;
    use super::*;
    use crate::simd::Portable;
    use crate::stored::Stored;
    use crate::{Choice, CpuOptions, Isa};

    fn plan(shape: ConvShape, threads: usize) -> WeightsPlan {
        let options = CpuOptions {
            threads: Some(threads),
            isa: Some(Isa::Portable),
            precision: Precision::Bf16,
            choice: Choice::First,
        };
        WeightsPlan::new(shape, &Engine::new(options).unwrap()).unwrap()
    }

    /// The first value of each of some positions.
    fn first_values(
        view: &SourceView,
        values: &[f32],
        phase: usize,
        lines: Lines,
        lead: usize,
        count: usize,
    ) -> Vec<f32> {
        let mut positions = view.positions(Stored::F32(values), phase, lines, lead);
        // SAFETY: every position has the values of all channels.
        (0..count).map(|_| unsafe { *positions.next(Portable::<4>, &mut None) }).collect()
    }

    #[test]
    fn every_gradient_meets_the_source_pixel_of_each_tap_once() {
        for shape in shapes(8, 1) {
            let ConvShape { input, kernel, stride, padding, .. } = shape;
            let Shape { height, width, .. } = input;
            let plan = plan(shape, 2);
            let numbers = |size: Shape| -> Vec<f32> {
                (0..size.len()).map(|at| (at / size.channels + 1) as f32).collect()
            };
            let (values, gradients) = (numbers(input), numbers(plan.output));
            // Pairs (gradient, source pixel) that a tap brings together; the gradient's pixel is never one of zeros.
            let mut met = vec![Vec::new(); kernel * kernel];
            for chunk in (0..plan.chunks.count()).map(|at| plan.chunk(at)) {
                let count = plan.steps() * BLOCK;
                let lines = chunk.lines(&plan.layout, plan.image_rows());
                let gradients = first_values(&SourceView::plain(plan.output), &gradients, 0, lines, 0, count);
                for tap in &plan.taps {
                    let Plane { phase, parity } = plan.planes[tap.plane];
                    let lines = chunk.source_lines(&plan.layout, plan.image_rows());
                    let first = parity + 2 * tap.pair;
                    let lead = plan.layout.lead;
                    let seen = first_values(&plan.source, &values, phase, lines, lead, first + count);
                    let pairs = gradients.iter().zip(&seen[first..]).map(|(&a, &b)| (a as usize, b as usize));
                    met[tap.tap].extend(pairs.filter(|&(gradient, source)| gradient * source > 0));
                }
            }
            for (tap, mut met) in met.into_iter().enumerate() {
                let (ky, kx) = (tap / kernel, tap % kernel);
                let mut expected = Vec::new();
                for pixel in 0..gradients.len() {
                    let (line, column) = (pixel / plan.output.width, pixel % plan.output.width);
                    let (image, row) = (line / plan.output.height, line % plan.output.height);
                    let [row, column] =
                        [row * stride + ky, column * stride + kx].map(|at| at.wrapping_sub(padding));
                    if row < height && column < width {
                        expected.push((pixel + 1, (image * height + row) * width + column + 1));
                    }
                }
                met.sort_unstable();
                assert_eq!(met, expected, "{shape:?}, tap {ky}, {kx}");
            }
        }
    }

    #[test]
    fn parts_depend_on_the_shape_alone_and_units_have_every_block_of_every_chunk_once() {
        let input = Shape { batch: 16, height: 24, width: 24, channels: 64 };
        let shape = ConvShape { input, out_channels: 128, kernel: 3, stride: 1, padding: 1, groups: 1 };
        for threads in (1..8).chain([64, 128, 1000]) {
            let plan = plan(shape, threads);
            assert_eq!(plan.parts, 4, "{threads} threads");
            assert!(plan.units() >= threads.min(4 * 4 * 2 * 9), "{} units, {threads} threads", plan.units());
            let mut all = Vec::new();
            for GradientUnit { chunks, outs, sources, taps, .. } in (0..plan.units()).map(|at| plan.unit(at))
            {
                for (chunk, out) in chunks.flat_map(|chunk| outs.clone().map(move |out| (chunk, out))) {
                    let taps = sources.clone().flat_map(|source| taps.clone().map(move |tap| (source, tap)));
                    all.extend(taps.map(|(source, tap)| [chunk, out, source, tap]));
                }
            }
            all.sort_unstable();
            let mut expected = Vec::new();
            for chunk in 0..plan.chunks.count() {
                for (out, source) in (0..4).flat_map(|out| (0..2).map(move |source| (out, source))) {
                    expected.extend((0..9).map(|tap| [chunk, out, source, tap]));
                }
            }
            assert_eq!(all, expected, "{threads} threads");
        }
    }
}

//! Backward-weights: the product of the gradients, transposed, and the source, over positions.
//!
//! ```text
//! for part of all positions,
//!     group of blocks of 32 output channels               a unit of work; each part sums into a copy of its own
//!     (of source channels, and of taps)                   only where threads would have nothing to do otherwise
//!     for chunk of the part
//!         pack the source that the chunk sees             [plane][block of channels][half][term][pair][channel]
//!         pack the gradients of the group                 [block of channels][step][term][half][channel][pair]
//!         for block of output channels
//!             for block of source channels
//!                 for slab of the positions               at most 10 steps of 32 positions, 5 with two terms
//!                     for tap, plane by plane
//!                         for step of the slab            the product: 2 x 2 tiles of sums stay in registers
//!                             copy[out][source][tap] += gradients[out][step] * source[plane][source][step + tap]
//! for output channel: gradient = the sum of all copies, in their order
//! ```
//!
//! The depth of these products is positions. Pairs of the source are neighboring positions of a channel, and a tap shifts
//! where they begin by any number of positions: each phase of the source is packed in pairs that begin at even positions, at
//! odd ones, or both, as its taps need them, so that for every tap a tile is one aligned piece of such a plane.
//!
//! - Within a slab, the gradients are read once a tap: they stay in the first-level cache, beside the part of one plane that its
//!   taps see one after the other. With taps outside and slabs inside, each tap would read all positions of the chunk from the
//!   second level.
//! - The sums of all taps between two blocks of channels (4 KiB a tap) are read and written once a slab, and stay in the
//!   second-level cache over the chunk. With slabs outermost, the sums of all channels would have to.
//! - There are few parts, a number that depends on the shape alone, since each copy has to be added at the end. Groups pack the
//!   source again, so there is more than one only for threads that would have nothing to do. What is added to what does not
//!   depend on the number of threads.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::pass::{Declined, WeightsPass};
use super::copies::{SumCopies, add};
use super::runs::Chunk;
use super::source::SourceView;
use super::terms;
use super::weights_plan::{GradientUnit, Plane, WeightsPlan};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::products::bf16::{Factors, Multiplier, Session};
use crate::products::block::{BLOCK, TILE, TILE_BYTES, TILE_PAIRS};
use crate::products::pack::{Squares, Terms, exchange_pairs, pack_positions};
use crate::simd::{Kernel, Simd};
use crate::stored::{Storage, Stored};
use crate::threads::SharedMut;
use crate::whole::{arrays, arrays_mut, pieces_mut};

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(in super::super) struct Bf16Weights {
    plan: WeightsPlan,
    multiplier: Multiplier,
}

impl Bf16Weights {
    /// Takes convolutions of one group.
    pub(in super::super) fn choose(
        shape: ConvShape,
        engine: &Engine,
    ) -> Result<Box<dyn WeightsPass>, Declined> {
        let plan = WeightsPlan::new(shape, engine)?;
        Ok(Box::new(Self { plan, multiplier: Multiplier::new(engine.isa()) }))
    }
}

impl WeightsPass for Bf16Weights {
    fn name(&self) -> &'static str {
        terms::name(self.plan.terms)
    }

    fn multiply_adds(&self) -> usize {
        self.plan.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        self.plan.parts * self.plan.copy.len() + self.plan.workers * self.plan.worker_words()
    }

    fn takes_pairs(&self) -> bool {
        self.plan.terms == 1
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
        let plan = &self.plan;
        let (input, d_output) = (input.stored(), d_output.stored());
        let (copies, scratch) = workspace.split_at_mut(plan.parts * plan.copy.len());
        let shared = SharedMut::new(copies);
        engine.threads().run_with_scratch(plan.units(), scratch, plan.worker_words(), |unit, packed| {
            let (unit, multiplier) = (plan.unit(unit), self.multiplier);
            engine.isa().run(SumUnit { plan, multiplier, input, d_output, unit, packed, copies: shared });
        });
        let (layout, copies, channels) = (plan.copy, &*copies, plan.source.size.channels);
        let row = d_weights.len() / plan.output.channels;
        engine.threads().run_zipped((d_weights, row), (d_bias, 1), |out, d_weights, d_bias| {
            engine.isa().run(SumCopies { layout, copies, out, channels, d_weights, d_bias: &mut d_bias[0] });
        });
    }
}

/// Sums the products of a unit of work.
struct SumUnit<'a> {
    plan: &'a WeightsPlan,
    multiplier: Multiplier,
    input: Stored<'a>,
    d_output: Stored<'a>,
    unit: GradientUnit,
    packed: &'a mut [f32],
    /// A copy for each part, of which groups have their own blocks of outputs.
    copies: SharedMut<'a, f32>,
}

impl Kernel for SumUnit<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let GradientUnit { chunks, outs, sources, taps, .. } = self.unit.clone();
        let session = self.multiplier.session();
        let sums_bias = sources.start == 0 && taps.start == 0;
        if sums_bias {
            self.bias().fill(0.0);
        }
        for at in chunks.clone() {
            let chunk = self.plan.chunk(at);
            // Taps of one plane follow one another.
            for plane in self.plan.taps[taps.start].plane..=self.plan.taps[taps.end - 1].plane {
                self.pack_source(simd, chunk, plane);
            }
            for out in outs.clone() {
                self.pack_gradients(simd, chunk, out);
            }
            if sums_bias {
                self.add_bias(simd, chunk);
            }
            for out in outs.clone() {
                for source in sources.clone() {
                    for steps in self.plan.slabs() {
                        let adds = at > chunks.start || steps.start > 0;
                        self.add_taps(simd, &session, ChannelBlocks { out, source }, steps, adds);
                    }
                }
            }
        }
    }
}

/// A block of output channels and one of source channels.
#[derive(Clone, Copy)]
struct ChannelBlocks {
    out: usize,
    source: usize,
}

impl SumUnit<'_> {
    /// The part's gradients of the group's bias.
    fn bias(&mut self) -> &mut [f32] {
        let outs = &self.unit.outs;
        let bias = self.unit.part * self.plan.copy.len() + self.plan.copy.bias();
        // SAFETY: of the units with this part and this group of outputs only the first asks, and `self` lends them out once.
        unsafe { self.copies.slice(bias + outs.start * BLOCK..bias + outs.end * BLOCK) }
    }

    /// Packs pairs of neighbouring positions of one plane.
    #[inline(always)]
    fn pack_source<S: Simd>(&mut self, simd: S, chunk: Chunk, plane: usize) {
        let WeightsPlan { source, layout, .. } = *self.plan;
        let Plane { phase, parity } = self.plan.planes[plane];
        let lines = chunk.source_lines(&layout, self.plan.image_rows());
        let mut positions = source.positions(self.input, phase, lines, layout.lead);
        let (mut window, mut next_window) = (source.window_buffer(), source.window_buffer());
        if parity == 1 {
            positions.next(simd, &mut window);
        }
        let half = self.plan.source_half();
        let terms = Terms { count: self.plan.terms, apart: self.plan.source_term() };
        let words = self.plan.source_block(plane, 0)..self.plan.source_block(plane + 1, 0);
        let packed = &mut self.packed[words];
        for pair in 0..self.plan.pairs() {
            let pixels = [positions.next(simd, &mut window), positions.next(simd, &mut next_window)];
            let blocks = pieces_mut(packed, 2 * half).enumerate();
            for (block, packed) in blocks.take(self.unit.sources.end).skip(self.unit.sources.start) {
                let to = packed[pair * TILE..].as_mut_ptr();
                // SAFETY: `next` returns the address of all channels of a pixel, of which pairs fill whole blocks; both halves
                // have the pair in all terms.
                unsafe {
                    if self.input.storage() == Storage::Pairs {
                        let pixels = [pixels[0].add(block * TILE), pixels[1].add(block * TILE)];
                        exchange_pairs(simd, pixels, [to, to.add(half)]);
                        continue;
                    }
                    for (at, to) in [to, to.add(half)].into_iter().enumerate() {
                        let channel = block * BLOCK + at * TILE;
                        pack_positions(simd, pixels, channel, source.size.channels, terms, to);
                    }
                }
            }
        }
    }

    /// Packs rows of positions for the 32 output channels of a block.
    #[inline(always)]
    fn pack_gradients<S: Simd>(&mut self, simd: S, chunk: Chunk, out: usize) {
        let WeightsPlan { layout, output, terms, .. } = *self.plan;
        let lines = chunk.lines(&layout, self.plan.image_rows());
        let mut positions = SourceView::plain(output).positions(self.d_output, 0, lines, 0);
        let mut squares = [Squares::<2>::new(), Squares::<2>::new()];
        let own = Terms { count: terms, apart: Squares::<2>::APART };
        let packed = Terms { count: terms, apart: 2 * TILE_PAIRS };
        for step in 0..self.plan.steps() {
            for pair in 0..TILE {
                let pixels = [positions.next(simd, &mut None), positions.next(simd, &mut None)];
                if self.d_output.storage() == Storage::Pairs {
                    // SAFETY: pairs fill whole blocks of channels, which can be read of both pixels; each square has the row.
                    unsafe {
                        let pixels = [pixels[0].add(out * TILE), pixels[1].add(out * TILE)];
                        let [low, high] = &mut squares;
                        exchange_pairs(simd, pixels, [low.row(pair), high.row(pair)]);
                    }
                    continue;
                }
                for (half, squares) in squares.iter_mut().enumerate() {
                    let channel = out * BLOCK + half * TILE;
                    // SAFETY: all channels of the pixels can be read; there is a square with this row for each term.
                    unsafe {
                        pack_positions(simd, pixels, channel, output.channels, own, squares.row(pair));
                    }
                }
            }
            let to = &mut self.packed[self.plan.gradients(out, step)..][..self.plan.gradient_step()];
            for (half, squares) in squares.iter().enumerate() {
                // SAFETY: a step has a tile of 16 rows for each half and term.
                unsafe {
                    let to = to.as_mut_ptr().add(half * TILE_PAIRS);
                    squares.store_transposed(simd, packed, to, TILE);
                }
            }
        }
    }

    /// Adds the chunk's gradients to the part's bias.
    #[inline(always)]
    fn add_bias<S: Simd>(&mut self, simd: S, chunk: Chunk) {
        let Shape { height, width, channels, .. } = self.plan.output;
        let (outs, d_output) = (self.unit.outs.clone(), self.d_output);
        for image in chunk.first_image..chunk.first_image + chunk.images {
            let first = (image * height + chunk.first_row) * width;
            let pixels = first..first + chunk.rows * width;
            match d_output {
                Stored::F32(values) => {
                    let own = outs.start * BLOCK..channels.min(outs.end * BLOCK);
                    for pixel in pixels {
                        add(self.bias(), &values[pixel * channels..][own.clone()]);
                    }
                }
                Stored::Pairs(words) => {
                    let words = &words[pixels.start * channels / 2..pixels.end * channels / 2];
                    let words = arrays(words);
                    for (bias, out) in arrays_mut(self.bias()).iter_mut().zip(outs.clone()) {
                        add_pairs(simd, bias, words[out..].iter().step_by(channels / BLOCK));
                    }
                }
            }
        }
    }

    /// Adds the products of all taps over some steps of the positions, or begins their sums.
    #[inline(always)]
    fn add_taps<S: Simd>(
        &self,
        simd: S,
        session: &Session,
        ChannelBlocks { out, source }: ChannelBlocks,
        steps: Range<usize>,
        adds: bool,
    ) {
        let plan = self.plan;
        let gradients = self.packed[plan.gradients(out, steps.start)..].as_ptr();
        let copy = self.unit.part * plan.copy.len();
        for tap in &plan.taps[self.unit.taps.clone()] {
            let right = plan.source_block(tap.plane, source) + (tap.pair + steps.start * TILE) * TILE;
            let right = &self.packed[right..][..plan.source_half() + steps.len() * TILE_PAIRS];
            let bytes = |words: usize| words * size_of::<f32>();
            let factors = Factors {
                left: [gradients, gradients.wrapping_add(TILE_PAIRS)],
                left_second: bytes(2 * TILE_PAIRS),
                offsets: &plan.offsets[..steps.len()],
                right: right.as_ptr(),
                right_half: bytes(plan.source_half()),
                right_second: bytes(plan.source_term()),
                right_step: TILE_BYTES,
                terms: plan.terms,
            };
            // SAFETY: no other unit has these blocks and taps of the part's copy; the gradients have all steps of the chunk, and a
            // plane as many pairs as the last tap sees of them.
            unsafe {
                let first = copy + plan.copy.block(tap.tap, out, source);
                let sums = self.copies.pointer(first..first + BLOCK * BLOCK).cast::<[f32; BLOCK * BLOCK]>();
                session.multiply(simd, &factors, 2, adds, &mut *sums);
            }
        }
    }
}

/// Adds the values of blocks of pairs.
#[inline(always)]
fn add_pairs<'a, S: Simd>(
    simd: S,
    sums: &mut [f32; BLOCK],
    blocks: impl Iterator<Item = &'a [f32; TILE]> + Clone,
) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: vectors of up to 16 values, `at` from the beginning of each half of the sums and of 16 pairs.
        unsafe {
            let mut low = simd.load(sums.as_ptr().add(at));
            let mut high = simd.load(sums.as_ptr().add(TILE + at));
            for pairs in blocks.clone() {
                let pairs = simd.load(pairs.as_ptr().add(at));
                low = simd.add(low, simd.low_half(pairs));
                high = simd.add(high, simd.high_half(pairs));
            }
            simd.store(low, sums.as_mut_ptr().add(at));
            simd.store(high, sums.as_mut_ptr().add(TILE + at));
        }
    }
}

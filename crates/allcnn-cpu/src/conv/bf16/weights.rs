//! Backward-weights: the product of the gradients, transposed, and the source, over positions.
//!
//! A unit of work is a part of all positions and a group of output channels; it goes chunk by chunk. The gradients are
//! packed to rows of 32 positions for each output channel, the source to pairs of neighbouring positions. A tap lets the
//! source begin so many positions further on: whole pairs, in a copy that begins at an even or at an odd position, so that
//! every tile is one aligned piece of memory. Each part sums into its own copy of the gradients; they are added in order.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::pass::{Declined, Direction, WeightsPass};
use super::reduce::{Reduce, add};
use super::run::{Chunk, Chunks, Layout, Tap};
use super::source::{Pixels, Source};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::products::bf16::{Factors, Multiplier, Session};
use crate::products::block::{BLOCK, TILE, TILE_BYTES, TILE_PAIRS};
use crate::products::pack::{Squares, exchange_pairs, pack_pair};
use crate::simd::{Kernel, Simd};
use crate::stored::{Storage, Stored};
use crate::threads::SendPtr;
use crate::whole::{arrays, arrays_mut, pieces_mut};

/// Positions of a chunk.
const CHUNK_POSITIONS: usize = 1152;
/// f32-sized places that a packed chunk may take, to stay in a second-level cache: 768 KiB.
const CHUNK_PLACES: usize = 192 << 10;
/// Steps in depth of one term whose factors stay in a first-level cache while they are multiplied.
const SLAB_STEPS: usize = 10;
/// Positions that a part has at least, to pay for adding its copy.
const PART_POSITIONS: usize = 2048;
/// The most parts, and the most values that all copies may have.
const MOST_PARTS: usize = 4;
const COPY_VALUES: usize = 16 << 20;

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(in super::super) struct Bf16Weights {
    pub(super) source: Source,
    output: Shape,
    terms: usize,
    multiplier: Multiplier,
    taps: Vec<PlacedTap>,
    planes: Vec<Plane>,
    layout: Layout,
    /// Blocks of output and of source channels.
    out_blocks: usize,
    source_blocks: usize,
    chunks: Chunks,
    parts: usize,
    groups: usize,
    workers: usize,
    /// For each step in depth the bytes that the gradients lie further on.
    offsets: Vec<isize>,
}

/// A phase of the source, packed to pairs that begin at positions `parity`, `parity + 2`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plane {
    phase: usize,
    parity: usize,
}

/// A tap, the plane that it sees, and the pair that its first position is in.
#[derive(Clone, Copy, Debug)]
struct PlacedTap {
    tap: usize,
    plane: usize,
    pair: usize,
}

impl Bf16Weights {
    /// Takes convolutions of one group.
    pub(in super::super) fn choose(
        shape: ConvShape,
        engine: &Engine,
    ) -> Result<Box<dyn WeightsPass>, Declined> {
        let terms = super::terms(&shape, shape.input.channels.min(shape.out_channels), engine)?;
        let output = shape.output();
        let (source, grids) = Source::new(shape, Direction::Forward);
        let layout = Layout::new(&grids, source.phase_size());
        let (out_blocks, source_blocks) =
            (output.channels.div_ceil(BLOCK), source.size.channels.div_ceil(BLOCK));
        let (taps, planes) = place(&source, &layout, grids.iter().flat_map(|grid| &grid.taps));
        let places = terms * TILE * (planes.len() * source_blocks + out_blocks);
        let positions = CHUNK_POSITIONS.min(CHUNK_PLACES / places);
        let mut pass = Self {
            source,
            output,
            terms,
            multiplier: Multiplier::new(engine.isa()),
            taps,
            planes,
            layout,
            out_blocks,
            source_blocks,
            chunks: Chunks::new(&layout, output.batch, output.height, positions),
            parts: 1,
            groups: 1,
            workers: engine.threads().count(),
            offsets: Vec::new(),
        };
        let parts = (output.len() / output.channels / PART_POSITIONS).min(COPY_VALUES / pass.copy_len());
        pass.parts = parts.clamp(1, MOST_PARTS).min(pass.chunks.count());
        // Groups repeat the packing of the source: only for threads that would have nothing to do.
        pass.groups = match pass.parts.is_multiple_of(pass.workers) {
            true => 1,
            false => (2 * pass.workers).div_ceil(pass.parts).min(out_blocks),
        };
        let step_bytes = pass.gradient_step() * size_of::<f32>();
        pass.offsets = (0..pass.steps()).map(|step| (step * step_bytes) as isize).collect();
        Ok(Box::new(pass))
    }

    fn image_rows(&self) -> usize {
        self.chunks.image_rows(&self.layout)
    }

    /// Steps in depth of a chunk, 32 positions each, up to the last row of gradients.
    fn steps(&self) -> usize {
        let rows = (self.chunks.images - 1) * self.image_rows() + self.chunks.rows;
        (rows * self.layout.pitch).div_ceil(BLOCK)
    }

    /// f32-sized places of a step of a block of gradients: [term][half of the channels][channel][pair of positions].
    fn gradient_step(&self) -> usize {
        self.terms * 2 * TILE_PAIRS
    }

    /// f32-sized places of a block of gradients, [step].
    fn gradient_block(&self) -> usize {
        self.steps() * self.gradient_step()
    }

    /// Pairs of a plane: those of all steps, and what taps reach beyond.
    fn pairs(&self) -> usize {
        self.steps() * TILE + self.taps.iter().map(|tap| tap.pair).max().unwrap_or(0)
    }

    /// f32-sized places of one term of 16 source channels of a plane, [pair][channel].
    fn source_term(&self) -> usize {
        self.pairs() * TILE
    }

    /// f32-sized places of 16 source channels of a plane, [term].
    fn source_half(&self) -> usize {
        self.terms * self.source_term()
    }

    /// Where the first half of a block of source channels of a plane begins: [plane][block][half].
    fn source_place(&self, plane: usize, block: usize) -> usize {
        (plane * self.source_blocks + block) * 2 * self.source_half()
    }

    /// f32-sized places of the packed source.
    fn source_places(&self) -> usize {
        self.source_place(self.planes.len(), 0)
    }

    /// f32-sized places of a worker.
    fn places(&self) -> usize {
        self.source_places() + self.out_blocks * self.gradient_block()
    }

    /// Values of a copy of all gradients, [block of outputs][block of sources][tap], then the bias.
    pub(super) fn copy_len(&self) -> usize {
        self.bias_place() + self.out_blocks * BLOCK
    }

    pub(super) fn bias_place(&self) -> usize {
        self.taps.len() * self.out_blocks * self.source_blocks * BLOCK * BLOCK
    }

    pub(super) fn block_place(&self, tap: usize, out: usize, source: usize) -> usize {
        ((out * self.source_blocks + source) * self.taps.len() + tap) * BLOCK * BLOCK
    }
}

/// Finds for each tap its plane and pair, and the planes that there are. Taps of one plane follow one another, so that the
/// part of it which they see stays in a first-level cache.
fn place<'a>(
    source: &Source,
    layout: &Layout,
    taps: impl Iterator<Item = &'a Tap>,
) -> (Vec<PlacedTap>, Vec<Plane>) {
    let mut planes = Vec::new();
    let taps = taps.enumerate().map(|(at, tap)| {
        let row = (tap.row - layout.rows[0]) as usize;
        let position = ((row * layout.pitch + layout.lead) as isize + tap.column) as usize;
        let own = Plane { phase: source.phase(tap.phase), parity: position % 2 };
        let plane = planes.iter().position(|&other| other == own).unwrap_or_else(|| {
            planes.push(own);
            planes.len() - 1
        });
        PlacedTap { tap: at, plane, pair: position / 2 }
    });
    let mut taps: Vec<_> = taps.collect();
    taps.sort_by_key(|tap| tap.plane);
    (taps, planes)
}

impl WeightsPass for Bf16Weights {
    fn name(&self) -> &'static str {
        super::name(self.terms)
    }

    fn multiply_adds(&self) -> usize {
        let blocks = self.taps.len() * self.out_blocks * self.source_blocks;
        self.chunks.count() * self.steps() * BLOCK * blocks * BLOCK * BLOCK * super::products(self.terms)
    }

    fn workspace_len(&self) -> usize {
        self.parts * self.copy_len() + self.workers * self.places()
    }

    fn takes_pairs(&self) -> bool {
        self.terms == 1
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
        let (input, d_output) = (input.stored(), d_output.stored());
        let (copies, rest) = workspace.split_at_mut(self.parts * self.copy_len());
        let (start, rest) = (SendPtr(copies.as_mut_ptr()), SendPtr(rest.as_mut_ptr()));
        engine.threads().run(self.parts * self.groups, |unit, worker| {
            let (part, group) = (unit / self.groups, unit % self.groups);
            let outs = |group: usize| self.out_blocks * group / self.groups;
            // SAFETY: each worker has its own places; within a part's copy each group has its own blocks of outputs.
            let (packed, copy) = unsafe {
                let packed = std::slice::from_raw_parts_mut(rest.at(worker * self.places()), self.places());
                (packed, SendPtr(start.at(part * self.copy_len())))
            };
            let outs = outs(group)..outs(group + 1);
            engine.isa().run(Part { pass: self, input, d_output, part, outs, packed, copy });
        });
        let copies = &*copies;
        let row = d_weights.len() / self.output.channels;
        let d_bias = SendPtr(d_bias.as_mut_ptr());
        engine.threads().run_over(d_weights, row, |out, d_weights| {
            // SAFETY: each output channel has its own bias.
            let d_bias = unsafe { &mut *d_bias.at(out) };
            engine.isa().run(Reduce { pass: self, copies, out, d_weights, d_bias });
        });
    }
}

/// A unit of work.
struct Part<'a> {
    pass: &'a Bf16Weights,
    input: Stored<'a>,
    d_output: Stored<'a>,
    part: usize,
    /// Blocks of output channels.
    outs: Range<usize>,
    packed: &'a mut [f32],
    copy: SendPtr<f32>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (chunks, parts) = (self.pass.chunks.count(), self.pass.parts);
        let own = chunks * self.part / parts..chunks * (self.part + 1) / parts;
        let session = self.pass.multiplier.session();
        self.bias().fill(0.0);
        for at in own.clone() {
            let chunk = self.pass.chunks.get(at);
            for plane in 0..self.pass.planes.len() {
                self.pack_source(simd, chunk, plane);
            }
            for out in self.outs.clone() {
                self.pack_gradients(simd, chunk, out);
            }
            self.add_bias(simd, chunk);
            let slabs = self.pass.steps().div_ceil(SLAB_STEPS / self.pass.terms);
            let slab = |at: usize| self.pass.steps() * at / slabs..self.pass.steps() * (at + 1) / slabs;
            // The sums of all taps of two blocks stay near over all slabs.
            for out in self.outs.clone() {
                for block in 0..self.pass.source_blocks {
                    for steps in (0..slabs).map(slab) {
                        let adds = at > own.start || steps.start > 0;
                        self.multiply(simd, &session, [out, block], steps, adds);
                    }
                }
            }
        }
    }
}

impl Part<'_> {
    /// The part's gradients of the group's bias.
    fn bias(&mut self) -> &mut [f32] {
        let first = self.pass.bias_place() + self.outs.start * BLOCK;
        // SAFETY: each group has its own channels of the part's copy.
        unsafe { std::slice::from_raw_parts_mut(self.copy.at(first), self.outs.len() * BLOCK) }
    }

    /// Packs pairs of neighbouring positions of one plane.
    #[inline(always)]
    fn pack_source<S: Simd>(&mut self, simd: S, chunk: Chunk, plane: usize) {
        let Bf16Weights { source, layout, terms, .. } = *self.pass;
        let Plane { phase, parity } = self.pass.planes[plane];
        let lines = chunk.source_lines(&layout, self.pass.image_rows());
        let mut pixels = source.pixels(self.input, phase, lines, layout.lead);
        let (mut room, mut next_room) = (source.room(), source.room());
        if parity == 1 {
            pixels.next(simd, &mut room);
        }
        let (half, second) = (self.pass.source_half(), self.pass.source_term());
        let places = self.pass.source_place(plane, 0)..self.pass.source_place(plane + 1, 0);
        let packed = &mut self.packed[places];
        for pair in 0..self.pass.pairs() {
            let [pixel, next] = [pixels.next(simd, &mut room), pixels.next(simd, &mut next_room)];
            for (block, packed) in pieces_mut(packed, 2 * half).enumerate() {
                let to = packed[pair * TILE..].as_mut_ptr();
                // SAFETY: all channels of the pixels can be read; both halves have room for the pair in all terms.
                unsafe {
                    if self.input.storage() == Storage::Pairs {
                        let pixels = [pixel.add(block * TILE), next.add(block * TILE)];
                        exchange_pairs(simd, pixels, [to, to.add(half)]);
                        continue;
                    }
                    for (at, to) in [to, to.add(half)].into_iter().enumerate() {
                        let channel = block * BLOCK + at * TILE;
                        let rest = source.size.channels.saturating_sub(channel);
                        pack_pair(simd, [pixel, next], channel, rest, terms, to, second);
                    }
                }
            }
        }
    }

    /// Packs rows of positions for the 32 output channels of a block.
    #[inline(always)]
    fn pack_gradients<S: Simd>(&mut self, simd: S, chunk: Chunk, out: usize) {
        let Bf16Weights { terms, layout, output, .. } = *self.pass;
        let lines = chunk.lines(layout.pitch, chunk.first_row as isize, self.pass.image_rows(), chunk.rows);
        let mut pixels = Pixels::new(self.d_output, output, None, 1, [0, 0], lines, 0);
        let first = self.pass.source_places() + out * self.pass.gradient_block();
        let mut squares = [Squares::new(), Squares::new()];
        for step in 0..self.pass.steps() {
            for pair in 0..TILE {
                let [pixel, next] = [pixels.next(simd, &mut None), pixels.next(simd, &mut None)];
                if self.d_output.storage() == Storage::Pairs {
                    // SAFETY: the block of both pixels can be read; the squares have the row.
                    unsafe {
                        let pixels = [pixel.add(out * TILE), next.add(out * TILE)];
                        let [low, high] = &mut squares;
                        exchange_pairs(simd, pixels, [low.row(pair), high.row(pair)]);
                    }
                    continue;
                }
                for (half, squares) in squares.iter_mut().enumerate() {
                    let channel = out * BLOCK + half * TILE;
                    let rest = output.channels.saturating_sub(channel);
                    // SAFETY: all channels of the pixels can be read; a square's row of both terms lies behind `row`.
                    unsafe {
                        pack_pair(simd, [pixel, next], channel, rest, terms, squares.row(pair), TILE_PAIRS)
                    };
                }
            }
            let to = first + step * self.pass.gradient_step();
            let to = &mut self.packed[to..][..self.pass.gradient_step()];
            for (half, squares) in squares.iter().enumerate() {
                // SAFETY: all rows of both terms lie in `to`.
                unsafe {
                    let to = to.as_mut_ptr().add(half * TILE_PAIRS);
                    squares.store_transposed(simd, terms, to, TILE, 2 * TILE_PAIRS);
                }
            }
        }
    }

    /// Adds the chunk's gradients to the part's bias.
    #[inline(always)]
    fn add_bias<S: Simd>(&mut self, simd: S, chunk: Chunk) {
        let Shape { height, width, channels, .. } = self.pass.output;
        let (outs, d_output) = (self.outs.clone(), self.d_output);
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

    /// All taps of a block of output and a block of source channels, over some steps of the positions.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        simd: S,
        session: &Session,
        [out, block]: [usize; 2],
        steps: Range<usize>,
        adds: bool,
    ) {
        let pass = self.pass;
        let gradients = pass.source_places() + out * pass.gradient_block();
        let gradients = self.packed[gradients + steps.start * pass.gradient_step()..].as_ptr();
        for tap in &pass.taps {
            let right = pass.source_place(tap.plane, block) + (tap.pair + steps.start * TILE) * TILE;
            let right = &self.packed[right..][..pass.source_half() + steps.len() * TILE_PAIRS];
            let bytes = |places: usize| places * size_of::<f32>();
            let factors = Factors {
                left: [gradients, gradients.wrapping_add(TILE_PAIRS)],
                left_second: bytes(2 * TILE_PAIRS),
                offsets: &pass.offsets[..steps.len()],
                right: right.as_ptr(),
                right_half: bytes(pass.source_half()),
                right_second: bytes(pass.source_term()),
                right_step: TILE_BYTES,
                terms: pass.terms,
            };
            // SAFETY: the block is this unit's own; both sides hold the steps.
            unsafe {
                let sums = self.copy.at(pass.block_place(tap.tap, out, block)).cast::<[f32; BLOCK * BLOCK]>();
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
        // SAFETY: sums and blocks have the vectors.
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

//! Indirect convolution, for any shape, forward and backward-data (Dukhan 2019, "The Indirect Convolution Algorithm").
//!
//! Each destination pixel is a sum over taps of a source pixel times a weight matrix. The left operand is never
//! copied: a register tile takes one pointer for each of its destination pixels (a row of zeros outside the image)
//! and runs over the channels. Going back through a stride, destination pixels fall into stride x stride phases, each
//! with its own few taps, so that no product with an inserted zero is done.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::destination::Destination;
use super::pass::{DataPass, Declined, Direction};
use super::patches::{self, PATCH_VALUES, Patches};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::Finish;
use crate::products::f32::{Panels, Sums, TileShape, accumulate, with_tile, zeros};
use crate::simd::{Kernel, Simd};
use crate::threads::SendPtr;
use crate::whole::pieces_mut;

/// Destination pixels that share a pass over the weights.
const BLOCK: usize = 128;
/// The longest row of zeros; more channels are run over in pieces.
const DEPTH: usize = 1024;
static ZEROS: [f32; DEPTH] = [0.0; DEPTH];

/// The algorithm, prepared for one shape and direction.
#[derive(Debug)]
pub(super) struct Indirect {
    direction: Direction,
    shape: ConvShape,
    source: Shape,
    destination: Shape,
    /// Channels of a group in source and destination.
    depth: usize,
    panels: Panels,
    phases: Vec<Phase>,
    copy_patches: bool,
    rows_per_chunk: usize,
}

/// Destination rows and columns that see the same taps: `first`, `first + step`, ...
#[derive(Debug)]
struct Phase {
    row: usize,
    column: usize,
    step: usize,
    /// Source rows between neighbouring destination rows of the phase.
    source_step: usize,
    taps: Vec<Tap>,
    /// Where its packed weights start.
    packed: usize,
}

/// One weight matrix and where its source pixel lies.
#[derive(Clone, Copy, Debug)]
struct Tap {
    ky: usize,
    kx: usize,
    row: isize,
    column: isize,
}

/// A destination pixel of a block: its place, and the source pixel that its taps count from.
#[derive(Clone, Copy, Default)]
struct Pixel {
    destination: usize,
    image: usize,
    row: isize,
    column: isize,
}

impl Indirect {
    /// Takes every shape.
    pub(super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let (input, output) = (shape.input, shape.output());
        let (source, destination, depth, columns) = match direction {
            Direction::Forward => (input, output, shape.group_in_channels(), shape.group_out_channels()),
            Direction::Backward => (output, input, shape.group_out_channels(), shape.group_in_channels()),
        };
        let panels = Panels::new(columns, TileShape::of(engine.isa()));
        let mut phases = match direction {
            Direction::Forward => vec![forward_phase(&shape)],
            Direction::Backward => backward_phases(&shape),
        };
        let mut packed = 0;
        for phase in &mut phases {
            phase.packed = packed;
            packed += shape.groups * phase.taps.len() * depth * panels.stored_all();
        }
        let rows = destination.batch * destination.height;
        Ok(Box::new(Self {
            direction,
            shape,
            source,
            destination,
            depth,
            panels,
            phases,
            copy_patches: direction == Direction::Forward && patches::pay(&shape),
            rows_per_chunk: BLOCK.div_ceil(destination.width).min(rows.div_ceil(engine.threads().count())),
        }))
    }

    /// Where the packed weights of a phase, group and panel lie: [tap][depth][stored columns].
    fn packed_panel(&self, phase: &Phase, group: usize, panel: usize) -> Range<usize> {
        let rows = phase.taps.len() * self.depth;
        let start =
            phase.packed + rows * (group * self.panels.stored_all() + self.panels.stored_before(panel));
        start..start + rows * self.panels.stored(panel)
    }

    /// Brings one panel of weights from [out, ky, kx, in] into the order in which the tiles read it.
    fn pack(&self, weights: &[f32], phase: &Phase, group: usize, panel: usize, packed: &mut [f32]) {
        let (kernel, group_in) = (self.shape.kernel, self.shape.group_in_channels());
        let first_out = group * self.shape.group_out_channels();
        let columns = self.panels.columns(panel);
        let stored = self.panels.stored(panel);
        let place = |o: usize, tap: Tap, i: usize| {
            (((first_out + o) * kernel + tap.ky) * kernel + tap.kx) * group_in + i
        };
        for (&tap, packed) in phase.taps.iter().zip(pieces_mut(packed, self.depth * stored)) {
            for (k, row) in pieces_mut(packed, stored).enumerate() {
                row[columns.len()..].fill(0.0);
                match self.direction {
                    Direction::Forward => {
                        for (value, o) in row.iter_mut().zip(columns.clone()) {
                            *value = weights[place(o, tap, k)];
                        }
                    }
                    Direction::Backward => {
                        let from = place(k, tap, columns.start);
                        row[..columns.len()].copy_from_slice(&weights[from..from + columns.len()]);
                    }
                }
            }
        }
    }
}

impl DataPass for Indirect {
    fn name(&self) -> &'static str {
        if self.copy_patches { "patches" } else { "indirect" }
    }

    fn weights_len(&self) -> usize {
        let taps: usize = self.phases.iter().map(|phase| phase.taps.len()).sum();
        self.shape.groups * taps * self.depth * self.panels.stored_all()
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], packed: &mut [f32]) {
        let panels = self.shape.groups * self.panels.count();
        let start = SendPtr(packed.as_mut_ptr());
        engine.threads().run(self.phases.len() * panels, |chunk, _| {
            let phase = &self.phases[chunk / panels];
            let (group, panel) = (chunk % panels / self.panels.count(), chunk % self.panels.count());
            let range = self.packed_panel(phase, group, panel);
            // SAFETY: panels are disjoint parts of the packed weights.
            let packed = unsafe { std::slice::from_raw_parts_mut(start.at(range.start), range.len()) };
            self.pack(weights, phase, group, panel, packed);
        });
    }

    fn multiply_adds(&self) -> usize {
        let Shape { batch, height, width, channels } = self.destination;
        let pixels = |phase: &Phase| {
            let along = |size: usize, first: usize| size.saturating_sub(first).div_ceil(phase.step);
            along(height, phase.row) * along(width, phase.column)
        };
        let products: usize = self.phases.iter().map(|phase| pixels(phase) * phase.taps.len()).sum();
        batch * products * self.depth * channels
    }

    fn workspace_len(&self) -> usize {
        0
    }

    fn compute(
        &self,
        engine: &Engine,
        source: &Buffer,
        packed: &[f32],
        finish: Finish<'_>,
        destination: &mut Buffer,
        _workspace: &mut [f32],
    ) {
        let all = self.destination.batch * self.destination.height;
        let destination = Destination::new(destination, self.destination.channels, finish);
        engine.threads().run(all.div_ceil(self.rows_per_chunk), |chunk, _| {
            let first = chunk * self.rows_per_chunk;
            let rows = first..(first + self.rows_per_chunk).min(all);
            engine.isa().run(Rows { pass: self, source, packed, rows, destination });
        });
    }
}

fn forward_phase(shape: &ConvShape) -> Phase {
    let padding = shape.padding as isize;
    let taps = (0..shape.kernel * shape.kernel)
        .map(|at| (at / shape.kernel, at % shape.kernel))
        .map(|(ky, kx)| Tap { ky, kx, row: ky as isize - padding, column: kx as isize - padding })
        .collect();
    Phase { row: 0, column: 0, step: 1, source_step: shape.stride, taps, packed: 0 }
}

/// Input row i gets output row o through tap k where i + padding = o * stride + k, that is, for i = phase + stride * q,
/// o = q + (phase + padding - k) / stride where that is whole.
fn backward_phases(shape: &ConvShape) -> Vec<Phase> {
    let stride = shape.stride as isize;
    let offset = |phase: usize, k: usize| {
        let distance = phase as isize + shape.padding as isize - k as isize;
        (distance.rem_euclid(stride) == 0).then_some(distance.div_euclid(stride))
    };
    let (rows, columns) = (shape.stride.min(shape.input.height), shape.stride.min(shape.input.width));
    let mut phases = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let mut taps = Vec::new();
            for ky in 0..shape.kernel {
                for kx in 0..shape.kernel {
                    if let (Some(row), Some(column)) = (offset(row, ky), offset(column, kx)) {
                        taps.push(Tap { ky, kx, row, column });
                    }
                }
            }
            phases.push(Phase { row, column, step: shape.stride, source_step: 1, taps, packed: 0 });
        }
    }
    phases
}

/// Some whole destination rows, counted over all images.
struct Rows<'a> {
    pass: &'a Indirect,
    source: &'a [f32],
    packed: &'a [f32],
    rows: Range<usize>,
    destination: Destination<'a>,
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for phase in &self.pass.phases {
            self.phase(simd, phase);
        }
        let Shape { width, channels, .. } = self.pass.destination;
        let pixels = self.rows.start * width..self.rows.end * width;
        // SAFETY: the rows are this piece's own.
        unsafe { self.destination.end(simd, pixels, channels, 0..channels) };
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn phase<S: Simd>(&mut self, simd: S, phase: &Phase) {
        let Shape { height, width, channels, .. } = self.pass.destination;
        let longest =
            if self.pass.copy_patches { PATCH_VALUES / (phase.taps.len() * self.pass.depth) } else { BLOCK };
        let mut pixels = [Pixel::default(); BLOCK];
        let mut count = 0;
        for at in self.rows.clone() {
            let (image, row) = (at / height, at % height);
            if row % phase.step != phase.row {
                continue;
            }
            for column in (phase.column..width).step_by(phase.step) {
                pixels[count] = Pixel {
                    destination: (at * width + column) * channels,
                    image,
                    row: (row / phase.step * phase.source_step) as isize,
                    column: (column / phase.step * phase.source_step) as isize,
                };
                count += 1;
                if count == longest.min(BLOCK) {
                    self.block(simd, phase, &pixels[..count]);
                    count = 0;
                }
            }
        }
        self.block(simd, phase, &pixels[..count]);
    }

    /// All channels of some pixels.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, phase: &Phase, pixels: &[Pixel]) {
        for group in 0..self.pass.shape.groups {
            if self.pass.copy_patches {
                let mut patches = Patches::new();
                let first_channel = group * self.pass.depth;
                let padding = self.pass.shape.padding as isize;
                for (at, pixel) in pixels.iter().enumerate() {
                    let corner = [pixel.row - padding, pixel.column - padding];
                    let place = (pixel.image, corner);
                    patches.write(simd, at, self.source, &self.pass.shape, place, first_channel);
                }
                self.panels(simd, phase, group, pixels, Some(&patches));
            } else {
                self.panels(simd, phase, group, pixels, None);
            }
        }
    }

    #[inline(always)]
    fn panels<S: Simd>(
        &mut self,
        simd: S,
        phase: &Phase,
        group: usize,
        pixels: &[Pixel],
        patches: Option<&Patches>,
    ) {
        for panel in 0..self.pass.panels.count() {
            let columns = self.pass.panels.columns(panel).len();
            with_tile!(S, columns, self.panel(simd, phase, group, panel, pixels, patches));
        }
    }

    /// A panel of columns for some pixels, a register tile at a time.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        phase: &Phase,
        group: usize,
        panel: usize,
        pixels: &[Pixel],
        patches: Option<&Patches>,
    ) {
        let columns = self.pass.panels.columns(panel);
        let first_channel =
            group * self.pass.panels.columns(self.pass.panels.count() - 1).end + columns.start;
        let weights = self.packed[self.pass.packed_panel(phase, group, panel)].as_ptr();
        for (tile, pixels) in pixels.chunks(R).enumerate() {
            let mut sums = zeros::<S, R, V>(simd);
            // SAFETY: the panel holds taps * depth rows of V vectors; row pointers are checked in `source_row`, and
            // patches are as long as the panel.
            unsafe {
                if let Some(patches) = patches {
                    let len = phase.taps.len() * self.pass.depth;
                    let row = |r: usize| {
                        patches.values()[(tile * R + r.min(pixels.len() - 1)) * len..][..len].as_ptr()
                    };
                    sums = accumulate(simd, &std::array::from_fn(row), len, weights, weights, sums);
                } else {
                    sums = self.taps(simd, phase, group, pixels, weights, sums);
                }
            }
            for (pixel, sums) in pixels.iter().zip(&sums) {
                for (v, &sum) in sums.iter().enumerate() {
                    let at = v * S::LANES;
                    let count = S::LANES.min(columns.len() - at);
                    let channel = first_channel + at;
                    let place = (pixel.destination + channel, channel);
                    // SAFETY: the rows are this piece's own.
                    unsafe { self.destination.write(simd, place, count, sum, 0) };
                }
            }
        }
    }

    /// Sums of a tile over all taps.
    ///
    /// # Safety
    /// `weights` must hold taps * depth rows of V vectors.
    #[inline(always)]
    unsafe fn taps<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        phase: &Phase,
        group: usize,
        pixels: &[Pixel],
        mut weights: *const f32,
        mut sums: Sums<S, R, V>,
    ) -> Sums<S, R, V> {
        for &tap in &phase.taps {
            for start in (0..self.pass.depth).step_by(DEPTH) {
                let depth = DEPTH.min(self.pass.depth - start);
                let first_channel = group * self.pass.depth + start;
                // Rows past the last pixel repeat it; they are not stored.
                let row =
                    |r: usize| self.source_row(pixels[r.min(pixels.len() - 1)], tap, first_channel, depth);
                // SAFETY: each row holds `depth` values, the panel as the caller says.
                unsafe {
                    sums = accumulate(simd, &std::array::from_fn(row), depth, weights, weights, sums);
                    weights = weights.add(depth * V * S::LANES);
                }
            }
        }
        sums
    }

    /// The source values under a tap: `depth` channels of a pixel, or zeros outside the image.
    #[inline(always)]
    fn source_row(&self, pixel: Pixel, tap: Tap, first_channel: usize, depth: usize) -> *const f32 {
        let Shape { height, width, channels, .. } = self.pass.source;
        let (row, column) = ((pixel.row + tap.row) as usize, (pixel.column + tap.column) as usize);
        if row >= height || column >= width {
            return ZEROS.as_ptr();
        }
        let place = ((pixel.image * height + row) * width + column) * channels + first_channel;
        self.source[place..][..depth].as_ptr()
    }
}

//! Backward-weights for any shape: each weight matrix of a tap is the product of the transposed input pixels under it
//! and the gradients of the output pixels.
//!
//! The output pixels are cut into a number of parts that depends on the shape alone; each part sums into its own
//! copy of the gradient, and the copies are added in their order:
//!
//! ```text
//! for part, panel of output channels, slice of its rows  one unit of work; a row is a tap and an input channel. Where
//!                                                       patches are copied, all panels may be one unit, to copy once
//!     for band of 128 pixels of the part
//!         pack the band's gradients                     they stay in the first-level cache over all taps
//!         for tap of the slice
//!             for 8 (or 4, or 1) input channels         the sums stay in registers
//!                 for pixel of the band under the tap
//!                     copy[tap][channels] += input[pixel + tap][channels] * gradients[pixel]
//! for output channel: gradient = the sum of all copies
//! ```

use std::ops::Range;

use allcnn_device::ConvShape;

use super::pass::{Declined, WeightsPass};
use super::patches::{self, PATCH_VALUES, Patches, Window};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::products::f32::{Column, Panels, TileShape, accumulate_transposed, load, store, vectors};
use crate::products::operand::Single;
use crate::simd::{Kernel, Simd};
use crate::threads::SharedMut;
use crate::whole::{pieces, pieces_mut};

/// Output pixels whose gradients are packed at a time.
const BAND: usize = 128;
/// Most rows of a register tile.
const TILE_ROWS: usize = 8;
/// Widest panel of any instruction set.
const WIDEST: usize = 48;
/// The fewest pixels of a part that are worth its copy of the gradient.
const PART_PIXELS: usize = 512;
/// Enough parts to keep many threads busy.
const MOST_PARTS: usize = 16;
/// All copies together: 16 MiB.
const COPY_VALUES: usize = 4 << 20;

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(super) struct Direct {
    shape: ConvShape,
    panels: Panels,
    parts: usize,
    /// Slices of the rows of a panel: more than one where there are more threads than units otherwise.
    slices: usize,
    /// Input channels as the products see them: of one tap, or of a whole patch.
    depth: usize,
    taps: usize,
    copy_patches: bool,
}

/// A panel of a group's output channels.
#[derive(Clone, Copy)]
struct OutputPanel {
    group: usize,
    panel: usize,
}

/// Keeps vectors from straddling cache lines.
#[repr(align(64))]
struct Aligned<T>(T);

/// Neighbouring output pixels of one row whose tap lies inside the image.
#[derive(Clone, Copy, Default)]
struct PixelRun {
    /// Index of the first input value.
    input: usize,
    /// Index in the band.
    pixel: usize,
    count: usize,
}

/// What a tap sees of a band of output pixels: runs of pixels of `values`, `step` values apart.
struct Inputs<'a> {
    values: &'a [f32],
    step: usize,
    runs: &'a [PixelRun],
}

impl Direct {
    /// Takes every shape.
    pub(super) fn choose(shape: ConvShape, engine: &Engine) -> Result<Box<dyn WeightsPass>, Declined> {
        let panels = Panels::new(shape.group_out_channels(), TileShape::of(engine.isa()));
        let output = shape.output();
        let pixels = output.len() / output.channels;
        let copy_patches = patches::pay(&shape);
        let (taps, depth) = (shape.kernel * shape.kernel, shape.group_in_channels());
        let (taps, depth) = if copy_patches { (1, taps * depth) } else { (taps, depth) };
        let copy = shape.groups * taps * depth * panels.stored_all();
        let parts = (pixels / PART_PIXELS).min(COPY_VALUES / copy).clamp(1, MOST_PARTS);
        let panels_of_parts = parts * shape.groups * panels.count();
        let slices = engine.threads().count().div_ceil(panels_of_parts).min(taps * depth.div_ceil(TILE_ROWS));
        Ok(Box::new(Self { shape, panels, parts, slices, depth, taps, copy_patches }))
    }

    /// The rows of a slice, counted over all taps: some taps, or some channels in whole tiles.
    fn rows(&self, slice: usize) -> Range<usize> {
        let tiles = self.depth.div_ceil(TILE_ROWS);
        let edge = |slice: usize| {
            let at = self.taps * tiles * slice / self.slices;
            at / tiles * self.depth + (at % tiles * TILE_ROWS)
        };
        edge(slice)..edge(slice + 1)
    }

    /// Values of one part's copy, the bias after the weights.
    fn copy_len(&self) -> usize {
        self.shape.groups * (self.taps * self.depth + 1) * self.panels.stored_all()
    }

    /// The range of a panel in a copy: [tap][depth][stored columns], then the bias.
    fn panel(&self, OutputPanel { group, panel }: OutputPanel) -> Range<usize> {
        let rows = self.taps * self.depth + 1;
        let start = rows * (group * self.panels.stored_all() + self.panels.stored_before(panel));
        start..start + rows * self.panels.stored(panel)
    }

    /// The output channels of a panel.
    fn outs(&self, OutputPanel { group, panel }: OutputPanel) -> Range<usize> {
        let first = group * self.shape.group_out_channels();
        let columns = self.panels.columns(panel);
        first + columns.start..first + columns.end
    }

    /// Output pixels of all images.
    fn pixels(&self) -> usize {
        self.shape.output().len() / self.shape.out_channels
    }

    /// Adds the copies and writes one panel's gradients in the order [out, ky, kx, in].
    fn reduce(
        &self,
        copies: &[f32],
        of: OutputPanel,
        d_weights: SharedMut<'_, f32>,
        d_bias: SharedMut<'_, f32>,
    ) {
        let (stored, rows) = (self.panels.stored(of.panel), self.taps * self.depth);
        let outs = self.outs(of);
        // SAFETY: each group and panel has its own output channels, and is one chunk.
        let (d_weights, d_bias) =
            unsafe { (d_weights.slice(outs.start * rows..outs.end * rows), d_bias.slice(outs.clone())) };
        for row in 0..=rows {
            let mut sums = [0.0; WIDEST];
            for copy in pieces(copies, self.copy_len()) {
                let values = &copy[self.panel(of)][row * stored..][..stored];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            for (column, &sum) in sums[..outs.len()].iter().enumerate() {
                let to = if row < rows { &mut d_weights[column * rows + row] } else { &mut d_bias[column] };
                *to = sum;
            }
        }
    }
}

impl WeightsPass for Direct {
    fn name(&self) -> &'static str {
        if self.copy_patches { "patches" } else { "direct" }
    }

    fn multiply_adds(&self) -> usize {
        let ConvShape { input, kernel, stride, padding, out_channels, .. } = self.shape;
        if self.copy_patches {
            return self.shape.multiply_adds();
        }
        // Output rows (or columns) and taps that meet inside the image.
        let inside = |input: usize, output: usize| -> usize {
            let met = |tap| {
                (0..output).filter(|at| (padding..padding + input).contains(&(at * stride + tap))).count()
            };
            (0..kernel).map(met).sum()
        };
        let output = self.shape.output();
        let taps = inside(input.height, output.height) * inside(input.width, output.width);
        input.batch * taps * self.depth * out_channels
    }

    fn workspace_len(&self) -> usize {
        self.parts * self.copy_len()
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
        let copies = &mut workspace[..self.workspace_len()];
        let shared = SharedMut::new(copies);
        let panels = self.shape.groups * self.panels.count();
        let panel =
            |at: usize| OutputPanel { group: at / self.panels.count(), panel: at % self.panels.count() };
        // Panels of a group that are one unit of work. Then there are enough units, and each panel is one slice.
        let shares_patches =
            self.copy_patches && self.parts * self.shape.groups >= 2 * engine.threads().count();
        let together = if shares_patches { self.panels.count() } else { 1 };
        engine.threads().run(self.parts * panels / together * self.slices, |chunk| {
            let (unit, slice) = (chunk / self.slices * together, chunk % self.slices);
            let (part, first, rows) = (unit / panels, panel(unit % panels), self.rows(slice));
            let last = OutputPanel { panel: first.panel + together - 1, ..first };
            let (start, stored) = (self.panel(first).start, self.panels.stored(first.panel));
            // The bias follows the last row.
            let is_last = slice + 1 == self.slices;
            let end = if is_last { self.panel(last).end } else { start + rows.end * stored };
            let copy = part * self.copy_len();
            // SAFETY: each part, group, panel and slice has its own range of the copies, and is in one chunk.
            let copy = unsafe { shared.slice(copy + start + rows.start * stored..copy + end) };
            copy.fill(0.0);
            engine.isa().run(PanelsPart { pass: self, input, d_output, part, first, together, rows, copy });
        });
        let copies = &*copies;
        let (d_weights, d_bias) = (SharedMut::new(d_weights), SharedMut::new(d_bias));
        engine.threads().run(panels, |at| self.reduce(copies, panel(at), d_weights, d_bias));
    }
}

/// Some panels of output channels of a group, or a slice of one panel, summed over one part of the pixels.
struct PanelsPart<'a> {
    pass: &'a Direct,
    input: &'a [f32],
    d_output: &'a [f32],
    part: usize,
    first: OutputPanel,
    /// How many panels from the first on.
    together: usize,
    rows: Range<usize>,
    copy: &'a mut [f32],
}

/// One of them; the last slice has the bias.
struct PanelPart<'a> {
    pass: &'a Direct,
    input: &'a [f32],
    d_output: &'a [f32],
    of: OutputPanel,
    rows: Range<usize>,
    copy: &'a mut [f32],
}

impl Kernel for PanelsPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (pixels, parts) = (self.pass.pixels(), self.pass.parts);
        let (first, last) = (pixels * self.part / parts, pixels * (self.part + 1) / parts);
        let longest = if self.pass.copy_patches { (PATCH_VALUES / self.pass.depth).min(BAND) } else { BAND };
        let mut gradients = Aligned([0.0; BAND * WIDEST]);
        let gradients = &mut gradients.0;
        let mut patches = self.pass.copy_patches.then(Patches::new);
        for start in (first..last).step_by(longest) {
            let band = start..(start + longest).min(last);
            if let Some(patches) = &mut patches {
                self.copy_patches(simd, band.clone(), patches);
            }
            for panel in 0..self.together {
                let of = OutputPanel { panel: self.first.panel + panel, ..self.first };
                let (range, start) = (self.pass.panel(of), self.pass.panel(self.first).start);
                let copy = match self.together {
                    1 => &mut *self.copy,
                    _ => &mut self.copy[range.start - start..range.end - start],
                };
                let (pass, rows) = (self.pass, self.rows.clone());
                let mut part = PanelPart { pass, input: self.input, d_output: self.d_output, of, rows, copy };
                part.pack(band.clone(), gradients);
                if self.rows.end == self.pass.taps * self.pass.depth {
                    part.add_bias(band.len(), gradients);
                }
                match &patches {
                    Some(patches) => part.patches(simd, band.len(), patches, gradients),
                    None => part.taps(simd, band.clone(), gradients),
                }
            }
        }
    }
}

impl PanelsPart<'_> {
    /// Copies the patches of a band.
    #[inline(always)]
    fn copy_patches<S: Simd>(&self, simd: S, band: Range<usize>, patches: &mut Patches) {
        let shape = &self.pass.shape;
        let (output, first_channel) = (shape.output(), self.first.group * shape.group_in_channels());
        for (at, pixel) in band.enumerate() {
            let window = Window::of(shape, output, pixel);
            patches.write(simd, at, self.input, shape, window, first_channel);
        }
    }
}

impl PanelPart<'_> {
    /// Gradients of the band's pixels, this panel's channels side by side, zero-padded.
    #[inline(always)]
    fn pack(&self, band: Range<usize>, gradients: &mut [f32]) {
        let outs = self.pass.outs(self.of);
        let stored = self.pass.panels.stored(self.of.panel);
        let rows = &mut gradients[..band.len() * stored];
        for (pixel, row) in band.zip(pieces_mut(rows, stored)) {
            let from = pixel * self.pass.shape.out_channels + outs.start;
            row[..outs.len()].copy_from_slice(&self.d_output[from..from + outs.len()]);
            row[outs.len()..].fill(0.0);
        }
    }

    #[inline(always)]
    fn add_bias(&mut self, pixels: usize, gradients: &[f32]) {
        let stored = self.pass.panels.stored(self.of.panel);
        let bias = self.copy.len() - stored;
        for row in pieces(&gradients[..pixels * stored], stored) {
            self.copy[bias..].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }

    #[inline(always)]
    fn patches<S: Simd>(&mut self, simd: S, count: usize, patches: &Patches, gradients: &[f32]) {
        let runs = &[PixelRun { input: 0, pixel: 0, count }];
        let inputs = Inputs { values: patches.values(), step: self.pass.depth, runs };
        self.add_tap(simd, 0, &inputs, gradients);
    }

    #[inline(always)]
    fn taps<S: Simd>(&mut self, simd: S, band: Range<usize>, gradients: &[f32]) {
        let step = self.pass.shape.stride * self.pass.shape.input.channels;
        for tap in self.rows.start / self.pass.depth..self.rows.end.div_ceil(self.pass.depth) {
            let mut runs = [PixelRun::default(); BAND];
            let count = self.runs(tap, band.clone(), &mut runs);
            self.add_tap(simd, tap, &Inputs { values: self.input, step, runs: &runs[..count] }, gradients);
        }
    }

    /// Finds the runs of a tap in a band.
    #[inline(always)]
    fn runs(&self, tap: usize, band: Range<usize>, runs: &mut [PixelRun; BAND]) -> usize {
        let shape = &self.pass.shape;
        let (input, output) = (shape.input, shape.output());
        let (ky, kx) = (tap / shape.kernel, tap % shape.kernel);
        // Columns o with 0 <= o * stride + kx - padding < width.
        let left = shape.padding.saturating_sub(kx).div_ceil(shape.stride);
        let right = (input.width + shape.padding).saturating_sub(kx).div_ceil(shape.stride);
        let (mut count, mut pixel) = (0, band.start);
        while pixel < band.end {
            let (line, column) = (pixel / output.width, pixel % output.width);
            let end = (column + band.end - pixel).min(output.width);
            let (from, to) = (column.max(left), end.min(right));
            let row = (line % output.height * shape.stride + ky).wrapping_sub(shape.padding);
            if row < input.height && from < to {
                let source = (line / output.height * input.height + row) * input.width;
                let first = source + from * shape.stride + kx - shape.padding;
                runs[count] = PixelRun {
                    input: first * input.channels + self.of.group * shape.group_in_channels(),
                    pixel: pixel - band.start + from - column,
                    count: to - from,
                };
                count += 1;
            }
            pixel += end - column;
        }
        count
    }

    /// Adds the products of a tap and the slice's input channels of it, some rows of a register tile at a time.
    #[inline(always)]
    fn add_tap<S: Simd>(&mut self, simd: S, tap: usize, inputs: &Inputs<'_>, gradients: &[f32]) {
        match vectors::<S>(self.pass.panels.columns(self.of.panel).len()) {
            3 => self.add_channels::<S, 3>(simd, tap, inputs, gradients),
            2 => self.add_channels::<S, 2>(simd, tap, inputs, gradients),
            _ => self.add_channels::<S, 1>(simd, tap, inputs, gradients),
        }
    }

    #[inline(always)]
    fn add_channels<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        tap: usize,
        inputs: &Inputs<'_>,
        gradients: &[f32],
    ) {
        let depth = self.pass.depth;
        let first = tap * depth;
        let mut channel = self.rows.start.saturating_sub(first);
        let end = (self.rows.end - first).min(depth);
        while channel < end {
            let copy = &mut self.copy[(first + channel - self.rows.start) * V * S::LANES..];
            channel += match end - channel {
                8.. if S::TILE_ROWS == 8 => add_rows::<S, 8, V>(simd, channel, copy, inputs, gradients),
                4.. => add_rows::<S, 4, V>(simd, channel, copy, inputs, gradients),
                _ => add_rows::<S, 1, V>(simd, channel, copy, inputs, gradients),
            };
        }
    }
}

/// Adds the products of all runs to R rows of the gradient, input channels from `channel` on; returns R.
#[inline(always)]
fn add_rows<S: Simd, const R: usize, const V: usize>(
    simd: S,
    channel: usize,
    copy: &mut [f32],
    inputs: &Inputs<'_>,
    gradients: &[f32],
) -> usize {
    let &Inputs { values, step, runs } = inputs;
    let ahead = copy.as_ptr().wrapping_add(R * V * S::LANES);
    let mut sums = load::<S, R, V>(simd, copy);
    for run in runs {
        let start = values[run.input + channel..][..(run.count - 1) * step + R].as_ptr();
        let panel = gradients[run.pixel * V * S::LANES..][..run.count * V * S::LANES].as_ptr();
        // SAFETY: slicing checked that the input holds R values at each step, and the gradients V vectors for each pixel.
        sums = unsafe {
            accumulate_transposed(simd, Single, Column { start, step }, run.count, panel, ahead, sums)
        };
    }
    store(simd, &sums, copy);
    R
}

//! Backward-weights for any shape: each weight matrix of a tap is the product of the transposed input pixels under it
//! and the gradients of the output pixels.
//!
//! The output pixels are cut into a number of parts that depends on the shape alone; each part sums into its own
//! copy of the gradient, and the copies are added in their order:
//!
//! ```text
//! for part, panel of output channels                    one unit of work
//!     for band of 128 pixels of the part
//!         pack the band's gradients                     they stay in the first-level cache over all taps
//!         for tap
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
use crate::products::f32::{Panels, TileShape, accumulate_transposed, load, store, vectors};
use crate::simd::{Kernel, Simd};
use crate::threads::SharedMut;
use crate::whole::{pieces, pieces_mut};

/// Output pixels whose gradients are packed at a time.
const BAND: usize = 128;
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
        Ok(Box::new(Self { shape, panels, parts, depth, taps, copy_patches }))
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
        engine.threads().run(self.parts * panels, |chunk| {
            let (part, of) = (chunk / panels, panel(chunk % panels));
            let (first, range) = (part * self.copy_len(), self.panel(of));
            // SAFETY: each part, group and panel has its own range of the copies, and is one chunk.
            let copy = unsafe { shared.slice(first + range.start..first + range.end) };
            copy.fill(0.0);
            engine.isa().run(PanelPart { pass: self, input, d_output, part, of, copy });
        });
        let copies = &*copies;
        let (d_weights, d_bias) = (SharedMut::new(d_weights), SharedMut::new(d_bias));
        engine.threads().run(panels, |at| self.reduce(copies, panel(at), d_weights, d_bias));
    }
}

/// One panel of output channels, summed over one part of the pixels.
struct PanelPart<'a> {
    pass: &'a Direct,
    input: &'a [f32],
    d_output: &'a [f32],
    part: usize,
    of: OutputPanel,
    copy: &'a mut [f32],
}

impl Kernel for PanelPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let (pixels, parts) = (self.pass.pixels(), self.pass.parts);
        let (first, last) = (pixels * self.part / parts, pixels * (self.part + 1) / parts);
        let longest = if self.pass.copy_patches { (PATCH_VALUES / self.pass.depth).min(BAND) } else { BAND };
        let mut gradients = Aligned([0.0; BAND * WIDEST]);
        let gradients = &mut gradients.0;
        for start in (first..last).step_by(longest) {
            let band = start..(start + longest).min(last);
            self.pack(band.clone(), gradients);
            self.add_bias(band.len(), gradients);
            if self.pass.copy_patches {
                self.patches(simd, band, gradients);
            } else {
                self.taps(simd, band, gradients);
            }
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
    fn patches<S: Simd>(&mut self, simd: S, band: Range<usize>, gradients: &[f32]) {
        let (shape, depth) = (&self.pass.shape, self.pass.depth);
        let output = shape.output();
        let mut patches = Patches::new();
        let first_channel = self.of.group * shape.group_in_channels();
        for (at, pixel) in band.clone().enumerate() {
            let window = Window::of(shape, output, pixel);
            patches.write(simd, at, self.input, shape, window, first_channel);
        }
        let runs = &[PixelRun { input: 0, pixel: 0, count: band.len() }];
        self.add_tap(simd, 0, &Inputs { values: patches.values(), step: depth, runs }, gradients);
    }

    #[inline(always)]
    fn taps<S: Simd>(&mut self, simd: S, band: Range<usize>, gradients: &[f32]) {
        let step = self.pass.shape.stride * self.pass.shape.input.channels;
        for tap in 0..self.pass.taps {
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

    /// Adds the products of a tap and all input channels, some rows of a register tile at a time.
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
        let (mut channel, depth) = (0, self.pass.depth);
        while channel < depth {
            let copy = &mut self.copy[(tap * depth + channel) * V * S::LANES..];
            channel += match depth - channel {
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
        let column = values[run.input + channel..][..(run.count - 1) * step + R].as_ptr();
        let panel = gradients[run.pixel * V * S::LANES..][..run.count * V * S::LANES].as_ptr();
        // SAFETY: slicing checked that the input holds R values at each step, and the gradients V vectors for each pixel.
        sums = unsafe { accumulate_transposed(simd, column, step, run.count, panel, ahead, sums) };
    }
    store(simd, &sums, copy);
    R
}

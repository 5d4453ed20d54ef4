//! Indirect convolution, for any shape, forward and backward-data (Dukhan 2019, "The Indirect Convolution Algorithm").
//!
//! Each destination pixel is a sum over taps of a source pixel times a weight matrix. The left operand is never
//! copied: a register tile takes one pointer for each of its destination pixels (a row of zeros outside the image)
//! and runs over the channels:
//!
//! ```text
//! for rows of the destination                           one unit of work
//!     for grid                                          pixels that see the same taps
//!         for 128 pixels of it                          they share a pass over the weights
//!             for panel of destination channels         its weights stay in the caches meanwhile
//!                 for tile of 4 or 8 pixels             the sums stay in registers
//!                     for tap, channel
//!                         sums += source[pixel + tap][channel] * panel[tap][channel]
//! ```

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::destination::Destination;
use super::geometry::{Grid, Tap};
use super::pass::{DataPass, Declined, Direction};
use super::patches::{self, PATCH_VALUES, Patches, Window};
use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::ops::epilogue::{Finish, Position};
use crate::products::f32::{Panels, Sums, TileShape, accumulate, with_tile, zeros};
use crate::products::operand::Single;
use crate::simd::{Kernel, Simd};
use crate::threads::SharedMut;
use crate::whole::pieces_mut;

/// Destination pixels that share a pass over the weights.
const PIXELS: usize = 128;
/// Zeros for taps outside the image: more channels than these are run over in pieces.
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
    grids: Vec<PackedGrid>,
    copy_patches: bool,
    rows_per_chunk: usize,
}

/// A grid of destination pixels and the offset of its packed weights.
#[derive(Debug)]
struct PackedGrid {
    grid: Grid,
    weights: usize,
}

/// A panel of the weights of a grid and a group.
#[derive(Clone, Copy)]
struct WeightsPanel<'a> {
    grid: &'a PackedGrid,
    group: usize,
    panel: usize,
}

/// A destination pixel: the offset of its values, and the source pixel that its taps count from.
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
        let mut packed = 0;
        let pack = |grid: Grid| {
            let weights = packed;
            packed += shape.groups * grid.taps.len() * depth * panels.stored_all();
            PackedGrid { grid, weights }
        };
        let grids = Grid::all(&shape, direction).into_iter().map(pack).collect();
        let rows = destination.batch * destination.height;
        // As many chunks for every thread.
        let chunks = rows.div_ceil(PIXELS.div_ceil(destination.width));
        let chunks = chunks.next_multiple_of(engine.threads().count());
        Ok(Box::new(Self {
            direction,
            shape,
            source,
            destination,
            depth,
            panels,
            grids,
            copy_patches: direction == Direction::Forward && patches::pay(&shape),
            rows_per_chunk: rows.div_ceil(chunks),
        }))
    }

    /// The packed weights of a panel: [tap][depth][stored columns].
    fn packed(&self, WeightsPanel { grid, group, panel }: WeightsPanel<'_>) -> Range<usize> {
        let rows = grid.grid.taps.len() * self.depth;
        let start =
            grid.weights + rows * (group * self.panels.stored_all() + self.panels.stored_before(panel));
        start..start + rows * self.panels.stored(panel)
    }

    /// Packs a panel of weights from [out, ky, kx, in] in the order in which the tiles read them.
    fn pack(
        &self,
        weights: &[f32],
        WeightsPanel { grid, group, panel }: WeightsPanel<'_>,
        packed: &mut [f32],
    ) {
        let (kernel, group_in) = (self.shape.kernel, self.shape.group_in_channels());
        let first_out = group * self.shape.group_out_channels();
        let columns = self.panels.columns(panel);
        let stored = self.panels.stored(panel);
        let index = |o: usize, tap: Tap, i: usize| {
            (((first_out + o) * kernel + tap.ky) * kernel + tap.kx) * group_in + i
        };
        for (&tap, packed) in grid.grid.taps.iter().zip(pieces_mut(packed, self.depth * stored)) {
            for (k, row) in pieces_mut(packed, stored).enumerate() {
                row[columns.len()..].fill(0.0);
                match self.direction {
                    Direction::Forward => {
                        for (value, o) in row.iter_mut().zip(columns.clone()) {
                            *value = weights[index(o, tap, k)];
                        }
                    }
                    Direction::Backward => {
                        let from = index(k, tap, columns.start);
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
        let taps: usize = self.grids.iter().map(|grid| grid.grid.taps.len()).sum();
        self.shape.groups * taps * self.depth * self.panels.stored_all()
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], packed: &mut [f32]) {
        let panels = self.shape.groups * self.panels.count();
        let packed = SharedMut::new(packed);
        engine.threads().run(self.grids.len() * panels, |chunk| {
            let (group, panel) = (chunk % panels / self.panels.count(), chunk % self.panels.count());
            let panel = WeightsPanel { grid: &self.grids[chunk / panels], group, panel };
            // SAFETY: each grid, group and panel has its own range of the packed weights, and is one chunk.
            self.pack(weights, panel, unsafe { packed.slice(self.packed(panel)) });
        });
    }

    fn multiply_adds(&self) -> usize {
        let Shape { batch, channels, .. } = self.destination;
        let products = |PackedGrid { grid, .. }: &PackedGrid| grid.height * grid.width * grid.taps.len();
        batch * self.grids.iter().map(products).sum::<usize>() * self.depth * channels
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
        engine.threads().run(all.div_ceil(self.rows_per_chunk), |chunk| {
            let first = chunk * self.rows_per_chunk;
            let rows = first..(first + self.rows_per_chunk).min(all);
            engine.isa().run(DestinationRows { pass: self, source, packed, rows, destination });
        });
    }
}

/// Some whole destination rows, counted over all images.
struct DestinationRows<'a> {
    pass: &'a Indirect,
    source: &'a [f32],
    packed: &'a [f32],
    rows: Range<usize>,
    destination: Destination<'a>,
}

impl Kernel for DestinationRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for grid in &self.pass.grids {
            self.grid(simd, grid);
        }
        let Shape { width, channels, .. } = self.pass.destination;
        let pixels = self.rows.start * width..self.rows.end * width;
        // SAFETY: no other unit of work has these rows.
        unsafe { self.destination.end(simd, pixels, channels, 0..channels) };
    }
}

impl DestinationRows<'_> {
    /// All pixels of a grid, some at a time.
    #[inline(always)]
    fn grid<S: Simd>(&mut self, simd: S, packed: &PackedGrid) {
        let Shape { height, width, channels, .. } = self.pass.destination;
        let Grid { row: first_row, column: first_column, step, source_step, .. } = packed.grid;
        let longest = if self.pass.copy_patches {
            PATCH_VALUES / (packed.grid.taps.len() * self.pass.depth)
        } else {
            PIXELS
        };
        let mut pixels = [Pixel::default(); PIXELS];
        let mut count = 0;
        for at in self.rows.clone() {
            let (image, row) = (at / height, at % height);
            if row % step != first_row {
                continue;
            }
            for column in (first_column..width).step_by(step) {
                pixels[count] = Pixel {
                    destination: (at * width + column) * channels,
                    image,
                    row: (row / step * source_step) as isize,
                    column: (column / step * source_step) as isize,
                };
                count += 1;
                if count == longest.min(PIXELS) {
                    self.pixels(simd, packed, &pixels[..count]);
                    count = 0;
                }
            }
        }
        self.pixels(simd, packed, &pixels[..count]);
    }

    /// All channels of some pixels.
    #[inline(always)]
    fn pixels<S: Simd>(&mut self, simd: S, grid: &PackedGrid, pixels: &[Pixel]) {
        for group in 0..self.pass.shape.groups {
            if self.pass.copy_patches {
                let mut patches = Patches::new();
                let first_channel = group * self.pass.depth;
                let padding = self.pass.shape.padding as isize;
                for (at, pixel) in pixels.iter().enumerate() {
                    let window = Window {
                        image: pixel.image,
                        row: pixel.row - padding,
                        column: pixel.column - padding,
                    };
                    patches.write(simd, at, self.source, &self.pass.shape, window, first_channel);
                }
                self.panels(simd, grid, group, pixels, Some(&patches));
            } else {
                self.panels(simd, grid, group, pixels, None);
            }
        }
    }

    #[inline(always)]
    fn panels<S: Simd>(
        &mut self,
        simd: S,
        grid: &PackedGrid,
        group: usize,
        pixels: &[Pixel],
        patches: Option<&Patches>,
    ) {
        for panel in 0..self.pass.panels.count() {
            let columns = self.pass.panels.columns(panel).len();
            let panel = WeightsPanel { grid, group, panel };
            with_tile!(S, columns, self.panel(simd, panel, pixels, patches));
        }
    }

    /// A panel of columns for some pixels, a register tile at a time.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        of: WeightsPanel<'_>,
        pixels: &[Pixel],
        patches: Option<&Patches>,
    ) {
        let WeightsPanel { grid, group, panel } = of;
        let columns = self.pass.panels.columns(panel);
        let first_channel =
            group * self.pass.panels.columns(self.pass.panels.count() - 1).end + columns.start;
        let weights = self.packed[self.pass.packed(of)].as_ptr();
        for (tile, pixels) in pixels.chunks(R).enumerate() {
            let mut sums = zeros::<S, R, V>(simd);
            // SAFETY: the panel holds taps * depth rows of V vectors; slicing checks the rows of source values in
            // `source_row`, and those of patches here, which are as long as the panel.
            unsafe {
                if let Some(patches) = patches {
                    let len = grid.grid.taps.len() * self.pass.depth;
                    let row = |r: usize| {
                        patches.values()[(tile * R + r.min(pixels.len() - 1)) * len..][..len].as_ptr()
                    };
                    sums = accumulate(simd, Single, &std::array::from_fn(row), len, weights, weights, sums);
                } else {
                    sums = self.taps(simd, &grid.grid.taps, group, pixels, weights, sums);
                }
            }
            for (pixel, sums) in pixels.iter().zip(&sums) {
                for (v, &sum) in sums.iter().enumerate() {
                    let start = v * S::LANES;
                    let count = S::LANES.min(columns.len() - start);
                    let channel = first_channel + start;
                    let first = Position { index: pixel.destination + channel, channel };
                    // SAFETY: no other unit of work has these rows.
                    unsafe { self.destination.write(simd, first, count, sum, 0) };
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
        taps: &[Tap],
        group: usize,
        pixels: &[Pixel],
        mut weights: *const f32,
        mut sums: Sums<S, R, V>,
    ) -> Sums<S, R, V> {
        for &tap in taps {
            for start in (0..self.pass.depth).step_by(DEPTH) {
                let depth = DEPTH.min(self.pass.depth - start);
                let first_channel = group * self.pass.depth + start;
                // DestinationRows past the last pixel repeat it; they are not stored.
                let row =
                    |r: usize| self.source_row(pixels[r.min(pixels.len() - 1)], tap, first_channel, depth);
                // SAFETY: each row holds `depth` values, the panel as the caller says.
                unsafe {
                    sums = accumulate(simd, Single, &std::array::from_fn(row), depth, weights, weights, sums);
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
        let first = ((pixel.image * height + row) * width + column) * channels + first_channel;
        self.source[first..][..depth].as_ptr()
    }
}

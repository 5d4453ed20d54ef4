//! Backward-weights in the transformed domain.
//!
//! Blocks of tiles go through two stages: first all tiles of the block are transformed (V = Bt d B and Z = A dy At),
//! then dU[point] += V[point]t Z[point], each point and panel of output channels by itself. So there is one copy of
//! dU, its sums have one order, and any number of threads can share both stages.

use allcnn_device::ConvShape;

use super::super::tile::{Panels, accumulate_transposed, load, store, with_tile};
use super::super::{Declined, Direction, WeightsPass};
use super::transform::{self, Pixels, Sink, Source, Spaced};
use super::{POINTS, SIDE, SLOT_PADDING, Tiling};
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};
use crate::threads::SendPtr;

/// Transformed values of a block, V and Z together: 6 MiB, about what the second-level caches of two cores hold.
const BLOCK_VALUES: usize = 3 << 19;
/// Tiles that are transformed together.
const CHUNK_TILES: usize = 8;
/// A block has at least so many tiles, to pay for reading and writing dU.
const FEWEST_TILES: usize = 64;
/// Widest vector.
const WIDEST: usize = 16;

/// The algorithm, prepared for one shape.
#[derive(Debug)]
pub(in super::super) struct WinogradWeights {
    kernel: usize,
    /// Tiles from the input to the output.
    tiling: Tiling,
    panels: Panels,
    block_tiles: usize,
    /// Input channels, filled up to whole vectors.
    depth: usize,
}

impl WinogradWeights {
    /// Takes dense stride-1 convolutions with 2x2, 3x3 or 5x5 kernels.
    pub(in super::super) fn choose(
        shape: ConvShape,
        engine: &Engine,
    ) -> Result<Box<dyn WeightsPass>, Declined> {
        let tiling = Tiling::new(&shape, Direction::Forward, engine)?;
        let panels = Panels::new(shape.out_channels, engine.isa());
        let depth = shape.input.channels.next_multiple_of(panels.lanes());
        let fitting = BLOCK_VALUES / (POINTS * (depth + panels.stored_all())) / CHUNK_TILES * CHUNK_TILES;
        let block_tiles = fitting.max(FEWEST_TILES).min(tiling.count().next_multiple_of(CHUNK_TILES));
        Ok(Box::new(Self { kernel: shape.kernel, tiling, panels, block_tiles, depth }))
    }

    /// Values of one point of a block's V, [tile][channel].
    fn v_slot(&self) -> usize {
        self.block_tiles * self.depth + SLOT_PADDING
    }

    /// Values of one point of a block's Z, [panel][tile][stored column].
    fn z_slot(&self) -> usize {
        self.block_tiles * self.panels.stored_all() + SLOT_PADDING
    }

    /// Values of one point of dU, [panel][input channel][stored column].
    fn u_point(&self) -> usize {
        self.depth * self.panels.stored_all()
    }

    fn chunks(&self) -> usize {
        self.block_tiles / CHUNK_TILES
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
        let bias = self.chunks() * self.panels.stored_all();
        POINTS * (self.v_slot() + self.z_slot() + self.u_point())
            + self.depth.max(self.panels.stored_all())
            + bias
    }

    fn run(
        &self,
        engine: &Engine,
        input: &[f32],
        d_output: &[f32],
        d_weights: &mut [f32],
        d_bias: &mut [f32],
        workspace: &mut [f32],
    ) {
        let (v, rest) = workspace.split_at_mut(POINTS * self.v_slot());
        let (z, rest) = rest.split_at_mut(POINTS * self.z_slot());
        let (u, rest) = rest.split_at_mut(POINTS * self.u_point());
        let (outside, bias) = rest.split_at_mut(self.depth.max(self.panels.stored_all()));
        outside.fill(0.0);
        d_bias.fill(0.0);
        let outside = &*outside;
        for first in (0..self.tiling.count()).step_by(self.block_tiles) {
            let tiles = self.block_tiles.min(self.tiling.count() - first);
            let places = [v.as_mut_ptr(), z.as_mut_ptr(), bias.as_mut_ptr()].map(SendPtr);
            engine.threads().run(tiles.div_ceil(CHUNK_TILES), |chunk, _| {
                let transform =
                    Transform { pass: self, input, d_output, outside, block: first, chunk, places };
                match self.kernel {
                    2 => engine.isa().run(TransformTo::<5>(transform)),
                    3 => engine.isa().run(TransformTo::<4>(transform)),
                    _ => engine.isa().run(TransformTo::<2>(transform)),
                }
            });
            for sums in bias.chunks_exact(self.panels.stored_all()).take(tiles.div_ceil(CHUNK_TILES)) {
                d_bias.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
            }
            let (v, z, start) = (&*v, &*z, SendPtr(u.as_mut_ptr()));
            engine.threads().run(POINTS * self.panels.count(), |chunk, _| {
                let (point, panel) = (chunk / self.panels.count(), chunk % self.panels.count());
                let place = point * self.u_point() + self.depth * self.panels.stored_before(panel);
                // SAFETY: each point and panel has its own part of dU.
                let sums = unsafe {
                    std::slice::from_raw_parts_mut(start.at(place), self.depth * self.panels.stored(panel))
                };
                engine.isa().run(Product {
                    pass: self,
                    v,
                    z,
                    point,
                    panel,
                    tiles,
                    is_first: first == 0,
                    sums,
                });
            });
        }
        let (u, d_weights) = (&*u, SendPtr(d_weights.as_mut_ptr()));
        engine.threads().run(
            self.panels.count() * self.depth / WIDEST.min(self.panels.lanes()),
            |chunk, _| {
                let (panel, rows) = (chunk % self.panels.count(), chunk / self.panels.count());
                match self.kernel {
                    2 => engine.isa().run(Gradient::<2> { pass: self, u, panel, rows, d_weights }),
                    3 => engine.isa().run(Gradient::<3> { pass: self, u, panel, rows, d_weights }),
                    _ => engine.isa().run(Gradient::<5> { pass: self, u, panel, rows, d_weights }),
                }
            },
        );
    }
}

/// V and Z of some tiles of a block, and the sums of their gradients for the bias.
struct Transform<'a> {
    pass: &'a WinogradWeights,
    input: &'a [f32],
    d_output: &'a [f32],
    /// Zeros, for pixels outside the image.
    outside: &'a [f32],
    /// First tile of the block.
    block: usize,
    chunk: usize,
    /// V, Z and the bias sums of the whole block.
    places: [SendPtr<f32>; 3],
}

/// The same for tiles of M x M outputs.
struct TransformTo<'a, const M: usize>(Transform<'a>);

impl<const M: usize> Kernel for TransformTo<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pass = self.0.pass;
        let first = self.0.chunk * CHUNK_TILES;
        for at in first..(first + CHUNK_TILES).min(pass.tiling.count() - self.0.block) {
            self.0.input(simd, at);
            self.0.gradients::<S, M>(simd, at, at == first);
        }
    }
}

impl Transform<'_> {
    /// V of tile `at` of the block.
    #[inline(always)]
    fn input<S: Simd>(&self, simd: S, at: usize) {
        let Tiling { source, padding, .. } = self.pass.tiling;
        let tile = self.pass.tiling.tile(self.block + at);
        let pixels: [[_; SIDE]; SIDE] = tile.pixels(source, padding, self.input, self.outside);
        for channel in (0..source.channels).step_by(S::LANES) {
            let count = S::LANES.min(source.channels - channel);
            // SAFETY: each pixel holds all channels; every tile has its own place in V.
            let (mut values, mut points) = unsafe {
                let place = self.places[0].at(at * self.pass.depth + channel);
                (Pixels::new(&pixels, channel, count), Spaced::new(place, self.pass.v_slot()))
            };
            transform::square(simd, transform::Input, &mut values, &mut points);
        }
    }

    /// Z of tile `at` of the block; adds its gradients to the chunk's bias sums, which the first tile starts.
    #[inline(always)]
    fn gradients<S: Simd, const M: usize>(&self, simd: S, at: usize, starts: bool) {
        let WinogradWeights { tiling, panels, block_tiles, .. } = *self.pass;
        let tile = tiling.tile(self.block + at);
        let pixels: [[_; M]; M] = tile.pixels(tiling.destination, 0, self.d_output, self.outside);
        for panel in 0..panels.count() {
            let (columns, stored) = (panels.columns(panel), panels.stored(panel));
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                let place = block_tiles * panels.stored_before(panel) + at * stored + vector;
                // SAFETY: each pixel holds all channels; every tile has its own place in Z, every chunk in the sums.
                unsafe {
                    let sums = self.places[2].at(self.chunk * panels.stored_all() + first);
                    let total = if starts { simd.splat(0.0) } else { simd.load(sums) };
                    let mut gradients = Summed { pixels: Pixels::new(&pixels, first, count), total };
                    let mut points = Spaced::new(self.places[1].at(place), self.pass.z_slot());
                    transform::square::<S, _, M, SIDE>(
                        simd,
                        transform::OutputTransposed,
                        &mut gradients,
                        &mut points,
                    );
                    simd.store(gradients.total, sums);
                }
            }
        }
    }
}

/// Pixels that are added up as they are read.
struct Summed<'a, S: Simd, const N: usize> {
    pixels: Pixels<'a, N>,
    total: S::V,
}

impl<S: Simd, const N: usize> Source<S> for Summed<'_, S, N> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let value = self.pixels.get(simd, y, x);
        self.total = simd.add(self.total, value);
        value
    }
}

/// dU[point] of one panel += V[point]t Z[point] over a block's tiles.
struct Product<'a> {
    pass: &'a WinogradWeights,
    v: &'a [f32],
    z: &'a [f32],
    point: usize,
    panel: usize,
    tiles: usize,
    /// The first block overwrites what stood in dU.
    is_first: bool,
    sums: &'a mut [f32],
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        if self.is_first {
            self.sums.fill(0.0);
        }
        let columns = self.pass.panels.columns(self.panel).len();
        with_tile!(S, columns, self.panel(simd))
    }
}

impl Product<'_> {
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(&mut self, simd: S) {
        let WinogradWeights { depth, block_tiles, panels, .. } = *self.pass;
        let v = &self.v[self.point * self.pass.v_slot()..][..self.tiles * depth];
        let z = &self.z[self.point * self.pass.z_slot() + block_tiles * panels.stored_before(self.panel)..];
        let z = z[..self.tiles * V * S::LANES].as_ptr();
        for first in (0..depth).step_by(R) {
            let place = &mut self.sums[first * V * S::LANES..];
            let sums = load::<S, R, V>(simd, place);
            // SAFETY: depth is a multiple of R, so V holds R channels from `first` on for each tile; Z holds V vectors
            // for each tile.
            let sums =
                unsafe { accumulate_transposed(simd, v[first..].as_ptr(), depth, self.tiles, z, sums) };
            store(simd, &sums, place);
        }
    }
}

/// dw = Gt dU G of one panel and one vector's worth of input channels.
struct Gradient<'a, const R: usize> {
    pass: &'a WinogradWeights,
    u: &'a [f32],
    panel: usize,
    rows: usize,
    d_weights: SendPtr<f32>,
}

impl<const R: usize> Kernel for Gradient<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let WinogradWeights { depth, panels, tiling, .. } = *self.pass;
        let (columns, stored) = (panels.columns(self.panel), panels.stored(self.panel));
        let channels = tiling.source.channels;
        for i in self.rows * S::LANES..((self.rows + 1) * S::LANES).min(channels) {
            for vector in (0..stored).step_by(S::LANES) {
                let place = depth * panels.stored_before(self.panel) + i * stored + vector;
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                // SAFETY: whole vectors stand at all points; they are only read.
                let mut points =
                    unsafe { Spaced::new(self.u[place..].as_ptr().cast_mut(), self.pass.u_point()) };
                let mut taps = Taps::<R> { d_weights: self.d_weights, channels, i, first, count };
                transform::square::<S, _, SIDE, R>(
                    simd,
                    transform::WeightsTransposed,
                    &mut points,
                    &mut taps,
                );
            }
        }
    }
}

/// The gradients of the taps between input channel `i` and `count` output channels from `first` on.
struct Taps<const R: usize> {
    d_weights: SendPtr<f32>,
    channels: usize,
    i: usize,
    first: usize,
    count: usize,
}

impl<S: Simd, const R: usize> Sink<S> for Taps<R> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        let mut lanes = [0.0; WIDEST];
        // SAFETY: no vector has more than 16 lanes; each panel and input channel has its own gradients.
        unsafe {
            simd.store(value, lanes.as_mut_ptr());
            for (at, &lane) in lanes[..self.count].iter().enumerate() {
                let tap = ((self.first + at) * R + y) * R + x;
                *self.d_weights.at(tap * self.channels + self.i) = lane;
            }
        }
    }
}

//! Forward and backward-data. Going back is going forward from d_output with the weights rotated and transposed.
//!
//! A chunk is some whole rows of tiles, so that its destination is one run of memory. Its transformed tiles fill a
//! buffer of the worker, one slot a point: V[point] stands in slot point + 1, and the products M[point] are written
//! to slot point, where V[point - 1] is used up.

use allcnn_device::{ConvShape, Shape};

use super::super::tile::{Panels, accumulate, with_tile, zeros};
use super::super::{DataPass, Declined, Direction};
use super::transform::{self, Pixels, Sink, Source, Spaced};
use super::{POINTS, SIDE, SLOT_PADDING, Tiling};
use crate::engine::Engine;
use crate::ops::epilogue::Finish;
use crate::simd::{Kernel, Simd};
use crate::threads::SendPtr;

/// Tiles of a chunk: enough to pay for reading the weights, few enough for the cache.
const CHUNK_TILES: usize = 32;
/// A small batch is still cut into so many chunks, for the threads' sake.
const FEWEST_CHUNKS: usize = 8;

/// The algorithm, prepared for one shape and direction.
#[derive(Debug)]
pub(in super::super) struct Winograd {
    direction: Direction,
    kernel: usize,
    tiling: Tiling,
    panels: Panels,
    /// Rows of tiles in a chunk.
    chunk_rows: usize,
    /// Values between tiles of a point.
    stride: usize,
    workers: usize,
}

impl Winograd {
    /// Takes dense stride-1 convolutions with 2x2, 3x3 or 5x5 kernels.
    pub(in super::super) fn choose(
        shape: ConvShape,
        direction: Direction,
        engine: &Engine,
    ) -> Result<Box<dyn DataPass>, Declined> {
        let tiling = Tiling::new(&shape, direction, engine)?;
        let panels = Panels::new(tiling.destination.channels, engine.isa());
        let chunk_rows = (CHUNK_TILES / tiling.across()).min(tiling.rows() / FEWEST_CHUNKS).max(1);
        let stride = tiling.source.channels.next_multiple_of(panels.lanes()).max(panels.stored_all());
        Ok(Box::new(Self {
            direction,
            kernel: shape.kernel,
            tiling,
            panels,
            chunk_rows,
            stride,
            workers: engine.threads().count(),
        }))
    }

    /// Values of a slot: a point of all tiles in a chunk.
    fn slot(&self) -> usize {
        self.chunk_rows * self.tiling.across() * self.stride + SLOT_PADDING
    }

    /// Values of a worker's buffer, one slot more than points.
    fn slots(&self) -> usize {
        (POINTS + 1) * self.slot()
    }

    fn point_len(&self) -> usize {
        self.tiling.source.channels * self.panels.stored_all()
    }

    fn slots_of_all(&self) -> usize {
        self.workers * self.slots()
    }
}

impl DataPass for Winograd {
    fn name(&self) -> &'static str {
        "winograd"
    }

    /// The transformed weights, [point][panel][source channel][stored column].
    fn weights_len(&self) -> usize {
        POINTS * self.point_len()
    }

    fn prepare(&self, engine: &Engine, weights: &[f32], transformed: &mut [f32]) {
        let transformed = SendPtr(transformed.as_mut_ptr());
        /// Source channels of a chunk.
        const DEPTH: usize = 16;
        let pieces = self.tiling.source.channels.div_ceil(DEPTH);
        engine.threads().run(self.panels.count() * pieces, |chunk, _| {
            let first = chunk % pieces * DEPTH;
            let depth = first..(first + DEPTH).min(self.tiling.source.channels);
            let panel = chunk / pieces;
            match self.kernel {
                2 => engine.isa().run(Weights::<2> { pass: self, weights, depth, panel, transformed }),
                3 => engine.isa().run(Weights::<3> { pass: self, weights, depth, panel, transformed }),
                _ => engine.isa().run(Weights::<5> { pass: self, weights, depth, panel, transformed }),
            }
        });
    }

    fn multiply_adds(&self) -> usize {
        self.tiling.multiply_adds()
    }

    fn workspace_len(&self) -> usize {
        self.stride + self.slots_of_all()
    }

    fn run(
        &self,
        engine: &Engine,
        source: &[f32],
        weights: &[f32],
        finish: Finish<'_>,
        destination: &mut [f32],
        workspace: &mut [f32],
    ) {
        let (outside, slots) = workspace.split_at_mut(self.stride);
        outside.fill(0.0);
        let outside = &*outside;
        let (start, slots) = (SendPtr(destination.as_mut_ptr()), SendPtr(slots.as_mut_ptr()));
        let row_len = self.tiling.destination.width * self.tiling.destination.channels;
        let rows = self.tiling.rows();
        engine.threads().run(rows.div_ceil(self.chunk_rows), |chunk, worker| {
            let tile_rows = chunk * self.chunk_rows..((chunk + 1) * self.chunk_rows).min(rows);
            let first = self.tiling.first_row(tile_rows.start) * row_len;
            let end = self.tiling.first_row(tile_rows.end) * row_len;
            // SAFETY: chunks cover disjoint runs of the destination, and each worker has its own slots.
            let (destination, slots) = unsafe {
                (
                    std::slice::from_raw_parts_mut(start.at(first), end - first),
                    std::slice::from_raw_parts_mut(slots.at(worker * self.slots()), self.slots()),
                )
            };
            let tiles = tile_rows.start * self.tiling.across()..tile_rows.end * self.tiling.across();
            let chunk =
                Chunk { pass: self, source, weights, outside, finish, tiles, first, destination, slots };
            match self.kernel {
                2 => engine.isa().run(Stages::<5>(chunk)),
                3 => engine.isa().run(Stages::<4>(chunk)),
                _ => engine.isa().run(Stages::<2>(chunk)),
            }
        });
    }
}

/// Some source channels of a panel of weights, from [out, ky, kx, in] to the six by six points.
struct Weights<'a, const R: usize> {
    pass: &'a Winograd,
    weights: &'a [f32],
    depth: std::ops::Range<usize>,
    panel: usize,
    transformed: SendPtr<f32>,
}

impl<const R: usize> Kernel for Weights<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let panels = self.pass.panels;
        let (columns, stored) = (panels.columns(self.panel), panels.stored(self.panel));
        let depth = self.pass.tiling.source.channels;
        for k in self.depth.clone() {
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                let place = depth * panels.stored_before(self.panel) + k * stored + vector;
                let mut taps = Taps { weights: &self, first, count, k };
                // SAFETY: every (point, panel, k, vector) has its own place.
                let mut points = unsafe { Spaced::new(self.transformed.at(place), self.pass.point_len()) };
                transform::square::<S, _, R, SIDE>(simd, transform::Weights, &mut taps, &mut points);
            }
        }
    }
}

/// The taps between source channel `k` and `count` destination channels from `first` on.
struct Taps<'a, const R: usize> {
    weights: &'a Weights<'a, R>,
    first: usize,
    count: usize,
    k: usize,
}

impl<S: Simd, const R: usize> Source<S> for Taps<'_, R> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let Self { first, count, k, .. } = *self;
        match self.weights.pass.direction {
            Direction::Forward => self.weights.gather(simd, first, count, y, x, k),
            Direction::Backward => self.weights.row(simd, k, R - 1 - y, R - 1 - x, first, count),
        }
    }
}

impl<const R: usize> Weights<'_, R> {
    /// One tap of an input channel for `count` neighbouring output channels.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, first: usize, count: usize, ky: usize, kx: usize, i: usize) -> S::V {
        let channels = self.pass.tiling.source.channels;
        let mut values = [0.0; 16];
        for (at, value) in values[..count].iter_mut().enumerate() {
            *value = self.weights[(((first + at) * R + ky) * R + kx) * channels + i];
        }
        // SAFETY: no vector has more than 16 lanes.
        unsafe { simd.load(values.as_ptr()) }
    }

    /// One tap of an output channel for `count` neighbouring input channels.
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, o: usize, ky: usize, kx: usize, first: usize, count: usize) -> S::V {
        let channels = self.pass.tiling.destination.channels;
        let from = ((o * R + ky) * R + kx) * channels + first;
        let values = &self.weights[from..from + count];
        // SAFETY: `count` values are there.
        unsafe { simd.load_first(values.as_ptr(), count) }
    }
}

/// A run of tiles and the destination that they cover.
struct Chunk<'a> {
    pass: &'a Winograd,
    source: &'a [f32],
    weights: &'a [f32],
    /// Zeros, for pixels outside the image.
    outside: &'a [f32],
    finish: Finish<'a>,
    tiles: std::ops::Range<usize>,
    /// Place of the chunk in its whole buffer.
    first: usize,
    destination: &'a mut [f32],
    slots: &'a mut [f32],
}

/// The three stages for tiles of M x M outputs.
struct Stages<'a, const M: usize>(Chunk<'a>);

impl<const M: usize> Kernel for Stages<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut chunk = self.0;
        chunk.transform_source(simd);
        for point in 0..POINTS {
            chunk.multiply(simd, point);
        }
        chunk.transform_destination::<S, M>(simd);
        chunk.finish.apply(simd, chunk.first, chunk.destination);
    }
}

impl Chunk<'_> {
    /// V[point] = Bt d B into slot point + 1.
    #[inline(always)]
    fn transform_source<S: Simd>(&mut self, simd: S) {
        let Winograd { tiling, stride, .. } = *self.pass;
        let slot = self.pass.slot();
        for (at, tile) in self.tiles.clone().enumerate() {
            let pixels: [[_; SIDE]; SIDE] =
                tiling.tile(tile).pixels(tiling.source, tiling.padding, self.source, self.outside);
            for channel in (0..tiling.source.channels).step_by(S::LANES) {
                let count = S::LANES.min(tiling.source.channels - channel);
                let place = self.slots[slot + at * stride + channel..].as_mut_ptr();
                // SAFETY: each pixel holds all channels; a slot has room for whole vectors.
                let (mut values, mut points) =
                    unsafe { (Pixels::new(&pixels, channel, count), Spaced::new(place, slot)) };
                transform::square(simd, transform::Input, &mut values, &mut points);
            }
        }
    }

    /// M[point] = V[point] * U[point], from slot point + 1 to slot point.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, point: usize) {
        for panel in 0..self.pass.panels.count() {
            let columns = self.pass.panels.columns(panel).len();
            with_tile!(S, columns, self.multiply_panel(simd, point, panel));
        }
    }

    #[inline(always)]
    fn multiply_panel<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        point: usize,
        panel: usize,
    ) {
        let Winograd { tiling, panels, stride, .. } = *self.pass;
        let (slot, depth) = (self.pass.slot(), tiling.source.channels);
        let start = point * self.pass.point_len() + depth * panels.stored_before(panel);
        let weights = self.weights[start..start + depth * V * S::LANES].as_ptr();
        let (products, left) = self.slots[point * slot..(point + 2) * slot].split_at_mut(slot);
        let products = &mut products[panels.stored_before(panel)..];
        for first in (0..self.tiles.len()).step_by(R) {
            let last = self.tiles.len() - 1;
            // Rows past the last tile repeat it; they are not stored.
            let row = |r: usize| left[(first + r).min(last) * stride..][..depth].as_ptr();
            // SAFETY: each row holds `depth` values, the panel `depth` rows of V vectors.
            let sums = unsafe {
                accumulate(simd, &std::array::from_fn(row), depth, weights, zeros::<S, R, V>(simd))
            };
            for (r, sums) in sums.iter().enumerate().take(self.tiles.len() - first) {
                let place = &mut products[(first + r) * stride..][..V * S::LANES];
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: V whole vectors are there.
                    unsafe { simd.store(sum, place.as_mut_ptr().add(v * S::LANES)) };
                }
            }
        }
    }

    /// y = At M A, without what sticks out of the image.
    #[inline(always)]
    fn transform_destination<S: Simd, const M: usize>(&mut self, simd: S) {
        let Winograd { tiling, stride, .. } = *self.pass;
        let Shape { height, width, channels, .. } = tiling.destination;
        let slot = self.pass.slot();
        for (at, tile) in self.tiles.clone().enumerate() {
            let tile = tiling.tile(tile);
            let (rows, columns) = (M.min(height - tile.row), M.min(width - tile.column));
            let corner = ((tile.image * height + tile.row) * width + tile.column) * channels - self.first;
            for channel in (0..channels).step_by(S::LANES) {
                let count = S::LANES.min(channels - channel);
                let place = self.slots[at * stride + channel..].as_mut_ptr();
                // SAFETY: slots hold whole vectors.
                let mut points = unsafe { Spaced::new(place, slot) };
                let corner = corner + channel;
                let destination = &mut *self.destination;
                let mut outputs = Outputs { destination, corner, width, channels, rows, columns, count };
                transform::square::<S, _, SIDE, M>(simd, transform::Output, &mut points, &mut outputs);
            }
        }
    }
}

/// A vector of channels of a tile's outputs, without what sticks out of the image.
struct Outputs<'a> {
    destination: &'a mut [f32],
    corner: usize,
    width: usize,
    channels: usize,
    rows: usize,
    columns: usize,
    count: usize,
}

impl<S: Simd> Sink<S> for Outputs<'_> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        if y < self.rows && x < self.columns {
            let to = self.corner + (y * self.width + x) * self.channels;
            let place = &mut self.destination[to..to + self.count];
            // SAFETY: `count` values are there.
            unsafe { simd.store_first(value, self.count, place.as_mut_ptr()) };
        }
    }
}

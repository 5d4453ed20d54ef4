//! Forward and backward-data. Going back is going forward from d_output with the weights rotated and transposed.
//!
//! A chunk is some whole rows of tiles, so that its destination is one run of memory. Its transformed tiles fill a
//! buffer of the worker, one slot a point. The sums of products M[point] are written to slot point; the V they are made
//! of stand behind, so that with stride 1, V[point] in slot point + 1, a sum takes the place that is used up.
//! With stride 2, a sum is over up to four products on the way forward, and a V has up to four products on the way back.

use std::ops::Range;

use allcnn_device::{ConvShape, Shape};

use super::super::tile::{Panels, accumulate, with_tile, zeros};
use super::super::{DataPass, Declined, Direction};
use super::transform::{self, Line, Placed, Sink, Source, Spaced};
use super::{Corner, SLOT_PADDING, Scheme, Tiling, strided};
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
    tiling: Tiling,
    panels: Panels,
    /// Rows of tiles in a chunk.
    chunk_rows: usize,
    /// Values between tiles of a point.
    stride: usize,
    workers: usize,
}

impl Winograd {
    /// Takes what [`Scheme`] has transforms for.
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
            tiling,
            panels,
            chunk_rows,
            stride,
            workers: engine.threads().count(),
        }))
    }

    /// The products of a sum.
    fn products(&self, sum: usize) -> Range<usize> {
        match (self.tiling.scheme, self.direction) {
            (Scheme::Strided, Direction::Forward) => {
                usize::from(strided::STARTS[sum])..usize::from(strided::STARTS[sum + 1])
            }
            _ => sum..sum + 1,
        }
    }

    /// The slot of the V of a product.
    fn left_slot(&self, product: usize) -> usize {
        match (self.tiling.scheme, self.direction) {
            (Scheme::Strided, Direction::Backward) => {
                let [row, column] = [product / strided::SIDE, product % strided::SIDE].map(strided::sum_of);
                self.tiling.scheme.products() + row * strided::SUMS + column
            }
            _ => product + 1,
        }
    }

    /// Values of a slot: a point of all tiles in a chunk.
    fn slot(&self) -> usize {
        self.chunk_rows * self.tiling.across() * self.stride + SLOT_PADDING
    }

    /// Values of a worker's buffer.
    fn slots(&self) -> usize {
        let last = (0..self.tiling.scheme.products()).map(|product| self.left_slot(product)).max();
        (last.unwrap_or(0) + 1) * self.slot()
    }

    /// Values of the transformed weights, [product][panel][source channel][stored column].
    fn weights_len(&self) -> usize {
        self.tiling.scheme.products() * self.point_len()
    }

    fn point_len(&self) -> usize {
        self.tiling.source.channels * self.panels.stored_all()
    }

    fn transform_weights(&self, engine: &Engine, weights: &[f32], transformed: &mut [f32]) {
        let transformed = SendPtr(transformed.as_mut_ptr());
        /// Source channels of a chunk.
        const DEPTH: usize = 16;
        let pieces = self.tiling.source.channels.div_ceil(DEPTH);
        engine.threads().run(self.panels.count() * pieces, |chunk, _| {
            use transform::{SIDE, Weights as Plain};
            let first = chunk % pieces * DEPTH;
            let depth = first..(first + DEPTH).min(self.tiling.source.channels);
            let weights = Weights { pass: self, weights, depth, panel: chunk / pieces, transformed };
            match self.tiling.scheme {
                Scheme::TwoByTwo => engine.isa().run(Points::<_, 2, SIDE>(weights, Plain)),
                Scheme::ThreeByThree => engine.isa().run(Points::<_, 3, SIDE>(weights, Plain)),
                Scheme::FiveByFive => engine.isa().run(Points::<_, 5, SIDE>(weights, Plain)),
                Scheme::Strided => {
                    engine.isa().run(Points::<_, 3, { strided::SIDE }>(weights, strided::Weights));
                }
            }
        });
    }
}

impl DataPass for Winograd {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn workspace_len(&self) -> usize {
        self.weights_len() + self.stride + self.workers * self.slots()
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
        let (transformed, rest) = workspace.split_at_mut(self.weights_len());
        let (outside, slots) = rest.split_at_mut(self.stride);
        self.transform_weights(engine, weights, transformed);
        outside.fill(0.0);
        let (weights, outside) = (&*transformed, &*outside);
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
            Chunk { pass: self, source, weights, outside, finish, tiles, first, destination, slots }
                .run(engine);
        });
    }
}

/// Some source channels of a panel of weights.
struct Weights<'a> {
    pass: &'a Winograd,
    weights: &'a [f32],
    depth: Range<usize>,
    panel: usize,
    transformed: SendPtr<f32>,
}

/// Their transform from R x R taps, [out, ky, kx, in], to P x P points.
struct Points<'a, L, const R: usize, const P: usize>(Weights<'a>, L);

impl<L: Line<R, P>, const R: usize, const P: usize> Kernel for Points<'_, L, R, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(weights, transform) = self;
        let Winograd { panels, tiling, direction, .. } = *weights.pass;
        let (columns, stored) = (panels.columns(weights.panel), panels.stored(weights.panel));
        for k in weights.depth.clone() {
            for vector in (0..stored).step_by(S::LANES) {
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end - first);
                let place =
                    tiling.source.channels * panels.stored_before(weights.panel) + k * stored + vector;
                let mut taps = Taps::<R> { weights: &weights, first, count, k };
                let step = weights.pass.point_len();
                // SAFETY: every (point, panel, k, vector) has its own place.
                unsafe {
                    let place = weights.transformed.at(place);
                    if tiling.scheme == Scheme::Strided && direction == Direction::Forward {
                        let mut points = Placed::<P>::new(place, step, &strided::PLACES);
                        transform::square::<S, _, R, P>(simd, transform, &mut taps, &mut points);
                    } else {
                        let mut points = Spaced::<P>::new(place, step);
                        transform::square::<S, _, R, P>(simd, transform, &mut taps, &mut points);
                    }
                }
            }
        }
    }
}

/// The taps between source channel `k` and `count` destination channels from `first` on.
struct Taps<'a, const R: usize> {
    weights: &'a Weights<'a>,
    first: usize,
    count: usize,
    k: usize,
}

impl<S: Simd, const R: usize> Source<S> for Taps<'_, R> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let Self { first, count, k, .. } = *self;
        match self.weights.pass.direction {
            Direction::Forward => self.gather(simd, first, count, y, x, k),
            Direction::Backward => self.row(simd, k, R - 1 - y, R - 1 - x, first, count),
        }
    }
}

impl<const R: usize> Taps<'_, R> {
    /// One tap of an input channel for `count` neighbouring output channels.
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, first: usize, count: usize, ky: usize, kx: usize, i: usize) -> S::V {
        let channels = self.weights.pass.tiling.source.channels;
        let mut values = [0.0; 16];
        for (at, value) in values[..count].iter_mut().enumerate() {
            *value = self.weights.weights[(((first + at) * R + ky) * R + kx) * channels + i];
        }
        // SAFETY: no vector has more than 16 lanes.
        unsafe { simd.load(values.as_ptr()) }
    }

    /// One tap of an output channel for `count` neighbouring input channels.
    #[inline(always)]
    fn row<S: Simd>(&self, simd: S, o: usize, ky: usize, kx: usize, first: usize, count: usize) -> S::V {
        let channels = self.weights.pass.tiling.destination.channels;
        let from = ((o * R + ky) * R + kx) * channels + first;
        let values = &self.weights.weights[from..from + count];
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

/// The three stages: N x N pixels of a tile to P x P points, products, Q x Q points to M x M pixels.
struct Stages<'a, In, Out, const N: usize, const P: usize, const Q: usize, const M: usize>(
    Chunk<'a>,
    In,
    Out,
);

impl Chunk<'_> {
    fn run(self, engine: &Engine) {
        use transform::{Input, Output, SIDE};
        let isa = engine.isa();
        match (self.pass.tiling.scheme, self.pass.direction) {
            (Scheme::TwoByTwo, _) => isa.run(Stages::<_, _, SIDE, SIDE, SIDE, 5>(self, Input, Output)),
            (Scheme::ThreeByThree, _) => isa.run(Stages::<_, _, SIDE, SIDE, SIDE, 4>(self, Input, Output)),
            (Scheme::FiveByFive, _) => isa.run(Stages::<_, _, SIDE, SIDE, SIDE, 2>(self, Input, Output)),
            (Scheme::Strided, Direction::Forward) => {
                use strided::{Input, OUTPUTS, Output, SIDE, SUMS};
                isa.run(Stages::<_, _, SIDE, SIDE, SUMS, OUTPUTS>(self, Input, Output));
            }
            (Scheme::Strided, Direction::Backward) => {
                use strided::{BackInput, BackOutput, PIXELS, SIDE, SUMS};
                isa.run(Stages::<_, _, SUMS, SUMS, SIDE, PIXELS>(self, BackInput, BackOutput));
            }
        }
    }
}

impl<In, Out, const N: usize, const P: usize, const Q: usize, const M: usize> Kernel
    for Stages<'_, In, Out, N, P, Q, M>
where
    In: Line<N, P>,
    Out: Line<Q, M>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self(mut chunk, input, output) = self;
        chunk.transform_source::<S, In, N, P>(simd, input, P > Q);
        for sum in 0..Q * Q {
            for panel in 0..chunk.pass.panels.count() {
                let columns = chunk.pass.panels.columns(panel).len();
                with_tile!(S, columns, chunk.multiply(simd, sum, panel));
            }
        }
        chunk.transform_destination::<S, Out, Q, M>(simd, output);
        chunk.finish.apply(simd, chunk.first, chunk.destination);
    }
}

impl Chunk<'_> {
    /// V = Bt d B of all tiles; where several V make a sum, they stand in the order of the sums.
    #[inline(always)]
    fn transform_source<S: Simd, L: Line<N, P>, const N: usize, const P: usize>(
        &mut self,
        simd: S,
        transform: L,
        by_sums: bool,
    ) {
        let Winograd { tiling, stride, .. } = *self.pass;
        let (slot, first) = (self.pass.slot(), self.pass.left_slot(0));
        for (at, tile) in self.tiles.clone().enumerate() {
            let corner = tiling.source_corner(tiling.tile(tile));
            let pixels = std::array::from_fn(|y| corner.pixels::<N>(y, self.source, self.outside));
            for channel in (0..tiling.source.channels).step_by(S::LANES) {
                let count = S::LANES.min(tiling.source.channels - channel);
                let place = self.slots[first * slot + at * stride + channel..].as_mut_ptr();
                // SAFETY: each pixel holds all channels; a slot has room for whole vectors.
                unsafe {
                    let mut values = Pixels::<N> { pixels: &pixels, channel, count };
                    if by_sums {
                        let mut points = Placed::<P>::new(place, slot, &strided::PLACES);
                        transform::square::<S, _, N, P>(simd, transform, &mut values, &mut points);
                    } else {
                        let mut points = Spaced::<P>::new(place, slot);
                        transform::square::<S, _, N, P>(simd, transform, &mut values, &mut points);
                    }
                }
            }
        }
    }

    /// M[sum] = V * U, added up over the products of the sum, for a panel.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, sum: usize, panel: usize) {
        let Winograd { tiling, panels, stride, .. } = *self.pass;
        let (slot, depth) = (self.pass.slot(), tiling.source.channels);
        let (sums, left) = self.slots.split_at_mut((sum + 1) * slot);
        let place = &mut sums[sum * slot + panels.stored_before(panel)..];
        let last = self.tiles.len() - 1;
        for first in (0..self.tiles.len()).step_by(R) {
            let mut tile = zeros::<S, R, V>(simd);
            for product in self.pass.products(sum) {
                let start = product * self.pass.point_len() + depth * panels.stored_before(panel);
                let weights = self.weights[start..start + depth * V * S::LANES].as_ptr();
                let left = &left[(self.pass.left_slot(product) - sum - 1) * slot..];
                // Rows past the last tile repeat it; they are not stored.
                let row = |r: usize| left[(first + r).min(last) * stride..][..depth].as_ptr();
                // SAFETY: each row holds `depth` values, the panel `depth` rows of V vectors.
                tile = unsafe { accumulate(simd, &std::array::from_fn(row), depth, weights, tile) };
            }
            for (r, sums) in tile.iter().enumerate().take(self.tiles.len() - first) {
                let place = &mut place[(first + r) * stride..][..V * S::LANES];
                for (v, &sum) in sums.iter().enumerate() {
                    // SAFETY: V whole vectors are there.
                    unsafe { simd.store(sum, place.as_mut_ptr().add(v * S::LANES)) };
                }
            }
        }
    }

    /// y = At M A, without what sticks out of the image.
    #[inline(always)]
    fn transform_destination<S: Simd, L: Line<Q, M>, const Q: usize, const M: usize>(
        &mut self,
        simd: S,
        transform: L,
    ) {
        let Winograd { tiling, stride, .. } = *self.pass;
        let Shape { height, width, channels, .. } = tiling.destination;
        let slot = self.pass.slot();
        for (at, tile) in self.tiles.clone().enumerate() {
            let Corner { image, row, column, .. } = tiling.destination_corner(tiling.tile(tile));
            let (rows, columns) = (M.min(height - row), M.min(width - column));
            let corner = ((image * height + row) * width + column) * channels - self.first;
            for channel in (0..channels).step_by(S::LANES) {
                let count = S::LANES.min(channels - channel);
                let place = self.slots[at * stride + channel..].as_mut_ptr();
                // SAFETY: slots hold whole vectors.
                let mut points = unsafe { Spaced::<Q>::new(place, slot) };
                let corner = corner + channel;
                let destination = &mut *self.destination;
                let mut outputs = Outputs { destination, corner, width, channels, rows, columns, count };
                transform::square::<S, _, Q, M>(simd, transform, &mut points, &mut outputs);
            }
        }
    }
}

/// Some channels of the N x N pixels of a tile; they must be readable in each.
struct Pixels<'a, const N: usize> {
    pixels: &'a [[*const f32; N]; N],
    channel: usize,
    count: usize,
}

impl<S: Simd, const N: usize> Source<S> for Pixels<'_, N> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        // SAFETY: whoever made it vouches for the channels.
        unsafe { simd.load_first(self.pixels[y][x].add(self.channel), self.count) }
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

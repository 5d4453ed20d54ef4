//! A share of backward-weights, batch by batch of its tiles:
//!
//! ```text
//! for each batch of the share's tiles
//!     for each tile
//!         for each vector of input channels                       transform_input
//!             V[every point][channels][tile] = Bt d B
//!         for each panel and vector of output channels            transform_gradients
//!             Z[every point][panel][tile][columns] = A dy At
//!             bias[columns] += all of dy, in one share of a part
//!     for each point
//!         for each panel of output channels                       multiply
//!             for each R input channels, a register tile of sums
//!                 dU[point][panel][channels] += sum over tiles of V[point][channels][tile] * Z[point][panel][tile]
//! ```
//!
//! - All points of a batch at once: each pixel is read and transformed once. The transformed values are more than the
//!   second-level cache holds, but they, and dU, are read in the order in which they lie, ahead of their use, and from a
//!   last-level cache that has them because no other core wrote them.
//! - The batch outside the points: dU is read and written once a batch, which its tiles pay for.
//! - The panels outside the channels: a panel of Z stays in the first-level cache while V and dU stream by.

use std::ops::Range;

use super::ahead::Ahead;
use super::batch_plan::{BatchPlan, Share};
use super::chunk::Pixels;
use super::scheme::{Transforms, with_transforms};
use super::transform::{Array, Line, Source, Spaced, rectangle};
use crate::engine::Engine;
use crate::products::f32::{Column, accumulate_transposed, load, store, with_tile, zeros};
use crate::products::operand::Single;
use crate::simd::{Kernel, Simd};
use crate::stored::Stored;
use crate::threads::SharedMut;
use crate::whole::pieces_mut;

/// A share of the work of a pass, on one thread.
pub(super) struct Batches<'a> {
    pub(super) plan: &'a BatchPlan,
    pub(super) input: &'a [f32],
    pub(super) d_output: &'a [f32],
    /// Zeros, for pixels outside the image.
    pub(super) outside: &'a [f32],
    pub(super) share: Share,
    /// A worker's scratch: V and Z.
    pub(super) scratch: &'a mut [f32],
    /// The part's copy of dU, of which a share has its channels and panels.
    pub(super) copy: SharedMut<'a, f32>,
}

impl Batches<'_> {
    pub(super) fn compute(self, engine: &Engine) {
        with_transforms!(self.plan.sums.tiling.scheme, transforms => engine.isa().run(Compute(self, transforms)));
    }
}

/// A share with its transforms.
struct Compute<'a, T>(Batches<'a>, T);

impl<T: Transforms> Kernel for Compute<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut batches = self.0;
        let Share { ref tiles, ref panels, .. } = batches.share;
        let (tiles, panels) = (tiles.clone(), panels.clone());
        for first in tiles.clone().step_by(batches.plan.batch) {
            let batch = first..(first + batches.plan.batch).min(tiles.end);
            for (at, tile) in batch.clone().enumerate() {
                batches.transform_input::<S, T::Input>(simd, tile, at);
                batches.transform_gradients::<S, T::OutputTransposed>(simd, tile, at);
            }
            let next = batch.end..(batch.end + batches.plan.batch).min(tiles.end);
            let mut ahead = batches.ahead(&next);
            let depth = Depth { tiles: batch.len(), starts: first == tiles.start };
            for (y, x) in (0..T::SIZES.points).flat_map(|y| (0..T::SIZES.points).map(move |x| (y, x))) {
                let sums = T::SIZES.sums;
                let point = Point { v: y * T::SIZES.points + x, z: y % sums * sums + x % sums };
                for panel in panels.clone() {
                    let columns = batches.plan.sums.panels.columns(panel).len();
                    with_tile!(S, columns, batches.multiply(simd, point, panel, depth, &mut ahead));
                }
            }
        }
    }
}

/// A point: its index in V and dU, and in Z.
#[derive(Clone, Copy)]
struct Point {
    v: usize,
    z: usize,
}

/// The tiles of a product.
#[derive(Clone, Copy)]
struct Depth {
    tiles: usize,
    /// Whether they are the part's first, so that they start the sums.
    starts: bool,
}

impl<'a> Batches<'a> {
    /// The pixels of some tiles, where the share has all of their channels; the products ask for them.
    fn ahead(&self, tiles: &Range<usize>) -> [Ahead<'a>; 2] {
        let (sums, Share { channels, panels, .. }) = (&self.plan.sums, &self.share);
        let products =
            self.plan.sizes.points.pow(2) * panels.len() * channels.len() / sums.panels.tile().rows;
        let input = if channels.len() == sums.depth { self.input } else { &[] };
        let d_output = if panels.len() == sums.panels.count() { self.d_output } else { &[] };
        [
            Ahead::new(
                Stored::F32(input),
                sums.tiling.source.channels,
                sums.tiling.source_pixels(tiles),
                products,
            ),
            Ahead::new(
                Stored::F32(d_output),
                sums.tiling.destination.channels,
                sums.tiling.destination_pixels(tiles),
                products,
            ),
        ]
    }

    /// V of a tile, which is tile `at` of the batch.
    #[inline(always)]
    fn transform_input<S: Simd, L: Line>(&mut self, simd: S, tile: usize, at: usize) {
        let BatchPlan { sums, .. } = self.plan;
        let corner = sums.tiling.source_corner(sums.tiling.tile(tile));
        let mut pixels = L::Inputs::filled(L::Inputs::filled(corner.outside(self.outside)));
        for (y, row) in pixels.elements_mut().iter_mut().enumerate() {
            corner.locate_row(y, Stored::F32(self.input), row.elements_mut());
        }
        let (channels, point) = (corner.size.channels, self.plan.v_point());
        for channel in self.share.channels.clone().step_by(S::LANES) {
            let count = S::LANES.min(channels.saturating_sub(channel));
            let ahead = sums.tiling.source_step * channels;
            let mut pixels = Pixels::<L, L, false> { pixels: &pixels, channel, count, ahead };
            let to = self.plan.v_channel(channel - self.share.channels.start) + at * self.plan.step();
            let to = &mut self.scratch[to..][..(L::OUTPUTS.pow(2) - 1) * point + S::LANES];
            // SAFETY: the slice holds a vector at each point.
            let mut points = unsafe { Spaced::new(to.as_mut_ptr(), point, L::OUTPUTS) };
            rectangle::<S, L, L>(simd, &mut pixels, &mut points);
        }
    }

    /// Z of a tile, which is tile `at` of the batch, and its gradients of the bias.
    #[inline(always)]
    fn transform_gradients<S: Simd, L: Line>(&mut self, simd: S, tile: usize, at: usize) {
        let BatchPlan { sums, .. } = self.plan;
        let corner = sums.tiling.destination_corner(sums.tiling.tile(tile));
        let mut pixels = L::Inputs::filled(L::Inputs::filled(corner.outside(self.outside)));
        for (y, row) in pixels.elements_mut().iter_mut().enumerate() {
            corner.locate_row(y, Stored::F32(self.d_output), row.elements_mut());
        }
        let (channels, point) = (corner.size.channels, self.plan.z_point());
        for panel in self.share.panels.clone() {
            let (columns, stored) = (sums.panels.columns(panel), sums.panels.stored(panel));
            for vector in (0..stored).step_by(S::LANES) {
                let channel = columns.start + vector;
                let count = S::LANES.min(columns.end.saturating_sub(channel));
                let ahead = sums.tiling.step * channels;
                let pixels = Pixels::<L, L, false> { pixels: &pixels, channel, count, ahead };
                let mut pixels = Summed { pixels, sum: simd.splat(0.0) };
                let to = self.plan.v_len() + self.z_panel(panel) + at * stored + vector;
                let to = &mut self.scratch[to..][..(L::OUTPUTS.pow(2) - 1) * point + S::LANES];
                // SAFETY: the slice holds a vector at each point.
                let mut points = unsafe { Spaced::new(to.as_mut_ptr(), point, L::OUTPUTS) };
                rectangle::<S, L, L>(simd, &mut pixels, &mut points);
                if self.share.channels.start == 0 {
                    let bias = sums.bias_start() + channel;
                    let bias = self.copy.pointer(bias..bias + S::LANES);
                    let starts = tile == self.share.tiles.start;
                    // SAFETY: the range is a vector, and one share of a part sums the bias of these channels.
                    unsafe {
                        let before = if starts { simd.splat(0.0) } else { simd.load(bias) };
                        simd.store(simd.add(before, pixels.sum), bias);
                    }
                }
            }
        }
    }

    /// Where a panel starts in a point of Z.
    #[inline(always)]
    fn z_panel(&self, panel: usize) -> usize {
        let panels = &self.plan.sums.panels;
        self.plan.batch * (panels.stored_before(panel) - panels.stored_before(self.share.panels.start))
    }

    /// dU of one panel += Vt Z over the batch's tiles; the part's first batch starts it.
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        point: Point,
        panel: usize,
        Depth { tiles, starts }: Depth,
        ahead: &mut [Ahead<'_>; 2],
    ) {
        let [input, d_output] = ahead;
        let (plan, channels, width) = (self.plan, &self.share.channels, V * S::LANES);
        let (v_point, step) = (plan.v_point(), plan.step());
        let v = &self.scratch[point.v * v_point..][..v_point];
        let z = plan.v_len() + point.z * plan.z_point() + self.z_panel(panel);
        let z = self.scratch[z..][..tiles * width].as_ptr();
        let rows = point.v * plan.sums.point_len() + plan.sums.panel_start(panel);
        let rows = rows + channels.start * width..rows + channels.end * width;
        // SAFETY: no other share of the part has these channels and this panel.
        let rows = unsafe { self.copy.slice(rows) };
        for (at, rows) in pieces_mut(rows, R * width).enumerate() {
            let sums = if starts { zeros::<S, R, V>(simd) } else { load::<S, R, V>(simd, rows) };
            let start = v[plan.v_channel(at * R)..][..(tiles - 1) * step + R].as_ptr();
            input.ask(simd);
            d_output.ask(simd);
            let ahead = rows.as_ptr().wrapping_add(R * width);
            // SAFETY: the slices hold R values at each step, and V vectors for each tile.
            let sums =
                unsafe { accumulate_transposed(simd, Single, Column { start, step }, tiles, z, ahead, sums) };
            store(simd, &sums, rows);
        }
    }
}

/// Pixels, and the sum of those that were taken.
struct Summed<S: Simd, P> {
    pixels: P,
    sum: S::V,
}

impl<S: Simd, P: Source<S>> Source<S> for Summed<S, P> {
    #[inline(always)]
    fn get(&mut self, simd: S, y: usize, x: usize) -> S::V {
        let value = self.pixels.get(simd, y, x);
        self.sum = simd.add(self.sum, value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::at_point;
    use super::super::testing::{Matrices, assert_close, each_scheme, values};
    use super::*;

    #[test]
    fn a_share_sums_its_channels_over_its_tiles_batch_by_batch_and_writes_nothing_else() {
        each_scheme(|engine, shape| {
            let mut plan = BatchPlan::new(shape, engine).unwrap();
            plan.batch = 5;
            let (input, d_output) = (values(shape.input.len(), 1), values(shape.output().len(), 2));
            let (sums, tiling) = (plan.sums, plan.sums.tiling);
            let (matrices, points, sides) = (Matrices::of(tiling.scheme), plan.sizes.points, plan.sizes.sums);
            let mut copy = vec![f32::NAN; sums.len()];
            for share in 0..plan.shares() {
                let before = copy.clone();
                let batches = Batches {
                    plan: &plan,
                    input: &input,
                    d_output: &d_output,
                    outside: &vec![0.0; plan.outside()],
                    share: plan.share(share),
                    scratch: &mut vec![f32::NAN; plan.scratch_len()],
                    copy: SharedMut::new(&mut copy),
                };
                batches.compute(engine);
                let Share { tiles, channels, panels, .. } = plan.share(share);
                let mut changed = 0;
                for (point, panel) in (0..points * points).flat_map(|at| panels.clone().map(move |p| (at, p)))
                {
                    let (y, x) = (point / points, point % points);
                    let (columns, stored) = (sums.panels.columns(panel), sums.panels.stored(panel));
                    changed += channels.len() * stored;
                    for (k, (at, o)) in channels
                        .clone()
                        .flat_map(|k| columns.clone().enumerate().step_by(5).map(move |o| (k, o)))
                    {
                        let product = |tile: usize| {
                            let tile = tiling.tile(tile);
                            let corner = tiling.source_corner(tile);
                            let v = at_point(&matrices.input, (y, x), corner, &input, k);
                            let corner = tiling.destination_corner(tile);
                            let z = (y % sides, x % sides);
                            v * at_point(&matrices.output_transposed, z, corner, &d_output, o)
                        };
                        let is_padding = k >= shape.input.channels;
                        let expected = if is_padding { 0.0 } else { tiles.clone().map(product).sum() };
                        let value =
                            copy[point * sums.point_len() + sums.panel_start(panel) + k * stored + at];
                        assert_close(engine, value, expected, format_args!("{shape:?} {y} {x} {k} {o}"));
                    }
                }
                if channels.start == 0 {
                    for o in panels.clone().flat_map(|panel| sums.panels.columns(panel)) {
                        let gradients = d_output.iter().skip(o).step_by(shape.out_channels);
                        let expected = gradients.map(|&d| f64::from(d)).sum();
                        let bias = copy[sums.bias_start() + o];
                        assert_close(engine, bias, expected, format_args!("{shape:?} bias {o}"));
                    }
                    changed += panels.map(|panel| sums.panels.stored(panel)).sum::<usize>();
                }
                let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
                assert_eq!(copy.iter().zip(&before).filter(|&pair| differs(pair)).count(), changed);
            }
            let is_whole = plan.parts == 1 && copy.iter().all(|value| !value.is_nan());
            assert!(plan.shares() > 1 && is_whole, "{shape:?}");
        });
    }
}

//! Gradients of the weights back from the points: dw = Gt dU G.

use super::point_sums::PointSums;
use super::scheme::{Transforms, with_transforms};
use super::transform::{Line, Sink, Spaced, WIDEST, rectangle};
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};
use crate::threads::SharedMut;
use crate::whole::pieces;

/// Values that are added up over the copies at a time.
const SUM_VALUES: usize = 16 << 10;

/// Adds up the copies of dU in the first one, in their order, and transforms it to the gradients of the taps.
pub(super) fn finish(
    plan: &PointSums,
    engine: &Engine,
    copies: &mut [f32],
    d_weights: &mut [f32],
    d_bias: &mut [f32],
) {
    let copy_len = plan.len();
    let (sums, others) = copies.split_at_mut(copy_len);
    let others = &*others;
    engine.threads().run_over(sums, SUM_VALUES, |chunk, sums| {
        engine.isa().run(AddUp { sums, others, first: chunk * SUM_VALUES, copy_len });
    });
    let sums = &*sums;
    d_bias.copy_from_slice(&sums[plan.bias_start()..][..d_bias.len()]);
    let (d_weights, panels) = (SharedMut::new(d_weights), plan.panels.count());
    engine.threads().run(panels * plan.depth / plan.panels.tile().step(), |chunk| {
        let gradient = Gradient { plan, sums, panel: chunk % panels, rows: chunk / panels, d_weights };
        with_transforms!(plan.tiling.scheme, transforms => engine.isa().run(Gradients(gradient, transforms)));
    });
}

/// Adds the values from `first` on of every other copy to a piece of the first copy.
struct AddUp<'a> {
    sums: &'a mut [f32],
    others: &'a [f32],
    first: usize,
    copy_len: usize,
}

impl Kernel for AddUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for copy in pieces(self.others, self.copy_len) {
            for (sum, value) in self.sums.iter_mut().zip(&copy[self.first..]) {
                *sum += value;
            }
        }
    }
}

/// The gradients of some weights at the points: one panel and as many input channels as fill a vector or a block.
struct Gradient<'a> {
    plan: &'a PointSums,
    sums: &'a [f32],
    panel: usize,
    /// Which input channels, in steps of a tile.
    rows: usize,
    d_weights: SharedMut<'a, f32>,
}

/// dw = Gt dU G, from P x P points to R x R taps.
struct Gradients<'a, T>(Gradient<'a>, T);

impl<T: Transforms> Kernel for Gradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Gradient { plan, sums, panel, rows, d_weights } = self.0;
        let (columns, stored) = (plan.panels.columns(panel), plan.panels.stored(panel));
        let (channels, step) = (plan.tiling.source.channels, plan.panels.tile().step());
        let (points, point_len) = (T::WeightsTransposed::INPUTS, plan.point_len());
        for i in rows * step..((rows + 1) * step).min(channels) {
            for vector in (0..stored).step_by(S::LANES) {
                let from = plan.depth * plan.panels.stored_before(panel) + i * stored + vector;
                let from = &sums[from..][..(points * points - 1) * point_len + S::LANES];
                let first = columns.start + vector;
                let count = S::LANES.min(columns.end.saturating_sub(first));
                // SAFETY: the slice holds a vector at each point. They are only read.
                let mut from = unsafe { Spaced::new(from.as_ptr().cast_mut(), point_len, points) };
                let side = T::WeightsTransposed::OUTPUTS;
                let mut taps = Scattered { d_weights, side, channels, i, first, count };
                rectangle::<S, T::WeightsTransposed, T::WeightsTransposed>(simd, &mut from, &mut taps);
            }
        }
    }
}

/// The gradients of the taps between input channel `i` and `count` output channels from `first` on.
struct Scattered<'a> {
    d_weights: SharedMut<'a, f32>,
    /// Rows and columns of taps.
    side: usize,
    /// Input channels.
    channels: usize,
    i: usize,
    first: usize,
    count: usize,
}

impl<S: Simd> Sink<S> for Scattered<'_> {
    #[inline(always)]
    fn put(&mut self, simd: S, y: usize, x: usize, value: S::V) {
        let mut lanes = [0.0; WIDEST];
        // SAFETY: no vector has more than 16 lanes.
        unsafe { simd.store(value, lanes.as_mut_ptr()) };
        let Some(last) = self.count.checked_sub(1) else { return };
        let first = ((self.first * self.side + y) * self.side + x) * self.channels + self.i;
        let step = self.side * self.side * self.channels;
        let to = self.d_weights.pointer(first..first + last * step + 1);
        for (at, &lane) in lanes[..self.count].iter().enumerate() {
            // SAFETY: the range ends with the last lane, and a panel and input channel have gradients that no others have.
            unsafe { *to.add(at * step) = lane };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Matrices, assert_close, each_scheme, values};
    use super::super::weights_plan::WeightsPlan;
    use super::*;

    #[test]
    fn all_copies_are_added_up_and_every_gradient_is_transformed_back() {
        each_scheme(|engine, shape| {
            let plan = WeightsPlan::new(shape, engine).unwrap().sums();
            let (copy_len, points, kernel) = (plan.len(), plan.tiling.scheme.sizes().points, shape.kernel);
            let mut copies = values(3 * copy_len, 1);
            let sum = |at: usize| (0..3).map(|copy| f64::from(copies[copy * copy_len + at])).sum::<f64>();
            let (matrix, mut expected) =
                (Matrices::of(plan.tiling.scheme).weights, vec![0.0; shape.weights_len()]);
            for (o, i) in (0..shape.out_channels).flat_map(|o| (0..shape.input.channels).map(move |i| (o, i)))
            {
                let panel = o / plan.panels.tile().columns;
                let of_point =
                    plan.depth * plan.panels.stored_before(panel) + i * plan.panels.stored(panel) + o
                        - plan.panels.columns(panel).start;
                for point in 0..points.pow(2) {
                    let d_u = sum(point * plan.point_len() + of_point);
                    for tap in 0..kernel.pow(2) {
                        let factor =
                            matrix[point / points][tap / kernel] * matrix[point % points][tap % kernel];
                        expected[(o * kernel.pow(2) + tap) * shape.input.channels + i] += factor * d_u;
                    }
                }
            }
            let d_bias_expected: Vec<_> =
                (0..shape.out_channels).map(|o| sum(plan.bias_start() + o)).collect();
            let (mut d_weights, mut d_bias) =
                (vec![f32::NAN; expected.len()], vec![f32::NAN; shape.out_channels]);
            finish(&plan, engine, &mut copies, &mut d_weights, &mut d_bias);
            for (at, (&value, expected)) in d_weights.iter().zip(expected).enumerate() {
                assert_close(engine, value, expected, format_args!("{shape:?} {at}"));
            }
            for (o, (&value, expected)) in d_bias.iter().zip(d_bias_expected).enumerate() {
                assert_close(engine, value, expected, format_args!("{shape:?} bias {o}"));
            }
        });
    }
}

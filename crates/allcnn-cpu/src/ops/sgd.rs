//! Sums of gradients, and the optimizer's step.

use allcnn_device::{Parameter, Sgd};

use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};
use crate::whole::pieces;

/// Adds values to others.
pub(crate) struct Add<'a> {
    pub from: &'a [f32],
    pub to: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.to.iter_mut().zip(self.from).for_each(|(to, from)| *to += from);
    }
}

/// One step for a range of a parameter.
pub(crate) struct Step<'a> {
    pub sgd: Sgd,
    pub learning_rate: f32,
    /// What the gradient is multiplied with, to clip it.
    pub scale: f32,
    pub value: &'a mut [f32],
    pub gradient: &'a [f32],
    pub velocity: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Sgd { momentum, weight_decay, nesterov, .. } = self.sgd;
        // w -= rate * (d * on_gradient + v * on_velocity)
        let (on_gradient, on_velocity) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
        for ((w, &g), v) in self.value.iter_mut().zip(self.gradient).zip(self.velocity) {
            let d = self.scale * g + weight_decay * *w;
            *v = momentum * *v + d;
            *w -= self.learning_rate * (d * on_gradient + *v * on_velocity);
        }
    }
}

/// Shortens a row to a norm.
pub(crate) struct Shorten<'a> {
    pub longest: f32,
    pub row: &'a mut [f32],
}

impl Kernel for Shorten<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let norm = Squares(self.row).run(simd).sqrt();
        let factor = f64::from(self.longest) / norm;
        if factor < 1.0 {
            self.row.iter_mut().for_each(|value| *value *= factor as f32);
        }
    }
}

/// The mean of the rows of a group, and of one more row of zeros.
pub(crate) struct GroupMean<'a> {
    pub group: usize,
    pub groups: &'a [f32],
    pub value: &'a [f32],
    pub mean: &'a mut [f32],
}

impl Kernel for GroupMean<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (mut members, len) = (0, self.mean.len());
        self.mean.fill(0.0);
        for (row, &group) in pieces(self.value, len).zip(self.groups) {
            if group as usize == self.group {
                members += 1;
                self.mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        }
        self.mean.iter_mut().for_each(|sum| *sum /= (members + 1) as f32);
    }
}

/// Draws a row to a mean.
pub(crate) struct DrawTo<'a> {
    pub strength: f32,
    pub mean: &'a [f32],
    pub row: &'a [f32],
    pub gradient: &'a mut [f32],
}

impl Kernel for DrawTo<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for ((g, w), m) in self.gradient.iter_mut().zip(self.row).zip(self.mean) {
            *g += self.strength * (w - m);
        }
    }
}

/// Slices that a parameter's squares are summed in, one by one and then in their order.
const SLICES: usize = 32;
/// Sums that run side by side within a slice.
const SIDE_BY_SIDE: usize = 16;

/// The sum of the squares of all gradients.
pub(crate) fn sum_of_squares(engine: &Engine, parameters: &[Parameter<Buffer>]) -> f64 {
    let mut total = 0.0;
    for Parameter { gradient, .. } in parameters {
        let mut sums = [0.0; SLICES];
        engine.threads().run_over(&mut sums, 1, |slice, sum| {
            let edge = |at: usize| gradient.len() * at / SLICES;
            sum[0] = engine.isa().run(Squares(&gradient[edge(slice)..edge(slice + 1)]));
        });
        total += sums.iter().sum::<f64>();
    }
    total
}

/// The sum of squares of a slice.
struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; SIDE_BY_SIDE];
        for values in self.0.chunks(SIDE_BY_SIDE) {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
        sums.iter().sum()
    }
}

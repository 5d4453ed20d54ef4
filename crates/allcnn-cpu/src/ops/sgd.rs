//! The optimizer's step.

use allcnn_device::{Parameter, Sgd};

use crate::buffer::Buffer;
use crate::engine::Engine;
use crate::simd::{Kernel, Simd};

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

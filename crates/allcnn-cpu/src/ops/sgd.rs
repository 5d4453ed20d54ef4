//! The optimizer's step.

use allcnn_device::Sgd;

use crate::simd::{Kernel, Simd};

/// One step for a range of a parameter.
pub(crate) struct Step<'a> {
    pub sgd: Sgd,
    pub learning_rate: f32,
    pub value: &'a mut [f32],
    pub gradient: &'a [f32],
    pub velocity: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Sgd { momentum, weight_decay, nesterov } = self.sgd;
        // w -= rate * (d * on_gradient + v * on_velocity)
        let (on_gradient, on_velocity) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
        for ((w, &g), v) in self.value.iter_mut().zip(self.gradient).zip(self.velocity) {
            let d = g + weight_decay * *w;
            *v = momentum * *v + d;
            *w -= self.learning_rate * (d * on_gradient + *v * on_velocity);
        }
    }
}

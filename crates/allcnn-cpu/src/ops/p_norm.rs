//! p-norm pooling of the channels of one window: (sum of |x|^p)^(1/p).

use super::power::{exp2, log2, with_power};
use super::scratch::Scratch;

/// Overwrites `scale` with what the values of a window are divided by, so that no power overflows: for each channel the largest
/// |x - c|, or the smallest normal number where that is less; and `inverse` with its inverse.
#[inline(always)]
pub(super) fn measure<'a>(
    taps: impl Iterator<Item = usize>,
    image: &[f32],
    center: impl Iterator<Item = &'a f32> + Clone,
    scale: &mut [f32],
    inverse: &mut [f32],
) {
    let channels = scale.len();
    scale.fill(f32::MIN_POSITIVE);
    for pixel in taps {
        let values = image[pixel * channels..][..channels].iter().zip(center.clone());
        for (scale, (&x, &c)) in scale.iter_mut().zip(values) {
            let distance = (x - c).abs();
            *scale = if distance > *scale { distance } else { *scale };
        }
    }
    for (inverse, &scale) in inverse.iter_mut().zip(&*scale) {
        *inverse = 1.0 / scale;
    }
}

/// The inverse of a norm, finite where it is less than every normal number.
#[inline(always)]
pub(super) fn inverse(norm: f32) -> f32 {
    1.0 / if norm < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { norm }
}

/// p-norms of windows of some channels, with room for two values of each.
pub(crate) struct PNorm {
    p: f32,
    scratch: [Scratch; 2],
}

impl PNorm {
    #[inline(always)]
    pub(crate) fn new(p: f32, channels: usize) -> Self {
        Self { p, scratch: [Scratch::new(channels), Scratch::new(channels)] }
    }

    /// The norm of each channel.
    #[inline(always)]
    pub(crate) fn forward(
        &mut self,
        taps: impl Iterator<Item = usize> + Clone,
        image: &[f32],
        output: &mut [f32],
    ) {
        let (p, channels) = (self.p, output.len());
        let [scale, inverse] = self.scratch.each_mut().map(Scratch::values);
        measure(taps.clone(), image, std::iter::repeat(&0.0), scale, inverse);
        output.fill(0.0);
        with_power!(p, raise => for pixel in taps {
            let values = image[pixel * channels..][..channels].iter().zip(&*inverse);
            for (sum, (&x, &inverse)) in output.iter_mut().zip(values) {
                *sum += raise(x.abs() * inverse);
            }
        });
        for (value, &scale) in output.iter_mut().zip(&*scale) {
            let root = if p == 2.0 { value.sqrt() } else { exp2(log2(*value) / p) };
            *value = if *value == 0.0 { 0.0 } else { scale * root };
        }
    }

    /// Adds g sign(x) (|x| / y)^(p - 1) to the gradient of each x, and 0 where the norm y is 0.
    #[inline(always)]
    pub(crate) fn backward(
        &mut self,
        taps: impl Iterator<Item = usize>,
        image: &[f32],
        output: &[f32],
        signal: &[f32],
        d_image: &mut [f32],
    ) {
        let channels = output.len();
        let [factors, inverses] = self.scratch.each_mut().map(Scratch::values);
        for (at, (&y, &g)) in output.iter().zip(signal).enumerate() {
            (factors[at], inverses[at]) = (if y > 0.0 { g } else { 0.0 }, inverse(y));
        }
        with_power!(self.p - 1.0, raise => for pixel in taps {
            let values = image[pixel * channels..][..channels].iter();
            let of_window = factors.iter().zip(&*inverses);
            let target = d_image[pixel * channels..][..channels].iter_mut();
            for ((d, &x), (&factor, &inverse)) in target.zip(values).zip(of_window) {
                *d += factor * raise(x.abs() * inverse).copysign(x);
            }
        });
    }
}

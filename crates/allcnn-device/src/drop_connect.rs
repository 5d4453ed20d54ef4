//! DropConnect (Wan et al. 2013): in training each weight of a fully connected layer is dropped for each image on its own.

use crate::random::Stream;
use crate::{Activation, Dropout};

/// A fully connected layer: `[batch, inputs]` values to `[batch, outputs]`, by weights `[outputs, inputs]` and a bias `[outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseShape {
    /// Images in a batch.
    pub batch: usize,
    /// Values of an image below.
    pub inputs: usize,
    /// Values of an image above.
    pub outputs: usize,
}

impl DenseShape {
    /// The index in the stream of numbers at which those of an image's output begin: one for each of its weights, then one for
    /// its bias. A multiple of four, as blocks of the generator are.
    pub fn first_draw(&self, image: usize, output: usize) -> usize {
        (image * self.outputs + output) * (self.inputs + 1).next_multiple_of(4)
    }
}

impl Dropout {
    /// The factor on a weight of an image's output, or with `input` = inputs on its bias.
    pub fn of_weight(
        &self,
        stream: &Stream,
        shape: DenseShape,
        (image, output, input): (usize, usize, usize),
    ) -> f32 {
        self.factor(stream, shape.first_draw(image, output) + input)
    }
}

/// The sum u = m v + b of an output over the ways to drop, in testing taken to be normally distributed.
///
/// Kept weights and biases are divided by p = 1 - rate, as all dropout here does, so that the mean is that of the weights as they
/// are, and the variance is rate / p * (sum of (w v)^2, and b^2). In Wan et al. nothing is divided and the mean is p w v + p b: their
/// weights are these divided by p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalSum {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
}

impl NormalSum {
    /// From the mean and the sum of the squares of what it is the sum of.
    pub fn new(rate: f32, mean: f64, squares: f64) -> Self {
        let rate = f64::from(rate);
        Self { mean, deviation: (rate / (1.0 - rate) * squares).sqrt() }
    }

    /// The mean of the activation a(u): slope * mean + (1 - slope) * (mean * P + deviation * d), with slope that of the
    /// activation below 0, P the probability that u is above 0 and d the density of the standard normal at mean / deviation.
    /// Without a deviation it is a(mean).
    pub fn activated(&self, activation: Activation) -> f64 {
        let slope = f64::from(activation.negative_slope());
        let positive = match self.standard() {
            Some((above, density)) => self.mean * above + self.deviation * density,
            None => self.mean.max(0.0),
        };
        slope * self.mean + (1.0 - slope) * positive
    }

    /// The derivatives of [`NormalSum::activated`] by the mean and by the deviation.
    pub fn derivatives(&self, activation: Activation) -> (f64, f64) {
        let slope = f64::from(activation.negative_slope());
        match self.standard() {
            Some((above, density)) => (slope + (1.0 - slope) * above, (1.0 - slope) * density),
            None => (if self.mean > 0.0 { 1.0 } else { slope }, 0.0),
        }
    }

    /// The probability that u is above 0, and the density of the standard normal there; `None` without a deviation.
    fn standard(&self) -> Option<(f64, f64)> {
        let z = (self.deviation > 0.0).then(|| self.mean / self.deviation)?;
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        Some((0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2), density))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn without_a_deviation_it_is_the_activation_of_the_mean() {
        for (mean, relu, leaky) in [(1.5, 1.5, 1.5), (-2.0, 0.0, -0.5), (0.0, 0.0, 0.0)] {
            let sum = NormalSum::new(0.5, mean, 0.0);
            assert_eq!(sum.activated(Activation::Relu), relu);
            assert_eq!(sum.activated(Activation::LeakyRelu { slope: 0.25 }), leaky);
            assert_eq!(sum.activated(Activation::Identity), mean);
        }
    }

    #[test]
    fn the_closed_form_is_the_mean_over_many_draws() {
        // 200 inputs: the sum is nearly normal.
        let mut numbers = Stream::new(3, Purpose::Test, 0, 0).sequence();
        let terms: Vec<f64> = (0..200).map(|_| f64::from(numbers.range(-0.1, 0.1))).collect();
        let mean: f64 = terms.iter().sum();
        let sum = NormalSum::new(0.5, mean, terms.iter().map(|term| term * term).sum());
        let draws = 20_000;
        let (mut relu, mut leaky) = (0.0, 0.0);
        for _ in 0..draws {
            let u: f64 =
                terms.iter().map(|term| if numbers.range(0.0, 1.0) < 0.5 { 0.0 } else { 2.0 * term }).sum();
            relu += u.max(0.0);
            leaky += if u > 0.0 { u } else { 0.25 * u };
        }
        let near = |given: f64, drawn: f64| {
            assert!((given - drawn / f64::from(draws)).abs() < 0.02, "{given} {drawn}")
        };
        near(sum.activated(Activation::Relu), relu);
        near(sum.activated(Activation::LeakyRelu { slope: 0.25 }), leaky);
    }

    #[test]
    fn the_derivatives_are_those_of_the_closed_form() {
        for (mean, deviation) in [(0.3, 0.7), (-1.2, 0.4), (2.0, 0.1)] {
            for activation in [Activation::Relu, Activation::LeakyRelu { slope: 0.25 }] {
                let at = |mean, deviation| NormalSum { mean, deviation }.activated(activation);
                let by_mean = (at(mean + 1e-5, deviation) - at(mean - 1e-5, deviation)) / 2e-5;
                let by_deviation = (at(mean, deviation + 1e-5) - at(mean, deviation - 1e-5)) / 2e-5;
                let (mean_derivative, deviation_derivative) =
                    NormalSum { mean, deviation }.derivatives(activation);
                assert!(
                    (by_mean - mean_derivative).abs() < 1e-6
                        && (by_deviation - deviation_derivative).abs() < 1e-6
                );
            }
        }
    }
}

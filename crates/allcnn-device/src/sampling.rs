//! How a pooling draws one value of each window in training.

use std::f32::consts::{LN_2, LOG2_E};

use crate::random::{Purpose, Stream, unit_interval};

/// What a pooling's choices are drawn from, beside the number of the step.
///
/// A window's values have weights. Number i of the stream, as u in [0, 1), decides about output i (its index in the NHWC
/// buffer): chosen is the first value at which the running sum of the weights exceeds u times their total. Sums and product
/// are those of f32, in the order of the window, so that every device chooses alike. Where no weight is above 0 nothing is
/// chosen, and the output is the sum of the weights: 0, or NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The seed of the training.
    pub seed: u64,
    /// Which pooling of the network this is, in which shard of a batch.
    pub layer: u32,
}

impl Sampling {
    /// The numbers that decide about the windows of one training step.
    pub fn stream(&self, step: u64) -> Stream {
        Stream::new(self.seed, Purpose::Choice, step, self.layer)
    }

    /// The index of the chosen one among values with these weights; `None` where no weight is above 0 or one is NaN.
    pub fn choose(weights: impl Iterator<Item = f32> + Clone, number: u32) -> Option<usize> {
        let total = weights.clone().fold(0.0f32, |sum, weight| sum + weight);
        let threshold = unit_interval(number) * total;
        let (mut chosen, mut running) = (None, 0.0f32);
        for (index, weight) in weights.enumerate().filter(|_| total > 0.0) {
            // Where rounding lets the sum end at the threshold, the last one that can be chosen is.
            if running > threshold {
                break;
            }
            chosen = if weight > 0.0 { Some(index) } else { chosen };
            running += weight;
        }
        chosen
    }

    /// e^x for x up to 0, to a few units of the last place, by single operations of f32: what is chosen by such weights has the same bits
    /// on every device. 0 below -87.
    #[inline(always)]
    pub fn exponential(x: f32) -> f32 {
        // Taylor's series of 2^r for r within 1/2 of 0.
        const SERIES: [f32; 7] =
            [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, LN_2, 1.0];
        let power = if x < -87.0 { -87.0 } else { x } * LOG2_E;
        let whole = (power + 0.5).floor();
        let rest = power - whole;
        let mut sum = SERIES[0];
        for coefficient in &SERIES[1..] {
            sum = sum * rest + coefficient;
        }
        let result = sum * power_of_two(whole);
        // Chosen at the end, so that many are computed side by side.
        if x < -87.0 { 0.0 } else { result }
    }
}

/// 2^n for a whole n from -126 to 127. It is made of the bits that n has at the end of a sum: a conversion to an integer, which would have to
/// keep to its range, does not become vector code.
#[inline(always)]
pub fn power_of_two(n: f32) -> f32 {
    /// 1.5 * 2^23: the last bits of a number near it count ones.
    const ONES: f32 = 12_582_912.0;
    f32::from_bits((n + ONES).to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(weights: &[f32], number: u32) -> Option<usize> {
        Sampling::choose(weights.iter().copied(), number)
    }

    #[test]
    fn values_are_chosen_in_proportion_to_their_weights() {
        let mut counts = [0u32; 4];
        for step in 0..40_000u32 {
            counts[choose(&[1.0, 0.0, 3.0, 4.0], step * 107_374).unwrap()] += 1; // evenly over all numbers
        }
        for (count, expected) in counts.into_iter().zip([5_000u32, 0, 15_000, 20_000]) {
            assert!(count.abs_diff(expected) <= 1, "{counts:?}");
        }
    }

    #[test]
    fn the_ends_and_what_has_no_weight() {
        assert_eq!(choose(&[0.0, 2.0, 1.0], 0), Some(1));
        assert_eq!(choose(&[1.0, 2.0, 0.0], u32::MAX), Some(1));
        assert_eq!(choose(&[f32::from_bits(1), 0.0], u32::MAX), Some(0)); // its threshold rounds to the whole sum
        assert_eq!(choose(&[0.0, 0.0], 1 << 31), None);
        assert_eq!(choose(&[1.0, f32::NAN], 1 << 31), None);
    }

    #[test]
    fn powers_of_two_are_exact() {
        for n in -126..=127i8 {
            assert_eq!(power_of_two(f32::from(n)), f32::from(n).exp2(), "2^{n}");
        }
    }

    #[test]
    fn the_exponential_is_the_known_one() {
        for at in 0..8700u16 {
            let x = -f32::from(at) / 100.0;
            let expected = f64::from(x).exp();
            assert!(
                (f64::from(Sampling::exponential(x)) / expected - 1.0).abs() < 1e-5,
                "{x}: {}",
                Sampling::exponential(x)
            );
        }
        assert_eq!([0.0, -88.0, f32::NEG_INFINITY].map(Sampling::exponential), [1.0, 0.0, 0.0]);
        assert!(Sampling::exponential(f32::NAN).is_nan());
    }

    #[test]
    fn each_step_seed_and_layer_has_numbers_of_its_own() {
        let sampling = Sampling { seed: 3, layer: 2 };
        let number = |sampling: Sampling, step| sampling.stream(step).at(0);
        let others = [number(sampling, 6), number(Sampling { seed: 4, ..sampling }, 5)];
        assert!(!others.contains(&number(sampling, 5)));
        assert_ne!(number(Sampling { layer: 3, ..sampling }, 5), number(sampling, 5));
        assert_eq!(number(sampling, 5), number(sampling, 5));
    }
}

//! Mixup (Zhang et al. 2018, "mixup: Beyond empirical risk minimization"): a network is trained on weighted means of two
//! images, and on those of their targets.
//!
//! As in the authors' program, one share is drawn for a batch, from Beta(a, a), and each image is mixed with that in its
//! place in a random order of the batch. The image itself has the larger share, which changes nothing in the
//! distribution: the other image of a pair is mixed too, and the inverse of a random order is one.

use allcnn_device::random::{Purpose, Sequence, Stream};
use rayon::prelude::*;

/// How the images of a batch are mixed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mix {
    /// The share of an image itself, from 1/2 to 1.
    share: f32,
    /// The other image of each.
    partners: Vec<u32>,
}

impl Mix {
    /// Draws the mix of `images` images in a step, for the parameter `strength` of the distribution.
    pub(super) fn draw(strength: f32, images: usize, stream: Stream) -> Self {
        let mut numbers = stream.sequence();
        let share = beta(f64::from(strength), &mut numbers) as f32;
        let mut partners: Vec<u32> = (0..images as u32).collect();
        numbers.shuffle(&mut partners);
        Self { share: share.max(1.0 - share), partners }
    }

    /// Mixes the first rows of `values`, of `len` values each; `copy` holds what they were.
    pub(super) fn apply(&self, values: &mut [f32], len: usize, copy: &mut Vec<f32>) {
        let mixed = &mut values[..self.partners.len() * len];
        copy.clear();
        copy.extend_from_slice(mixed);
        let other = 1.0 - self.share;
        mixed.par_chunks_exact_mut(len).zip(&self.partners).for_each(|(row, &partner)| {
            let partner = &copy[partner as usize * len..][..len];
            row.iter_mut().zip(partner).for_each(|(own, &value)| *own = self.share * *own + other * value);
        });
    }
}

/// The stream of random numbers of a step; each shard of a batch is mixed within itself.
pub(super) fn stream(seed: u64, step: u64, shard: u16) -> Stream {
    Stream::new(seed, Purpose::Mixup, step, shard.into())
}

/// A number from Beta(a, a): X / (X + Y) for two numbers from Gamma(a).
///
/// In logarithms, as for a small `a` both numbers may be too small for a float.
fn beta(a: f64, numbers: &mut Sequence) -> f64 {
    let [first, second] = [(); 2].map(|()| log_gamma_variate(a, numbers));
    1.0 / (1.0 + (second - first).exp())
}

/// The logarithm of a number from Gamma(a): that of Gamma(a + 1) times U^(1 / a) (Marsaglia and Tsang 2000, "A simple
/// method for generating gamma variables", section 6).
fn log_gamma_variate(a: f64, numbers: &mut Sequence) -> f64 {
    let d = a + 1.0 - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = f64::from(numbers.normal());
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - f64::from(numbers.uniform()); // above 0
        if v > 0.0 && u.ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            let u = 1.0 - f64::from(numbers.uniform());
            return (d * v).ln() + u.ln() / a;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_moments_of_the_distribution() {
        const DRAWS: u32 = 40_000;
        for a in [0.01, 0.2, 1.0, 8.0] {
            let draws: Vec<f64> =
                (0..DRAWS).map(|step| beta(a, &mut stream(5, u64::from(step), 0).sequence())).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(DRAWS);
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(DRAWS);
            let expected = 1.0 / (4.0 * (2.0 * a + 1.0));
            assert!((mean - 0.5).abs() < 0.012, "mean {mean} of a = {a}"); // 4 to 5 deviations
            assert!(
                (variance / expected - 1.0).abs() < 0.03,
                "variance {variance} of a = {a}, not {expected}"
            );
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)), "a = {a}");
        }
    }

    #[test]
    fn rows_are_mixed_as_by_hand_and_absent_images_stay_absent() {
        let mix = Mix { share: 0.75, partners: vec![2, 1, 0] };
        let mut values = [8.0, 0.0, 4.0, 4.0, 0.0, 16.0, 0.0, 0.0];
        mix.apply(&mut values, 2, &mut vec![7.0; 9]);
        assert_eq!(values, [6.0, 4.0, 4.0, 4.0, 2.0, 12.0, 0.0, 0.0]);
    }

    #[test]
    fn a_mix_depends_on_seed_step_and_process_and_keeps_the_larger_share() {
        let mix = |seed, step, rank| Mix::draw(0.4, 20, stream(seed, step, rank));
        assert_eq!(mix(1, 2, 0), mix(1, 2, 0));
        for other in [mix(2, 2, 0), mix(1, 3, 0), mix(1, 2, 1)] {
            assert!(mix(1, 2, 0).share != other.share && mix(1, 2, 0).partners != other.partners);
        }
        for step in 0..100 {
            let mut drawn = mix(1, step, 0);
            assert!((0.5..=1.0).contains(&drawn.share), "{drawn:?}");
            drawn.partners.sort_unstable();
            assert_eq!(drawn.partners, (0..20).collect::<Vec<u32>>());
        }
    }
}

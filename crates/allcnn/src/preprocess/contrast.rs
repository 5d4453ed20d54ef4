//! Global contrast normalization (Goodfellow et al. 2013, "Maxout networks"; pylearn2's `global_contrast_normalize`).

/// The L2 norm of normalized images.
pub(super) const SCALE: f64 = 55.0;
/// Smaller divisors are replaced by 1, so that an image of a single color becomes all zeros.
pub(super) const DIVISOR_FLOOR: f64 = 1e-8;

/// The contrast normalization of one image: the mean of its values, and the divisor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Contrast {
    /// Mean over all values of the image, 0 to 255.
    pub mean: f64,
    /// `‖image - mean‖₂ / 55`, or 1 if that is below [`DIVISOR_FLOOR`].
    pub divisor: f64,
}

impl Contrast {
    /// Computes mean and divisor of one image of 0..=255 values.
    pub(super) fn of(image: &[u8]) -> Self {
        let sum: u64 = image.iter().map(|&value| u64::from(value)).sum();
        let squares: u64 = image.iter().map(|&value| u64::from(value).pow(2)).sum();
        // The sums are exact, and n² times the variance is an integer: no rounding before the square root.
        let n = image.len() as u128;
        let n2_variance = n * u128::from(squares) - u128::from(sum).pow(2);
        let norm = (n2_variance as f64 / n as f64).sqrt();
        let divisor = norm / SCALE;
        Self { mean: sum as f64 / n as f64, divisor: if divisor < DIVISOR_FLOOR { 1.0 } else { divisor } }
    }

    /// `(value - mean) / divisor`.
    pub(super) fn normalize(&self, value: u8) -> f64 {
        (f64::from(value) - self.mean) / self.divisor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_becomes_55_and_the_mean_0() {
        let image = [0, 10, 20, 250, 7, 9];
        let contrast = Contrast::of(&image);
        let normalized: Vec<f64> = image.iter().map(|&value| contrast.normalize(value)).collect();
        let norm = normalized.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((norm - 55.0).abs() < 1e-12, "norm {norm}");
        assert!(normalized.iter().sum::<f64>().abs() < 1e-12);
    }

    #[test]
    fn an_image_of_one_color_becomes_zeros() {
        let contrast = Contrast::of(&[77; 12]);
        assert_eq!(contrast, Contrast { mean: 77.0, divisor: 1.0 });
        assert_eq!(contrast.normalize(77), 0.0);
    }
}

//! Confidence intervals of error rates.

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959964;

/// Returns the two-sided 95 % confidence interval of an error rate in percent, `[low, high]`, after `wrong` of `images`
/// independent images were misclassified; `None` without images. With p = wrong / n and z = 1.959964 (Wilson 1927,
/// "Probable inference, the law of succession, and statistical inference"):
///
/// (p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n)
pub fn wilson95_pct(wrong: u64, images: u64) -> Option<[f64; 2]> {
    if images == 0 {
        return None;
    }
    let n = images as f64;
    let p = wrong as f64 / n;
    let center = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let bound = |value: f64| (100.0 * value / (1.0 + Z * Z / n)).clamp(0.0, 100.0);
    // Rounding must not push a bound beyond the rate itself.
    let [low, high] = [bound(center - half), bound(center + half)];
    Some([low.min(100.0 * p), high.max(100.0 * p)])
}

/// [`wilson95_pct`] of an error rate in percent, as so many images gave it.
pub fn wilson95_of_error(error_pct: f64, images: usize) -> Option<[f64; 2]> {
    wilson95_pct((error_pct / 100.0 * images as f64).round() as u64, images as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15: `proportion_confint(wrong, images, method="wilson")`.
    #[test]
    fn intervals_are_those_of_statsmodels() {
        let expected = [
            ((0, 10), [0.0, 27.7532800]),
            ((3, 10), [10.7791267, 60.3221853]),
            ((10, 10), [72.2467200, 100.0]),
            ((453, 5000), [8.2954963, 9.8873632]),
        ];
        for ((wrong, images), [low, high]) in expected {
            let [got_low, got_high] = wilson95_pct(wrong, images).unwrap();
            assert!((got_low - low).abs() < 1e-6 && (got_high - high).abs() < 1e-6, "{got_low} {got_high}");
        }
        assert_eq!(wilson95_pct(0, 0), None);
        assert_eq!(wilson95_of_error(9.06, 5000), wilson95_pct(453, 5000));
    }
}

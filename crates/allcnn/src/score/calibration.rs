//! Calibration: whether predicted probabilities are the shares of correct predictions.

use serde::Serialize;

use super::scores::Scores;

/// The number of bins, of equal width.
const BINS: usize = 15;

/// The images of a set by the probability of their predicted class, in 15 bins (k/15, (k + 1)/15].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Σ images of the bin / all images · |accuracy - mean probability|, over the bins (Guo et al. 2017, "On Calibration of
    /// Modern Neural Networks"); 0 to 1.
    pub expected_calibration_error: f64,
    /// The bins, by rising probability.
    pub bins: Vec<CalibrationBin>,
}

/// The images whose predicted class has a probability within a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// The number of images.
    pub images: u64,
    /// The share of them that is predicted correctly; 0 without images.
    pub accuracy: f64,
    /// The mean probability of their predicted classes; 0 without images.
    pub mean_probability: f64,
}

impl Calibration {
    /// Sorts images into bins.
    pub fn of(scores: &Scores) -> Self {
        let mut bins = vec![CalibrationBin::default(); BINS];
        for (image, &label) in scores.labels.iter().enumerate() {
            let probability = f64::from(scores.probability(image));
            let bin = &mut bins[((probability * BINS as f64).ceil() as usize).clamp(1, BINS) - 1];
            bin.images += 1;
            bin.accuracy += f64::from(u8::from(scores.predicted(image) == label));
            bin.mean_probability += probability;
        }
        for bin in &mut bins {
            let images = bin.images.max(1) as f64;
            (bin.accuracy, bin.mean_probability) = (bin.accuracy / images, bin.mean_probability / images);
        }
        let all = scores.labels.len().max(1) as f64;
        let gap =
            |bin: &CalibrationBin| bin.images as f64 / all * (bin.accuracy - bin.mean_probability).abs();
        Self { expected_calibration_error: bins.iter().map(gap).sum(), bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_between_probability_and_accuracy_are_weighted_by_images() {
        // Three images at 0.9, two of them correct; one at 0.59, correct.
        let rows = [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.41, 0.59]];
        let calibration = Calibration::of(&Scores::new(2, vec![0, 0, 1, 1], rows.as_flattened()));
        let expected = 0.75 * (0.9f64 - 2.0 / 3.0) + 0.25 * 0.41;
        assert!((calibration.expected_calibration_error - expected).abs() < 1e-6, "{calibration:?}");
        let filled: Vec<_> =
            calibration.bins.iter().map(|bin| bin.images).enumerate().filter(|bin| bin.1 > 0).collect();
        assert_eq!(filled, [(8, 1), (13, 3)]); // 0.59 · 15 = 8.85, 0.9 · 15 = 13.5
    }
}

//! Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2): logits are divided by one number,
//! fitted on images that were not trained on. It changes how sure a network says that it is, and no prediction.

use rayon::prelude::*;

use super::scores::Scores;

/// Temperatures are looked for from 1 / LIMIT to LIMIT.
const LIMIT: f64 = 100.0;
/// Halvings of that range, on a logarithmic scale: then the temperature is known to 1e-11 of itself.
const HALVINGS: u32 = 40;
/// Images whose terms are added up at a time, by one thread, so that the sum does not depend on the number of threads.
const PART: usize = 256;

/// Why no temperature can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTemperature {
    /// The likelihood rises as long as the temperature falls.
    #[error("{wrong} of {images} images are predicted wrongly, too few to tell how sure the network may be")]
    TooGood {
        /// The images that were predicted wrongly.
        wrong: usize,
        /// All of them.
        images: usize,
    },
    /// The likelihood rises as long as the temperature does.
    #[error("on {0} images the network is no better than chance")]
    NoBetterThanChance(usize),
    /// The probabilities of all classes were too many to keep.
    #[error("{0} images have too many probabilities to be kept")]
    TooMany(usize),
}

/// Returns the temperature T > 0 for which the mean negative log likelihood of softmax(logits / T) is smallest. The likelihood is
/// concave in b = 1 / T, so its derivative, the mean of log p(true class) less its expectation under softmax(b log p), has one
/// sign on each side of the maximum.
///
/// # Errors
/// [`NoTemperature`].
pub fn fit_temperature(scores: &Scores) -> Result<f64, NoTemperature> {
    let images = scores.labels.len();
    let rows: Option<Vec<Vec<f32>>> = (0..images).map(|image| scores.log_probabilities(image)).collect();
    let rows = rows.ok_or(NoTemperature::TooMany(images))?;
    let rows: Vec<(&[f32], usize)> =
        rows.iter().zip(&scores.labels).map(|(row, &label)| (row.as_slice(), label as usize)).collect();
    let is_too_low = |temperature: f64| excess(&rows, 1.0 / temperature) > 0.0;
    if !is_too_low(1.0 / LIMIT) {
        return Err(NoTemperature::TooGood { wrong: scores.wrong(), images });
    }
    if is_too_low(LIMIT) {
        return Err(NoTemperature::NoBetterThanChance(images));
    }
    let [mut low, mut high] = [-LIMIT.ln(), LIMIT.ln()];
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        *if is_too_low(middle.exp()) { &mut low } else { &mut high } = middle;
    }
    Ok((0.5 * (low + high)).exp())
}

/// The sum over the images of the expectation of log p under softmax(b log p), less log p of the true class.
fn excess(rows: &[(&[f32], usize)], b: f64) -> f64 {
    let of_image = |(logs, label): &(&[f32], usize)| {
        let largest = f64::from(logs.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let (mut weights, mut weighted) = (0.0, 0.0);
        for &log in *logs {
            let weight = (b * (f64::from(log) - largest)).exp();
            weights += weight;
            weighted += weight * f64::from(log);
        }
        weighted / weights - f64::from(logs[*label])
    };
    let parts: Vec<f64> = rows.par_chunks(PART).map(|part| part.iter().map(of_image).sum()).collect();
    parts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Calibration;

    /// A thousand images of two classes, predicted as the first with probability `sure`, `right` of them correctly.
    fn scores(sure: f32, right: usize) -> Scores {
        let labels: Vec<u32> = (0..1000).map(|image| u32::from(image >= right)).collect();
        Scores::new(2, labels, &[sure, 1.0 - sure].repeat(1000))
    }

    #[test]
    fn probabilities_become_the_share_that_is_right() {
        for (sure, right) in [(0.99, 800), (0.7, 950), (0.9, 900)] {
            let before = scores(sure, right);
            let temperature = fit_temperature(&before).unwrap();
            // Of two classes: log odds divided by the temperature are the log odds of what is right.
            let odds = |p: f64| (p / (1.0 - p)).ln();
            let expected = odds(sure.into()) / odds(right as f64 / 1000.0);
            assert!((temperature / expected - 1.0).abs() < 1e-4, "{temperature}, expected {expected}");
            let after = before.at_temperature(temperature).unwrap();
            assert!(after.loss() <= before.loss() + 1e-9);
            assert!(Calibration::of(&after).expected_calibration_error < 1e-4);
        }
    }

    #[test]
    fn it_is_the_minimum_of_the_loss() {
        // Three classes, with images of every kind; the loss is looked at left and right of the fitted temperature.
        let rows =
            [[0.98, 0.01, 0.01], [0.6, 0.3, 0.1], [0.05, 0.15, 0.8], [0.2, 0.7, 0.1], [0.9, 0.06, 0.04]];
        let before = Scores::new(3, vec![0, 1, 2, 1, 2], rows.as_flattened());
        let temperature = fit_temperature(&before).unwrap();
        let loss = |temperature: f64| before.at_temperature(temperature).unwrap().loss();
        for factor in [0.8, 0.95, 1.05, 1.25] {
            assert!(loss(temperature) < loss(factor * temperature), "{temperature}, {factor}");
        }
    }

    #[test]
    fn what_has_no_minimum_is_said() {
        assert_eq!(
            fit_temperature(&scores(0.9, 1000)),
            Err(NoTemperature::TooGood { wrong: 0, images: 1000 })
        );
        assert_eq!(fit_temperature(&scores(0.9, 400)), Err(NoTemperature::NoBetterThanChance(1000)));
        assert!(matches!(fit_temperature(&Scores::default()), Err(NoTemperature::TooGood { .. })));
    }
}

//! Comparison of two classifiers on the same images.

use serde::Serialize;

use super::scores::Scores;

/// How two classifiers, "this" and "that", did on the same images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The top-1 error of that one in percent.
    pub top1_error_pct: f64,
    /// Images that both misclassified.
    pub both_wrong: u64,
    /// Images that only this one misclassified.
    pub only_this_wrong: u64,
    /// Images that only that one misclassified.
    pub only_that_wrong: u64,
    /// The probability of so large a difference, or a larger one, if both were equally good: the exact test of
    /// McNemar (1947).
    pub p_value: f64,
}

impl Comparison {
    /// Compares the predictions of two classifiers. Panics if they are not for the same labels.
    pub fn new(this: &Scores, that: &Scores) -> Self {
        assert_eq!(this.labels, that.labels, "predictions for the same images");
        let mut counts = [[0; 2]; 2];
        for image in 0..this.labels.len() {
            let wrong = |scores: &Scores| usize::from(scores.predicted(image) != scores.labels[image]);
            counts[wrong(this)][wrong(that)] += 1;
        }
        let [[_, only_that_wrong], [only_this_wrong, both_wrong]] = counts;
        Self {
            top1_error_pct: that.error_pct(1),
            both_wrong,
            only_this_wrong,
            only_that_wrong,
            p_value: mcnemar(only_this_wrong, only_that_wrong),
        }
    }
}

/// The p-value of McNemar's exact test, where `b` and `c` images were misclassified by one classifier only:
/// min(1, 2 P[Bin(b + c, 1/2) <= min(b, c)]), and 1 if b + c = 0. Summed in logarithms, since 2^-(b + c) underflows.
fn mcnemar(b: u64, c: u64) -> f64 {
    let (n, least) = (b + c, b.min(c));
    // ln C(n, i) for i = 0 ..= least, largest last.
    let mut coefficients = vec![0.0];
    for i in 0..least {
        coefficients.push(coefficients[i as usize] + ((n - i) as f64 / (i + 1) as f64).ln());
    }
    let largest = coefficients[least as usize];
    let sum: f64 = coefficients.iter().map(|coefficient| (coefficient - largest).exp()).sum();
    (2.0 * (largest + sum.ln() - n as f64 * std::f64::consts::LN_2).exp()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17: `binomtest(min(b, c), b + c).pvalue`.
    #[test]
    fn p_values_are_those_of_scipy() {
        let expected = [
            ((0, 0), 1.0),
            ((5, 5), 1.0),
            ((0, 5), 0.0625),
            ((3, 12), 0.03515625),
            ((480, 530), 0.12307327589621801),
        ];
        for ((b, c), p) in expected {
            assert!((mcnemar(b, c) - p).abs() < 1e-12, "{b} {c}: {} is not {p}", mcnemar(b, c));
            assert_eq!(mcnemar(b, c), mcnemar(c, b));
        }
        assert!(mcnemar(0, 5000) < 1e-300);
    }

    #[test]
    fn images_are_counted_by_who_misclassified_them() {
        let scores = |predicted: [usize; 4]| {
            let row = |class| (0..2).map(move |at| if at == class { 0.9 } else { 0.1 });
            let probabilities: Vec<f32> = predicted.into_iter().flat_map(row).collect();
            Scores::new(2, vec![0, 0, 1, 1], &probabilities)
        };
        let compared = Comparison::new(&scores([0, 1, 0, 0]), &scores([0, 1, 1, 1]));
        assert_eq!((compared.both_wrong, compared.only_this_wrong, compared.only_that_wrong), (1, 2, 0));
        assert_eq!((compared.top1_error_pct, compared.p_value), (25.0, 0.5));
    }
}

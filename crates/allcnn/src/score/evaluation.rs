//! The metrics of an evaluation.

use serde::Serialize;

use super::calibration::{Calibration, CalibrationBin};
use super::class_scores::{ClassScores, mean_over};
use super::interval::wilson95_pct;
use super::scores::Scores;
use crate::confusion::Confusion;

/// The metrics of an evaluation, as `allcnn eval --json` prints them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The number of images.
    pub images: usize,
    /// The top-1 error in percent.
    pub top1_error_pct: f64,
    /// Its 95 % confidence interval, `[low, high]` ([`wilson95_pct`]); null without images.
    pub top1_error_interval95: Option<[f64; 2]>,
    /// The top-5 error in percent.
    pub top5_error_pct: f64,
    /// The mean cross-entropy.
    pub loss: f64,
    /// The mean of the classes' errors in percent, over those with images.
    pub balanced_error_pct: f64,
    /// The mean of the classes' F1, over those with images or predictions.
    pub macro_f1: f64,
    /// The expected calibration error ([`Calibration`]).
    pub expected_calibration_error: f64,
    /// The images by the probability of their predicted class.
    pub calibration: Vec<CalibrationBin>,
    /// The metrics of each class.
    pub classes: Vec<ClassScores>,
    /// The confusion matrix: `confusion`, rows of true classes, or null above 1,000 classes; then
    /// `confusion_sparse` lists the pairs that occur: `[true, predicted, images]`.
    #[serde(flatten, serialize_with = "confusion_fields")]
    pub confusion: Confusion,
}

/// Serializes a confusion matrix as the fields of `allcnn eval --json`.
fn confusion_fields<S: serde::Serializer>(confusion: &Confusion, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields {
        confusion: Option<Vec<Vec<u64>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        confusion_sparse: Option<Vec<(usize, usize, u64)>>,
    }
    let rows = confusion.rows();
    let confusion_sparse = rows.is_none().then(|| confusion.pairs().collect());
    Fields { confusion: rows, confusion_sparse }.serialize(serializer)
}

impl Scores {
    /// Computes all metrics, with these class names.
    pub fn evaluation(&self, names: &[String]) -> Evaluation {
        let mut confusion = Confusion::new(self.classes);
        for (image, &label) in self.labels.iter().enumerate() {
            confusion.count(label, self.predicted(image), 1);
        }
        let classes = ClassScores::of(names, &confusion);
        let calibration = Calibration::of(self);
        Evaluation {
            images: self.labels.len(),
            top1_error_pct: self.error_pct(1),
            top1_error_interval95: wilson95_pct(self.wrong() as u64, self.labels.len() as u64),
            top5_error_pct: self.error_pct(5),
            loss: self.loss(),
            balanced_error_pct: mean_over(&classes, |class| class.error_pct),
            macro_f1: mean_over(&classes, |class| class.f1),
            expected_calibration_error: calibration.expected_calibration_error,
            calibration: calibration.bins,
            classes,
            confusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scores::tests::scores;
    use super::*;

    #[test]
    fn errors_loss_and_confusion_are_counted_by_hand() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let evaluation = scores().evaluation(&names);
        let rows = vec![vec![1, 0, 0], vec![2, 0, 0], vec![0, 0, 1]];
        assert_eq!(evaluation.confusion.rows(), Some(rows));
        assert_eq!((evaluation.images, evaluation.top1_error_pct, evaluation.top5_error_pct), (4, 50.0, 0.0));
        let errors: Vec<_> = evaluation.classes.iter().map(|class| class.error_pct).collect();
        assert_eq!(errors, [Some(0.0), Some(100.0), Some(0.0)]);
        let expected = -(0.5f64.ln() + 0.1f64.ln() + 0.6f64.ln() + 0.4f64.ln()) / 4.0;
        assert!((evaluation.loss - expected).abs() < 1e-6);
        assert_eq!(scores().error_pct(2), 25.0);
    }

    #[test]
    fn of_very_many_classes_no_square_is_made() {
        let classes = 65_536;
        let mut scores = Scores::none(classes, vec![7; 2000]); // 524 MiB of probabilities
        let mut row = vec![0.0; classes];
        (row[65_535], row[7]) = (0.75, 0.25);
        (0..2000).for_each(|index| scores.take(&[index], &row, 1.0));
        assert_eq!((scores.of(0), scores.predicted(0), scores.own_probability(0)), (None, 65_535, 0.25));
        assert_eq!((scores.error_pct(1), scores.error_pct(2)), (100.0, 0.0));
        let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        let json = serde_json::to_value(scores.evaluation(&names)).unwrap();
        assert_eq!(json["confusion"], serde_json::Value::Null);
        assert_eq!(json["confusion_sparse"], serde_json::json!([[7, 65_535, 2000]]));
    }
}

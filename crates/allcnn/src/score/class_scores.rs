//! Metrics of single classes, and their means.

use serde::Serialize;

use super::interval::wilson95_pct;
use crate::confusion::Confusion;

/// The metrics of one class. With TP its images predicted as it, FN its other images and FP other images predicted as it:
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScores {
    /// The class.
    pub name: String,
    /// The number of its images.
    pub images: u64,
    /// Its error in percent, 100 FN / (TP + FN); absent without images.
    pub error_pct: Option<f64>,
    /// The 95 % confidence interval of the error.
    pub error_interval95: Option<[f64; 2]>,
    /// TP / (TP + FP); absent if no image is predicted as it.
    pub precision: Option<f64>,
    /// TP / (TP + FN); absent without images.
    pub recall: Option<f64>,
    /// 2 TP / (2 TP + FP + FN); absent if it has no images and none is predicted as it.
    pub f1: Option<f64>,
}

impl ClassScores {
    /// Computes the metrics of each class from a confusion matrix.
    pub(super) fn of(names: &[String], confusion: &Confusion) -> Vec<Self> {
        let mut predicted = vec![0; names.len()];
        confusion.pairs().for_each(|(_, said, images)| predicted[said] += images);
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let classes = names.iter().zip(confusion.by_class()).zip(predicted);
        classes
            .map(|((name, (images, wrong)), predicted)| {
                let correct = images - wrong;
                Self {
                    name: name.clone(),
                    images,
                    error_pct: (images > 0).then(|| 100.0 * wrong as f64 / images as f64),
                    error_interval95: wilson95_pct(wrong, images),
                    precision: share(correct, predicted),
                    recall: share(correct, images),
                    f1: share(2 * correct, images + predicted),
                }
            })
            .collect()
    }
}

/// The mean over the classes for which `metric` is defined; 0 if there is none.
pub(super) fn mean_over(classes: &[ClassScores], metric: impl Fn(&ClassScores) -> Option<f64>) -> f64 {
    let defined: Vec<f64> = classes.iter().filter_map(metric).collect();
    defined.iter().sum::<f64>() / defined.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9: `precision_recall_fscore_support`, `f1_score(average="macro")`, 1 - `balanced_accuracy_score`.
    #[test]
    fn metrics_are_those_of_scikit_learn() {
        let rows = [vec![8, 2, 0, 0], vec![1, 3, 0, 0], vec![0, 1, 0, 0], vec![0, 0, 0, 0]];
        let names: Vec<String> = ["a", "b", "c", "d"].map(String::from).to_vec();
        let classes = ClassScores::of(&names, &Confusion::from_rows(&rows));
        let near = |got: Option<f64>, expected: f64| (got.unwrap() - expected).abs() < 1e-9;
        assert!(near(classes[0].precision, 8.0 / 9.0) && near(classes[0].recall, 0.8));
        assert!(near(classes[0].f1, 16.0 / 19.0) && near(classes[1].f1, 0.6) && near(classes[2].f1, 0.0));
        assert_eq!((classes[2].precision, classes[2].recall), (None, Some(0.0)));
        assert_eq!((classes[3].images, classes[3].error_pct, classes[3].f1), (0, None, None));
        assert!(near(Some(mean_over(&classes, |class| class.f1)), (16.0 / 19.0 + 0.6) / 3.0));
        assert!(near(Some(mean_over(&classes, |class| class.error_pct)), (20.0 + 25.0 + 100.0) / 3.0));
    }
}

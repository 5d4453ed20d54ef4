//! The results of the folds, and what they say together.

use serde::Serialize;

use super::error::FoldsError;
use crate::run::{Progress, RunFolder};
use crate::score::wilson95_pct;
use crate::split::Split;
use crate::text::csv_text;
use crate::text::shown::PathText;

/// The result of a fold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoldResult {
    /// The fold, from 1.
    pub fold: usize,
    /// Its run folder.
    pub run: String,
    /// Training images.
    pub train_images: usize,
    /// Validation images.
    pub validation_images: usize,
    /// The images that it held out for testing.
    pub test_images: usize,
    /// Those of them that were misclassified.
    pub wrong: u64,
    /// The test error in percent: of the epoch that validation images selected, or else of the last epoch.
    pub test_error_pct: f64,
    /// The lowest test error over the epochs; absent where validation images selected the epoch.
    pub best_test_error_pct: Option<f64>,
    /// The lowest validation error.
    pub validation_error_pct: Option<f64>,
    /// The training loss of the last epoch.
    pub train_loss: f64,
    /// Epochs.
    pub epochs: usize,
    /// The temperature of its probabilities, if there is one.
    pub temperature: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
}

impl FoldResult {
    /// Reads the result of a fold's run; `None` if its training is not finished.
    pub(super) fn of(run: &RunFolder) -> Result<Option<Self>, FoldsError> {
        let (manifest, Some(last)) = (run.manifest()?, run.read_last()?) else { return Ok(None) };
        let data = &manifest.data;
        let Progress { step, total_steps, tested, ref history, seconds, .. } = last.progress;
        let is_tested = data.selected_on() != Some(Split::Validation) || tested.is_some();
        if step < total_steps || !is_tested {
            return Ok(None);
        }
        let Some(row) = history.last() else { return Ok(None) };
        let error = tested.map(|tested| tested.error_pct).or(row.test_error_pct);
        let (Some(test_error_pct), Some(fold)) = (error, &data.fold) else { return Ok(None) };
        let temperature = run.temperature(&run.read_best()?)?.map(|stored| stored.temperature);
        Ok(Some(Self {
            fold: fold.number,
            run: run.path().text(),
            train_images: data.train_images,
            validation_images: data.validation_images,
            test_images: data.test_images,
            wrong: (test_error_pct / 100.0 * data.test_images as f64).round() as u64,
            test_error_pct,
            best_test_error_pct: last.progress.best_test_error_pct,
            validation_error_pct: last.progress.best_validation_error_pct,
            train_loss: row.train_loss,
            epochs: history.len(),
            temperature,
            seconds,
        }))
    }
}

/// The results of the folds that are done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoldResults {
    /// The network as given.
    pub model: String,
    /// The data as given.
    pub data: String,
    /// How many folds there are.
    pub folds: usize,
    /// How many of them are done.
    pub done: usize,
    /// What kept images together.
    pub group_by: Option<String>,
    /// The images that select the epoch whose error is the test error; if these are the test images, it is the last epoch's.
    pub selected_on: Option<Split>,
    /// The mean of the folds' test errors, in percent.
    pub mean_test_error_pct: Option<f64>,
    /// The standard deviation of the folds' test errors (of a sample: the squares are divided by one less than the folds).
    pub sd_test_error_pct: Option<f64>,
    /// All held-out images, each of which was tested once.
    pub images: u64,
    /// Those of them that were misclassified.
    pub wrong: u64,
    /// Their share in percent.
    pub pooled_test_error_pct: Option<f64>,
    /// Its 95 % confidence interval, `[low, high]` ([`wilson95_pct`]).
    pub pooled_test_error_interval95: Option<[f64; 2]>,
    /// Each fold.
    pub runs: Vec<FoldResult>,
}

impl FoldResults {
    /// What the results of folds say together.
    pub(super) fn new(
        (model, data): (&str, &str),
        (folds, group_by): (usize, Option<String>),
        runs: Vec<FoldResult>,
    ) -> Self {
        let done = runs.len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let errors: Vec<f64> = runs.iter().map(|run| run.test_error_pct).collect();
        let mean_error = (done > 0).then(|| mean(&errors));
        let sd = mean_error.filter(|_| done > 1).map(|mean| {
            let squares: f64 = errors.iter().map(|error| (error - mean).powi(2)).sum();
            (squares / (done - 1) as f64).sqrt()
        });
        let images = runs.iter().map(|run| run.test_images as u64).sum();
        let wrong = runs.iter().map(|run| run.wrong).sum();
        let split =
            |run: &FoldResult| if run.validation_images > 0 { Split::Validation } else { Split::Test };
        Self {
            model: model.to_owned(),
            data: data.to_owned(),
            folds,
            done,
            group_by,
            selected_on: runs.first().map(split),
            mean_test_error_pct: mean_error,
            sd_test_error_pct: sd,
            images,
            wrong,
            pooled_test_error_pct: (images > 0).then(|| 100.0 * wrong as f64 / images as f64),
            pooled_test_error_interval95: wilson95_pct(wrong, images),
            runs,
        }
    }

    /// A row for each fold.
    pub(super) fn csv(&self) -> String {
        let head = [
            "fold",
            "run",
            "train_images",
            "validation_images",
            "test_images",
            "wrong",
            "test_error_pct",
            "best_test_error_pct",
            "validation_error_pct",
            "train_loss",
            "epochs",
            "temperature",
            "seconds",
        ];
        let optional = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
        let row = |run: &FoldResult| {
            [
                run.fold.to_string(),
                run.run.clone(),
                run.train_images.to_string(),
                run.validation_images.to_string(),
                run.test_images.to_string(),
                run.wrong.to_string(),
                format!("{:.4}", run.test_error_pct),
                optional(run.best_test_error_pct),
                optional(run.validation_error_pct),
                format!("{:.6}", run.train_loss),
                run.epochs.to_string(),
                optional(run.temperature),
                format!("{:.1}", run.seconds),
            ]
        };
        csv_text::write(head, self.runs.iter().map(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(fold: usize, test_images: usize, wrong: u64) -> FoldResult {
        FoldResult {
            fold,
            run: format!("cv/fold-{fold}"),
            train_images: 80,
            validation_images: 0,
            test_images,
            wrong,
            test_error_pct: 100.0 * wrong as f64 / test_images as f64,
            best_test_error_pct: None,
            validation_error_pct: None,
            train_loss: 0.5,
            epochs: 3,
            temperature: None,
            seconds: 1.0,
        }
    }

    #[test]
    fn folds_are_averaged_and_their_images_pooled() {
        let runs = vec![result(1, 20, 2), result(2, 20, 4), result(3, 10, 3)];
        let results = FoldResults::new(("all-cnn-c", "pictures"), (3, None), runs);
        // numpy: mean and std(ddof=1) of 10, 20, 30.
        assert_eq!((results.mean_test_error_pct, results.sd_test_error_pct), (Some(20.0), Some(10.0)));
        assert_eq!((results.images, results.wrong, results.pooled_test_error_pct), (50, 9, Some(18.0)));
        assert_eq!(results.pooled_test_error_interval95, wilson95_pct(9, 50));
        assert_eq!(results.csv().lines().nth(3).unwrap(), "3,cv/fold-3,80,0,10,3,30.0000,,,0.500000,3,,1.0");
        let first = FoldResults::new(("all-cnn-c", "pictures"), (3, None), vec![result(1, 20, 2)]);
        assert_eq!((first.done, first.sd_test_error_pct), (1, None));
        let none = FoldResults::new(("all-cnn-c", "pictures"), (3, None), vec![]);
        assert_eq!((none.mean_test_error_pct, none.pooled_test_error_pct), (None, None));
    }
}

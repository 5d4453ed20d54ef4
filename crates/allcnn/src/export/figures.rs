//! The figures of an exported run: how good it is, and on what that was measured.

use serde::Serialize;

use super::trained::Trained;
use crate::run::{Progress, RunFolder, WhichCheckpoint};
use crate::score::wilson95_of_error;
use crate::split::Split;

/// What was measured of the exported weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Epochs trained.
    pub(super) epochs: usize,
    /// The error on the test images, in percent.
    pub(super) test_error_pct: Option<f64>,
    /// Its 95 % interval (Wilson).
    pub(super) test_error_interval95: Option<[f64; 2]>,
    /// The number of test images.
    pub(super) test_images: usize,
    /// The error on the validation images, in percent.
    pub(super) validation_error_pct: Option<f64>,
    /// The images that selected these weights among those of all epochs.
    pub(super) selected_on: Option<Split>,
}

impl Figures {
    /// Those of the weights in `trained`; `last` is the progress of the run's last checkpoint, which holds the final test.
    pub(super) fn of(trained: &Trained, last: Option<&Progress>) -> Self {
        let (data, progress) = (&trained.manifest.data, &trained.checkpoint.progress);
        let row = progress.history.last();
        let is_best = trained.which == WhichCheckpoint::Best;
        let tested = last.and_then(|last| last.tested).filter(|_| is_best).map(|tested| tested.error_pct);
        let test_error_pct = tested.or(row.and_then(|row| row.test_error_pct));
        let interval = test_error_pct.and_then(|error| wilson95_of_error(error, data.test_images));
        Self {
            epochs: progress.history.len(),
            test_error_pct,
            test_error_interval95: interval,
            test_images: data.test_images,
            validation_error_pct: row.and_then(|row| row.validation_error_pct),
            selected_on: data.selected_on().filter(|_| is_best),
        }
    }

    /// Those of a run.
    pub(super) fn of_run(trained: &Trained, run: &RunFolder) -> Self {
        let last = run.read_last().ok().flatten().map(|last| last.progress);
        Self::of(trained, last.as_ref())
    }

    /// Rows of a table: what, and its value in words.
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = vec![];
        if let Some(error) = self.test_error_pct {
            let interval = self
                .test_error_interval95
                .map_or(String::new(), |[low, high]| format!(" (95 % interval {low:.2} to {high:.2} %)"));
            let chosen = match self.selected_on {
                Some(Split::Test) => {
                    ", which also selected these weights: on others it will be a little higher"
                }
                _ => "",
            };
            let images = self.test_images;
            rows.push(["test error".into(), format!("{error:.2} %{interval} on {images} images{chosen}")]);
        }
        if let Some(error) = self.validation_error_pct {
            let chosen = if self.selected_on == Some(Split::Validation) {
                ", which selected these weights"
            } else {
                ""
            };
            rows.push(["validation error".into(), format!("{error:.2} %{chosen}")]);
        }
        if self.epochs > 0 {
            rows.push(["epochs".into(), self.epochs.to_string()]);
        }
        rows
    }
}

//! The metrics of an epoch and the file `metrics.csv`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::text::csv_text;

/// A row of `metrics.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRow {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The mean training loss, with dropout and augmentation.
    pub train_loss: f64,
    /// The training error in percent, with dropout and augmentation.
    pub train_error_pct: f64,
    /// The mean test loss; absent without test images, or if validation images select the best epoch.
    pub test_loss: Option<f64>,
    /// The test error in percent; absent like `test_loss`.
    pub test_error_pct: Option<f64>,
    /// Training images per second, without evaluation.
    pub images_per_s: f64,
    /// Seconds since the training began, without pauses between sessions.
    pub seconds: f64,
    /// The mean validation loss; absent without validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// The validation error in percent; absent without validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_error_pct: Option<f64>,
}

impl EpochRow {
    /// The error in percent on the images that select the best epoch: the validation images if any, else the test
    /// images.
    pub fn choosing_error_pct(&self) -> Option<f64> {
        self.validation_error_pct.or(self.test_error_pct)
    }

    /// The median over epochs of the images trained per second; `None` without epochs.
    pub fn median_images_per_s(rows: &[Self]) -> Option<f64> {
        let mut speeds: Vec<f64> = rows.iter().map(|row| row.images_per_s).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }
}

/// The contents of `metrics.csv`: a header and a line per epoch.
pub fn csv(rows: &[EpochRow]) -> String {
    let head = [
        "epoch",
        "learning_rate",
        "train_loss",
        "train_error_pct",
        "test_loss",
        "test_error_pct",
        "images_per_s",
        "seconds",
        "validation_loss",
        "validation_error_pct",
    ];
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    // Digits lost in rounding here are kept in the checkpoint.
    let fields = |row: &EpochRow| {
        [
            row.epoch.to_string(),
            (row.learning_rate as f32).to_string(),
            format!("{:.6}", row.train_loss),
            format!("{:.3}", row.train_error_pct),
            optional(row.test_loss, 6),
            optional(row.test_error_pct, 3),
            format!("{:.1}", row.images_per_s),
            format!("{:.1}", row.seconds),
            optional(row.validation_loss, 6),
            optional(row.validation_error_pct, 3),
        ]
    };
    csv_text::write(head, rows.iter().map(fields))
}

/// When an epoch ended, and its speed.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(crate) struct EpochTime {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Training images per second.
    pub images_per_s: f64,
    /// Seconds since the training began.
    pub seconds: f64,
}

/// Parses the rows of a `metrics.csv`, as [`EpochRow`]s or with some of their fields; damaged lines are skipped.
pub(crate) fn parse<Row: DeserializeOwned>(text: &str) -> Vec<Row> {
    // No field is quoted, so a stray quotation mark damages only its own line.
    let mut reader = csv::ReaderBuilder::new().quoting(false).flexible(true).from_reader(text.as_bytes());
    reader.deserialize().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_head_and_a_line_an_epoch() {
        let row = EpochRow {
            epoch: 1,
            learning_rate: 0.05,
            train_loss: 1.25,
            train_error_pct: 40.0,
            test_loss: Some(1.0),
            test_error_pct: Some(100.0 / 3.0),
            images_per_s: 512.25,
            seconds: 9.96,
            validation_loss: None,
            validation_error_pct: None,
        };
        let untested = EpochRow { epoch: 2, test_loss: None, test_error_pct: None, ..row.clone() };
        let validated =
            EpochRow { validation_loss: Some(0.5), validation_error_pct: Some(12.5), ..untested.clone() };
        assert_eq!(
            csv(&[row, untested, validated]),
            "epoch,learning_rate,train_loss,train_error_pct,test_loss,test_error_pct,images_per_s,seconds,\
             validation_loss,validation_error_pct\n\
             1,0.05,1.250000,40.000,1.000000,33.333,512.2,10.0,,\n\
             2,0.05,1.250000,40.000,,,512.2,10.0,,\n\
             2,0.05,1.250000,40.000,,,512.2,10.0,0.500000,12.500\n"
        );
    }
}

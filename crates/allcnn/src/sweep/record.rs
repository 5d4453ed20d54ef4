//! Results of experiments: `result.json` in the run folder.

use allcnn_device::Loss;
use serde::{Deserialize, Serialize};

use crate::run::{EpochRow, Health, Tested};
use crate::split::Split;

/// The outcome of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TrialOutcome {
    /// Completed, and the network learned.
    Finished,
    /// Completed, but the loss is still that of guessing ([`Health::Stuck`]).
    Stuck,
    /// Aborted: no gradient reached the weights any more ([`Health::Dead`]).
    Dead,
    /// The loss became non-finite.
    Diverged {
        /// The step, from 1.
        step: u64,
    },
}

impl TrialOutcome {
    /// The outcome of a training that was completed or aborted.
    pub(super) fn of(history: &[EpochRow], classes: usize, loss: Loss) -> Self {
        match Health::of(history, classes, loss) {
            Health::Learns => Self::Finished,
            Health::Stuck => Self::Stuck,
            Health::Dead => Self::Dead,
        }
    }

    /// The outcome as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stuck => "stuck",
            Self::Dead => "dead",
            Self::Diverged { .. } => "diverged",
        }
    }
}

/// The result of an attempt at an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The outcome.
    pub fate: TrialOutcome,
    /// The seed used.
    pub seed: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The metrics of its epochs.
    pub history: Vec<EpochRow>,
    /// The test metrics of the epoch selected by validation images; absent without these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
    /// The number of test images; absent in results of version 0.2.0 and before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
}

impl Record {
    /// The test error in percent if the network learned: that of the best epoch if validation images selected it,
    /// else that of the last epoch.
    pub fn error_pct(&self) -> Option<f64> {
        self.test_error_pct().filter(|_| self.fate == TrialOutcome::Finished)
    }

    /// Like [`Record::error_pct`], but whatever the outcome.
    pub fn test_error_pct(&self) -> Option<f64> {
        let last = || self.history.last()?.test_error_pct;
        self.tested.map(|tested| tested.error_pct).or_else(last)
    }

    /// The error in percent by which learning rates are compared, if the network learned: the lowest validation
    /// error, or the test error without validation images.
    pub fn choosing_error_pct(&self) -> Option<f64> {
        let error = self.error_pct()?;
        Some(self.validation_error_pct().unwrap_or(error))
    }

    /// The median over the epochs of the images trained per second.
    pub fn images_per_s(&self) -> Option<f64> {
        EpochRow::median_images_per_s(&self.history)
    }

    /// The images that select the best epoch. If these are the test images, the test error is the last epoch's.
    pub fn selected_on(&self) -> Option<Split> {
        let last = self.history.last()?;
        let test = last.test_error_pct.map(|_| Split::Test);
        last.validation_error_pct.map(|_| Split::Validation).or(test)
    }

    /// The lowest validation error over all epochs, in percent.
    pub fn validation_error_pct(&self) -> Option<f64> {
        self.history.iter().filter_map(|row| row.validation_error_pct).min_by(f64::total_cmp)
    }

    /// The lowest test error over all epochs, in percent.
    pub fn best_error_pct(&self) -> Option<f64> {
        self.history.iter().filter_map(|row| row.test_error_pct).min_by(f64::total_cmp)
    }
}

//! How an experiment ended: `result.json` in its run folder.

use serde::{Deserialize, Serialize};

use crate::run::{EpochRow, Health, Tested};
use crate::split::Split;

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fate {
    /// All steps are done, and it learned.
    Finished,
    /// All steps are done, and the loss is still that of guessing ([`Health::Stuck`]).
    Stuck,
    /// Given up: no gradient reached the weights any more ([`Health::Dead`]).
    Dead,
    /// The loss was no number any more.
    Diverged {
        /// In this step, from 1.
        step: u64,
    },
}

impl Fate {
    /// The fate of a training that did what there was to do.
    pub(super) fn of(history: &[EpochRow], classes: usize) -> Self {
        match Health::of(history, classes) {
            Health::Learns => Self::Finished,
            Health::Stuck => Self::Stuck,
            Health::Dead => Self::Dead,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stuck => "stuck",
            Self::Dead => "dead",
            Self::Diverged { .. } => "diverged",
        }
    }
}

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// How.
    pub fate: Fate,
    /// The seed that it was trained with.
    pub seed: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The figures of its epochs.
    pub history: Vec<EpochRow>,
    /// The test error of the epoch that validation images chose; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
}

impl Record {
    /// The test error in percent, where it learned: that of the best epoch where validation images chose it, else that
    /// after the last epoch.
    pub fn error_pct(&self) -> Option<f64> {
        self.test_error_pct().filter(|_| self.fate == Fate::Finished)
    }

    /// The same, whatever became of it.
    pub fn test_error_pct(&self) -> Option<f64> {
        let last = || self.history.last()?.test_error_pct;
        self.tested.map(|tested| tested.error_pct).or_else(last)
    }

    /// The error in percent by which its learning rate is chosen, where it learned: of data with validation images the
    /// lowest error on these, else the test error.
    pub fn choosing_error_pct(&self) -> Option<f64> {
        let error = self.error_pct()?;
        Some(self.validation_error_pct().unwrap_or(error))
    }

    /// The images that choose the best epoch. Where these are the test images, the test error is the last epoch's.
    pub fn selected_on(&self) -> Option<Split> {
        let last = self.history.last()?;
        let test = last.test_error_pct.map(|_| Split::Test);
        last.validation_error_pct.map(|_| Split::Validation).or(test)
    }

    /// The lowest validation error of all epochs in percent.
    pub fn validation_error_pct(&self) -> Option<f64> {
        self.history.iter().filter_map(|row| row.validation_error_pct).min_by(f64::total_cmp)
    }

    /// The lowest test error of all epochs in percent.
    pub fn best_error_pct(&self) -> Option<f64> {
        self.history.iter().filter_map(|row| row.test_error_pct).min_by(f64::total_cmp)
    }
}

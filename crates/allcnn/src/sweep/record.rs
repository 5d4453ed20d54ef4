//! How an experiment ended: `result.json` in its run folder.

use serde::{Deserialize, Serialize};

use crate::train::{EpochRow, Health};

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
}

impl Record {
    /// The test error after the last epoch in percent, where it learned.
    pub fn error_pct(&self) -> Option<f64> {
        self.history.last().filter(|_| self.fate == Fate::Finished)?.test_error_pct
    }

    /// The lowest test error of all epochs in percent.
    pub fn best_error_pct(&self) -> Option<f64> {
        self.history.iter().filter_map(|row| row.test_error_pct).min_by(f64::total_cmp)
    }
}

//! The progress of a training: the state needed to resume it, besides the tensors.

use serde::{Deserialize, Serialize};

use super::epoch_row::{self, EpochRow, EpochTime};

/// The test metrics of the checkpoint that the validation images selected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// The mean test loss.
    pub loss: f64,
    /// The test error in percent.
    pub error_pct: f64,
}

/// How far a training is, and its metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Total steps.
    pub total_steps: u64,
    /// Steps per full epoch.
    pub epoch_steps: u64,
    /// Sum of the training losses in the current epoch.
    pub loss_sum: f64,
    /// Misclassified images in the current epoch.
    pub wrong: u64,
    /// Images seen in the current epoch.
    pub images: u64,
    /// Seconds spent on them.
    pub epoch_seconds: f64,
    /// Total seconds, without pauses between sessions.
    pub seconds: f64,
    /// The lowest test error so far, in percent; absent if validation images select the best epoch.
    pub best_test_error_pct: Option<f64>,
    /// The lowest validation error so far, in percent; absent without validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_validation_error_pct: Option<f64>,
    /// The test metrics of the best epoch, measured once after the last step; absent before that, and without
    /// validation images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
    /// Whether the training ended before its time, since the error was not getting lower.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped_early: bool,
    /// The rows of completed epochs.
    pub history: Vec<EpochRow>,
}

impl Progress {
    /// The current epoch, from 1 (after the last step: the last epoch).
    pub fn epoch(&self) -> u32 {
        (self.step.saturating_sub(u64::from(self.epoch_is_full())) / self.epoch_steps.max(1)) as u32 + 1
    }

    /// Whether the current epoch has seen all images, so that its evaluation is due.
    pub fn epoch_is_full(&self) -> bool {
        self.images > 0
            && (self.step.is_multiple_of(self.epoch_steps.max(1)) || self.step == self.total_steps)
    }

    /// The lowest error so far on the images that select the best epoch, in percent.
    pub fn best_error_pct(&self) -> Option<f64> {
        self.best_validation_error_pct.or(self.best_test_error_pct)
    }

    /// The epoch with that error, the first of ties.
    pub fn best_epoch(&self) -> Option<u32> {
        let best = self.best_error_pct()?;
        self.history.iter().find(|row| row.choosing_error_pct() == Some(best)).map(|row| row.epoch)
    }

    /// Returns the progress as stored in a checkpoint: without the times of completed epochs, which differ between
    /// equal trainings and are in `metrics.csv`; the times of the current epoch stay.
    pub fn without_times(&self) -> Self {
        let untimed = |row: &EpochRow| EpochRow { images_per_s: 0.0, seconds: 0.0, ..row.clone() };
        let seconds = if self.images == 0 { 0.0 } else { self.seconds };
        Self { seconds, history: self.history.iter().map(untimed).collect(), ..self.clone() }
    }

    /// Fills in missing times of completed epochs from the text of a `metrics.csv`.
    pub(crate) fn take_times(&mut self, csv: &str) {
        let rows = self.history.iter_mut().zip(epoch_row::parse::<EpochTime>(csv));
        for (row, of) in rows.filter(|(row, of)| row.seconds == 0.0 && row.epoch == of.epoch) {
            (row.images_per_s, row.seconds) = (of.images_per_s, of.seconds);
        }
        if self.seconds == 0.0 {
            self.seconds = self.history.last().map_or(0.0, |row| row.seconds);
        }
    }

    /// Whether the numbers are consistent.
    pub(super) fn is_sound(&self) -> bool {
        self.epoch_steps > 0
            && self.step <= self.total_steps
            && self.total_steps / self.epoch_steps < u64::from(u32::MAX)
            && self.total_steps < 1 << 56
            && [self.loss_sum, self.epoch_seconds, self.seconds].iter().all(|x| x.is_finite() && *x >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_epochs_come_back_from_their_table() {
        let row = |epoch, seconds| EpochRow {
            epoch,
            learning_rate: 0.1,
            train_loss: 1.0,
            train_error_pct: 50.0,
            test_loss: None,
            test_error_pct: None,
            images_per_s: 100.0,
            seconds,
            validation_loss: None,
            validation_error_pct: None,
        };
        let history = vec![row(1, 2.5), row(2, 5.0)];
        let done =
            Progress { step: 4, epoch_steps: 2, total_steps: 8, seconds: 5.0, history, ..Default::default() };
        let mut read = done.without_times();
        assert_eq!((read.seconds, read.history[1].seconds, read.history[1].images_per_s), (0.0, 0.0, 0.0));
        read.take_times("not a table");
        assert_eq!(read.seconds, 0.0);
        read.take_times(&epoch_row::csv(&done.history));
        assert_eq!(read, done);
        let under_way = Progress { images: 64, seconds: 6.5, epoch_seconds: 1.5, ..done };
        let mut read = under_way.without_times();
        read.take_times(&epoch_row::csv(&under_way.history));
        assert_eq!(read, under_way);
    }

    #[test]
    fn the_epoch_under_way_is_counted_from_1_and_full_at_its_end() {
        let at =
            |step, images| Progress { step, images, epoch_steps: 4, total_steps: 10, ..Default::default() };
        for (step, images, epoch, full) in [
            (0, 0, 1, false),
            (3, 3, 1, false),
            (4, 4, 1, true),
            (4, 0, 2, false),
            (9, 1, 3, false),
            (10, 2, 3, true),
        ] {
            let progress = at(step, images);
            assert_eq!((progress.epoch(), progress.epoch_is_full()), (epoch, full), "step {step}");
        }
    }
}

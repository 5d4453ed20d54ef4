//! The time that a training took.

use std::time::{Duration, Instant};

use super::Progress;

/// The seconds of a training, over all its sessions.
pub(super) struct Clock {
    began: Instant,
    before: f64,
    /// Seconds of the epoch under way that its steps took.
    pub(super) epoch_seconds: f64,
    /// When an epoch was last ended, and after how many steps.
    epoch_end: (Instant, u64),
}

impl Clock {
    pub(super) fn start(progress: &Progress) -> Self {
        let began = Instant::now();
        Self {
            began,
            before: progress.seconds,
            epoch_seconds: progress.epoch_seconds,
            epoch_end: (began, progress.step),
        }
    }

    /// Ends an epoch: how long each of its steps took, with everything beside them.
    pub(super) fn end_epoch(&mut self, step: u64) -> Duration {
        let (since, first) = std::mem::replace(&mut self.epoch_end, (Instant::now(), step));
        since.elapsed().div_f64(step.saturating_sub(first).max(1) as f64)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    pub(super) fn write(&self, progress: &mut Progress) {
        progress.seconds = self.seconds();
        progress.epoch_seconds = self.epoch_seconds;
    }
}

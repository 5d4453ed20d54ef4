//! The time that a training took.

use std::time::Instant;

use super::Progress;

/// The seconds of a training, over all its sessions.
pub(super) struct Clock {
    began: Instant,
    before: f64,
    /// Seconds of the epoch under way that its steps took.
    pub(super) epoch_seconds: f64,
}

impl Clock {
    pub(super) fn start(progress: &Progress) -> Self {
        Self { began: Instant::now(), before: progress.seconds, epoch_seconds: progress.epoch_seconds }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }

    pub(super) fn write(&self, progress: &mut Progress) {
        progress.seconds = self.seconds();
        progress.epoch_seconds = self.epoch_seconds;
    }
}

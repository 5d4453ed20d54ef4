//! Time measurement for a training.

use std::time::{Duration, Instant};

/// Measures the seconds of a training over all its sessions.
pub(super) struct Clock {
    began: Instant,
    before: f64,
    /// Seconds that the steps of the current epoch took.
    pub(super) epoch_seconds: f64,
    /// When the last epoch ended, and at which step.
    epoch_end: (Instant, u64),
}

impl Clock {
    /// Starts after `before` seconds of earlier sessions, `epoch_seconds` of them in the current epoch, and `step`
    /// steps.
    pub(super) fn start(before: f64, epoch_seconds: f64, step: u64) -> Self {
        let began = Instant::now();
        Self { began, before, epoch_seconds, epoch_end: (began, step) }
    }

    /// Ends an epoch and returns its mean time per step, everything included.
    pub(super) fn end_epoch(&mut self, step: u64) -> Duration {
        let (since, first) = std::mem::replace(&mut self.epoch_end, (Instant::now(), step));
        since.elapsed().div_f64(step.saturating_sub(first).max(1) as f64)
    }

    /// Total seconds of the training.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}

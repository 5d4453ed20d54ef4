//! Stopping conditions of a training, and how it ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::observer::Times;
use crate::run::Progress;
use crate::score::Scores;

/// When to stop and how often to save a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Set by the caller to stop after the current step.
    pub stop: &'a AtomicBool,
    /// When to stop unconditionally.
    pub deadline: Option<Instant>,
    /// When to be finished: if an epoch is too slow for that, the number of steps is reduced.
    pub done_by: Option<Instant>,
    /// The interval between checkpoints within an epoch.
    pub save_every: Duration,
}

impl<'a> Limits<'a> {
    /// No deadline; a checkpoint every five minutes.
    pub fn until(stop: &'a AtomicBool) -> Self {
        Self { stop, deadline: None, done_by: None, save_every: Duration::from_secs(300) }
    }

    /// The number of steps of this duration that fit before [`Limits::done_by`]; the maximum if there is no such
    /// limit.
    pub(super) fn steps_in_time(&self, step: Duration) -> u64 {
        let Some(done_by) = self.done_by else { return u64::MAX };
        let left = done_by.saturating_duration_since(Instant::now());
        (left.as_secs_f64() / step.as_secs_f64().max(1e-9)) as u64
    }

    /// The reason to stop now, if any.
    pub(super) fn is_over(&self) -> Option<End> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(End::Interrupted);
        }
        self.deadline.filter(|&deadline| Instant::now() >= deadline).map(|_| End::TimeUp)
    }
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Finished,
    /// It was stopped on request; a checkpoint is written.
    Interrupted,
    /// The deadline passed; a checkpoint is written.
    TimeUp,
}

/// The result of a training loop.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// How far it got.
    pub progress: Progress,
    /// The last evaluation in this session on the images that select the best epoch.
    pub scores: Option<Scores>,
    /// The times of this session by phase.
    pub times: Times,
}

//! When a training stops, and how it ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::observer::Times;
use crate::run::Progress;
use crate::score::Scores;

/// When to stop and how often to save.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Set by the caller to stop after the step under way.
    pub stop: &'a AtomicBool,
    /// When to stop in any case.
    pub deadline: Option<Instant>,
    /// By when to be done: where an epoch went too slowly for that, the training is cut shorter.
    pub done_by: Option<Instant>,
    /// How often to save within an epoch.
    pub save_every: Duration,
}

impl<'a> Limits<'a> {
    /// No deadline, a checkpoint every five minutes.
    pub fn until(stop: &'a AtomicBool) -> Self {
        Self { stop, deadline: None, done_by: None, save_every: Duration::from_secs(300) }
    }

    /// The steps that can still be done in time, each taking so long; all of them where there is no such limit.
    pub(super) fn steps_in_time(&self, step: Duration) -> u64 {
        let Some(done_by) = self.done_by else { return u64::MAX };
        let left = done_by.saturating_duration_since(Instant::now());
        (left.as_secs_f64() / step.as_secs_f64().max(1e-9)) as u64
    }

    /// Why to stop now, if at all.
    pub(super) fn is_over(&self) -> Option<End> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(End::Interrupted);
        }
        self.deadline.filter(|&deadline| Instant::now() >= deadline).map(|_| End::TimeUp)
    }
}

/// Why a training returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps are done.
    Finished,
    /// It was asked to stop; the checkpoint is written.
    Interrupted,
    /// The deadline came; the checkpoint is written.
    TimeUp,
}

/// A training that returned.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why.
    pub end: End,
    /// How far it came.
    pub progress: Progress,
    /// What the network said about the images that choose the best epoch, after the last epoch that was evaluated in this session.
    pub scores: Option<Scores>,
    /// Where the time of this session went.
    pub times: Times,
}

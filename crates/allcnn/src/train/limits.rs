//! When a training stops, and how it ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Progress;
use crate::evaluate::Scores;

/// When to stop and how often to save.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Set by the caller to stop after the step under way.
    pub stop: &'a AtomicBool,
    /// When to stop in any case.
    pub deadline: Option<Instant>,
    /// How often to save within an epoch.
    pub save_every: Duration,
}

impl<'a> Limits<'a> {
    /// No deadline, a checkpoint every five minutes.
    pub fn until(stop: &'a AtomicBool) -> Self {
        Self { stop, deadline: None, save_every: Duration::from_secs(300) }
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
    /// What the network said about the test images after the last epoch that was evaluated in this session.
    pub scores: Option<Scores>,
}

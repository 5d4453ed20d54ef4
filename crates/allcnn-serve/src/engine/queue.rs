//! The questions that wait for the device.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::EngineError;
use super::job::{Asked, Job, Question};

/// The most questions that wait.
const MOST: usize = 256;
/// The most pairs of picture and unit that are computed together.
const TOGETHER: usize = 8;
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Too many wait.
    Busy,
    /// The server ends.
    Ended,
    /// It cannot be answered, or the device failed.
    Failed(EngineError),
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// The questions that wait for the device.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Asks, and waits for the answer. Dropped before, the question is not answered.
    pub(crate) async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Unanswered> {
        let (asked, answer) = Asked::new(question);
        self.push(Q::job(asked))?;
        answer.await.map_err(|_| Unanswered::Ended)?.map_err(Unanswered::Failed)
    }

    fn push(&self, job: Job) -> Result<(), Unanswered> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Unanswered::Ended);
        }
        if waiting.jobs.len() >= MOST {
            waiting.jobs.retain(|job| !job.is_abandoned());
        }
        if waiting.jobs.len() >= MOST {
            return Err(Unanswered::Busy);
        }
        waiting.jobs.push_back(job);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next question for whose answer somebody waits, with those that can be computed beside it; `None` once `stop` is set.
    pub(super) fn next(&self, stop: &AtomicBool) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            waiting.jobs.retain(|job| !job.is_abandoned());
            if let Some(first) = waiting.jobs.pop_front() {
                return Some(group(first, &mut waiting.jobs));
            }
            let waited = self.arrived.wait_timeout(waiting, LOOK);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Refuses all questions from now on; those that wait have no answer.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.jobs.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes those out of `jobs` that can be computed beside `first`.
fn group(first: Job, jobs: &mut VecDeque<Job>) -> Vec<Job> {
    let mut pairs = first.pairs_beside(&first).unwrap_or(TOGETHER);
    let mut group = vec![first];
    let mut index = 0;
    while index < jobs.len() && pairs < TOGETHER {
        match jobs[index].pairs_beside(&group[0]) {
            Some(more) if pairs + more <= TOGETHER => {
                pairs += more;
                group.extend(jobs.remove(index));
            }
            _ => index += 1,
        }
    }
    group
}

//! A rehearsal: everything is prepared for some number of threads, and done by one that writes down how long each piece
//! of it takes. What is known then is what decides how that number of threads would share the work: the pieces of every
//! operation, their sizes, and what is in no piece.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::buffer::Buffer;
use crate::threads::Threads;

/// An operation as it was rehearsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsed {
    /// Its name: `forward`, `backward-data` and `backward-weights` are those of a convolution.
    pub name: &'static str,
    /// Seconds from its begin to its end.
    pub seconds: f64,
    /// Bytes that it must at least read from memory and write to it: its operands, each once.
    pub bytes: usize,
    /// Its jobs, one after another; of each the seconds of its chunks, in the order in which threads take them.
    pub jobs: Vec<Vec<f64>>,
}

impl Rehearsed {
    /// Seconds outside of all jobs, which no second thread shortens.
    pub fn serial(&self) -> f64 {
        (self.seconds - self.jobs.iter().flatten().sum::<f64>()).max(0.0)
    }

    /// Takes over what was faster in another rehearsal of the same operation: each chunk, and what lies outside of all.
    /// What interrupted one of them does not count then.
    pub fn keep_fastest(&mut self, other: &Self) {
        let serial = self.serial().min(other.serial());
        for (seconds, other) in self.jobs.iter_mut().flatten().zip(other.jobs.iter().flatten()) {
            *seconds = seconds.min(*other);
        }
        self.seconds = serial + self.jobs.iter().flatten().sum::<f64>();
    }

    /// Chunks of the job that takes longest: no more threads than that have work. 0 without jobs.
    pub fn units(&self) -> usize {
        let seconds = |job: &&Vec<f64>| job.iter().sum::<f64>();
        self.jobs.iter().max_by(|a, b| seconds(a).total_cmp(&seconds(b))).map_or(0, Vec::len)
    }
}

/// The operations so far.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Vec<Rehearsed>>);

impl Record {
    /// Begins an operation on these operands; it ends when the result is dropped.
    pub(crate) fn begin<'a, 'b>(
        &'a self,
        threads: &'a Threads,
        name: &'static str,
        operands: impl IntoIterator<Item = &'b Buffer>,
    ) -> Timed<'a> {
        let bytes = operands.into_iter().map(|operand| size_of_val(operand.stored().words())).sum();
        Timed { record: self, threads, name, bytes, begin: Instant::now() }
    }

    /// Takes them out.
    pub(crate) fn take(&self) -> Vec<Rehearsed> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An operation that runs.
#[derive(Debug)]
pub(crate) struct Timed<'a> {
    record: &'a Record,
    threads: &'a Threads,
    name: &'static str,
    bytes: usize,
    begin: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let seconds = self.begin.elapsed().as_secs_f64();
        let Self { name, bytes, .. } = *self;
        let rehearsed = Rehearsed { name, seconds, bytes, jobs: self.threads.take_rehearsed() };
        self.record.0.lock().unwrap_or_else(PoisonError::into_inner).push(rehearsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_time_of_each_chunk_is_kept() {
        let rehearsed = |seconds, jobs: &[&[f64]]| Rehearsed {
            name: "forward",
            seconds,
            bytes: 0,
            jobs: jobs.iter().map(|job| job.to_vec()).collect(),
        };
        let mut first = rehearsed(8.0, &[&[1.0, 3.0], &[2.0, 1.0, 0.5]]);
        assert_eq!((first.serial(), first.units()), (0.5, 2));
        first.keep_fastest(&rehearsed(7.75, &[&[2.0, 1.0], &[2.0, 0.5, 2.0]]));
        assert_eq!(first, rehearsed(5.25, &[&[1.0, 1.0], &[2.0, 0.5, 0.5]]));
        assert_eq!((first.serial(), first.units()), (0.25, 3));
        assert_eq!(rehearsed(1.0, &[]).units(), 0);
    }
}

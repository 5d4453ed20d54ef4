//! How fast a training step would be with some number of threads.
//!
//! A step is operations, one after another. The rehearsal for T threads ([`allcnn_cpu::Cpu::rehearsal`]) cuts each of
//! them as T threads would get it, and measures every piece on one thread. An operation has
//!
//! - s: seconds outside of its jobs, which one thread does while the others wait;
//! - jobs, one after another, each of chunks of c1, c2, ... seconds. Each thread takes the next chunk when it has ended its
//!   own, so a job ends when the last thread does: M(T), which is at least max(c) and sum(c) / T. Of n equal chunks it is
//!   ceil(n / T) of them;
//! - b: bytes of its operands, which must pass through memory. T threads together have at most
//!   B(T) = min(T B(1), limit) bytes a second, where B(1) is measured with one thread and the limit with all of them,
//!   or given.
//!
//! t(T) = sum over operations of s + max(sum over jobs of M(T), b / B(T))
//!
//! speed-up = t(1) / t(T), efficiency = speed-up / T
//!
//! What it leaves out: the time to wake threads and to wait for them, caches and memory that belong to one of several
//! sockets, a clock that falls when more cores work, and two threads on one core. It is what the cut of the work and the
//! memory allow.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use allcnn_cpu::Rehearsed;

/// What memory gives, in bytes a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandwidth {
    /// To one thread.
    pub one_thread: f64,
    /// To any number of threads at most.
    pub limit: f64,
}

impl Bandwidth {
    /// To `threads` threads together.
    fn of(self, threads: usize) -> f64 {
        (self.one_thread * threads as f64).min(self.limit.max(self.one_thread))
    }
}

/// The predicted time of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Prediction {
    /// Seconds.
    pub seconds: f64,
    /// Seconds of these on one thread while the others wait.
    pub serial: f64,
    /// Seconds of these in which threads wait for memory.
    pub memory: f64,
}

impl Prediction {
    /// Of an operation that was rehearsed for this number of threads.
    pub(super) fn of(operation: &Rehearsed, threads: usize, bandwidth: Bandwidth) -> Self {
        let serial = operation.serial();
        let jobs: f64 = operation.jobs.iter().map(|chunks| job_seconds(chunks, threads)).sum();
        let memory = (operation.bytes as f64 / bandwidth.of(threads) - jobs).max(0.0);
        Self { seconds: serial + jobs + memory, serial, memory }
    }
}

impl std::iter::Sum for Prediction {
    fn sum<I: Iterator<Item = Self>>(predictions: I) -> Self {
        predictions.fold(Self::default(), |sum, next| Self {
            seconds: sum.seconds + next.seconds,
            serial: sum.serial + next.serial,
            memory: sum.memory + next.memory,
        })
    }
}

/// Seconds until the last of `threads` threads ends that take the next chunk whenever they have ended one.
fn job_seconds(chunks: &[f64], threads: usize) -> f64 {
    /// When a thread ends. Times are finite.
    #[derive(PartialEq)]
    struct End(f64);
    impl Eq for End {}
    impl PartialOrd for End {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for End {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.total_cmp(&other.0)
        }
    }
    let mut ends: BinaryHeap<_> = (0..threads).map(|_| Reverse(End(0.0))).collect();
    let mut last = 0.0f64;
    for seconds in chunks {
        let Some(Reverse(End(first))) = ends.pop() else { break };
        last = last.max(first + seconds);
        ends.push(Reverse(End(first + seconds)));
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Bandwidth = Bandwidth { one_thread: 1e12, limit: 1e15 };

    fn operation(seconds: f64, bytes: usize, jobs: &[&[f64]]) -> Rehearsed {
        Rehearsed {
            name: "forward",
            seconds,
            bytes,
            jobs: jobs.iter().map(|chunks| chunks.to_vec()).collect(),
        }
    }

    #[test]
    fn equal_chunks_take_as_many_rounds_as_each_thread_gets_of_them() {
        for (chunks, threads, rounds) in [(24, 1, 24), (24, 16, 2), (24, 24, 1), (24, 64, 1), (25, 8, 4)] {
            let seconds = job_seconds(&vec![0.5; chunks], threads);
            assert_eq!(seconds, 0.5 * f64::from(rounds), "{chunks} chunks, {threads} threads");
        }
    }

    #[test]
    fn a_thread_takes_the_next_chunk_when_it_has_ended_its_own() {
        assert_eq!(job_seconds(&[5.0, 1.0, 1.0, 1.0, 1.0], 2), 5.0);
        assert_eq!(job_seconds(&[1.0, 1.0, 1.0, 1.0, 5.0], 2), 7.0);
        assert_eq!(job_seconds(&[], 2), 0.0);
    }

    #[test]
    fn jobs_follow_one_another_and_what_is_in_no_job_is_not_shared() {
        let operation = operation(10.5, 0, &[&[1.0; 4], &[2.0; 3]]);
        let with = |threads| Prediction::of(&operation, threads, PLENTY);
        assert_eq!(with(1), Prediction { seconds: 10.5, serial: 0.5, memory: 0.0 });
        assert_eq!(with(2), Prediction { seconds: 0.5 + 2.0 + 4.0, serial: 0.5, memory: 0.0 });
        assert_eq!(with(100), Prediction { seconds: 0.5 + 1.0 + 2.0, serial: 0.5, memory: 0.0 });
    }

    #[test]
    fn no_number_of_threads_outruns_the_memory() {
        let operation = operation(8.0, 1000, &[&[1.0; 8]]);
        let bandwidth = Bandwidth { one_thread: 250.0, limit: 400.0 };
        let with = |threads| Prediction::of(&operation, threads, bandwidth);
        assert_eq!(with(1).seconds, 8.0);
        assert_eq!(with(2), Prediction { seconds: 4.0, serial: 0.0, memory: 0.0 });
        assert_eq!(with(4), Prediction { seconds: 2.5, serial: 0.0, memory: 0.5 });
        assert_eq!(with(8), Prediction { seconds: 2.5, serial: 0.0, memory: 1.5 });
        let sum: Prediction = [with(4), with(8)].into_iter().sum();
        assert_eq!(sum, Prediction { seconds: 5.0, serial: 0.0, memory: 2.0 });
    }
}

//! The time spent on images on disk, which are read and decoded beside the steps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time spent on images on disk, by several threads at once, each counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadTimes {
    /// Reading their files.
    pub reading: Duration,
    /// Decoding them.
    pub decoding: Duration,
}

impl ReadTimes {
    /// Adds other times.
    pub(crate) fn add(&mut self, more: Self) {
        self.reading += more.reading;
        self.decoding += more.decoding;
    }
}

/// Sums times, in nanoseconds, from several threads.
#[derive(Debug, Default)]
pub(crate) struct ReadClock {
    reading: AtomicU64,
    decoding: AtomicU64,
}

impl ReadClock {
    /// Counts a file that was read from `begin` to `read`, and decoded from then until now.
    pub(crate) fn count(&self, begin: Instant, read: Instant) {
        for (sum, time) in [(&self.reading, read - begin), (&self.decoding, read.elapsed())] {
            sum.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// The sums until now.
    pub(crate) fn times(&self) -> ReadTimes {
        let [reading, decoding] =
            [&self.reading, &self.decoding].map(|sum| Duration::from_nanos(sum.load(Ordering::Relaxed)));
        ReadTimes { reading, decoding }
    }
}

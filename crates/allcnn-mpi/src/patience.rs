//! How long to wait for another process before it counts as lost.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Waiting for others has no limit before the training begins, while they read their images; then it has.
///
/// A process that works for long between two messages (it scores its part of the images) expects others to do the same, at
/// up to a quarter of its speed: the limit is [`Patience::usual`] and three times that work.
pub(crate) struct Patience {
    usual: Duration,
    has_begun: Cell<bool>,
    /// The end of the last wait: since then this process works.
    heard: Cell<Instant>,
}

impl Patience {
    pub(crate) fn new(usual: Duration) -> Self {
        Self { usual, has_begun: Cell::new(false), heard: Cell::new(Instant::now()) }
    }

    /// From now on waiting has a limit.
    pub(crate) fn begin(&self) {
        self.has_begun.set(true);
    }

    /// The limit of a wait that begins now. Who waits for a process that waits for a lost one, at a higher level, waits longer:
    /// the first to give up is one that names the lost one.
    pub(crate) fn limit(&self, level: u32) -> Option<Duration> {
        self.has_begun.get().then(|| self.usual + self.usual / 10 * level + 3 * self.heard.get().elapsed())
    }

    /// A wait has ended.
    pub(crate) fn heard(&self) {
        self.heard.set(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_limit_before_the_beginning_and_longer_work_gives_a_longer_one() {
        let patience = Patience::new(Duration::from_secs(45));
        assert_eq!(patience.limit(0), None);
        patience.begin();
        assert!(patience.limit(0) >= Some(Duration::from_secs(45)));
        patience.heard.set(Instant::now().checked_sub(Duration::from_secs(20)).unwrap());
        assert!(patience.limit(0) >= Some(Duration::from_secs(105)));
        patience.heard();
        assert!(patience.limit(0) < Some(Duration::from_secs(49)));
        assert!(patience.limit(1) > Some(Duration::from_secs(49)));
    }
}

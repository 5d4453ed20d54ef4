//! Prefetching: image files are decoded while the device computes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

/// Results being computed on rayon's threads, by key.
pub(crate) struct ReadAhead<K, T> {
    under_way: Mutex<HashMap<K, Receiver<T>>>,
}

impl<K, T> Default for ReadAhead<K, T> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Eq + Hash, T: Send + 'static> ReadAhead<K, T> {
    /// Starts `work`, unless the key has a pending result.
    pub(super) fn prefetch(&self, key: K, work: impl FnOnce() -> T + Send + 'static) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.entry(key).or_insert_with(|| {
            let (sender, receiver) = channel();
            rayon::spawn(move || sender.send(work()).unwrap_or(())); // fails if the receiver was dropped
            receiver
        });
    }

    /// Removes the result for `key`, waiting until it is ready; returns `None` if none was started.
    ///
    /// Must not be called on a rayon thread: if all of them waited, no work would run.
    pub(super) fn take(&self, key: &K) -> Option<T> {
        let receiver = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        receiver.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn each_expected_result_is_made_once_and_given_once() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let ahead = ReadAhead::default();
        let square = |number: usize| {
            move || {
                MADE.fetch_add(1, Ordering::SeqCst);
                number * number
            }
        };
        for number in [3, 4, 3, 5, 4] {
            ahead.prefetch(number, square(number));
        }
        assert_eq!([5, 3, 4, 3].map(|number| ahead.take(&number)), [Some(25), Some(9), Some(16), None]);
        assert_eq!(MADE.load(Ordering::SeqCst), 3);
    }
}

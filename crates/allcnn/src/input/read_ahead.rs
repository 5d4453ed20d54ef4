//! Work that is done before its result is asked for: image files are decoded while the device computes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

/// Results under way on rayon's threads, each under its key.
pub(crate) struct ReadAhead<K, T> {
    under_way: Mutex<HashMap<K, Receiver<T>>>,
}

impl<K, T> Default for ReadAhead<K, T> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Eq + Hash, T: Send + 'static> ReadAhead<K, T> {
    /// Begins `work`, unless it was begun under this key.
    pub fn expect(&self, key: K, work: impl FnOnce() -> T + Send + 'static) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.entry(key).or_insert_with(|| {
            let (sender, receiver) = channel();
            rayon::spawn(move || sender.send(work()).unwrap_or(())); // nobody waits where it was dropped
            receiver
        });
    }

    /// Waits for the result of what was begun under `key`, and forgets it. Nothing where nothing was.
    ///
    /// Must not be called on a thread of rayon: all of them could be waiting.
    pub fn take(&self, key: &K) -> Option<T> {
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
            ahead.expect(number, square(number));
        }
        assert_eq!([5, 3, 4, 3].map(|number| ahead.take(&number)), [Some(25), Some(9), Some(16), None]);
        assert_eq!(MADE.load(Ordering::SeqCst), 3);
    }
}

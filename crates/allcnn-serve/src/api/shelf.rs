//! The pictures that pages sent, kept for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use allcnn::data::Identity;
use allcnn::data::decode::Picture;

use super::rendering::png;

/// The most pictures that are kept, and their bytes.
const PICTURES: usize = 512;
const BYTES: usize = 256 << 20;

/// A picture file that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The SHA-256 of its bytes.
    pub(super) id: String,
    pub(super) bytes: Arc<[u8]>,
}

/// The pictures that were sent last, so that a page sends each once.
#[derive(Default)]
pub(super) struct Shelf(Mutex<VecDeque<Sent>>);

impl Shelf {
    /// Keeps a picture that a page did not send; returns its identifier.
    pub(super) fn put(&self, picture: &Picture) -> String {
        let bytes: Arc<[u8]> = png(picture).into();
        let id = Identity::of(&bytes).to_string();
        self.keep(Sent { id: id.clone(), bytes });
        id
    }

    pub(super) fn keep(&self, sent: Sent) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.id != sent.id);
        kept.push_front(sent);
        let mut bytes = 0;
        let fitting = kept.iter().take(PICTURES).take_while(|sent| {
            bytes += sent.bytes.len();
            bytes <= BYTES
        });
        let fitting = fitting.count().max(1);
        kept.truncate(fitting);
    }

    pub(super) fn find(&self, id: &str) -> Option<Sent> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|sent| sent.id == id).cloned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sent(id: usize, len: usize) -> Sent {
        Sent { id: id.to_string(), bytes: vec![0; len].into() }
    }

    #[test]
    fn the_last_pictures_are_kept_and_no_more_than_fit() {
        let shelf = Shelf::default();
        (0..PICTURES + 2).for_each(|id| shelf.keep(sent(id, 10)));
        assert!(shelf.find("1").is_none() && shelf.find("2").is_some());
        shelf.keep(sent(2, 10)); // again: the newest now
        shelf.keep(sent(1000, 10));
        assert!(shelf.find("3").is_none() && shelf.find("2").is_some());
        shelf.keep(sent(1001, BYTES - 15));
        assert!(shelf.find("1000").is_some() && shelf.find("2").is_none());
        shelf.keep(sent(1002, BYTES + 1));
        assert!(shelf.find("1002").is_some() && shelf.find("1001").is_none());
    }
}

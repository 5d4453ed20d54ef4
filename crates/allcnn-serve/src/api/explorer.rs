//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::problem::Problem;
use super::shelf::Shelf;
use crate::engine::{Question, Queue};
use crate::runs::{Listing, OpenRun};

/// The most bytes of a picture that is sent.
pub(super) const BODY: usize = 32 << 20;
/// Pictures that arrive at a time, and how long one may take.
const UPLOADS: usize = 64;
pub(super) const UPLOAD: Duration = Duration::from_secs(30);
/// The most pages that listen to a training.
const LISTENERS: usize = 64;

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Explorer {
    pub(super) listing: Arc<Listing>,
    queue: Arc<Queue>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) listeners: Arc<Semaphore>,
    pub(super) uploads: Arc<Semaphore>,
}

impl Explorer {
    pub(crate) fn new(listing: Listing, queue: Arc<Queue>) -> Self {
        let [listeners, uploads] = [LISTENERS, UPLOADS].map(|most| Arc::new(Semaphore::new(most)));
        Self { listing: Arc::new(listing), queue, shelf: Arc::default(), listeners, uploads }
    }

    /// Opens a run by its name in the listing.
    pub(super) async fn open(&self, name: String) -> Result<Arc<OpenRun>, Problem> {
        let listing = Arc::clone(&self.listing);
        let opened = blocking(move || {
            let opened = listing.open(&name);
            opened.map_err(Problem::of_run)?.ok_or_else(|| Problem::no_run(&name))
        });
        opened.await
    }

    /// Asks the device.
    pub(super) async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, Problem> {
        self.queue.ask(question).await.map_err(Problem::from)
    }
}

/// Does work that reads files or decodes pictures on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::ended()))
}

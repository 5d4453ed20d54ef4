//! A training that returned.

use std::path::PathBuf;

use super::limits::Outcome;
use crate::run::{Manifest, RunFolder};

/// A training that returned, finished or not.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its folder.
    pub run: RunFolder,
    /// Its settings.
    pub manifest: Manifest,
    /// How it ended.
    pub outcome: Outcome,
    /// The report, where the training is finished and it could be written.
    pub report: Option<PathBuf>,
}

impl Finished {
    /// The run is owned no longer.
    pub(super) fn given_back(self) -> Self {
        Self { run: self.run.given_back(), ..self }
    }
}

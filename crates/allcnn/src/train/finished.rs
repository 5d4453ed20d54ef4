//! The result of a training.

use std::path::PathBuf;

use super::limits::Outcome;
use crate::run::{Manifest, RunFolder};

/// The result of a training, complete or interrupted.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its folder.
    pub run: RunFolder,
    /// Its settings.
    pub manifest: Manifest,
    /// How it ended.
    pub outcome: Outcome,
    /// The report, if the training is complete and the report could be written.
    pub report: Option<PathBuf>,
}

impl Finished {
    /// Releases ownership of the run folder.
    pub(super) fn given_back(self) -> Self {
        Self { run: self.run.given_back(), ..self }
    }
}

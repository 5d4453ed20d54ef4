//! The choice of a run's checkpoint.

use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::error::RunError;
use super::folder::RunFolder;
use super::manifest::Manifest;

/// Which checkpoint of a run to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhichCheckpoint {
    /// The one with the lowest error on the images that select it.
    #[default]
    Best,
    /// The newest.
    Last,
}

impl WhichCheckpoint {
    /// The checkpoint actually read: the newest if no best one exists yet.
    pub fn at_hand(self, run: &RunFolder) -> Self {
        if run.best().exists() { self } else { Self::Last }
    }

    /// Reads the settings of a run and its checkpoint, and checks that it belongs to the run's network.
    ///
    /// # Errors
    /// A missing or damaged file; weights of another network.
    pub fn trained(self, run: &RunFolder) -> Result<(Manifest, Checkpoint), RunError> {
        let (manifest, checkpoint) = (run.manifest()?, self.read(run)?);
        run.expect_own(&manifest, &checkpoint)?;
        Ok((manifest, checkpoint))
    }

    /// Reads the checkpoint of a run.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn read(self, run: &RunFolder) -> Result<Checkpoint, RunError> {
        Ok(match self {
            WhichCheckpoint::Best => run.read_best()?,
            WhichCheckpoint::Last => run.read_values(&run.last())?,
        })
    }
}

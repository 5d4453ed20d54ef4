//! Which checkpoint of a run is read.

use serde::Serialize;

use super::checkpoint::Checkpoint;
use super::error::RunError;
use super::folder::RunFolder;
use super::manifest::Manifest;

/// WhichCheckpoint checkpoint of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhichCheckpoint {
    /// The one with the lowest error on the images that chose it.
    #[default]
    Best,
    /// The newest.
    Last,
}

impl WhichCheckpoint {
    /// The one that is read: where no epoch was measured, the newest stands for the best.
    pub fn at_hand(self, run: &RunFolder) -> Self {
        if run.best().exists() { self } else { Self::Last }
    }

    /// The settings of a run and its checkpoint, which has to be of the run's network.
    ///
    /// # Errors
    /// A missing or damaged file, the weights of another network.
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
            WhichCheckpoint::Last => run.read(&run.last())?,
        })
    }
}

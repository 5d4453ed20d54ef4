//! What can go wrong where a run is evaluated.

use crate::run::{CheckpointError, DataPlaceError, RunError};
use crate::score::ScoreError;
use crate::split::NoSplit;

/// A run that cannot be evaluated on images.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Images of classes that the network does not know.
    #[error("{0}")]
    UnknownClasses(String),
    /// A split that the data does not have.
    #[error(transparent)]
    NoSplit(#[from] NoSplit),
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The data of the run.
    #[error(transparent)]
    Place(#[from] DataPlaceError),
    /// Images that cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

through!(EvaluateError, RunError: CheckpointError);
through!(EvaluateError, ScoreError: crate::data::Error, crate::parameters::Error, crate::preprocess::Error, allcnn_device::Error);

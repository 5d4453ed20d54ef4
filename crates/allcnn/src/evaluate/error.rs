//! Errors of evaluation.

use crate::run::{CheckpointError, DataPlaceError, RunError};
use crate::score::ScoreError;
use crate::split::NoSplit;

/// Why a run cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The images have classes unknown to the network.
    #[error("{0}")]
    UnknownClasses(String),
    /// The data does not have this split.
    #[error(transparent)]
    NoSplit(#[from] NoSplit),
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run's data cannot be found or opened.
    #[error(transparent)]
    Place(#[from] DataPlaceError),
    /// Scoring the images failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

through!(EvaluateError, RunError: CheckpointError);
through!(EvaluateError, ScoreError: crate::data::Error, crate::parameters::Error, crate::preprocess::Error, allcnn_device::Error);

//! Errors of evaluation.

use crate::parameters::ParametersError;
use crate::preprocess::PreprocessError;
use crate::run::{CheckpointError, DataLocationError, RunError};
use crate::score::ScoreError;
use crate::split::NoSplit;

/// Why a run cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The images have classes unknown to the network.
    #[error("{0}")]
    UnknownClasses(String),
    /// Runs with other classes, or other images.
    #[error("{0}")]
    OtherClasses(String),
    /// Every image was trained on by a run.
    #[error(
        "each of the {0} images was trained on by one of the runs: nothing is left to compare them on\n\
         give images that none of them has seen by --data"
    )]
    AllTrainedOn(usize),
    /// The probabilities are too many to average.
    #[error("the probabilities of {0} are too many to be kept and averaged\ngive fewer images by --data")]
    TooMany(String),
    /// The data does not have this split.
    #[error(transparent)]
    NoSplit(#[from] NoSplit),
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run's data cannot be found or opened.
    #[error(transparent)]
    Location(#[from] DataLocationError),
    /// Scoring the images failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

through!(EvaluateError, RunError: CheckpointError);
through!(EvaluateError, ScoreError: crate::data::Error, ParametersError, PreprocessError, allcnn_device::Error);

//! Errors of training.

use std::path::PathBuf;

use crate::net::NetError;
use crate::parameters::ParametersError;
use crate::preprocess::PreprocessError;
use crate::recipe::RecipeError;
use crate::run::{CheckpointError, DataLocationError, RunError};
use crate::score::ScoreError;
use crate::text::shown::PathText;
use crate::transfer::TransferError;

/// Why a training cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// An invalid recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Network, data or checkpoint do not match each other.
    #[error("{0}")]
    Mismatch(String),
    /// The loss is not finite.
    #[error(
        "the loss became {loss} in step {step} (epoch {epoch}) at learning rate {learning_rate:.4}: the training has diverged.\n{}\nTry a lower --lr (a third of it), another --seed, or a longer warm-up",
        last_good(.checkpoint)
    )]
    Diverged {
        /// The loss, or the offending weight.
        loss: f64,
        /// The step, from 1.
        step: u64,
        /// The epoch, from 1.
        epoch: u32,
        /// The learning rate of the step.
        learning_rate: f64,
        /// The last good checkpoint.
        checkpoint: Option<PathBuf>,
    },
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Scoring images failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The report.
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The parameters.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The device.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// The run's data cannot be found or opened.
    #[error(transparent)]
    Location(#[from] DataLocationError),
    /// The weights to begin with.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The preprocessing.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
}

through!(TrainError, RunError: CheckpointError);

fn last_good(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("The last good checkpoint is {}.", path.shown()),
        None => "No checkpoint was written before.".into(),
    }
}

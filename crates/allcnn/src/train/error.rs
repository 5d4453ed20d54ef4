//! What can go wrong in a training.

use std::path::PathBuf;

use super::CheckpointError;
use crate::shown::PathText;
use crate::split::NoSplit;

/// A training that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting out of its range, or a recipe file that cannot be read.
    #[error("recipe: {0}")]
    Recipe(String),
    /// Things that do not belong together: network, data, checkpoint.
    #[error("{0}")]
    Mismatch(String),
    /// A split that the data does not have.
    #[error(transparent)]
    NoSplit(#[from] NoSplit),
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} in step {step} (epoch {epoch}) at learning rate {learning_rate:.4}: the training has diverged.\n{}\nTry a lower --lr (a third of it), another --seed, or a longer warm-up",
        last_good(.checkpoint)
    )]
    Diverged {
        /// The loss, or the value of a weight.
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
    /// A checkpoint that cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// A model file that cannot be read.
    #[error("cannot read the model {path}: {source}\ngive a TOML file of layers, or a name that `allcnn models` lists", path = .path.shown())]
    Model {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The report.
    #[error(transparent)]
    Report(#[from] crate::report::Error),
    /// The network.
    #[error(transparent)]
    Network(#[from] crate::net::Error),
    /// The parameters.
    #[error(transparent)]
    Parameters(#[from] crate::parameters::Error),
    /// The device.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
    /// The data.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// The data of a run.
    #[error(transparent)]
    Place(crate::data_place::Error),
    /// The preprocessing.
    #[error(transparent)]
    Preprocess(#[from] crate::preprocess::Error),
}

impl From<crate::data_place::Error> for Error {
    fn from(error: crate::data_place::Error) -> Self {
        match error {
            crate::data_place::Error::Data(error) => Error::Data(error),
            error => Error::Place(error),
        }
    }
}

fn last_good(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("The last good checkpoint is {}.", path.shown()),
        None => "No checkpoint was written before.".into(),
    }
}

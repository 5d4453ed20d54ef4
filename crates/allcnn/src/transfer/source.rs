//! Where the weights come from: a run, or a file of weights.

use std::path::Path;

use super::error::TransferError;
use crate::data::{Framing, IdentitySet, open_file};
use crate::import::plain_tensors;
use crate::net::Network;
use crate::parameters::Tensor;
use crate::preprocess::Preprocessor;
use crate::run::{Checkpoint, CheckpointError, RunFolder, WhichCheckpoint, known_images};

/// Weights that a training can begin from.
pub struct Source {
    /// As it was given.
    pub given: String,
    /// The weights and biases, in PyTorch's names and layout.
    pub values: Vec<Tensor>,
    /// The classes that they tell apart, if that is known.
    pub classes: Option<Vec<String>>,
    /// The network that they belong to, if that is known.
    pub network: Option<Network>,
    /// What else a run knows.
    pub run: Option<SourceRun>,
}

/// What a run knows besides its weights.
pub struct SourceRun {
    /// The model as it was given: a name or a file.
    pub model: String,
    /// The fitted preprocessing.
    pub preprocessor: Preprocessor,
    /// How images are fitted to the input size.
    pub framing: Framing,
    /// The images that it was trained on, if it recorded them.
    pub trained: Option<IdentitySet>,
}

impl Source {
    /// Opens the folder of a run (its best checkpoint), or a file `NAME.safetensors`.
    ///
    /// # Errors
    /// [`TransferError`] for a missing, damaged or foreign run or file.
    pub fn open(given: &str) -> Result<Self, TransferError> {
        let path = Path::new(given);
        match RunFolder::open(path) {
            Ok(run) => Self::of_run(given, &run),
            Err(_) if path.is_file() => Self::of_file(given, path),
            Err(_) => Err(TransferError::NoSource(path.into())),
        }
    }

    fn of_run(given: &str, run: &RunFolder) -> Result<Self, TransferError> {
        let (manifest, checkpoint) = WhichCheckpoint::Best.trained(run)?;
        let known = SourceRun {
            model: manifest.model.clone(),
            preprocessor: run.read_preprocessing().map_err(crate::run::RunError::from)?,
            framing: manifest.framing(),
            trained: known_images::trained(run)?,
        };
        Ok(Self { run: Some(known), ..Self::of_checkpoint(given, checkpoint) })
    }

    fn of_checkpoint(given: &str, checkpoint: Checkpoint) -> Self {
        let Checkpoint { network, classes, values, .. } = checkpoint;
        Self { given: given.into(), values, classes: Some(classes), network: Some(network), run: None }
    }

    /// A checkpoint of a run, or plain tensors.
    fn of_file(given: &str, path: &Path) -> Result<Self, TransferError> {
        let wrong = |problem: String| TransferError::Unreadable { path: path.into(), problem };
        match Checkpoint::read_values(path) {
            Ok(checkpoint) => return Ok(Self::of_checkpoint(given, checkpoint)),
            Err(CheckpointError::NotACheckpoint { .. }) => {}
            Err(error) => return Err(TransferError::Run(error.into())),
        }
        let bytes = open_file::read(path, open_file::WEIGHTS).map_err(|error| wrong(error.to_string()))?;
        let (values, classes) = plain_tensors(&bytes).map_err(wrong)?;
        Ok(Self { given: given.into(), values, classes, network: None, run: None })
    }
}

//! Errors of transfer learning.

use std::path::PathBuf;

use crate::run::{CheckpointError, RunError};
use crate::text::shown::PathText;

/// Why a training cannot begin from weights.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is no such run or file.
    #[error(
        "{path} is neither a run folder nor a file of weights\n\
         expected the folder of a run, a file NAME.safetensors or the word demo", path = .0.shown()
    )]
    NoSource(PathBuf),
    /// A file that cannot be read.
    #[error("cannot read the weights {path}: {problem}", path = .path.shown())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// No layer has weights of the same name and shape.
    #[error(
        "no layer of {network} has the weights of {from}: it has {difference}\n\
         give the --model that they belong to; weights with other names become a run by `allcnn import`"
    )]
    NothingFits {
        /// The network to be trained.
        network: String,
        /// Where the weights are from.
        from: String,
        /// The first tensors there, and the first of the network.
        difference: String,
    },
    /// Layers are to be frozen that were never trained.
    #[error(
        "--freeze {0} keeps weights that exist, and all are drawn anew here\nadd --from RUN, or leave it out"
    )]
    NothingToFreeze(String),
    /// A run that has no checkpoint yet cannot begin again with the same weights.
    #[error(
        "{0} has other weights than when the run began with them, and the run has no checkpoint yet\nbegin a new run"
    )]
    Changed(String),
    /// A layer to be frozen that does not exist or cannot be frozen.
    #[error("{0}")]
    Freeze(String),
    /// The run cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
}

through!(TransferError, RunError: CheckpointError);

//! Errors of importing weights.

use std::io;
use std::path::PathBuf;

use crate::net::NetError;
use crate::preprocess::PreprocessError;
use crate::run::{CheckpointError, RunError};
use crate::text::shown::PathText;

/// Why weights cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// An I/O error.
    #[error("cannot read {path}: {source}", path = .path.shown())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A damaged or foreign file.
    #[error(
        "cannot use the weights in {path}: {problem}\nexpected safetensors or a .pt file with a state dict of PyTorch, or a .caffemodel",
        path = .path.shown()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights belong to another network.
    #[error(
        "these are not the weights of {network}: {problem}\n\
         give the --model that they belong to; `allcnn models {network}` shows the layers of this one"
    )]
    OtherNetwork {
        /// The requested network.
        network: String,
        /// What differs.
        problem: String,
    },
    /// Names and shapes allow several assignments of layers.
    #[error(
        "it is not clear which layer of {network} is which: {choices}\n\
         call the layers of the file as `allcnn models {network}` does (conv1, conv2, ...)"
    )]
    Ambiguous {
        /// The requested network.
        network: String,
        /// The ambiguous layers of the file, each with two candidate layers of the network.
        choices: String,
    },
    /// A value that is not finite, or too large for trained weights.
    #[error(
        "tensor {tensor} holds {value:?}\n\
         expected finite weights of usual size: the training that made them went astray, or the file is damaged"
    )]
    NotFinite {
        /// The tensor's name in the file.
        tensor: String,
        /// NaN, infinite, or absurdly large.
        value: f32,
    },
    /// The file of class names cannot be read.
    #[error("cannot use the names of classes in {path}: {problem}", path = .path.shown())]
    ClassFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The number of names is not the number of classes.
    #[error("{path} names {given} classes, one a line; expected {expected}, the outputs of the last layer", path = .path.shown())]
    ClassNames {
        /// The file of names.
        path: PathBuf,
        /// How many it has.
        given: usize,
        /// How many the weights have.
        expected: usize,
    },
    /// The network's input does not allow this framing.
    #[error("--frame: {0}")]
    Frame(String),
    /// The folder contains a run that cannot be resumed.
    #[error("{path} already holds a run: give another --out", path = .0.shown())]
    Occupied(PathBuf),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The preprocessing.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The run's checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

//! What can be wrong with weights from elsewhere.

use std::io;
use std::path::PathBuf;

use crate::text::shown::PathText;
use crate::{net, preprocess, run};

/// Weights that cannot be read, or are not those of the network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot read {path}: {source}", path = .path.shown())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
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
    /// The weights of another network.
    #[error(
        "these are not the weights of {network}: {problem}\n\
         give the --model that they belong to; `allcnn models {network}` shows the layers of this one"
    )]
    OtherNetwork {
        /// The network that was asked for.
        network: String,
        /// What differs.
        problem: String,
    },
    /// Names and shapes that leave more than one way.
    #[error(
        "it is not clear which layer of {network} is which: {choices}\n\
         call the layers of the file as `allcnn models {network}` does (conv1, conv2, ...)"
    )]
    Ambiguous {
        /// The network that was asked for.
        network: String,
        /// The layers of the file in question, each with two of the network's that it could be.
        choices: String,
    },
    /// A value that is no number, or none that a training leaves.
    #[error(
        "tensor {tensor} holds {value:?}\n\
         expected finite weights of usual size: the training that made them went astray, or the file is damaged"
    )]
    NotFinite {
        /// As the file calls it.
        tensor: String,
        /// NaN, an infinity, or a number beyond all measure.
        value: f32,
    },
    /// A file of names that cannot be read.
    #[error("cannot use the names of classes in {path}: {problem}", path = .path.shown())]
    ClassFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another number of names than of classes.
    #[error("{path} names {given} classes, one a line; expected {expected}, the outputs of the last layer", path = .path.shown())]
    ClassNames {
        /// The file of names.
        path: PathBuf,
        /// How many it has.
        given: usize,
        /// How many the weights have.
        expected: usize,
    },
    /// A framing that the network's input cannot be cut from.
    #[error("--frame: {0}")]
    Frame(String),
    /// The folder for the run has one already, which cannot be gone on with.
    #[error("{path} already holds a run: give another --out", path = .0.shown())]
    Occupied(PathBuf),
    /// The network.
    #[error(transparent)]
    Network(#[from] net::Error),
    /// The preprocessing.
    #[error(transparent)]
    Preprocess(#[from] preprocess::Error),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] run::RunError),
    /// The weights of the run.
    #[error(transparent)]
    Checkpoint(#[from] run::CheckpointError),
}

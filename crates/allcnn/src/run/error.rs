//! Errors of run folders.

use std::io;
use std::path::PathBuf;

use super::CheckpointError;
use crate::files::claim::Holder;
use crate::net::NetError;
use crate::preprocess::PreprocessError;
use crate::text::shown::{PathText, first_of};

/// What is wrong with a run folder.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder already contains a run.
    #[error("{path} already holds a run: give another --out, or continue it with --resume {path}", path = .0.shown())]
    Occupied(PathBuf),
    /// The run that comes along is neither written nor resumed.
    #[error(
        "`demo` is the network that comes along with the program, and stays as it is: `train --from demo` begins with its weights; ./demo is a folder of that name"
    )]
    ComesAlong,
    /// Another process owns the folder.
    #[error(
        "{path} is being written by {holder}\n{advice}, or give another folder",
        path = .path.shown(), advice = .holder.advice()
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// That process.
        holder: Holder,
    },
    /// Another process took the folder over because this one seemed dead.
    #[error(
        "{path} was taken over by another process, since this one gave no sign of life for two minutes\n\
         nothing more was written there; what the other one makes of the run is not touched", path = .0.shown()
    )]
    TakenOver(PathBuf),
    /// The folder contains no run.
    #[error("{path} is no run folder: it has no run.toml\nexpected a folder that `allcnn train` made, such as runs/NAME", path = .0.shown())]
    NotARun(PathBuf),
    /// `run.toml` cannot be parsed.
    #[error("cannot understand {path}: {problem}", path = .path.shown())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Settings differ from those of the training to resume.
    #[error(
        "a resumed training keeps its settings, but these differ from {path}: {changes}\n\
         leave them out, or begin a new run; only the threads and the time limit may change",
        path = .path.shown(), changes = first_of(.changes)
    )]
    Changed {
        /// The folder.
        path: PathBuf,
        /// Each setting with both values.
        changes: Vec<String>,
    },
    /// A list of image identities cannot be parsed.
    #[error(
        "cannot understand {path}: it is damaged or no list of images\n\
         put the file back, or remove it: then this run does not know its images any more",
        path = .0.shown()
    )]
    Identities(PathBuf),
    /// The weights belong to another network than the run's.
    #[error(
        "the weights in {path} are of the network {given}, the run trained {expected}, and they differ\n\
         put the run's own best.safetensors and last.safetensors back", path = .path.shown()
    )]
    OtherNetwork {
        /// The folder.
        path: PathBuf,
        /// The network of the weights.
        given: String,
        /// The network of the run.
        expected: String,
    },
    /// An I/O error.
    #[error("cannot {action} {path}: {source}", path = .path.shown())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The checkpoint has no temperature.
    #[error(
        "the probabilities of {path} cannot be calibrated: {why}\n\
         a temperature is fitted on validation images at the end of a training: train with a split val/ of the data, or with \
         --validation 10%", path = .path.shown()
    )]
    NotCalibrated {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// Imported weights cannot be trained further.
    #[error(
        "the weights of this run were imported from {0}: there is no training to go on with\n\
         expected a run that `allcnn train` made"
    )]
    Imported(String),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The preprocessing.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The data.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
}

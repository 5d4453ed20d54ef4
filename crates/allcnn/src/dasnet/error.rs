//! What can go wrong.

use std::path::PathBuf;

use crate::data;
use crate::parameters::ParametersError;
use crate::preprocess::PreprocessError;
use crate::run::{DataLocationError, RunError};
use crate::text::shown::PathText;

/// Why there is no dasNet.
#[derive(Debug, thiserror::Error)]
pub enum DasnetError {
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its data.
    #[error(transparent)]
    Location(#[from] DataLocationError),
    /// An image.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Its preprocessing.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// Its weights.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
    /// A network without maps to gate.
    #[error(
        "{0} has no maxout layer whose maps could be gated\nexpected a run of a Maxout network (allcnn train --model maxout)"
    )]
    NothingToGate(String),
    /// A setting.
    #[error("{0}")]
    Setting(String),
    /// A file of another search.
    #[error("{path} is of another search: {problem}\ngive another --out, or the same settings", path = .path.shown())]
    OtherSearch {
        /// The file.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// A file that cannot be read or written.
    #[error("cannot {action} {path}: {problem}", path = .path.shown())]
    File {
        /// `read`, `write` or `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        problem: String,
    },
}

//! Errors of a cross-validation.

use std::path::PathBuf;

use crate::run::{CheckpointError, RunError};
use crate::text::shown::PathText;
use crate::train::TrainError;

/// Why a cross-validation cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum FoldsError {
    /// Too few folds.
    #[error("{0} folds: expected at least 2")]
    TooFew(usize),
    /// The folder already contains folds.
    #[error(
        "{path} already holds the folds of a cross-validation: give another --out, or continue it with --resume {path}",
        path = .0.shown()
    )]
    Occupied(PathBuf),
    /// The folder contains no folds.
    #[error("{path} holds no cross-validation: it has no fold-1 with a run\nexpected a folder that `allcnn train --folds K` made", path = .0.shown())]
    NoFolds(PathBuf),
    /// A fold was made longer than the others.
    #[error(
        "{path} was made longer by itself, so that the folds cannot be compared any more\nbegin a new cross-validation with those --epochs",
        path = .0.shown()
    )]
    Lengthened(PathBuf),
    /// A fold could not be trained.
    #[error("fold {number}: {source}")]
    Training {
        /// The fold, from 1.
        number: usize,
        /// Why.
        source: TrainError,
    },
    /// A run folder.
    #[error(transparent)]
    Run(#[from] RunError),
}

through!(FoldsError, RunError: CheckpointError);

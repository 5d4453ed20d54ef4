//! Errors of sweeps.

use std::io;
use std::path::PathBuf;

use crate::data;
use crate::net::NetError;
use crate::recipe::RecipeError;
use crate::run::RunError;
use crate::text::shown::{PathText, first_of};
use crate::train::TrainError;

/// Why a sweep cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// An inconsistent plan.
    #[error("{0}")]
    Choice(String),
    /// An unknown network in the plan, or settings out of range.
    #[error(transparent)]
    Plan(#[from] RecipeError),
    /// An invalid network.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The folder contains another plan.
    #[error(
        "{path} holds another plan: {changes}\nleave these settings out to work on that plan, or give another --out",
        path = .path.shown(), changes = first_of(.changes)
    )]
    OtherPlan {
        /// The folder.
        path: PathBuf,
        /// Each setting with both values.
        changes: Vec<String>,
    },
    /// The folder contains no plan.
    #[error("{path} holds no plan: there is no plan.toml\nbegin one with the same command without --status", path = .0.shown())]
    NoPlan(PathBuf),
    /// `plan.toml` cannot be parsed.
    #[error("cannot understand {path}: {problem}", path = .path.shown())]
    BadPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The data has no test split.
    #[error(
        "{0} has no test split of its own, and this table is one of test errors\n\
         give --holdout 500 (or 10%) to keep the last images of each class for testing; the table then says so"
    )]
    NoTestSplit(String),
    /// The data cannot be opened.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// An experiment failed.
    #[error(
        "{name}: {source}\nnothing that was saved is lost: mend that (make room, where the disk is full) and give the same command again"
    )]
    Training {
        /// The experiment.
        name: String,
        /// Why.
        source: TrainError,
    },
    /// Another process took the experiment over.
    #[error(
        "{0} was taken over by another process, since this one gave no sign of life for two minutes\n\
         give the same command again to go on with others"
    )]
    TakenOver(String),
    /// The folder of an experiment's run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An I/O error.
    #[error("cannot {action} {path}: {source}\nnothing that was saved is lost: make room or give access, and give the same command again", path = .path.shown())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl SweepError {
    /// For `map_err`: the error of an I/O operation `action` on `path`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

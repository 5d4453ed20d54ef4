//! What can go wrong with a sweep.

use std::io;
use std::path::PathBuf;

use crate::data;
use crate::recipe::RecipeError;
use crate::run::RunError;
use crate::text::shown::{PathText, first_of};
use crate::train::TrainError;

/// A sweep that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A plan that makes no sense.
    #[error("{0}")]
    Choice(String),
    /// A plan with an unknown network, or settings out of their range.
    #[error(transparent)]
    Plan(#[from] RecipeError),
    /// A network that cannot be.
    #[error(transparent)]
    Network(#[from] crate::net::Error),
    /// The folder of another plan.
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
    /// A folder without a plan.
    #[error("{path} holds no plan: there is no plan.toml\nbegin one with the same command without --status", path = .0.shown())]
    NoPlan(PathBuf),
    /// A `plan.toml` that cannot be understood.
    #[error("cannot understand {path}: {problem}", path = .path.shown())]
    BadPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Data that cannot be tested on as it is.
    #[error(
        "{0} has no test split of its own, and this table is one of test errors\n\
         give --holdout 500 (or 10%) to keep the last images of each class for testing; the table then says so"
    )]
    NoTestSplit(String),
    /// Data that cannot be opened.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// An experiment that cannot go on.
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
    /// The system refused.
    #[error("cannot {action} {path}: {source}\nnothing that was saved is lost: make room or give access, and give the same command again", path = .path.shown())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: the system refused to `action` the `path`.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

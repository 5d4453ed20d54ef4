//! What the modules of other languages call: a command with its flags, without its output and its handling of signals.

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

use allcnn::train::{Finished, TrainError};

use crate::args::{Cli, Command};
use crate::commands;
use crate::failure;
use crate::progress::Progress;
use crate::training_progress::TrainingProgress;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What the program prints, without `error: `.
    pub message: String,
    /// Whether it is something that the caller could have given otherwise, not a training that diverged or a device that failed.
    pub is_mistake: bool,
}

/// Trains as `allcnn train` with these flags does, until it ends or `stop` is set, which saves it. Progress is printed to
/// standard error unless `--quiet` is among the flags.
///
/// # Errors
/// [`Failure`] with the program's message.
pub fn train(flags: &[OsString], stop: &AtomicBool) -> Result<Finished, Failure> {
    let arguments: Vec<OsString> =
        ["allcnn", "train"].map(OsString::from).into_iter().chain(flags.to_vec()).collect();
    let mistake = |message: String| {
        let message = message.strip_prefix("error: ").map_or(message.clone(), str::to_owned);
        Failure { message, is_mistake: true }
    };
    let cli = Cli::read(&arguments).map_err(|error| mistake(failure::usage_message(&error, &arguments)))?;
    let Some(Command::Train(arguments)) = cli.command else {
        return Err(mistake("no flags of `allcnn train`".into()));
    };
    let mut observer = TrainingProgress::without_interrupt(Progress::of(arguments.common.output));
    commands::train(&arguments, stop, &mut observer).map_err(|error| Failure {
        message: failure::message(&error),
        is_mistake: !matches!(
            error.downcast_ref(),
            Some(TrainError::Diverged { .. } | TrainError::Device(_))
        ),
    })
}

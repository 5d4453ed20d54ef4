//! Reports failures: one to three lines on standard error and an exit code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use allcnn::evaluate::EvaluateError;
use allcnn::text::shown::PathText;
use allcnn::train::TrainError;
use allcnn::{import, net, sweep, visualise};
use clap::error::ErrorKind;

use crate::output;
use crate::streams;

/// The exit code of work that failed.
pub const EXIT_FAILED: u8 = 1;
/// The exit code of a run that was interrupted after saving.
pub const EXIT_INTERRUPTED: u8 = 130;
/// The exit code of wrong usage, as in clap.
pub const EXIT_USAGE: u8 = 2;

/// Prints the requested help, or reports in a few lines what clap found wrong.
pub fn report_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return output::text(&error.render().to_string())
            .map_or_else(|error| report(&error), |()| ExitCode::SUCCESS);
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        streams::message(&format!("error: {}", not_utf8()));
        return ExitCode::from(EXIT_USAGE);
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
    streams::message(&lines.collect::<Vec<_>>().join("\n"));
    ExitCode::from(EXIT_USAGE)
}

/// Says which arguments are not UTF-8, which clap does not.
fn not_utf8() -> String {
    let given: Vec<_> = std::env::args_os().filter(|argument| argument.to_str().is_none()).collect();
    let given: Vec<String> = given.iter().map(|argument| Path::new(argument).shown()).collect();
    format!(
        "given {}; expected UTF-8 for data, networks and settings, which a run records as text\n\
         (the names of pictures, weights and run folders may be any): rename it, or make a link to it",
        given.join(", ")
    )
}

/// Reports a failure on standard error and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    streams::message(&format!("error: {}", message(error)));
    ExitCode::from(if is_usage(error) { EXIT_USAGE } else { EXIT_FAILED })
}

/// Whether the error is one of usage: an unknown name, or a unit that the network does not have.
fn is_usage(error: &anyhow::Error) -> bool {
    let import = error.downcast_ref::<import::Error>();
    let sweep = error.downcast_ref::<sweep::Error>();
    let network = match (import, sweep, error.downcast_ref::<TrainError>()) {
        (Some(import::Error::Network(network)), ..) => Some(network),
        (_, Some(sweep::Error::Network(network)), _) => Some(network),
        (.., Some(TrainError::Network(network))) => Some(network),
        _ => error.downcast_ref::<net::Error>(),
    };
    matches!(network, Some(net::Error::UnknownModel { .. }))
        || matches!(error.downcast_ref::<EvaluateError>(), Some(EvaluateError::NoSplit(_)))
        || matches!(sweep, Some(sweep::Error::Choice(_)))
        || matches!(import, Some(import::Error::Frame(_)))
        || error.is::<UnknownRecipe>()
        || error.is::<WrongUsage>()
        || error.downcast_ref::<visualise::Error>().is_some_and(visualise::Error::is_usage)
}

/// A recipe that is neither a known name nor a file.
#[derive(Debug, thiserror::Error)]
#[error("unknown recipe \"{0}\"; expected quick, paper, imagenet or a file NAME.toml")]
pub struct UnknownRecipe(pub String);

/// Flags that are valid on their own, but not together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

/// The error and its causes, each message once: libraries often repeat that of the cause in their own.
pub fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if message.is_empty() {
            message = text;
        } else if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
    }
    message
}

/// Location and message of the last panic.
static PANIC: Mutex<Option<(String, Backtrace)>> = Mutex::new(None);

/// Installs a panic hook that stores location and message instead of printing them: some panics, as those of an image
/// decoder, are caught and are no failure of the program.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let seen = (panic.to_string(), Backtrace::capture());
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }));
}

/// Reports a panic that reached `main`.
pub fn report_panic() -> ExitCode {
    let seen = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let text = seen.as_ref().map_or("a thread panicked", |(text, _)| text);
    streams::message(&format!("internal error: {text}"));
    streams::message(
        "This is a bug in allcnn, not a mistake of yours: please report it with the command and this message.",
    );
    if let Some((_, backtrace)) =
        seen.filter(|(_, backtrace)| backtrace.status() == BacktraceStatus::Captured)
    {
        streams::long_message(backtrace.to_string().trim_end());
    }
    ExitCode::from(EXIT_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_told_twice() {
        let error = anyhow::anyhow!("No space left on device")
            .context("cannot write last.safetensors: No space left on device")
            .context("training stopped");
        assert_eq!(
            message(&error),
            "training stopped: cannot write last.safetensors: No space left on device"
        );
    }
}

//! Reports failures: one to three lines on standard error and an exit code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use allcnn::evaluate::EvaluateError;
use allcnn::import::ImportError;
use allcnn::net::NetError;
use allcnn::sweep::SweepError;
use allcnn::text::shown::PathText;
use allcnn::train::TrainError;
use allcnn::visualise::VisualiseError;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::Exit;
use crate::output;
use crate::streams;

/// Prints the requested help, or reports in a few lines what clap found wrong in the command line.
pub(crate) fn report_usage(error: &clap::Error, arguments: &[OsString]) -> Exit {
    if !error.use_stderr() {
        return output::text(&error.render().to_string())
            .map_or_else(|error| report(&error), |()| Exit::DONE);
    }
    streams::message(&usage_message(error, arguments));
    Exit::USAGE
}

/// What clap found wrong in the command line, in a few lines.
pub(crate) fn usage_message(error: &clap::Error, arguments: &[OsString]) -> String {
    if error.kind() == ErrorKind::InvalidUtf8 {
        return format!("error: {}", not_utf8(arguments));
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
    let tip =
        unnamed_data(error, arguments).map(|data| format!("tip: to train on these images: --data {data}"));
    lines.chain(tip.as_deref()).collect::<Vec<_>>().join("\n")
}

/// The files that `allcnn train` was given without `--data`.
fn unnamed_data(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let trains = arguments.get(1).is_some_and(|command| command == "train");
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(given)) if trains && error.kind() == ErrorKind::UnknownArgument => {
            Some(Path::new(given)).filter(|path| path.exists()).map(PathText::shown)
        }
        _ => None,
    }
}

/// Says which arguments are not UTF-8, which clap does not.
fn not_utf8(arguments: &[OsString]) -> String {
    let given = arguments.iter().filter(|argument| argument.to_str().is_none());
    let given: Vec<String> = given.map(|argument| Path::new(argument).shown()).collect();
    format!(
        "given {}; expected UTF-8 for data, networks and settings, which a run records as text\n\
         (the names of pictures, weights and run folders may be any): rename it, or make a link to it",
        given.join(", ")
    )
}

/// Reports a failure on standard error and returns its exit code.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    streams::message(&format!("error: {}", message(error)));
    if is_usage(error) { Exit::USAGE } else { Exit::FAILED }
}

/// Whether the error is one of usage: an unknown name, or a unit that the network does not have.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    let import = error.downcast_ref::<ImportError>();
    let sweep = error.downcast_ref::<SweepError>();
    let network = match (import, sweep, error.downcast_ref::<TrainError>()) {
        (Some(ImportError::Network(network)), ..) => Some(network),
        (_, Some(SweepError::Network(network)), _) => Some(network),
        (.., Some(TrainError::Network(network))) => Some(network),
        _ => error.downcast_ref::<NetError>(),
    };
    matches!(network, Some(NetError::UnknownModel { .. }))
        || matches!(error.downcast_ref::<EvaluateError>(), Some(EvaluateError::NoSplit(_)))
        || matches!(sweep, Some(SweepError::Choice(_)))
        || matches!(import, Some(ImportError::Frame(_)))
        || error.is::<UnknownRecipe>()
        || error.is::<WrongUsage>()
        || error.downcast_ref::<VisualiseError>().is_some_and(VisualiseError::is_usage)
}

/// A recipe that is neither a known name nor a file.
#[derive(Debug, thiserror::Error)]
#[error("unknown recipe \"{0}\"; expected quick, paper, imagenet, graham or a file NAME.toml")]
pub(crate) struct UnknownRecipe(pub String);

/// Flags that are valid on their own, but not together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUsage(pub String);

/// The error and its causes, each message once: libraries often repeat that of the cause in their own.
pub(crate) fn message(error: &anyhow::Error) -> String {
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
pub(crate) fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let seen = (panic.to_string(), Backtrace::capture());
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }));
}

/// Reports a panic that reached `main`.
pub(crate) fn report_panic() -> Exit {
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
    Exit::FAILED
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

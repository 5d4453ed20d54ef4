//! Progress on standard error: a bar in a terminal, plain lines elsewhere, nothing with `--quiet`.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::OutputFlags;
use crate::streams;

/// Minimum time between two plain lines of one task.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Style and verbosity of the progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    style: Style,
    verbose: bool,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Nothing.
    Silent,
    /// Plain lines.
    Lines,
    /// A bar that is redrawn in place.
    Bar,
}

impl Progress {
    /// The style for the flags of a command and the kind of standard error.
    pub(crate) fn of(output: OutputFlags) -> Self {
        let style = match (output.quiet, std::io::stderr().is_terminal()) {
            (true, _) => Style::Silent,
            (false, true) => Style::Bar,
            (false, false) => Style::Lines,
        };
        Self { style, verbose: output.verbose }
    }

    /// Whether `--verbose` was given.
    pub(crate) fn is_verbose(self) -> bool {
        self.verbose
    }

    /// Prints a line, unless with `--quiet`.
    pub(crate) fn note(self, text: &str) {
        if self.style != Style::Silent {
            streams::message(text);
        }
    }

    /// Prints a line with `--verbose` only.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose {
            streams::message(text);
        }
    }

    /// Starts a task of `total` units (0: unknown).
    pub(crate) fn task(self, label: &str, total: u64, unit: Unit) -> Task {
        let bar = (self.style == Style::Bar).then(|| bar(label, total, unit));
        Task { style: self.style, label: label.to_owned(), total, unit, bar, last_line: Instant::now() }
    }
}

/// The unit in which a task is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Images, files, ...
    Things,
    /// Bytes.
    Bytes,
}

fn bar(label: &str, total: u64, unit: Unit) -> ProgressBar {
    let count = match (unit, total) {
        (Unit::Bytes, 0) => "{bytes} {binary_bytes_per_sec} {msg}",
        (Unit::Bytes, _) => "[{wide_bar}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left {msg}",
        (Unit::Things, 0) => "{human_pos} {msg}",
        (Unit::Things, _) => "[{wide_bar}] {human_pos}/{human_len} {msg}",
    };
    let style = ProgressStyle::with_template(&format!("{{prefix}} {count}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::with_draw_target((total > 0).then_some(total), ProgressDrawTarget::stderr_with_hz(10))
        .with_style(style)
        .with_prefix(label.to_owned())
}

/// A task whose progress is shown.
#[derive(Debug)]
pub(crate) struct Task {
    style: Style,
    label: String,
    total: u64,
    unit: Unit,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Task {
    /// Shows that `done` units are done; `detail` is only called when it is shown.
    pub(crate) fn set(&mut self, done: u64, detail: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(detail());
        } else if self.style == Style::Lines && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            streams::message(format!("{} {} {}", self.label, self.amount(done), detail()).trim_end());
        }
    }

    /// Prints a warning above the bar, even with `--quiet`.
    pub(crate) fn warn(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| streams::warning(text)),
            None => streams::warning(text),
        }
    }

    fn amount(&self, done: u64) -> String {
        let show = |number| match self.unit {
            Unit::Things => indicatif::HumanCount(number).to_string(),
            Unit::Bytes => indicatif::HumanBytes(number).to_string(),
        };
        if self.total > 0 { format!("{}/{}", show(done), show(self.total)) } else { show(done) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A duration in its two largest units: `1h 20m`, `2m 5s`, `9s`.
pub(crate) fn human_time(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m {seconds}s"),
        _ => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::human_time;

    #[test]
    fn times_for_people() {
        for (seconds, text) in
            [(0.2, "0s"), (59.6, "1m 0s"), (125.0, "2m 5s"), (4800.0, "1h 20m"), (-1.0, "0s")]
        {
            assert_eq!(human_time(seconds), text);
        }
    }
}

//! The program `allcnn`: parses the command line, runs one command and returns its exit code.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted after saving.
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod args;
mod commands;
mod device;
mod failure;
mod interrupt;
mod npy;
mod output;
mod progress;
mod streams;
mod training_progress;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::args::{Cli, Command};

const SHORT_HELP: &str = "\
allcnn trains All-Convolutional Nets on your own images. The two commands to start with:

  allcnn train                   train on the embedded pictures: minutes, nothing to download
  allcnn train --data photos/    train on your own images: one folder a class

allcnn --help shows all commands, allcnn COMMAND --help their examples and flags.
";

fn main() -> ExitCode {
    failure::keep_panics();
    let command = match Cli::read() {
        Ok(cli) => cli.command,
        Err(error) => return failure::report_usage(&error),
    };
    match catch_unwind(AssertUnwindSafe(|| run(command))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => failure::report(&error),
        Err(_) => failure::report_panic(),
    }
}

fn run(command: Option<Command>) -> anyhow::Result<ExitCode> {
    match command {
        Some(command) => commands::run(&command),
        None => output::text(SHORT_HELP).map(|()| ExitCode::SUCCESS),
    }
}

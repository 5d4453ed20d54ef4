//! The program `allcnn` as a library: parses a command line, runs one command and returns its exit code. The program itself
//! and the Python module call it.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted after saving.
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod args;
pub mod binding;
mod commands;
mod csv_file;
mod device;
mod exit;
mod failure;
mod interrupt;
mod npy;
mod output;
mod processes;
mod progress;
mod streams;
mod time_table;
mod training_progress;
mod values;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::args::{Cli, Command};
pub use crate::exit::Exit;

const SHORT_HELP: &str = "\
allcnn trains All-Convolutional Nets on your own images. The commands to start with:

  allcnn explain demo cat.jpg    what a network that comes along sees in a picture
  allcnn train                   train on the embedded pictures: minutes, nothing to download
  allcnn train --data photos/    train on your own images: one folder a class
  allcnn serve                   see it all in a browser

allcnn --help shows all commands, allcnn COMMAND --help their examples and flags.
";

/// Runs the program with these arguments, its name first.
pub fn run(arguments: &[OsString]) -> Exit {
    failure::keep_panics();
    let command = match Cli::read(arguments) {
        Ok(cli) => cli.command,
        Err(_) if !processes::speaks() => return Exit::USAGE,
        Err(error) => return failure::report_usage(&error, arguments),
    };
    match catch_unwind(AssertUnwindSafe(|| carry_out(command))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => failure::report(&error),
        Err(_) => failure::report_panic(),
    }
}

fn carry_out(command: Option<Command>) -> anyhow::Result<Exit> {
    match command {
        Some(command) => commands::run(&command),
        None => output::text(SHORT_HELP).map(|()| Exit::DONE),
    }
}

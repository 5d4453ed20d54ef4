//! One file a command: check what was given, call the library, show the result.

mod bench;
mod bench_layers;
mod models;
mod network_source;

use std::process::ExitCode;

use crate::args::Command;

/// Runs a command.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Models(arguments) => models::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        _ => unimplemented!(),
    }
}

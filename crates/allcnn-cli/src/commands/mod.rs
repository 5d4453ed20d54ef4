//! One file per command: checks the flags, calls the library, prints the result.

mod bench;
mod data;
mod eval;
mod explain;
mod features;
mod import;
mod models;
mod network_choice;
mod picture;
mod predict;
mod recipe_choice;
mod reproduce;
mod train;

use std::process::ExitCode;

use crate::args::Command;
use crate::device;

/// Runs a command.
pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    device::use_threads(command.threads())?;
    match command {
        Command::Train(arguments) => train::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Features(arguments) => features::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Reproduce(command) => reproduce::run(command),
        Command::Models(arguments) => models::run(arguments),
        Command::Data(command) => data::run(command),
        Command::Bench(arguments) => bench::run(arguments),
    }
}

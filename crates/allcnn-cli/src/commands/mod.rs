//! One file per command: checks the flags, calls the library, prints the result.

mod bench;
mod completions;
mod data;
mod eval;
mod explain;
mod export;
mod features;
mod folds;
mod import;
mod man;
mod models;
mod network_choice;
mod picture;
mod predict;
mod recipe_choice;
mod reproduce;
mod serve;
mod train;

use crate::args::Command;
use crate::device;
use crate::exit::Exit;
pub(crate) use train::train;

/// Runs a command.
pub(crate) fn run(command: &Command) -> anyhow::Result<Exit> {
    device::use_threads(command.threads())?;
    match command {
        Command::Train(arguments) if folds::are_wanted(arguments) => folds::run(arguments),
        Command::Train(arguments) => train::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Features(arguments) => features::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Reproduce(command) => reproduce::run(command),
        Command::Models(arguments) => models::run(arguments),
        Command::Data(command) => data::run(command),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
    }
}

//! `allcnn data`: describes, fetches, converts and verifies data, and finds suspect labels.

mod convert;
mod fetch;
mod info;
mod opened;
mod suspects;
mod verify;

use std::process::ExitCode;

use crate::args::DataCommand;

/// Runs a data command.
pub fn run(command: &DataCommand) -> anyhow::Result<ExitCode> {
    match command {
        DataCommand::Info(arguments) => info::run(arguments),
        DataCommand::Fetch(arguments) => fetch::run(arguments),
        DataCommand::Convert(arguments) => convert::run(arguments),
        DataCommand::Verify(arguments) => verify::run(arguments),
        DataCommand::Suspects(arguments) => suspects::run(arguments),
    }
}

//! `allcnn data`: describes, fetches, converts and verifies data, and finds suspect labels.

mod convert;
mod fetch;
mod info;
mod opened;
mod suspects;
mod verify;

use crate::args::DataCommand;
use crate::exit::Exit;

/// Runs a data command.
pub(super) fn run(command: &DataCommand) -> anyhow::Result<Exit> {
    match command {
        DataCommand::Info(arguments) => info::run(arguments),
        DataCommand::Fetch(arguments) => fetch::run(arguments),
        DataCommand::Convert(arguments) => convert::run(arguments),
        DataCommand::Verify(arguments) => verify::run(arguments),
        DataCommand::Suspects(arguments) => suspects::run(arguments),
    }
}

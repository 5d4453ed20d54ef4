//! `allcnn completions`: a script with which a shell completes commands and flags.

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::output;

/// Prints the script.
pub(super) fn run(arguments: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::definition(), "allcnn", &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::DONE)
}

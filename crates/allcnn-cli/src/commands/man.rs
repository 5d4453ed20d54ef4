//! `allcnn man`: a page of the manual for each command.

use allcnn::atomic_file::write_atomically;
use allcnn::text::shown::PathText;
use anyhow::Context;
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::exit::Exit;
use crate::output;

/// Writes the pages `allcnn.1`, `allcnn-train.1`, `allcnn-data-info.1`, ...
pub(super) fn run(arguments: &ManArgs) -> anyhow::Result<Exit> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.shown()))?;
    let mut pages = Vec::new();
    let mut definition = Cli::definition();
    definition.build();
    gather(&definition, "allcnn", &mut pages)?;
    for (name, page) in &pages {
        let path = folder.join(format!("{name}.1"));
        write_atomically(&path, page).with_context(|| format!("cannot write {}", path.shown()))?;
    }
    output::text(&format!("{} pages in {}\n", pages.len(), folder.shown()))?;
    Ok(Exit::DONE)
}

/// The pages of a command and its subcommands, by name.
fn gather(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    // A page has no place for what stands above the flags of the help: the examples.
    let said = [command.get_before_help(), command.get_after_help()];
    let said: Vec<String> = said.into_iter().flatten().map(ToString::to_string).collect();
    let mut page = Vec::new();
    Man::new(command.clone().after_help(said.join("\n\n")))
        .title(name)
        .render(&mut page)
        .context("cannot make a page of the manual")?;
    pages.push((name.to_owned(), page));
    let subcommands = command.get_subcommands().filter(|command| command.get_name() != "help");
    subcommands
        .into_iter()
        .try_for_each(|command| gather(command, &format!("{name}-{}", command.get_name()), pages))
}

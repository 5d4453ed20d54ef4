//! `allcnn reproduce`: the paper's tables, and its figures with a network of one's own.

mod dasnet;
mod figures;
mod tables;

use allcnn::sweep::PaperTable;

use crate::args::ReproduceCommand;
use crate::exit::Exit;

/// Makes one table or figure.
pub(super) fn run(command: &ReproduceCommand) -> anyhow::Result<Exit> {
    let pictures = match command {
        ReproduceCommand::Table3(arguments) => return tables::run(PaperTable::Table3, arguments),
        ReproduceCommand::Table4(arguments) => return tables::run(PaperTable::Table4, arguments),
        ReproduceCommand::Ablation(arguments) => return tables::run(PaperTable::Ablation, arguments),
        ReproduceCommand::Dasnet(arguments) => return dasnet::run(arguments),
        ReproduceCommand::Fig2(arguments) => figures::figure2(arguments),
        ReproduceCommand::Fig3(arguments) => figures::figure3(arguments),
        ReproduceCommand::Fig4(arguments) => figures::figure4(arguments),
        ReproduceCommand::Fig5(arguments) => figures::figure5(arguments),
        ReproduceCommand::Fig6(arguments) => figures::figure6(arguments),
    }?;
    if let Some(figure) = command.figure() {
        figures::print(figure, &pictures)?;
    }
    Ok(Exit::DONE)
}

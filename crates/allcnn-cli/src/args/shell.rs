//! `allcnn completions` and `allcnn man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `allcnn completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// `allcnn man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder to write them to, which is made
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

//! `allcnn models`.

use clap::Args;

use super::common::OutputFlags;
use crate::values::count;

/// `allcnn models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// A network's name or TOML file: show its layers
    pub name: Option<String>,
    /// Number of classes [default: 10; 1000 for the ImageNet networks]
    #[arg(long, value_name = "N", value_parser = count::<usize>(1_000_000))]
    pub classes: Option<usize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputFlags,
}

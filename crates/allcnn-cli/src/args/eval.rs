//! `allcnn eval`.

use std::path::PathBuf;

use clap::Args;

use super::common::{CheckpointChoice, Common, SplitChoice};
use super::reading::ReadingArgs;
use crate::values::count;

/// `allcnn eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A run folder
    pub run: PathBuf,
    /// Where the run's data is now, or other data with the same classes, from which nothing is held out
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Images to measure on, if the data has splits
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitChoice,
    /// Average over N views of each image: as it is, and augmented as in the training (else by flips and shifts)
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<u32>(10_000))]
    pub views: u32,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// List every class [default: those with images, and of more than 20 the worst]
    #[arg(long)]
    pub all_classes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

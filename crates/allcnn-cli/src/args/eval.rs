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
    /// Where the run's data is now, or other data with the same classes; that is measured whole
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Which images of the data, where it has splits
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitChoice,
    /// Look at each image N times, as it is and varied as in the training (else by flips and shifts), and average
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<u32>(10_000))]
    pub views: u32,
    /// Which weights of the run
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// Show every class: without this those that have images, and of more than 20 the worst
    #[arg(long)]
    pub all_classes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

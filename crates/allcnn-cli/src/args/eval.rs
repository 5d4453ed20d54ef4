//! `allcnn eval`.

use std::path::PathBuf;

use clap::Args;

use super::common::{CheckpointChoice, Common, SplitChoice};
use super::reading::ReadingArgs;
use crate::values::count;

/// `allcnn eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A run folder, or demo; of several, the mean of their probabilities is measured, on the data of the first
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Compare with another run on the same images (exact McNemar test)
    #[arg(long, value_name = "RUN")]
    pub against: Option<PathBuf>,
    /// Write a row for each image to FILE
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
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
    /// Divide logits by the temperature that was fitted on the run's validation images, so that probabilities mean what they say
    #[arg(long)]
    pub calibrated: bool,
    /// List every class [default: those with images, and of more than 20 the worst]
    #[arg(long)]
    pub all_classes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

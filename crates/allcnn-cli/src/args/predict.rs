//! `allcnn predict`.

use std::path::PathBuf;

use clap::Args;

use super::common::{CheckpointChoice, Common};
use crate::values::{count, similarity};

/// `allcnn predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A run folder, or demo
    pub run: PathBuf,
    /// Further run folders, whose probabilities are averaged; then pictures, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// Number of classes to list for each picture
    #[arg(long, value_name = "K", default_value = "1", value_parser = count::<usize>(1_000_000))]
    pub top: usize,
    /// Divide logits by the temperature that was fitted on the run's validation images, so that probabilities mean what they say
    #[arg(long)]
    pub calibrated: bool,
    /// Mark pictures whose most probable class is less probable than P, from 0 to 1, as unsure
    #[arg(long, value_name = "P", value_parser = similarity)]
    pub unsure_below: Option<f32>,
    /// Write the answers to FILE too, a row for each picture
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

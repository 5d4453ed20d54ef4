//! `allcnn predict`.

use std::path::PathBuf;

use clap::Args;

use super::common::{CheckpointChoice, Common};
use crate::values::count;

/// `allcnn predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A run folder
    pub run: PathBuf,
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// Number of classes to list for each picture
    #[arg(long, value_name = "K", default_value = "1", value_parser = count::<usize>(1_000_000))]
    pub top: usize,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

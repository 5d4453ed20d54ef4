//! The flags of `allcnn features`.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use super::common::{CheckpointChoice, Common, SplitChoice};
use super::explain::MethodChoice;
use super::reading::ReadingArgs;
use crate::values::{count, range};

/// `allcnn features`.
#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// A run folder, or demo
    pub run: PathBuf,
    /// The layer: conv1, ..., pool1, ..., global_pool (see `allcnn models NAME`)
    #[arg(long, value_name = "NAME")]
    pub layer: String,
    /// Filters from A up to, not including, B, numbered from 0; or a single one [default: all]
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub filters: Option<Range<usize>>,
    /// Patches per filter, each from another image
    #[arg(long, value_name = "K", default_value = "9", value_parser = count::<usize>(100))]
    pub patches: usize,
    /// Images to use instead of the run's; they need no classes
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Which images of the data [default: train, or test where there are no others]
    #[arg(long, value_enum)]
    pub split: Option<SplitChoice>,
    /// How the signal goes back from the unit to the patch
    #[arg(long, value_enum, default_value = "guided")]
    pub method: MethodChoice,
    /// Visualize single units without an image, by the deconvnet's rule; only for layers below all pooling
    #[arg(long, conflicts_with_all = ["patches", "data", "reading", "split", "method"])]
    pub without_image: bool,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// The sheet of pictures to write: pages of at most 2200x3300 pixels (larger if one row is), FILE.png, FILE-2.png, ...;
    /// existing files are overwritten
    #[arg(long, value_name = "FILE.png", default_value = "features.png")]
    pub out: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

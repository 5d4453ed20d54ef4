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
pub struct FeaturesArgs {
    /// A run folder
    pub run: PathBuf,
    /// The layer: conv1, ..., pool1, ..., global_pool (see `allcnn models NAME`)
    #[arg(long, value_name = "NAME")]
    pub layer: String,
    /// The filters from A up to, but without, B, counted from 0; or one of them [default: all]
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub filters: Option<Range<usize>>,
    /// Patches of each filter, from as many images
    #[arg(long, value_name = "K", default_value = "9", value_parser = count::<usize>(100))]
    pub patches: usize,
    /// Other images than the run's; their classes do not matter, and loose pictures have none
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Which images of the data [default: train, or test where there are no others]
    #[arg(long, value_enum)]
    pub split: Option<SplitChoice>,
    /// The way back from the unit to the patch
    #[arg(long, value_enum, default_value = "guided")]
    pub method: MethodChoice,
    /// Draw what single units send back without any image, by the deconvnet's rule; for layers below any pooling
    #[arg(long, conflicts_with_all = ["patches", "data", "reading", "split", "method"])]
    pub without_image: bool,
    /// Which weights of the run
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// The sheet of pictures to write, at most 2200x3300 pixels unless one row is larger: what is more goes to FILE-2.png,
    /// FILE-3.png, ...; files of these names are replaced
    #[arg(long, value_name = "FILE.png", default_value = "features.png")]
    pub out: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

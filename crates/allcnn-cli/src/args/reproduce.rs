//! The flags of `allcnn reproduce`.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Common, SplitChoice, TEMPLATE};
use crate::values::{count, range};

/// `allcnn reproduce`.
#[derive(Debug, Subcommand)]
pub enum ReproduceCommand {
    /// Figure 2: what the filters of conv1 to conv3 draw without an image
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  allcnn reproduce fig2 --run runs/NAME --out figures/"
    )]
    Fig2(FigureArgs),
    /// Figure 3: image patches that activate filters of conv6 and conv9 most, with deconvnet and guided backpropagation
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig3 --run runs/NAME --out figures/
  allcnn reproduce fig3 --run runs/NAME --filters 20..32 --data photos/"
    )]
    Fig3(PatchFigureArgs),
    /// Figure 4: what the most active unit of the last convolution (conv12) looks at, by three methods
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig4 --run runs/NAME --out figures/
  allcnn reproduce fig4 --run runs/NAME cat.jpg dog.jpg",
        after_help = SWITCHES
    )]
    Fig4(ImageFigureArgs),
    /// Figure 5: the same from the pre-softmax layer (global_pool)
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig5 --run runs/NAME --out figures/
  allcnn reproduce fig5 --run runs/NAME cat.jpg dog.jpg",
        after_help = SWITCHES
    )]
    Fig5(ImageFigureArgs),
    /// Figure 6: the same from the last layer (fc8) of a network that was trained with max pooling, such as CaffeNet
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn import bvlc_reference_caffenet.caffemodel --model caffenet --out runs/caffenet
  allcnn reproduce fig6 --run runs/caffenet cat.jpg dog.jpg --out figures/"
    )]
    Fig6(ImageFigureArgs),
}

const SWITCHES: &str =
    "Each image has its maps twice: by the network as it is (without pooling), and with each
stride-2 convolution given stride 1 and a max pool put after it (with pooling + switches).";

/// Flags of every figure.
#[derive(Debug, Args)]
pub struct FigureArgs {
    /// The run folder of the network
    #[arg(long, value_name = "RUN")]
    pub run: PathBuf,
    /// The folder to write pictures to; made where there is none
    #[arg(long, value_name = "DIR", default_value = "figures")]
    pub out: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Flags of a figure of patches.
#[derive(Debug, Args)]
pub struct PatchFigureArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub figure: FigureArgs,
    /// Other images than the run's
    #[arg(long)]
    pub data: Option<String>,
    /// Which images of the data [default: train, or test where there are no others]
    #[arg(long, value_enum)]
    pub split: Option<SplitChoice>,
    /// The filters from A up to, but without, B, counted from 0 [default: the first 12]
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub filters: Option<Range<usize>>,
    /// Patches of each filter
    #[arg(long, value_name = "K", default_value = "10", value_parser = count::<usize>(100))]
    pub patches: usize,
}

/// Flags of a figure of whole images.
#[derive(Debug, Args)]
pub struct ImageFigureArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub figure: FigureArgs,
    /// Pictures, or folders of them [default: images of different classes from the run's data]
    #[arg(value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// Other images than the run's
    #[arg(long, conflicts_with = "images")]
    pub data: Option<String>,
    /// How many images
    #[arg(long, value_name = "N", default_value = "4", value_parser = count::<usize>(1000))]
    pub count: usize,
}

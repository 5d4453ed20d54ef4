//! The flags of `allcnn import`.

use std::path::PathBuf;

use super::common::OutputFlags;
use allcnn::data::Framing;
use allcnn::import::Scaling;
use clap::Args;

use crate::values::{framing, image_size, scaling};

/// `allcnn import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The weights: a state dict of PyTorch, as safetensors or .pt, or a .caffemodel; recognised by content
    pub weights: PathBuf,
    /// The network that they belong to: a name (see `allcnn models`) or a TOML file of layers
    #[arg(long, value_name = "NAME|FILE")]
    pub model: String,
    /// Input size, if the network's layers allow another one [default: the network's own]
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub input: Option<(usize, usize)>,
    /// A text file of class names, one per line, in the order of the outputs; trailing blank lines are ignored [default: class 0, class 1, ...]
    #[arg(long, value_name = "FILE")]
    pub classes_file: Option<PathBuf>,
    /// How the network expects pixels: none (value / 255), imagenet (torchvision's mean and deviation), caffe (value -
    /// mean), R,G,B/R,G,B (means and deviations of value / 255), or the preprocess.safetensors of a run; imagenet and caffe
    /// also set the default of --frame [default: caffe for a .caffemodel, imagenet for features.N and classifier.N, else none]
    #[arg(long, value_name = "KIND|FILE", value_parser = scaling())]
    pub preprocess: Option<Scaling>,
    /// How pictures are framed: SIZE, scale the shorter side to SIZE pixels as torchvision's Resize does, then crop the input
    /// from the center; or whole, scale the picture so that it just covers the input [default: for imagenet SIZE is
    /// 256 for an input of 224 (8/7 of it), for caffe the picture is scaled to 256x256, whatever its proportions, for
    /// an input of 227; else whole]
    #[arg(long, value_name = "SIZE|whole", value_parser = framing)]
    pub frame: Option<Framing>,
    /// The run folder to create
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputFlags,
}

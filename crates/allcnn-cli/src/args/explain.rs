//! The flags of `allcnn explain`.

use std::path::PathBuf;

use allcnn::visualise::Place;
use clap::{Args, ValueEnum};

use super::common::{CheckpointChoice, Common};
use crate::values::{UnitChoice, count, place, unit};

/// How a signal passes a ReLU on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodChoice {
    /// Guided backpropagation, the paper's own: positive signals, through active units only.
    Guided,
    /// The gradient.
    Backprop,
    /// Deconvnet (Zeiler and Fergus 2014): positive signals, through all units.
    Deconvnet,
    /// The three side by side.
    All,
}

/// How maps are colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MapChoice {
    /// Zero is grey; each color channel is lighter where it speaks for the unit, darker where it speaks against it.
    Signed,
    /// The largest magnitude over a pixel's channels, from black to white.
    Absolute,
    /// Only the positive values, on black.
    Positive,
    /// The magnitude, from yellow to dark red, over the picture in grey.
    Overlay,
}

/// `allcnn explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A run folder
    pub run: PathBuf,
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// How the signal goes back from the unit to the picture
    #[arg(long, value_enum, default_value = "guided")]
    pub method: MethodChoice,
    /// The layer of the unit: conv1, ..., pool1, ..., global_pool or softmax (see `allcnn models NAME`) [default: the
    /// last before the softmax, whose units are the classes]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// The unit: a channel of the layer, numbered from 0; a class, in a layer with one unit per class; or max, the most
    /// active unit of each picture
    #[arg(long, value_name = "N|CLASS|max", default_value = "max", value_parser = unit)]
    pub unit: UnitChoice,
    /// Row and column of the unit in its channel, from 0 [default: the most active]
    #[arg(long, value_name = "ROW,COLUMN", value_parser = place)]
    pub at: Option<Place>,
    /// Explain the K most active units of the layer
    #[arg(long, value_name = "K", default_value = "1", value_parser = count::<usize>(65_536))]
    pub top: usize,
    /// How the maps are colored; each is scaled by its own largest magnitude
    #[arg(long, value_enum, default_value = "signed")]
    pub map: MapChoice,
    /// Show a second set of maps, with each stride of 2 replaced after training by max pooling with switches
    #[arg(long)]
    pub switches: bool,
    /// First draw new random weights from this layer up: a sanity check (Adebayo et al. 2018)
    #[arg(long, value_name = "LAYER")]
    pub randomize_from: Option<String>,
    /// Seed for --randomize-from
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// The sheet of pictures to write: pages of at most 2200x3300 pixels (larger if one row is), FILE.png, FILE-2.png, ...;
    /// existing files are overwritten
    #[arg(long, value_name = "FILE.png", default_value = "explain.png")]
    pub out: PathBuf,
    /// Also write the raw maps, float32 [height, width, 3], or [n, height, width, 3] for several, in the order of --json
    #[arg(long, value_name = "FILE.npy")]
    pub npy: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

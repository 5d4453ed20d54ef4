//! The flags of `allcnn explain`.

use std::path::PathBuf;

use allcnn::visualise::Place;
use clap::{Args, ValueEnum};

use super::common::{CheckpointChoice, Common};
use crate::values::{UnitChoice, count, place, unit};

/// The way back through a ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodChoice {
    /// What raises the unit, through units that are active: the paper's own method.
    Guided,
    /// The gradient.
    Backprop,
    /// What raises the unit, through all units (Zeiler and Fergus 2014).
    Deconvnet,
    /// The three side by side.
    All,
}

/// How maps are colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MapChoice {
    /// Zero is grey; each color channel is lighter where it speaks for the unit, darker where against it.
    Signed,
    /// The largest magnitude of a pixel's channels, from black to white.
    Absolute,
    /// Only what speaks for the unit, on black.
    Positive,
    /// The magnitude from yellow to dark red, over the picture in grey.
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
    /// The way back from the unit to the picture
    #[arg(long, value_enum, default_value = "guided")]
    pub method: MethodChoice,
    /// The layer of the unit: conv1, ..., pool1, ..., global_pool or softmax (see `allcnn models NAME`) [default: the
    /// last before the softmax, whose units are the classes]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// The unit: a channel of the layer, counted from 0; the name of a class, in a layer that has a unit for each; or max
    /// for the most active one of each picture
    #[arg(long, value_name = "N|CLASS|max", default_value = "max", value_parser = unit)]
    pub unit: UnitChoice,
    /// Where in the channel, counted from 0 [default: where it is most active]
    #[arg(long, value_name = "ROW,COLUMN", value_parser = place)]
    pub at: Option<Place>,
    /// Explain the K most active units of the layer
    #[arg(long, value_name = "K", default_value = "1", value_parser = count::<usize>(65_536))]
    pub top: usize,
    /// How the maps are colored; each is scaled by its own largest magnitude
    #[arg(long, value_enum, default_value = "signed")]
    pub map: MapChoice,
    /// Show beside it what comes of pooling with switches in the place of each stride of 2, put there after training
    #[arg(long)]
    pub switches: bool,
    /// Draw the weights from this layer up anew first: a sanity check (Adebayo et al. 2018)
    #[arg(long, value_name = "LAYER")]
    pub randomize_from: Option<String>,
    /// Seed for --randomize-from
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Which weights of the run
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// The sheet of pictures to write, at most 2200x3300 pixels unless one row is larger: what is more goes to FILE-2.png,
    /// FILE-3.png, ...; files of these names are replaced
    #[arg(long, value_name = "FILE.png", default_value = "explain.png")]
    pub out: PathBuf,
    /// Write the raw maps too, float32 [height, width, 3], or [n, height, width, 3] for several in the order of --json
    #[arg(long, value_name = "FILE.npy")]
    pub npy: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

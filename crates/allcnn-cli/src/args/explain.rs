//! The flags of `allcnn explain`.

use std::path::PathBuf;

use allcnn::visualise::{Attribution, Method, Position};
use clap::{Args, ValueEnum};

use super::common::{CheckpointChoice, Common};
use crate::values::{UnitChoice, count, position, positive, unit};

/// How a signal passes a ReLU on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodChoice {
    /// Guided backpropagation, the paper's own: positive signals, through active units only.
    Guided,
    /// The gradient.
    Backprop,
    /// Deconvnet (Zeiler and Fergus 2014): positive signals, through all units.
    Deconvnet,
    /// The three side by side.
    All,
}

/// How a unit is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttributionChoice {
    /// Guided backpropagation, the paper's own: positive signals, through active units only.
    Guided,
    /// The gradient.
    Backprop,
    /// Deconvnet (Zeiler and Fergus 2014): positive signals, through all units.
    Deconvnet,
    /// The class activation map: the class's map of the last convolution.
    Cam,
    /// Guided backpropagation times the class activation map.
    GuidedCam,
    /// The mean gradient over noisy copies of the picture.
    #[value(name = "smoothgrad")]
    SmoothGrad,
    /// The picture times the mean gradient on the way to it from zero.
    IntegratedGradients,
    /// How much the unit falls when a window of the picture is zero.
    Occlusion,
    /// The paper's three side by side: backprop, deconvnet, guided.
    All,
    /// All of them side by side.
    Every,
}

impl AttributionChoice {
    /// The ways to explain.
    pub(crate) fn ways(self) -> Vec<Attribution> {
        match self {
            Self::Guided => vec![Method::Guided.into()],
            Self::Backprop => vec![Method::Backprop.into()],
            Self::Deconvnet => vec![Method::Deconvnet.into()],
            Self::Cam => vec![Attribution::Cam],
            Self::GuidedCam => vec![Attribution::GuidedCam],
            Self::SmoothGrad => vec![Attribution::SmoothGrad],
            Self::IntegratedGradients => vec![Attribution::IntegratedGradients],
            Self::Occlusion => vec![Attribution::Occlusion],
            Self::All => Attribution::PAPER.to_vec(),
            Self::Every => Attribution::EVERY.to_vec(),
        }
    }
}

/// How maps are colored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MapChoice {
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
pub(crate) struct ExplainArgs {
    /// A run folder, or demo
    pub run: PathBuf,
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// How the unit is explained
    #[arg(long, value_enum, default_value = "guided")]
    pub method: AttributionChoice,
    /// The layer of the unit: conv1, ..., pool1, ..., global_pool or softmax (see `allcnn models NAME`) [default: the
    /// last before the softmax, whose units are the classes]
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// The unit: a channel of the layer, numbered from 0; a class, in a layer with one unit per class; or max, the most
    /// active unit of each picture
    #[arg(long, value_name = "N|CLASS|max", default_value = "max", value_parser = unit)]
    pub unit: UnitChoice,
    /// Row and column of the unit in its channel, from 0 [default: the most active]
    #[arg(long, value_name = "ROW,COLUMN", value_parser = position)]
    pub at: Option<Position>,
    /// Explain the K most active units of the layer
    #[arg(long, value_name = "K", default_value = "1", value_parser = count::<usize>(65_536))]
    pub top: usize,
    /// Score each map: areas under the curves of deletion and insertion, likeness to the map of random weights
    #[arg(long)]
    pub score: bool,
    /// How the maps are colored; each is scaled by its own largest magnitude
    #[arg(long, value_enum, default_value = "signed")]
    pub map: MapChoice,
    /// Show a second set of maps, with each stride of 2 replaced after training by max pooling with switches
    #[arg(long)]
    pub switches: bool,
    /// First draw new random weights from this layer up: a sanity check (Adebayo et al. 2018)
    #[arg(long, value_name = "LAYER")]
    pub randomize_from: Option<String>,
    /// Seed for --randomize-from and for the noise of smoothgrad
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Noisy copies of the picture for smoothgrad
    #[arg(long, value_name = "N", default_value = "32", value_parser = count::<usize>(65_536))]
    pub samples: usize,
    /// Noise of smoothgrad: its standard deviation as a fraction of the range of the picture's values
    #[arg(long, value_name = "X", default_value = "0.15", value_parser = positive)]
    pub noise: f32,
    /// Steps of integrated-gradients
    #[arg(long, value_name = "N", default_value = "64", value_parser = count::<usize>(65_536))]
    pub steps: usize,
    /// Rows and columns of the window of occlusion [default: an eighth of the picture's height]
    #[arg(long, value_name = "N", value_parser = count::<usize>(65_536))]
    pub window: Option<usize>,
    /// Rows and columns between the windows of occlusion [default: half of the window]
    #[arg(long, value_name = "N", value_parser = count::<usize>(65_536))]
    pub stride: Option<usize>,
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

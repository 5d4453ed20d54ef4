//! The flags of `allcnn export`.

use std::path::PathBuf;

use allcnn::export::ExplanationTarget;
use allcnn::visualise::Method;
use clap::{ArgGroup, Args, ValueEnum};

use super::common::{CheckpointChoice, Common};

/// The method of a map that leaves with the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportMethod {
    /// Guided backpropagation, the paper's own.
    Guided,
    /// The gradient.
    Backprop,
    /// Deconvnet (Zeiler and Fergus 2014).
    Deconvnet,
}

impl From<ExportMethod> for Method {
    fn from(choice: ExportMethod) -> Self {
        match choice {
            ExportMethod::Guided => Method::Guided,
            ExportMethod::Backprop => Method::Backprop,
            ExportMethod::Deconvnet => Method::Deconvnet,
        }
    }
}

/// Which class a map explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetChoice {
    /// The most probable class of each picture.
    Top,
    /// The class in a further input, class: int64 [N].
    Input,
}

impl From<TargetChoice> for ExplanationTarget {
    fn from(choice: TargetChoice) -> Self {
        match choice {
            TargetChoice::Top => ExplanationTarget::Top,
            TargetChoice::Input => ExplanationTarget::Input,
        }
    }
}

/// `allcnn export`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["onnx", "safetensors", "hub", "html"]))]
#[command(group = ArgGroup::new("map").args(["explain", "with_explanation"]))]
pub(crate) struct ExportArgs {
    /// A run folder, or demo
    pub run: PathBuf,
    /// Write an ONNX file (opset 17), with the preprocessing in it
    #[arg(long, value_name = "FILE.onnx")]
    pub onnx: Option<PathBuf>,
    /// Write the weights alone, in PyTorch's names and layout
    #[arg(long, value_name = "FILE.safetensors")]
    pub safetensors: Option<PathBuf>,
    /// Make a folder for a model hub: weights, ONNX file, configuration and model card
    #[arg(long, value_name = "DIR")]
    pub hub: Option<PathBuf>,
    /// Write one page with the network in it, which classifies pictures in the browser
    #[arg(long, value_name = "FILE.html")]
    pub html: Option<PathBuf>,
    /// Give the ONNX file an output `explanation`: the map of this method, in the network's own coordinates
    #[arg(long, value_enum, value_name = "METHOD", conflicts_with_all = ["safetensors", "html"])]
    pub explain: Option<ExportMethod>,
    /// The same as --explain guided
    #[arg(long, conflicts_with_all = ["safetensors", "html"])]
    pub with_explanation: bool,
    /// The class that the map explains
    #[arg(long, value_enum, default_value = "top", requires = "map")]
    pub target: TargetChoice,
    /// Leave the preprocessing out of the ONNX file: its input is then float32 [N, 3, height, width], already preprocessed
    #[arg(long, conflicts_with_all = ["safetensors", "hub", "html"])]
    pub raw: bool,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

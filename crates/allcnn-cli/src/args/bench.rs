//! `allcnn bench`.

use allcnn_device::Precision;
use clap::{Args, ValueEnum};

use super::common::Common;
use crate::values::{count, positive};

/// What a benchmark measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchWhat {
    /// Whole training steps.
    Train,
    /// Forward passes.
    Infer,
    /// Forward passes, and guided backpropagation of each image's largest logit.
    Explain,
}

/// `allcnn bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A network's name or TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "all-cnn-c")]
    pub model: String,
    /// Images per step
    #[arg(long, value_name = "N", default_value = "128", value_parser = count::<usize>(65_536))]
    pub batch: usize,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "train,infer,explain")]
    pub what: Vec<BenchWhat>,
    /// Show the time of every pass of every layer
    #[arg(long)]
    pub layers: bool,
    /// Predict a training step on the CPU with 1 to 128 threads, beside the measured ones of this machine; with --layers
    /// for each layer and pass
    #[arg(long)]
    pub scaling: bool,
    /// Bandwidth of memory that --scaling assumes for any number of threads [default: as measured with all threads here]
    #[arg(long, value_name = "GB/S", value_parser = positive, requires = "scaling")]
    pub bandwidth: Option<f32>,
    /// Measured runs after the warm-up, of which the median counts
    #[arg(long, value_name = "N", default_value = "5", value_parser = count::<usize>(10_000))]
    pub repeat: usize,
    /// Precision of the products of convolutions: f32 or bf16
    #[arg(long, value_name = "f32|bf16", value_parser = str::parse::<Precision>, default_value_t)]
    pub precision: Precision,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

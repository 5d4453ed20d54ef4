//! `allcnn bench`.

use allcnn_device::Precision;
use clap::{Args, ValueEnum};

use super::common::Common;
use crate::values::count;

/// What a benchmark measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// Whole training steps.
    Train,
    /// Forward passes.
    Infer,
    /// Forward passes, and guided backpropagation of each image's largest logit.
    Explain,
}

/// `allcnn bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
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

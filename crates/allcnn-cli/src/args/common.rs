//! Flags and choices that several commands share.

use clap::{Args, ValueEnum};

use allcnn::run::WhichCheckpoint;
use allcnn::split::Split;

use crate::values::{DeviceChoice, count};

/// Examples come first: most people want to copy one.
pub(super) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// What a command prints, and in which format.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputFlags {
    /// Print one JSON document and nothing else on standard output
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print details: what was recognised, which algorithms run, where the time goes
    #[arg(long, short)]
    pub verbose: bool,
}

/// Flags of every command that computes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Where to compute: cpu, cuda, cuda:N or auto
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = str::parse::<DeviceChoice>)]
    pub device: DeviceChoice,
    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = count::<usize>(1024))]
    pub threads: Option<usize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputFlags,
}

impl Common {
    /// The same flags, but silent.
    pub(crate) fn quiet(&self) -> Self {
        let output = OutputFlags { json: false, quiet: true, verbose: false };
        Self { device: self.device, threads: self.threads, output }
    }
}

/// A split of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// The images for testing.
    Test,
    /// The images that selected the best weights, if the data has a validation split.
    #[value(alias = "val")]
    Validation,
    /// The training images.
    Train,
}

impl From<SplitChoice> for Split {
    fn from(choice: SplitChoice) -> Self {
        match choice {
            SplitChoice::Test => Split::Test,
            SplitChoice::Validation => Split::Validation,
            SplitChoice::Train => Split::Train,
        }
    }
}

/// A checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckpointChoice {
    /// The one with the lowest error on the validation images, or on the test images if there are none.
    Best,
    /// The latest one.
    Last,
}

impl From<CheckpointChoice> for WhichCheckpoint {
    fn from(choice: CheckpointChoice) -> Self {
        match choice {
            CheckpointChoice::Best => WhichCheckpoint::Best,
            CheckpointChoice::Last => WhichCheckpoint::Last,
        }
    }
}

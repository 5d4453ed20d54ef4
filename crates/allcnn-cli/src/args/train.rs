//! `allcnn train`.

use std::path::PathBuf;
use std::time::Duration;

use allcnn::augment::Augment;
use allcnn::data::{Holdout, Labels};
use allcnn::net::Init;
use allcnn::preprocess::Method;
use allcnn::recipe::DropoutRates;
use allcnn_device::Precision;
use clap::{Args, ValueEnum};

use super::common::Common;
use super::reading::ReadingArgs;
use crate::values::{count, duration, image_size, learning_rate, non_negative, share};

/// `allcnn train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A network's name (see `allcnn models`) or a TOML file of layers [default: all-cnn-c]
    #[arg(long, value_name = "NAME|FILE")]
    pub model: Option<String>,
    /// Input size, if the network's layers allow another one [default: the network's own]
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub input: Option<(usize, usize)>,
    /// shapes, cifar10, cifar100, a folder, a tar (.gz, .zst, .xz, .bz2) or zip of images, or parquet, .npz or .csv files [default: shapes]
    #[arg(long)]
    pub data: Option<String>,
    /// quick, paper, imagenet, or a TOML file of settings [default: quick]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<PathBuf>,
    /// Passes over the training images [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1_000_000))]
    pub epochs: Option<u32>,
    /// Length in steps instead of epochs [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<u64>(1_000_000_000_000), conflicts_with = "epochs")]
    pub iterations: Option<u64>,
    /// Images per step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<usize>(65_536))]
    pub batch: Option<usize>,
    /// Peak learning rate [default: the recipe's]
    #[arg(long, visible_alias = "learning-rate", value_name = "X", value_parser = learning_rate, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Weight decay, added to the gradient [default: the recipe's]
    #[arg(long, value_name = "X", value_parser = non_negative, allow_negative_numbers = true)]
    pub weight_decay: Option<f32>,
    /// Momentum [default: the recipe's]
    #[arg(long, value_name = "X", value_parser = share, allow_negative_numbers = true)]
    pub momentum: Option<f32>,
    /// Dropout rates of the picture and of the layers, as 0.2,0.5; or none [default: the recipe's, or the network's own]
    #[arg(long, value_name = "X,X", value_parser = str::parse::<DropoutRates>, allow_negative_numbers = true)]
    pub dropout: Option<DropoutRates>,
    /// Weight initialization: he, data (he, then normalized on the first batch), xavier or normal:S (standard deviation S) [default: the recipe's]
    #[arg(long, value_parser = str::parse::<Init>)]
    pub init: Option<Init>,
    /// Preprocessing: gcn-zca (the paper's), mean-std or none [default: the recipe's]
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Method>)]
    pub preprocess: Option<Method>,
    /// Augmentation: none, flip-shift, heavy (on a larger canvas) or crop-flip (photographs from disk) [default: the recipe's]
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Augment>)]
    pub augment: Option<Augment>,
    /// Without test images: hold out the last N or P% of each class, by name, for testing [default: 10%]
    #[arg(long, value_name = "N|P%", value_parser = str::parse::<Holdout>)]
    pub holdout: Option<Holdout>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Classes of CIFAR-100: fine (100) or coarse (20)
    #[arg(
        long,
        value_enum,
        value_name = "fine|coarse",
        default_value = "fine",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub labels: LabelChoice,
    /// Use only the first N training images, spread over the classes
    #[arg(long, value_name = "N", value_parser = count::<usize>(usize::MAX))]
    pub limit: Option<usize>,
    /// Precision of the products of convolutions: f32 or bf16 [default: the recipe's, f32]
    #[arg(long, value_name = "f32|bf16", value_parser = str::parse::<Precision>)]
    pub precision: Option<Precision>,
    /// Time limit (90s, 30m, 2h): choose the length that fits, or with --epochs stop at the limit, to be resumed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// Random seed [default: 0, or the recipe's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The run folder to create [default: runs/DATE-TIME-MODEL]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Resume the run in this folder with its own settings (--data: where its images are now, if they moved; more --epochs
    /// than before: train longer, at --lr if given)
    #[arg(long, value_name = "DIR", conflicts_with_all = [
        "model", "input", "recipe", "iterations", "batch", "weight_decay", "momentum", "dropout", "init", "preprocess",
        "augment", "holdout", "reading", "labels", "limit", "precision", "seed", "out",
    ])]
    pub resume: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// The labels of CIFAR-100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelChoice {
    /// The 100 classes.
    Fine,
    /// The 20 superclasses.
    Coarse,
}

impl From<LabelChoice> for Labels {
    fn from(choice: LabelChoice) -> Self {
        match choice {
            LabelChoice::Fine => Labels::Fine,
            LabelChoice::Coarse => Labels::Coarse,
        }
    }
}

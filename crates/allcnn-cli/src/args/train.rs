//! `allcnn train`.

use std::path::PathBuf;
use std::time::Duration;

use allcnn::augment::Augment;
use allcnn::data::{GroupBy, Holdout, Labels};
use allcnn::net::Init;
use allcnn::preprocess::Method;
use allcnn::recipe::{Balance, DropoutRates};
use allcnn_device::Precision;
use clap::{Args, ValueEnum};

use super::common::Common;
use super::reading::ReadingArgs;
use crate::values::{
    count, duration, folds, image_size, learning_rate, mixup, non_negative, shards, share, some_of_each_class,
};

/// `allcnn train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A network's name (see `allcnn models`) or a TOML file of layers [default: all-cnn-c]
    #[arg(long, value_name = "NAME|FILE")]
    pub model: Option<String>,
    /// Begin with the weights of a run, or of a NAME.safetensors file: every layer that fits takes them; network, input size and
    /// preprocessing are those of the run unless given here
    #[arg(long, value_name = "RUN|FILE")]
    pub from: Option<String>,
    /// With --from: the layers up to this one keep their weights
    #[arg(long, value_name = "LAYER", requires = "from")]
    pub freeze: Option<String>,
    /// Input size, if the network's layers allow another one [default: the network's own]
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub input: Option<(usize, usize)>,
    /// shapes, cifar10, cifar100, a folder, a tar (.gz, .zst, .xz, .bz2) or zip of images, or parquet, .npz or .csv files [default: shapes]
    #[arg(long)]
    pub data: Option<String>,
    /// quick, paper, imagenet, graham, or a TOML file of settings [default: quick]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<PathBuf>,
    /// Passes over the training images [default: the recipe's; of quick 12, more for fewer than 45,000 images]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1_000_000), allow_negative_numbers = true)]
    pub epochs: Option<u32>,
    /// Length in steps instead of epochs [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<u64>(1_000_000_000_000), conflicts_with = "epochs", allow_negative_numbers = true)]
    pub iterations: Option<u64>,
    /// Images per step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<usize>(65_536), allow_negative_numbers = true)]
    pub batch: Option<usize>,
    /// Parts of a batch that are computed one after the other, with less memory, and added in a fixed order: a power of two
    /// [default: the recipe's, 1]
    #[arg(long, value_name = "N", value_parser = shards, allow_negative_numbers = true)]
    pub shards: Option<usize>,
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
    /// Augmentation: none, flip-shift, photo (crop, flip and color), heavy (on a larger canvas) or crop-flip (photographs from
    /// disk) [default: the recipe's]
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Augment>)]
    pub augment: Option<Augment>,
    /// Share of each target that is spread over all classes, as 0.1 [default: the recipe's, 0]
    #[arg(long, value_name = "X", value_parser = share, allow_negative_numbers = true)]
    pub label_smoothing: Option<f32>,
    /// Mix each image with another, by shares from Beta(X, X), as 0.2 [default: the recipe's, 0: none]
    #[arg(long, value_name = "X", value_parser = mixup, allow_negative_numbers = true)]
    pub mixup: Option<f32>,
    /// Average the weights, each step keeping X of the average, as 0.999 [default: the recipe's, 0: none]
    #[arg(long, value_name = "X", value_parser = share, allow_negative_numbers = true)]
    pub ema: Option<f32>,
    /// Classes with unequally many images: none, loss (weigh their losses) or sampling (show them equally often) [default: the
    /// recipe's, none]
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Balance>)]
    pub balance: Option<Balance>,
    /// Without test images: hold out the last N or P% of each class, by name, for testing, or none [default: 10%]
    #[arg(long, value_name = "N|P%|none", value_parser = str::parse::<Holdout>)]
    pub holdout: Option<Holdout>,
    /// Without validation images: take the last N or P% of each class of the training images for validation; they choose the
    /// best epoch
    #[arg(long, value_name = "N|P%", value_parser = some_of_each_class)]
    pub validation: Option<Holdout>,
    /// Stop when the validation error was not lower for N epochs (without validation images it implies --validation 10%)
    #[arg(long, value_name = "N", value_parser = count::<u32>(1_000_000), allow_negative_numbers = true)]
    pub patience: Option<u32>,
    /// Cross-validation: a training for each of K folds of the training images, each class in its proportion; a fold is
    /// tested on the images that it holds out. The runs are OUT/fold-1, OUT/fold-2, ...; --resume OUT goes on
    #[arg(long, value_name = "K", value_parser = folds, allow_negative_numbers = true, conflicts_with_all = ["holdout", "time_limit", "patience"])]
    pub folds: Option<usize>,
    /// Keep images together in a fold: those of one folder below the class folder (folder), or those with the same text in a
    /// column of the table that names them
    #[arg(long, value_name = "folder|COLUMN", requires = "folds", value_parser = str::parse::<GroupBy>)]
    pub group_by: Option<GroupBy>,
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
    #[arg(long, value_name = "N", value_parser = count::<usize>(usize::MAX), allow_negative_numbers = true)]
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
    /// Write the curves for TensorBoard too, as an event file in the run folder; a resumed run goes on with it
    #[arg(long)]
    pub tensorboard: bool,
    /// Open the explorer, which shows the training as it runs; it ends with it
    #[arg(long, conflicts_with = "folds")]
    pub serve: bool,
    /// Resume the run, or the cross-validation, in this folder with its own settings (--data: where its images are now, if they moved; more --epochs
    /// than before: train longer, at --lr if given)
    // A list of flags rather than a group: of a group, clap's error would name all members instead of the one given.
    #[arg(long, value_name = "DIR", conflicts_with_all = [
        "model", "from", "freeze", "input", "recipe", "iterations", "batch", "shards", "weight_decay", "momentum", "dropout", "init", "preprocess",
        "augment", "label_smoothing", "mixup", "ema", "balance", "holdout", "folds", "group_by", "validation", "patience", "reading", "labels", "limit",
        "precision", "seed", "out",
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

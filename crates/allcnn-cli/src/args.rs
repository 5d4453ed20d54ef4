//! The command line: every command and flag, with its help and its checks.

mod data;
mod explain;
mod features;
mod import;
mod reading;
mod reproduce;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use allcnn::augment::Augment;
use allcnn::data::{Holdout, Labels};
use allcnn::net::Init;
use allcnn::preprocess::Method;
use allcnn::recipe::DropoutRates;
use allcnn::run::WhichCheckpoint;
use allcnn::split::Split;
use allcnn_device::Precision;

pub use data::{DataCommand, DataConvertArgs, DataFetchArgs, DataInfoArgs, DataSuspectsArgs, DataVerifyArgs};
pub use explain::{ExplainArgs, MapChoice, MethodChoice};
pub use features::FeaturesArgs;
pub use import::ImportArgs;
pub use reading::ReadingArgs;
pub use reproduce::{FigureArgs, ImageFigureArgs, PatchFigureArgs, ReproduceCommand, TableArgs};

use crate::values::{DeviceChoice, count, duration, image_size, learning_rate, non_negative, share};

/// Examples come first: most people want to copy one.
const TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Trains All-Convolutional Nets on your own images, on CIFAR and on its embedded data, and shows how good they are.
#[derive(Debug, Parser)]
#[command(
    name = "allcnn",
    version,
    help_template = TEMPLATE,
    disable_help_subcommand = true,
    before_help = "Examples:
  allcnn train
      train All-CNN-C on the embedded data, with a report
  allcnn train --data photos/
      train on your own images: one folder a class
  allcnn eval runs/NAME
      error, loss, confusion matrix of a finished run
  allcnn predict runs/NAME cat.jpg
      what is in the picture?
  allcnn explain runs/NAME cat.jpg
      what in the picture speaks for that?",
    after_help = "allcnn COMMAND --help shows the examples and flags of a command."
)]
pub struct Cli {
    /// What to do; nothing prints a short help.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Reads the command line.
    pub fn read() -> Result<Self, clap::Error> {
        let matches = in_one_form(Self::command()).try_get_matches()?;
        Self::from_arg_matches(&matches)
    }
}

/// The command whose help, and that of those below it, has each flag above what it does: clap would choose another form
/// where all descriptions are short.
fn in_one_form(command: clap::Command) -> clap::Command {
    let examples = command.get_before_help().cloned().unwrap_or_default();
    command.before_long_help(examples).mut_subcommands(in_one_form)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a network and leave a run folder with weights, metrics and a report
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn train
      the embedded data, the quick recipe
  allcnn train --data photos/ --epochs 20
      your own images: one folder a class
  allcnn train --data cifar10 --recipe paper
      the paper's 350 epochs
  allcnn train --data images.tar.gz --holdout 500 --time-limit 30m
  allcnn train --data cifar10 --model large-all-cnn --augment heavy
  allcnn train --data ILSVRC2012/ --model imagenet-all-cnn-b --recipe imagenet
  allcnn train --resume runs/NAME
      go on where a run stopped
  allcnn train --resume runs/NAME --epochs 30
      make it longer, finished or not"
    )]
    Train(Box<TrainArgs>),
    /// Measure a trained network on test images
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn eval runs/NAME
      on the test images of its training
  allcnn eval runs/NAME --split validation
      on the images that chose its weights
  allcnn eval runs/NAME --split train
      on its training images
  allcnn eval runs/NAME --data other/ --json
      on other images with the same classes"
    )]
    Eval(EvalArgs),
    /// Tell what is in pictures
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn predict runs/NAME cat.jpg
  allcnn predict runs/NAME photos/ --top 3 --json"
    )]
    Predict(PredictArgs),
    /// Show what in a picture a unit looks at, by guided backpropagation and its relatives
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn explain runs/NAME cat.jpg
      what speaks for the most probable class
  allcnn explain runs/NAME cat.jpg --method all
      the paper's three methods side by side
  allcnn explain runs/NAME photos/ --layer conv6 --top 3
      the three most active units of a layer
  allcnn explain runs/NAME cat.jpg --unit dog --map overlay
      what speaks for the class dog, laid over the picture
  allcnn explain runs/NAME cat.jpg --method all --switches
      with pooling + switches beside, as Figures 4 and 5
  allcnn explain runs/NAME cat.jpg --randomize-from conv7
      is it the weights that make the picture?
  allcnn explain runs/NAME cat.jpg --npy maps.npy --json
      raw values for programs",
        after_help = "Read with care: guided backpropagation and deconvnet work partly like edge detectors. They can look the same for another class, and even when the weights of the upper layers are random (Adebayo et al. 2018, Nie et al. 2018); --randomize-from shows how far that is so here. Only backprop is the gradient."
    )]
    Explain(ExplainArgs),
    /// Show what activates the filters of a layer: the image patches, and what the units look at in them
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn features runs/NAME --layer conv6
      the 9 patches that activate each filter most
  allcnn features runs/NAME --layer conv6 --filters 0..16 --patches 4
  allcnn features runs/NAME --layer conv9 --data photos/
      on other images; their classes do not matter
  allcnn features runs/NAME --layer conv3 --without-image
      what single units draw without an image
  allcnn features runs/NAME --layer conv6 --json
      images, activations and places for programs",
        after_help = "An image counts for a filter once, with its strongest unit; units that are not above zero do not count. A patch is what the unit sees: its receptive field, without what lies beyond the image's border."
    )]
    Features(FeaturesArgs),
    /// Make a run folder of weights from PyTorch or Caffe
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn import alexnet.safetensors --model alexnet --out runs/alexnet
      torchvision's AlexNet
  allcnn import bvlc_reference_caffenet.caffemodel --model caffenet \\
      --classes-file synset_words.txt --out runs/caffenet
  allcnn import weights.safetensors --model all-cnn-c \\
      --preprocess runs/NAME/preprocess.safetensors --out runs/imported
  allcnn import checkpoint.pt --model mine.toml \\
      --preprocess 0.49,0.48,0.45/0.25,0.24,0.26 --out runs/mine",
        after_help = "PyTorch writes such a file with torch.save(model.state_dict(), \"weights.pt\"), or with save_file of safetensors.torch. A pickle is read, never executed. Layers are called conv1, conv2, ...; or 0, 3, ... as in an nn.Sequential; or features.0, ..., classifier.6; behind any prefix that all share. Layers of other names are matched by place and shape where that leaves one way. A missing bias is zero. Fully connected layers become the convolutions that they are. What was decided is noted on standard error, under notes with --json, and in the run's run.toml."
    )]
    Import(ImportArgs),
    /// Reproduce a table of the paper, or a figure with a network of your own
    #[command(
        subcommand,
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce table3
      the paper's table, its figures and ours
  allcnn reproduce table3 --status
      how far that is
  allcnn reproduce fig2 runs/NAME --out figures/
  allcnn reproduce fig3 runs/NAME --out figures/
  allcnn reproduce fig5 runs/NAME cat.jpg dog.jpg --out figures/"
    )]
    Reproduce(ReproduceCommand),
    /// List the networks, or the layers of one
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn models
  allcnn models all-cnn-c
  allcnn models all-cnn-c --classes 100 --json
  allcnn models my-network.toml"
    )]
    Models(ModelsArgs),
    /// Look at data, fetch it, convert it, check every image of it
    #[command(
        subcommand,
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn data info photos.zip
  allcnn data fetch cifar10
  allcnn data convert photos/ --to photos.tar
  allcnn data verify photos/ --near
  allcnn data suspects runs/NAME"
    )]
    Data(DataCommand),
    /// Measure how fast a network trains, infers and explains on this machine
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn bench
  allcnn bench --model all-cnn-b --batch 64 --layers
  allcnn bench --what infer --threads 1 --json
  allcnn bench --verbose
      the algorithm of every layer"
    )]
    Bench(BenchArgs),
}

impl Command {
    /// The threads to use, where that was said.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Command::Data(DataCommand::Verify(arguments)) => arguments.threads,
            other => other.common().and_then(|common| common.threads),
        }
    }

    /// The flags that commands with a device share; nothing for the others.
    pub fn common(&self) -> Option<&Common> {
        match self {
            Command::Train(arguments) => Some(&arguments.common),
            Command::Eval(arguments) => Some(&arguments.common),
            Command::Predict(arguments) => Some(&arguments.common),
            Command::Explain(arguments) => Some(&arguments.common),
            Command::Features(arguments) => Some(&arguments.common),
            Command::Reproduce(command) => Some(command.common()),
            Command::Bench(arguments) => Some(&arguments.common),
            Command::Data(DataCommand::Suspects(arguments)) => Some(&arguments.common),
            Command::Import(_) | Command::Models(_) | Command::Data(_) => None,
        }
    }
}

/// What a command tells, and in which form.
#[derive(Clone, Copy, Debug, Args)]
pub struct Telling {
    /// Print one JSON document and nothing else on standard output
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print how it is done: what was recognised, which algorithms work, where the time goes
    #[arg(long, short)]
    pub verbose: bool,
}

/// Flags of every command that computes.
#[derive(Debug, Args)]
pub struct Common {
    /// Where to compute: cpu, cuda, cuda:N or auto
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = str::parse::<DeviceChoice>)]
    pub device: DeviceChoice,
    /// Threads to use; the result does not depend on it [default: all]
    #[arg(long, value_name = "N", value_parser = count::<usize>(1024))]
    pub threads: Option<usize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub telling: Telling,
}

/// `allcnn train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A network's name (see `allcnn models`) or a TOML file of layers [default: all-cnn-c]
    #[arg(long, value_name = "NAME|FILE")]
    pub model: Option<String>,
    /// Plan the network for pictures of this size, where its layers allow it [default: the network's own]
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
    /// Length in steps, in the place of passes [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<u64>(1_000_000_000_000), conflicts_with = "epochs")]
    pub iterations: Option<u64>,
    /// Images a step [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = count::<usize>(65_536))]
    pub batch: Option<usize>,
    /// Learning rate, at its highest [default: the recipe's]
    #[arg(long, visible_alias = "learning-rate", value_name = "X", value_parser = learning_rate, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Weight decay, added to the gradient [default: the recipe's]
    #[arg(long, value_name = "X", value_parser = non_negative, allow_negative_numbers = true)]
    pub weight_decay: Option<f32>,
    /// Momentum [default: the recipe's]
    #[arg(long, value_name = "X", value_parser = share, allow_negative_numbers = true)]
    pub momentum: Option<f32>,
    /// Dropout rates on the picture and between the layers, as 0.2,0.5; or none [default: the recipe's, or the network's own]
    #[arg(long, value_name = "X,X", value_parser = str::parse::<DropoutRates>, allow_negative_numbers = true)]
    pub dropout: Option<DropoutRates>,
    /// First weights: he, data (then fitted to the first batch), xavier or normal:S (standard deviation S) [default: the recipe's]
    #[arg(long, value_parser = str::parse::<Init>)]
    pub init: Option<Init>,
    /// gcn-zca (the paper's), mean-std or none [default: the recipe's]
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Method>)]
    pub preprocess: Option<Method>,
    /// none, flip-shift, heavy (on a larger canvas) or crop-flip (photographs from disk) [default: the recipe's]
    #[arg(long, value_name = "KIND", value_parser = str::parse::<Augment>)]
    pub augment: Option<Augment>,
    /// Without test images: keep the last N or P% images of each class, by name, for testing [default: 10%]
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
    /// Precision of the products: f32 or bf16 [default: the recipe's, f32]
    #[arg(long, value_name = "f32|bf16", value_parser = str::parse::<Precision>)]
    pub precision: Option<Precision>,
    /// Take at most this time (90s, 30m, 2h): train as long as fits in, or with --epochs stop then, to be resumed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// Seed of everything that is drawn [default: 0, or the recipe's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The run folder to make [default: runs/DATE-TIME-MODEL]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the run of this folder, with its own settings (--data where its images are now, if not found; with more
    /// --epochs than before it is made longer, at --lr where that is given)
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
    /// The hundred classes.
    Fine,
    /// The twenty groups of classes.
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

/// A split of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// The images kept for testing.
    Test,
    /// The images that chose the best weights, where the data has a validation split.
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
    /// The one with the lowest error on the validation images, or on the test images where there are none.
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

/// `allcnn eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A run folder
    pub run: PathBuf,
    /// Where the run's data is now, or other data with the same classes; that is measured whole
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Which images of the data, where it has splits
    #[arg(long, value_enum, default_value = "test")]
    pub split: SplitChoice,
    /// Look at each image N times, as it is and varied as in the training (else by flips and shifts), and average
    #[arg(long, value_name = "N", default_value = "1", value_parser = count::<u32>(10_000))]
    pub views: u32,
    /// Which weights of the run
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// Show every class: without this those that have images, and of more than 20 the worst
    #[arg(long)]
    pub all_classes: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `allcnn predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// A run folder
    pub run: PathBuf,
    /// Pictures, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// Classes to name for each picture
    #[arg(long, value_name = "K", default_value = "1", value_parser = count::<usize>(1_000_000))]
    pub top: usize,
    /// Which weights of the run
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `allcnn models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// A network's name or TOML file: show its layers
    pub name: Option<String>,
    /// Classes to tell apart [default: 10; 1000 for the ImageNet networks]
    #[arg(long, value_name = "N", value_parser = count::<usize>(1_000_000))]
    pub classes: Option<usize>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub telling: Telling,
}

/// What a benchmark measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// Whole training steps.
    Train,
    /// Forward passes.
    Infer,
    /// Forward passes and guided backpropagation of each image's winning logit.
    Explain,
}

/// `allcnn bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A network's name or TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "all-cnn-c")]
    pub model: String,
    /// Images a step
    #[arg(long, value_name = "N", default_value = "128", value_parser = count::<usize>(65_536))]
    pub batch: usize,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "train,infer,explain")]
    pub what: Vec<BenchWhat>,
    /// Show the time of every pass of every layer
    #[arg(long)]
    pub layers: bool,
    /// Repeats after the warm-up; the median counts
    #[arg(long, value_name = "N", default_value = "5", value_parser = count::<usize>(10_000))]
    pub repeat: usize,
    /// Precision of the products: f32 or bf16
    #[arg(long, value_name = "f32|bf16", value_parser = str::parse::<Precision>, default_value_t)]
    pub precision: Precision,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        in_one_form(Cli::command()).debug_assert();
    }

    #[test]
    fn what_a_benchmark_measures_is_a_list() {
        let cli = Cli::parse_from(["allcnn", "bench", "--what", "infer"]);
        assert!(matches!(cli.command, Some(Command::Bench(bench)) if bench.what == [BenchWhat::Infer]));
        let cli = Cli::parse_from(["allcnn", "bench"]);
        assert!(
            matches!(cli.command, Some(Command::Bench(bench)) if bench.what == [BenchWhat::Train, BenchWhat::Infer, BenchWhat::Explain])
        );
    }
}

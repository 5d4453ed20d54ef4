//! The command line: every command and flag, with its help and its checks.

mod bench;
mod common;
mod data;
mod eval;
mod explain;
mod export;
mod features;
mod import;
mod models;
mod predict;
mod reading;
mod reproduce;
mod serve;
mod shell;
mod train;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use bench::{BenchArgs, BenchWhat};
use common::TEMPLATE;
pub(crate) use common::{Common, OutputFlags, SplitChoice};
pub(crate) use data::{
    DataCommand, DataConvertArgs, DataFetchArgs, DataInfoArgs, DataSuspectsArgs, DataVerifyArgs,
};
pub(crate) use eval::EvalArgs;
pub(crate) use explain::{ExplainArgs, MapChoice, MethodChoice};
pub(crate) use export::ExportArgs;
pub(crate) use features::FeaturesArgs;
pub(crate) use import::ImportArgs;
pub(crate) use models::ModelsArgs;
pub(crate) use predict::PredictArgs;
pub(crate) use reproduce::{
    DasnetArgs, FigureArgs, ImageFigureArgs, PatchFigureArgs, ReproduceCommand, TableArgs,
};
pub(crate) use serve::ServeArgs;
pub(crate) use shell::{CompletionsArgs, ManArgs};
pub(crate) use train::TrainArgs;

/// Trains All-Convolutional Nets on your own images, on CIFAR and on its embedded data, and shows how good they are.
#[derive(Debug, Parser)]
#[command(
    name = "allcnn",
    version,
    help_template = TEMPLATE,
    before_help = "Examples:
  allcnn train
      train All-CNN-C on the embedded data, with a report
  allcnn train --data photos/
      train on your own images: one folder a class
  allcnn eval runs/NAME
      error, loss, confusion matrix of a finished run
  allcnn predict runs/NAME cat.jpg
  allcnn predict demo cat.jpg
      with the network that comes along: ten classes of CIFAR-10
      what is in the picture?
  allcnn explain runs/NAME cat.jpg
      what in the picture speaks for that?",
    after_help = "allcnn COMMAND --help shows the examples and flags of a command."
)]
pub(crate) struct Cli {
    /// The command; without one, a short help is printed.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Reads the command line, the program's name first.
    pub(crate) fn read(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let matches = Self::definition().try_get_matches_from(arguments)?;
        Self::from_arg_matches(&matches)
    }

    /// The definition of commands and flags.
    pub(crate) fn definition() -> clap::Command {
        in_one_form(Self::command())
    }
}

/// Prints each flag above its description in the help of a command and its subcommands: clap would put short descriptions
/// beside the flags.
fn in_one_form(command: clap::Command) -> clap::Command {
    let examples = command.get_before_help().cloned().unwrap_or_default();
    command.before_long_help(examples).mut_subcommands(in_one_form)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a network into a run folder with weights, metrics and a report
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
  allcnn train --data photos/ --from runs/NAME --freeze conv6
      begin with the weights of a run, and keep those of the lower layers
  allcnn train --data cifar10 --model large-all-cnn --augment heavy
  allcnn train --data ILSVRC2012/ --model imagenet-all-cnn-b --recipe imagenet
  allcnn train --data photos/ --folds 5 --out runs/folds
      cross-validation: five trainings, each image tested once
  allcnn train --data photos/ --folds 5 --group-by folder
      pictures in one folder below their class stay together
  allcnn train --data photos/ --tensorboard
      curves for TensorBoard too: tensorboard --logdir runs
  allcnn train --data photos/ --serve
      watch it in a browser
  allcnn train --resume runs/NAME
      resume a run or a cross-validation that stopped
  allcnn train --resume runs/NAME --epochs 30
      train it longer, finished or not"
    )]
    Train(Box<TrainArgs>),
    /// Measure a trained network on test images
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn eval runs/NAME
      on the test images of its training
  allcnn eval runs/NAME --split validation
      on the images that selected its weights
  allcnn eval runs/NAME --split train
      on its training images
  allcnn eval runs/NAME --data other/ --json
      on other images with the same classes
  allcnn eval runs/NAME --against runs/OTHER
      is the difference more than chance?
  allcnn eval runs/A runs/B runs/C
      the mean of their probabilities
  allcnn eval runs/NAME --calibrated
      with the temperature of its probabilities
  allcnn eval runs/folds/fold-1
      a fold of a cross-validation, on the images that it held out
  allcnn eval runs/NAME --csv images.csv
      a row for each image"
    )]
    Eval(EvalArgs),
    /// Classify pictures
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn predict runs/NAME cat.jpg
  allcnn predict runs/NAME photos/ --top 3 --json
  allcnn predict runs/A runs/B photos/
      the mean of their probabilities
  allcnn predict runs/NAME photos/ --calibrated
      probabilities corrected by the temperature of the run
  allcnn predict runs/NAME photos/ --unsure-below 0.8 --csv answers.csv"
    )]
    Predict(PredictArgs),
    /// Show what in a picture activates a unit, by guided backpropagation and its relatives
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn explain demo cat.jpg
      what speaks for the most probable class, to the network that comes along
  allcnn explain runs/NAME cat.jpg
      to a network of your own
  allcnn explain runs/NAME cat.jpg --method all
      the paper's three methods side by side
  allcnn explain runs/NAME photos/ --layer conv6 --top 3
      the three most active units of a layer
  allcnn explain runs/NAME cat.jpg --unit dog --map overlay
      what speaks for the class dog, laid over the picture
  allcnn explain runs/NAME cat.jpg --method all --switches
      beside them with pooling + switches, as in Figures 4 and 5
  allcnn explain runs/NAME cat.jpg --randomize-from conv7
      do the trained weights make the picture?
  allcnn explain runs/NAME photos/ --method every --score
      all ways to explain, with figures of how good their maps are
  allcnn explain runs/NAME cat.jpg --npy maps.npy --json
      raw values for programs",
        after_help = "Read with care: guided backpropagation and deconvnet work partly like edge detectors. They can look the same for another class, and even when the weights of the upper layers are random (Adebayo et al. 2018, Nie et al. 2018); --randomize-from shows whether they do so here. Only backprop is the gradient."
    )]
    Explain(ExplainArgs),
    /// Show what activates the filters of a layer: image patches, and what in them activates the units
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn features runs/NAME --layer conv6
      the 9 patches that activate each filter most
  allcnn features runs/NAME --layer conv6 --filters 0..16 --patches 4
  allcnn features runs/NAME --layer conv9 --data photos/
      on other images; their classes do not matter
  allcnn features runs/NAME --layer conv3 --without-image
      single units, visualized without an image
  allcnn features runs/NAME --layer conv6 --json
      images, activations and positions for programs",
        after_help = "Each image counts once per filter, with its most active unit; activations of zero or below do not count. A patch is the unit's receptive field, cut at the image's border."
    )]
    Features(FeaturesArgs),
    /// Export a network for other programs: ONNX with the preprocessing in it, plain weights, a folder for a hub, a page
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn export runs/NAME --onnx cat.onnx
      for onnxruntime and the like, with the preprocessing
  allcnn export runs/NAME --onnx cat.onnx --explain guided
      with the map of what speaks for the class
  allcnn export runs/NAME --onnx cat.onnx --explain backprop --target input
      the map of the class that the input says
  allcnn export runs/NAME --safetensors cat.safetensors
      the weights as PyTorch has them
  allcnn export runs/NAME --hub cat/
      weights, ONNX file, configuration and model card
  allcnn export runs/NAME --html cat.html
      a page that classifies pictures in the browser",
        after_help = "An ONNX file gets its name only after it was read back, run on pictures and found to say what this program says; the largest difference is printed. Nothing that is exported holds a path or the name of a user."
    )]
    Export(ExportArgs),
    /// Open the explorer: a web page on this machine that shows what networks see, and trainings as they run
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn serve
      all runs in runs/, at http://127.0.0.1:7770/
  allcnn serve runs/NAME
      one run
  allcnn serve demo
      the network that comes along
  allcnn serve --port 0 --no-open
      on any free port
  allcnn serve --host 0.0.0.0
      for other machines, with a token",
        after_help = "It listens on this machine alone unless --host says otherwise, and refuses requests of other sites. Beyond this machine every request needs the token; the connection is not encrypted, so use it in a trusted network, or through ssh -L 7770:localhost:7770."
    )]
    Serve(ServeArgs),
    /// Import weights of PyTorch or Caffe as a run folder
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
        after_help = "PyTorch writes such a file with torch.save(model.state_dict(), \"weights.pt\"), or with save_file of safetensors.torch. A pickle is read, never executed. Layers are called conv1, conv2, ...; or 0, 3, ... as in an nn.Sequential; or features.0, ..., classifier.6; after any common prefix. Layers with other names are matched by position and shape if only one assignment fits. A missing bias is zero. Fully connected layers become equivalent convolutions. Decisions are noted on standard error, under notes with --json, and in the run's run.toml."
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
      its progress
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
    /// Describe, fetch, convert and verify data, and find suspect labels in it
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
      the algorithm of every layer
  allcnn bench --scaling --bandwidth 300 --layers
      a training step with 1 to 128 threads, predicted for a machine with 300 GB/s"
    )]
    Bench(BenchArgs),
    /// Print a script with which a shell completes commands and flags
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn completions bash > ~/.local/share/bash-completion/completions/allcnn
  allcnn completions zsh > ~/.zfunc/_allcnn
      with fpath+=~/.zfunc before compinit in ~/.zshrc
  allcnn completions fish > ~/.config/fish/completions/allcnn.fish"
    )]
    Completions(CompletionsArgs),
    /// Write the pages of the manual
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn man ~/.local/share/man/man1
      then: man allcnn-train"
    )]
    Man(ManArgs),
}

impl Command {
    /// The number of threads, if given.
    pub(crate) fn threads(&self) -> Option<usize> {
        match self {
            Command::Data(DataCommand::Verify(arguments)) => arguments.threads,
            other => other.common().and_then(|common| common.threads),
        }
    }

    /// The flags that commands with a device share; `None` for the others.
    pub(crate) fn common(&self) -> Option<&Common> {
        match self {
            Command::Train(arguments) => Some(&arguments.common),
            Command::Eval(arguments) => Some(&arguments.common),
            Command::Predict(arguments) => Some(&arguments.common),
            Command::Explain(arguments) => Some(&arguments.common),
            Command::Export(arguments) => Some(&arguments.common),
            Command::Features(arguments) => Some(&arguments.common),
            Command::Serve(arguments) => Some(&arguments.common),
            Command::Reproduce(command) => Some(command.common()),
            Command::Bench(arguments) => Some(&arguments.common),
            Command::Data(DataCommand::Suspects(arguments)) => Some(&arguments.common),
            Command::Import(_)
            | Command::Models(_)
            | Command::Data(_)
            | Command::Completions(_)
            | Command::Man(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::definition().debug_assert();
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

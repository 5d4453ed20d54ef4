//! The flags of `allcnn reproduce`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use allcnn::data::Holdout;

use super::common::{CheckpointChoice, Common, SplitChoice, TEMPLATE};
use super::reading::ReadingArgs;
use crate::values::{count, learning_rate, range};

/// `allcnn reproduce`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReproduceCommand {
    /// Table 3: the twelve CIFAR-10 networks, each at the paper's four learning rates
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce table3
      the paper's 48 trainings of 350 epochs
  allcnn reproduce table3 --status
      the table so far, and when it will be finished
  allcnn reproduce table3 --epochs 8 --limit 10000 --seeds 2 --learning-rates 0.05 --out sweeps/small
  allcnn reproduce table3 --models model-c,all-cnn-c --reseed 2
      two networks; failed starts are repeated
  allcnn reproduce table3 --data images.tar.gz --holdout 500",
        after_help = SHARED
    )]
    Table3(TableArgs),
    /// Table 4: All-CNN-C without and with augmentation and on CIFAR-100, Large All-CNN, beside the literature
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce table4
  allcnn reproduce table4 --status
  allcnn reproduce table4 --models all-cnn-c,all-cnn-c-augmented
      only these rows",
        after_help = SHARED
    )]
    Table4(TableArgs),
    /// Which parts are necessary: base C with its pooling or its activation replaced by each kind, one table
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce ablation --data images.tar.gz --holdout 500 --limit 10000 --epochs 12 --seeds 3 --recipe quick
  allcnn reproduce ablation --models model-c,model-c-stochastic,all-cnn-c
      only these rows",
        after_help = SHARED
    )]
    Ablation(TableArgs),
    /// dasNet (Table 4): a policy that lets a trained Maxout network look again, found by evolution
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn train --model maxout --data cifar10 --out runs/maxout
  allcnn reproduce dasnet runs/maxout --out dasnet/
      20 generations of 50 policies; run it again to go on where it was stopped
  allcnn reproduce dasnet runs/maxout --out dasnet/ --generations 40
      20 more"
    )]
    Dasnet(DasnetArgs),
    /// Figure 2: the filters of conv1 to conv3, visualized without an image
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig2 runs/NAME --out figures/"
    )]
    Fig2(FigureArgs),
    /// Figure 3: the image patches that activate filters of conv6 and conv9 most, with deconvnet and guided backpropagation
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig3 runs/NAME --out figures/
  allcnn reproduce fig3 runs/NAME --filters 20..32 --data photos/"
    )]
    Fig3(PatchFigureArgs),
    /// Figure 4: what the most active unit of the last convolution (conv12) looks at, by three methods
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig4 runs/NAME --out figures/
  allcnn reproduce fig4 runs/NAME cat.jpg dog.jpg",
        after_help = SWITCHES
    )]
    Fig4(ImageFigureArgs),
    /// Figure 5: Figure 4 for the pre-softmax layer (global_pool)
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn reproduce fig5 runs/NAME --out figures/
  allcnn reproduce fig5 runs/NAME cat.jpg dog.jpg",
        after_help = SWITCHES
    )]
    Fig5(ImageFigureArgs),
    /// Figure 6: Figure 4 for the last layer (fc8) of a network that was trained with max pooling, such as CaffeNet
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn import bvlc_reference_caffenet.caffemodel --model caffenet --out runs/caffenet
  allcnn reproduce fig6 runs/caffenet cat.jpg dog.jpg --out figures/"
    )]
    Fig6(ImageFigureArgs),
}

impl FigureArgs {
    /// The run folder; where `--run` named it, also the first positional argument, which is then a picture.
    pub(crate) fn run_and_other(&self) -> (&Path, Option<&PathBuf>) {
        match (&self.named, &self.run) {
            (Some(named), other) => (named, other.as_ref()),
            (None, Some(run)) => (run, None),
            (None, None) => unreachable!("one of them is required"),
        }
    }
}

impl ReproduceCommand {
    /// The flags of a figure; none for a table.
    pub(crate) fn figure(&self) -> Option<&FigureArgs> {
        match self {
            Self::Table3(_) | Self::Table4(_) | Self::Ablation(_) | Self::Dasnet(_) => None,
            Self::Fig2(arguments) => Some(arguments),
            Self::Fig3(arguments) => Some(&arguments.figure),
            Self::Fig4(arguments) | Self::Fig5(arguments) | Self::Fig6(arguments) => Some(&arguments.figure),
        }
    }

    /// The flags of every command with a device.
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Table3(arguments) | Self::Table4(arguments) | Self::Ablation(arguments) => {
                &arguments.common
            }
            Self::Dasnet(arguments) => &arguments.common,
            Self::Fig2(arguments) => &arguments.common,
            Self::Fig3(arguments) => &arguments.figure.common,
            Self::Fig4(arguments) | Self::Fig5(arguments) | Self::Fig6(arguments) => &arguments.figure.common,
        }
    }
}

const SHARED: &str = "\
Run the same command in other terminals, or in each task of a Slurm array, to share the work. Run it again to \
resume what was stopped or killed. The first process writes the settings to plan.toml; later ones may leave them \
out. The table is in results.md, results.csv and results.html of the folder. A folder needs about 60 MB for each \
training of a CIFAR network, most of it the whitening matrix.";

const SWITCHES: &str = "Each image has two sets of maps: of the network as it is (without pooling), and with each stride-2 convolution replaced by one of stride 1 and a max pool (with pooling + switches).";

/// Flags of the tables. Settings that are left out are those of the plan in the folder, or the paper's.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// The folder of the sweep, created if missing [default: sweeps/TABLE]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Rows of the table, or other networks: names or TOML files [default: all rows]
    #[arg(long, value_name = "NAME|FILE,...", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// Learning rates to train each network at [default: 0.25,0.1,0.05,0.01; 0.05 in Table 4 and ablation]
    #[arg(long, visible_aliases = ["lr", "learning-rate"], value_name = "X,...", value_delimiter = ',', value_parser = learning_rate, allow_negative_numbers = true)]
    pub learning_rates: Option<Vec<f64>>,
    /// Trainings per network and learning rate, with the seeds 0 to N-1 [default: 1]
    #[arg(long, value_name = "N", value_parser = count::<u64>(1_000_000))]
    pub seeds: Option<u64>,
    /// Passes over the training images; the learning rate schedule is scaled along [default: 350]
    #[arg(long, value_name = "N", value_parser = count::<u32>(1_000_000))]
    pub epochs: Option<u32>,
    /// paper, quick, or a TOML file of settings [default: paper]
    #[arg(long, value_name = "NAME|FILE")]
    pub recipe: Option<PathBuf>,
    /// Data to use instead of CIFAR-10, as for `train` [default: cifar10]
    #[arg(long)]
    pub data: Option<String>,
    /// Data to use instead of CIFAR-100 [default: cifar100]
    #[arg(long, value_name = "DATA")]
    pub cifar100: Option<String>,
    /// Hold out the last N or P% of each class, by name, for testing; needed without a test split
    #[arg(long, value_name = "N|P%", value_parser = str::parse::<Holdout>)]
    pub holdout: Option<Holdout>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Use only the first N training images, spread over the classes
    #[arg(long, value_name = "N", value_parser = count::<usize>(usize::MAX))]
    pub limit: Option<usize>,
    /// Repeat trainings that diverge or do not start to learn, at most N times, with other seeds
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u16).range(..1000))]
    pub reseed: u16,
    /// Only show the progress, and when it will be finished
    #[arg(long)]
    pub status: bool,
    /// Do not wait for the trainings of other processes
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Flags of dasNet.
#[derive(Debug, Args)]
pub(crate) struct DasnetArgs {
    /// A run folder of a network with maxout layers
    pub run: PathBuf,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// Folder of the policy, created if missing; a search there is gone on with
    #[arg(long, value_name = "DIR", default_value = "dasnet")]
    pub out: PathBuf,
    /// Generations in all
    #[arg(long, value_name = "N", default_value = "20", value_parser = count::<u64>(1_000_000))]
    pub generations: u64,
    /// Policies of a generation, 4 or more
    #[arg(long, value_name = "N", default_value = "50", value_parser = count::<usize>(10_000))]
    pub population: usize,
    /// Training images that a generation is measured on
    #[arg(long, value_name = "N", default_value = "128", value_parser = count::<usize>(65_536))]
    pub images: usize,
    /// Looks at each image, 2 or more
    #[arg(long, value_name = "N", default_value = "5", value_parser = count::<u32>(100))]
    pub looks: u32,
    /// The seed of all random numbers
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Flags of every figure.
#[derive(Debug, Args)]
pub(crate) struct FigureArgs {
    /// A run folder, or demo
    #[arg(required_unless_present = "named")]
    pub run: Option<PathBuf>,
    /// The run folder as a flag, as before it was an argument
    #[arg(long = "run", value_name = "RUN", hide = true)]
    pub named: Option<PathBuf>,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// Folder for the pictures, created if missing
    #[arg(long, value_name = "DIR", default_value = "figures")]
    pub out: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// Flags of a figure of patches.
#[derive(Debug, Args)]
pub(crate) struct PatchFigureArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub figure: FigureArgs,
    /// Images to use instead of the run's
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Which images of the data [default: train, or test where there are no others]
    #[arg(long, value_enum)]
    pub split: Option<SplitChoice>,
    /// Filters from A up to, not including, B, numbered from 0 [default: the first 12]
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub filters: Option<Range<usize>>,
    /// Patches per filter
    #[arg(long, value_name = "K", default_value = "10", value_parser = count::<usize>(100))]
    pub patches: usize,
}

/// Flags of a figure of whole images.
#[derive(Debug, Args)]
pub(crate) struct ImageFigureArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub figure: FigureArgs,
    /// Pictures, or folders of them [default: images of different classes from the run's data]
    #[arg(value_name = "IMAGE|FOLDER")]
    pub images: Vec<PathBuf>,
    /// Images to use instead of the run's
    #[arg(long, conflicts_with = "images")]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Number of images
    #[arg(long, value_name = "N", default_value = "4", value_parser = count::<usize>(1000))]
    pub count: usize,
}

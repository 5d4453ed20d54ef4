//! The flags of `allcnn data`.

use std::ffi::OsString;
use std::path::PathBuf;

use allcnn::data::Holdout;
use allcnn::data::fetch::FetchTarget;
use clap::{Args, Subcommand};

use super::common::{CheckpointChoice, Common, OutputFlags, TEMPLATE};
use super::reading::ReadingArgs;
use crate::values::{DeviceChoice, count, similarity};

/// `allcnn data`.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Describe the data: kind, classes, images, sizes
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn data info photos/
  allcnn data info cifar10 --json"
    )]
    Info(DataInfoArgs),
    /// Download a data set from its official address
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn data fetch cifar10
  allcnn data fetch cifar100 --to /data",
        after_help = "ALLCNN_DATA sets the data folder, ALLCNN_DATA_URL another address to fetch from."
    )]
    Fetch(DataFetchArgs),
    /// Write the data as an archive: an image folder in a tar or zip, or CIFAR batches
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn data convert train.parquet --to photos.tar
  allcnn data convert photos/ --to photos.zip",
        after_help = "The name decides the format: .tar, .tar.gz, .tgz, .tar.zst or .zip, .cifar.tar.gz for CIFAR batches."
    )]
    Convert(DataConvertArgs),
    /// Decode every image and list the bad ones
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn data verify photos/
  allcnn data verify images.tar.gz --json
  allcnn data verify ILSVRC2012/ --on-disk
  allcnn data verify photos/ --near --out near.html
      near-duplicates, side by side
  allcnn data verify photos/ --near --run runs/NAME
      near-duplicates by the features of a network"
    )]
    Verify(DataVerifyArgs),
    /// List the images whose labels a trained network doubts most
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:
  allcnn data suspects runs/NAME
      of the images that were held out from its training
  allcnn data suspects runs/NAME --out suspects.html
      with pictures and what in them speaks for another class
  allcnn data suspects runs/NAME --data more/ --top 500 --json",
        after_help = "Images are sorted by the probability that the network gives to their class, lowest first (self-confidence: Northcutt et al. 2021, Confident learning). Images that it was trained on are left out."
    )]
    Suspects(DataSuspectsArgs),
}

/// `allcnn data verify`.
#[derive(Debug, Args)]
pub(crate) struct DataVerifyArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub look: DataInfoArgs,
    /// Also find near-duplicates: recompressed, brightened, scaled or slightly shifted pictures
    #[arg(long)]
    pub near: bool,
    /// Compare the pictures by the last hidden features of this run's network
    #[arg(long, value_name = "RUN", requires = "near")]
    pub run: Option<PathBuf>,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best", requires = "run")]
    pub checkpoint: CheckpointChoice,
    /// Least similarity of near-duplicates (1: equal) [default: 0.97, with --run 0.99]
    #[arg(long, value_name = "X", value_parser = similarity, requires = "near", allow_negative_numbers = true)]
    pub similarity: Option<f32>,
    /// Write a page that shows the near-duplicates side by side
    #[arg(long, value_name = "FILE.html", requires = "near")]
    pub out: Option<PathBuf>,
    /// Where to compute with --run: cpu, cuda, cuda:N or auto
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = str::parse::<DeviceChoice>)]
    pub device: DeviceChoice,
    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = count::<usize>(1024))]
    pub threads: Option<usize>,
}

/// `allcnn data suspects`.
#[derive(Debug, Args)]
pub(crate) struct DataSuspectsArgs {
    /// A run folder, or demo
    pub run: PathBuf,
    /// Where the run's data is now, or other data with the same classes, of which all images are examined
    #[arg(long)]
    pub data: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Checkpoint to use
    #[arg(long, value_enum, default_value = "best")]
    pub checkpoint: CheckpointChoice,
    /// Number of images to list
    #[arg(long, value_name = "N", default_value = "100", value_parser = count::<usize>(100_000))]
    pub top: usize,
    /// Write a page that shows them, with maps of what in each speaks for the predicted class
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// `allcnn data info`, and how `allcnn data verify` reads.
#[derive(Debug, Args)]
pub(crate) struct DataInfoArgs {
    /// shapes, cifar10, cifar100, a folder, a tar (.gz, .zst, .xz, .bz2) or zip of images, or parquet, .npz or .csv files
    pub data: OsString,
    /// Without test images: hold out the last N or P% of each class, by name, for testing [default: 10%]
    #[arg(long, value_name = "N|P%", value_parser = str::parse::<Holdout>)]
    pub holdout: Option<Holdout>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// Do not load the photographs of a folder: `info` counts them, `verify` decodes them one by one
    #[arg(long)]
    pub on_disk: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputFlags,
}

/// `allcnn data fetch`.
#[derive(Debug, Args)]
pub(crate) struct DataFetchArgs {
    /// cifar10 or cifar100
    #[arg(value_parser = str::parse::<FetchTarget>)]
    pub name: FetchTarget,
    /// Folder to store it in [default: ALLCNN_DATA or the user's cache]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputFlags,
}

/// `allcnn data convert`.
#[derive(Debug, Args)]
pub(crate) struct DataConvertArgs {
    /// shapes, cifar10, cifar100, a folder, a tar (.gz, .zst, .xz, .bz2) or zip of images, or parquet, .npz or .csv files
    pub data: OsString,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
    /// The archive to write
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Overwrite the archive if it exists
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub output: OutputFlags,
}

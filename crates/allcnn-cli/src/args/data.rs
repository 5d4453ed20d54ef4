//! The flags of `allcnn data`.

use std::ffi::OsString;
use std::path::PathBuf;

use allcnn::data::fetch::FetchTarget;
use allcnn::data::{Holdout, SplitNames};
use clap::{Args, Subcommand};

use super::TEMPLATE;

/// `allcnn data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Tell what the data is: kind, classes, images, sizes
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  allcnn data info photos/\n  allcnn data info cifar10 --json"
    )]
    Info(DataInfoArgs),
    /// Download a data set from its official address
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  allcnn data fetch cifar10\n  allcnn data fetch cifar100 --to /data",
        after_help = "ALLCNN_DATA names the data folder, ALLCNN_DATA_URL another address to fetch from."
    )]
    Fetch(DataFetchArgs),
    /// Write the data as an archive: an image folder in a tar or zip, or CIFAR batches
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  allcnn data convert train.parquet --to photos.tar\n  allcnn data convert photos/ --to photos.zip",
        after_help = "The name decides the form: .tar, .tar.gz, .tgz, .tar.zst or .zip, .cifar.tar.gz for CIFAR batches."
    )]
    Convert(DataConvertArgs),
    /// Decode every image and name the bad ones
    #[command(
        help_template = TEMPLATE,
        before_help = "Examples:\n  allcnn data verify photos/\n  allcnn data verify images.tar.gz --json\n  allcnn data verify ILSVRC2012/ --on-disk"
    )]
    Verify(DataInfoArgs),
}

/// `allcnn data info` and `allcnn data verify`.
#[derive(Debug, Args)]
pub struct DataInfoArgs {
    /// shapes, cifar10, cifar100, a folder, a tar (.gz, .zst, .xz, .bz2) or zip of images, or parquet or .npz files
    pub data: OsString,
    /// Without test images: keep the last N or P% images of each class, by name, for testing [default: 10%]
    #[arg(long, value_name = "N|P%", value_parser = str::parse::<Holdout>)]
    pub holdout: Option<Holdout>,
    /// Which of the data's folders or files are the splits, where their names do not tell
    #[arg(long, value_name = "train=NAME,val=NAME,test=NAME", value_parser = str::parse::<SplitNames>)]
    pub splits: Option<SplitNames>,
    /// Do not load the photographs of a folder: `info` counts them, `verify` decodes one after the other
    #[arg(long)]
    pub on_disk: bool,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// `allcnn data fetch`.
#[derive(Debug, Args)]
pub struct DataFetchArgs {
    /// cifar10 or cifar100
    #[arg(value_parser = str::parse::<FetchTarget>)]
    pub name: FetchTarget,
    /// The folder to put it into [default: ALLCNN_DATA or the user's cache]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Print no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// `allcnn data convert`.
#[derive(Debug, Args)]
pub struct DataConvertArgs {
    /// shapes, cifar10, cifar100, a folder, a tar (.gz, .zst, .xz, .bz2) or zip of images, or parquet or .npz files
    pub data: OsString,
    /// Which of the data's folders or files are the splits, where their names do not tell
    #[arg(long, value_name = "train=NAME,val=NAME,test=NAME", value_parser = str::parse::<SplitNames>)]
    pub splits: Option<SplitNames>,
    /// The archive to write
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Print no progress
    #[arg(long, short)]
    pub quiet: bool,
}

//! Data sets: read from any form that `allcnn` knows, drawn (`shapes`), fetched, converted and verified.
//!
//! Everything ends in a [`DataSet`]: 8-bit RGB images of one size in memory, with labels, in two splits.
//! [`open`] tells the form from the content: class folders of images, CIFAR binary or python batches, or Hugging Face
//! parquet files, each in a folder or in a tar, tar.gz, tar.zst or zip archive.
mod cifar;
mod collect;
pub mod convert;
mod dataset;
pub mod decode;
mod error;
pub mod fetch;
mod folder;
mod imagenet;
mod jpeg;
mod open;
mod parquet;
pub mod pickle;
pub mod shapes;
mod source;
mod split;
pub mod verify;

pub(crate) use dataset::read_photo;
pub use dataset::{DataSet, Images, Kind, Skipped};
pub use error::Error;
pub use open::{has_test_split, open};
pub use pickle::PickleError;
pub use split::Holdout;

/// Entry points for fuzzing: each takes any bytes and must neither panic nor use much memory.
pub mod fuzz {
    pub use super::cifar::{fuzz_cifar as cifar, fuzz_pickle as pickle};
    pub use super::parquet::fuzz_parquet as parquet;
    pub use super::source::fuzz_archive as archive;
}

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// How a data set is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Height and width that every image gets (scaled to cover, cropped around the center). `None`: the size of the
    /// form (32x32), or that of the first image by name.
    pub size: Option<(usize, usize)>,
    /// What is kept for testing: the last images of each class by name. `None`: the test split where there is one,
    /// else a tenth. Given for data with a test split, it is taken from the training images, and that test split is
    /// not used.
    pub holdout: Option<Holdout>,
    /// What is kept of a picture of another size.
    pub framing: Framing,
    /// Leave the images of a folder where they are, to be read one by one ([`Images::read`]): of these it is not known
    /// beforehand whether they can be decoded, and the fingerprint is that of their names. Needs a `size`.
    pub on_disk: bool,
    /// At most so many training images, as many of each class as can be, the first by name. The test split is
    /// left whole.
    pub limit: Option<usize>,
    /// The labels of CIFAR-100.
    pub labels: Labels,
    /// The share of images, in percent, that may be unreadable before that is an error.
    pub max_bad_percent: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: None,
            holdout: None,
            framing: Framing::Whole,
            on_disk: false,
            limit: None,
            labels: Labels::Fine,
            max_bad_percent: 5.0,
        }
    }
}

/// Where in a picture the part lies that is cut out of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// The share of the rows left over that lie above, from 0 to 1.
    pub down: f32,
    /// The share of the columns left over that lie to the left, from 0 to 1.
    pub right: f32,
}

impl Crop {
    /// In the middle.
    pub const CENTER: Crop = Crop { down: 0.5, right: 0.5 };
}

/// How much of a picture is kept where it gets another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// As much as the proportions allow.
    #[default]
    Whole,
    /// The middle of a photograph: 224 pixels where the shortest side has 256 of that size.
    Middle,
}

/// Which labels of CIFAR-100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// The hundred classes.
    #[default]
    Fine,
    /// The twenty groups of classes.
    Coarse,
}

impl Labels {
    /// Whether they are those of the hundred classes.
    pub fn are_fine(&self) -> bool {
        *self == Labels::Fine
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Labels::Fine => "fine",
            Labels::Coarse => "coarse",
        })
    }
}

/// How far a long task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much is done: images, or bytes of a download.
    pub done: u64,
    /// Out of how much, where that is known.
    pub total: Option<u64>,
}

/// What a long task is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding out what there is.
    Listing,
    /// Reading and decoding; images.
    Reading,
    /// Fetching; bytes.
    Downloading,
    /// Converting; images.
    Writing,
}

/// Where downloaded data sets are kept: `ALLCNN_DATA`, else `allcnn` in the user's cache (`XDG_CACHE_HOME` or
/// `~/.cache`).
pub fn data_folder() -> Result<PathBuf, Error> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("ALLCNN_DATA")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("allcnn")))
        .or_else(|| Some(folder("HOME")?.join(".cache/allcnn")))
        .ok_or(Error::NoDataFolder)
}

/// What a reader of one form hands over.
struct Loaded {
    kind: Kind,
    classes: Vec<String>,
    train: Images,
    test: Images,
    skipped: Vec<Skipped>,
    /// Images that could not be decoded, of `total`.
    bad: usize,
    total: usize,
    notes: Vec<String>,
    /// Holdout and limit are already applied.
    divided: bool,
}

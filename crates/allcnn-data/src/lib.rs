//! Image data sets: read from any form that `allcnn` knows, drawn (`shapes`), fetched, converted and verified.
//!
//! Everything ends in a [`DataSet`]: 8-bit RGB images of one size in memory, with labels, in two or three splits.
//! [`open`] recognizes the form by the content: class folders of images, CIFAR binary or python batches, Hugging Face
//! parquet files, numpy's arrays (`.npz`), or images with a table of their classes (CSV, TSV), each in a folder or in a tar (gz,
//! zst, xz, bz2) or zip archive. The feature `jxl`, which is on by default, reads pictures in JPEG XL.
//!
//! ```
//! use allcnn_data::{Holdout, Options, open};
//!
//! let options = Options { holdout: Some(Holdout::PerClass(100)), limit: Some(1000), ..Options::default() };
//! let set = open("shapes", &options, &mut |_| {})?;
//! assert_eq!((set.train.len(), set.test.len(), set.classes.len()), (1000, 1000, 10));
//! assert_eq!(set.train.image(0).len(), 32 * 32 * 3);
//! # Ok::<(), allcnn_data::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]
pub mod atomic_file;
mod collect;
pub mod convert;
mod counted;
mod dataset;
pub mod decode;
mod error;
pub mod fetch;
mod file_kind;
mod fold;
mod foreign;
mod formats;
mod framing;
pub mod fuzz;
mod group_by;
mod holdout;
mod identity;
mod ignored;
mod inflation;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod loose;
mod names;
pub mod near;
mod note;
mod open;
pub mod open_file;
mod options;
mod packing;
mod picture;
mod pictures;
mod png;
mod progress;
mod random;
mod reading;
mod resample;
mod sizes;
mod source;
mod split;
mod split_names;
pub mod text;
pub mod verify;

pub use counted::counted;
pub use dataset::{DataSet, Images, Kind, Skipped, cut_photo, read_photo};
pub use error::Error;
pub use fetch::data_folder;
pub use fold::Fold;
pub use formats::cifar::coarse_class;
pub use formats::pickle::{self, PickleError};
pub use formats::shapes;
pub use framing::Framing;
pub use group_by::GroupBy;
pub use holdout::Holdout;
pub use identity::{BadIdentity, Identities, Identity, IdentitySet};
pub use ignored::Ignored;
pub use loose::open_loose;
pub use names::readable;
pub use note::Note;
pub use open::{has_test_split, is_named, open};
pub use options::{Labels, Options};
pub use picture::{Crop, Picture};
pub use pictures::{Pictures, pictures};
pub use progress::{Progress, Stage};
pub use reading::Reading;
pub use sizes::Sizes;
pub use split_names::SplitNames;

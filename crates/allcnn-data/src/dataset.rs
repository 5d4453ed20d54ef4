//! A data set in memory: 8-bit RGB images of one size with labels, in a training and a test split.
use crate::decode::decode_for;
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::open_file;
use crate::picture::{Crop, Picture, cut, fitted};
use crate::sizes::Sizes;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// 8-bit RGB images of one size, NHWC, with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Rows of every image.
    pub height: usize,
    /// Columns of every image.
    pub width: usize,
    /// `[images, height, width, 3]`; empty where the images are on disk.
    pub pixels: Vec<u8>,
    /// The file of each image, where they are left on disk.
    pub files: Vec<PathBuf>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// Where each image came from: `cat/0001.jpg`, `data_batch_1.bin#00017`. Within a class, names ascend.
    pub names: Vec<String>,
    /// The group of each image, where [`crate::Fold`] keeps groups together; else empty.
    pub groups: Vec<Option<String>>,
}

impl Images {
    /// No images, of a size.
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, ..Self::default() }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image: height * width * 3.
    pub fn image_len(&self) -> usize {
        self.height * self.width * 3
    }

    /// Whether the images are files that are read when they are needed.
    pub fn are_on_disk(&self) -> bool {
        !self.files.is_empty()
    }

    /// Image `index` as `[height, width, 3]`, read from its file where it is on disk: its middle.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn read(&self, index: usize) -> Result<Cow<'_, [u8]>, Error> {
        let unreadable = |reason| Error::Unreadable { file: self.files[index].clone(), reason };
        self.middle(index).map_err(unreadable)
    }

    /// Image `index` as a picture, as [`Images::read`] has it.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn picture(&self, index: usize) -> Result<Picture, Error> {
        Ok(Picture { height: self.height, width: self.width, pixels: self.read(index)?.into_owned() })
    }

    /// Like [`Images::read`]; the error says in a few words what is wrong with the file.
    pub(crate) fn middle(&self, index: usize) -> Result<Cow<'_, [u8]>, String> {
        match self.files.get(index) {
            Some(file) => read_photo(file, Crop::CENTER, self.height, self.width).map(Cow::from),
            None => Ok(self.image(index).into()),
        }
    }

    /// Image `index`, the whole of it where it is on disk, so small that its longer side is at most `side`.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn thumbnail(&self, index: usize, side: usize) -> Result<Picture, Error> {
        let made = match self.files.get(index) {
            Some(file) => read_whole(file, side),
            None => {
                let pixels = self.image(index).to_vec();
                Ok(Picture { height: self.height, width: self.width, pixels })
            }
        };
        let unreadable = |reason| Error::Unreadable { file: self.names[index].clone().into(), reason };
        made.and_then(|picture| fitted(picture, side)).map_err(unreadable)
    }

    /// The pixels of all images in memory, or of at most `most` of those on disk, evenly spread.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn sample(&self, most: usize) -> Result<Cow<'_, [u8]>, Error> {
        if !self.are_on_disk() {
            return Ok(self.pixels.as_slice().into());
        }
        let sampled: Vec<usize> = (0..self.len()).step_by(self.len().div_ceil(most)).collect();
        let pixels: Result<Vec<_>, Error> = sampled.into_par_iter().map(|index| self.read(index)).collect();
        Ok(pixels?.concat().into())
    }

    /// Image `index` in memory as `[height, width, 3]`. Panics when there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        let bytes = self.image_len();
        &self.pixels[index * bytes..(index + 1) * bytes]
    }

    /// The images at `indices`, in that order. Panics when one does not exist.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn select(&self, indices: &[usize]) -> Result<Images, Error> {
        let mut selected = Images::new(self.height, self.width);
        if self.are_on_disk() {
            selected.files = indices.iter().map(|&index| self.files[index].clone()).collect();
        } else {
            selected.pixels = Self::reserve(indices.len(), self.height, self.width)?;
            indices.iter().for_each(|&index| selected.pixels.extend_from_slice(self.image(index)));
        }
        selected.labels = indices.iter().map(|&index| self.labels[index]).collect();
        selected.names = indices.iter().map(|&index| self.names[index].clone()).collect();
        selected.groups = indices.iter().filter_map(|&index| self.groups.get(index).cloned()).collect();
        Ok(selected)
    }

    /// How many images each of `classes` classes has.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Adds one image of `[height, width, 3]` to those in memory.
    pub fn push(&mut self, pixels: &[u8], label: u32, name: String) {
        debug_assert_eq!(pixels.len(), self.image_len());
        self.pixels.extend_from_slice(pixels);
        self.labels.push(label);
        self.names.push(name);
    }

    /// Adds all images of `other`, which have the same size and are on disk or in memory as these.
    pub fn append(&mut self, mut other: Images) {
        debug_assert_eq!((self.height, self.width), (other.height, other.width));
        self.pixels.append(&mut other.pixels);
        self.files.append(&mut other.files);
        self.labels.append(&mut other.labels);
        self.names.append(&mut other.names);
        self.groups.append(&mut other.groups);
    }

    /// Memory for the pixels of `images` images, or an error where there is none.
    pub(crate) fn reserve(images: usize, height: usize, width: usize) -> Result<Vec<u8>, Error> {
        let mut pixels = Vec::new();
        let bytes =
            images.checked_mul(height).and_then(|n| n.checked_mul(width)).and_then(|n| n.checked_mul(3));
        match bytes.map(|bytes| pixels.try_reserve_exact(bytes)) {
            Some(Ok(())) => Ok(pixels),
            _ => {
                let gib = images as f64 * height as f64 * width as f64 * 3.0 / (1u64 << 30) as f64;
                Err(Error::Memory { images, height, width, gib })
            }
        }
    }
}

/// The pixels of a part of the photograph in a file; the error says in a few words what is wrong with it.
///
/// # Errors
/// A file that cannot be read or decoded.
pub fn read_photo(file: &Path, crop: Crop, height: usize, width: usize) -> Result<Vec<u8>, String> {
    let file = open_file::read(file, open_file::PICTURE).map_err(|error| error.to_string())?;
    cut_photo(&file, crop, height, width)
}

/// The whole picture in a file, large JPEG files at a part of their size of which `side` x `side` can be made.
pub(crate) fn read_whole(file: &Path, side: usize) -> Result<Picture, String> {
    let file = open_file::read(file, open_file::PICTURE).map_err(|error| error.to_string())?;
    decode_for(&file, side, side)
}

/// Like [`read_photo`], from the bytes of the file.
///
/// # Errors
/// A file that cannot be decoded.
pub fn cut_photo(file: &[u8], crop: Crop, height: usize, width: usize) -> Result<Vec<u8>, String> {
    Ok(cut(decode_for(file, height, width)?, crop, height, width)?.pixels)
}

/// The form in which a data set was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The pictures that the program draws itself.
    Shapes,
    /// CIFAR-10 or CIFAR-100 binary batches.
    CifarBinary,
    /// CIFAR-10 or CIFAR-100 python (pickle) batches.
    CifarPython,
    /// Class folders of image files.
    ImageFolder,
    /// Image files that a table names.
    Table,
    /// Hugging Face parquet files.
    Parquet,
    /// Files of numpy's arrays.
    Npz,
}

impl Kind {
    /// What it is, and by what it was recognised.
    pub fn evidence(self) -> &'static str {
        match self {
            Self::Shapes => "the embedded data: it is the program's own name for it",
            Self::CifarBinary => {
                "CIFAR's binary batches: files of their names, with records of a label and 32x32 pixels"
            }
            Self::CifarPython => {
                "CIFAR's python batches: pickles of their names, which are read and never executed"
            }
            Self::ImageFolder => "an image folder: the folders that hold the pictures are the classes",
            Self::Table => "pictures that a table names: it has a column of files and a column of labels",
            Self::Parquet => "parquet: its files begin with PAR1 and have an image and a label column",
            Self::Npz => "arrays of numpy: .npy members, one of pictures and one of labels in each split",
        }
    }

    /// Whether all pictures of the form have one size, its own.
    pub(crate) fn has_own_size(self) -> bool {
        matches!(self, Kind::Shapes | Kind::CifarBinary | Kind::CifarPython)
    }
}

/// A file that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why it was left out.
    pub reason: String,
}

impl Skipped {
    const NO_CLASS: &str = "in no class folder";

    /// An image beside class folders.
    pub(crate) fn without_class(file: String) -> Self {
        Self { file, reason: Self::NO_CLASS.into() }
    }

    /// Whether it may well be read, but has no class.
    pub fn has_no_class(&self) -> bool {
        self.reason == Self::NO_CLASS
    }
}

/// A data set: its classes and its splits, all images of one size.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What was opened, for people: `shapes`, `cifar10`, or the file's name.
    pub name: String,
    /// The names of the classes; labels index them.
    pub classes: Vec<String>,
    /// The training images. Empty only when the data holds nothing but a test split.
    pub train: Images,
    /// The images that choose the best checkpoint. Empty where the data has no such split of its own.
    pub validation: Images,
    /// The test images.
    pub test: Images,
    /// Images that could not be read, with reasons.
    pub skipped: Vec<Skipped>,
    /// Other files that were left out, by reason.
    pub ignored: Vec<Ignored>,
    /// What a person should know about how the data was read (a split that was not used, ...).
    pub notes: Vec<Note>,
    /// SHA-256 in hex over the classes, the sizes, and the pixels and labels of the splits (of validation where there is
    /// that split); of images on disk over their names instead of their pixels.
    pub fingerprint: String,
    /// The form in which it was found.
    pub kind: Kind,
    /// The sizes that the images have in their files; not known of images on disk.
    pub sizes: Option<Sizes>,
}

impl DataSet {
    /// The fingerprint that the data has without its validation images: that of runs which did not know them.
    pub fn fingerprint_without_validation(&self) -> String {
        if self.validation.is_empty() {
            return self.fingerprint.clone();
        }
        fingerprint(&self.classes, &self.train, &Images::default(), &self.test)
    }
}

/// The fingerprint of a data set: SHA-256 in hex.
pub(crate) fn fingerprint(classes: &[String], train: &Images, validation: &Images, test: &Images) -> String {
    let mut hash = Sha256::new();
    for class in classes {
        hash.update((class.len() as u64).to_le_bytes());
        hash.update(class);
    }
    let validation = Some(validation).filter(|validation| !validation.is_empty());
    for split in [train, test].into_iter().chain(validation) {
        for number in [split.len(), split.height, split.width] {
            hash.update((number as u64).to_le_bytes());
        }
        hash.update(&split.pixels);
        if split.are_on_disk() {
            split.names.iter().for_each(|name| hash.update(name));
        }
        for label in &split.labels {
            hash.update(label.to_le_bytes());
        }
    }
    format!("{:x}", hash.finalize())
}

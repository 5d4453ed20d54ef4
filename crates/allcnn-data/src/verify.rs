//! What `allcnn data info` and `data verify` report about a data set.
use crate::dataset::{DataSet, Images, Kind, Skipped};
use crate::ignored::Ignored;
use crate::note::Note;
use crate::sizes::Sizes;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::PathBuf;

/// The most pairs of equal images that are listed.
const LISTED: usize = 100;

/// A data set in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// What was opened.
    pub name: String,
    /// Its form.
    pub kind: Kind,
    /// Rows of every image.
    pub height: usize,
    /// Columns of every image.
    pub width: usize,
    /// Training images.
    pub train: usize,
    /// Validation images.
    pub validation: usize,
    /// Test images.
    pub test: usize,
    /// Images by class.
    pub classes: Vec<ClassSummary>,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
    /// Other files that were left out.
    pub ignored: Vec<Ignored>,
    /// How the data was read.
    pub notes: Vec<Note>,
    /// The data's fingerprint.
    pub fingerprint: String,
    /// The images' own sizes, of photographs on disk those of some.
    pub sizes: Option<Sizes>,
}

/// One class in figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassSummary {
    /// The class.
    pub name: String,
    /// Its training images.
    pub train: usize,
    /// Its validation images.
    pub validation: usize,
    /// Its test images.
    pub test: usize,
}

/// What a thorough look at a data set found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// The figures.
    #[serde(flatten)]
    pub summary: Summary,
    /// Test images whose pixels equal those of a training image.
    pub test_images_in_train: usize,
    /// Validation images that are among the training images too.
    pub validation_images_in_train: usize,
    /// Test images that are among the validation images too.
    pub test_images_in_validation: usize,
    /// Training images whose pixels equal those of an earlier one.
    pub repeated_in_train: usize,
    /// Equal images with different labels, in or between the splits.
    pub contradicting_labels: usize,
    /// The first pairs of equal images (earlier, later).
    pub equal: Vec<(String, String)>,
    /// True when nothing was skipped, repeated between the splits, or contradicting.
    pub clean: bool,
}

impl Summary {
    /// Counts the images of a data set.
    pub fn of(set: &DataSet) -> Summary {
        let classes = set.classes.len();
        let [train, validation, test] =
            [&set.train, &set.validation, &set.test].map(|split| split.class_counts(classes));
        let class = |(at, name): (usize, &String)| ClassSummary {
            name: name.clone(),
            train: train[at],
            validation: validation[at],
            test: test[at],
        };
        Summary {
            name: set.name.clone(),
            kind: set.kind,
            height: set.train.height,
            width: set.train.width,
            train: set.train.len(),
            validation: set.validation.len(),
            test: set.test.len(),
            classes: set.classes.iter().enumerate().map(class).collect(),
            skipped: set.skipped.clone(),
            ignored: set.ignored.clone(),
            notes: set.notes.clone(),
            fingerprint: set.fingerprint.clone(),
            sizes: set.sizes.or_else(|| Sizes::of_files(&files(set))),
        }
    }
}

/// The files of images on disk.
fn files(set: &DataSet) -> Vec<&PathBuf> {
    [&set.train, &set.validation, &set.test].into_iter().flat_map(|split| &split.files).collect()
}

/// Looks for equal images. Open the data with `max_bad_percent: 100.0` to have all unreadable files listed; images on
/// disk are decoded one by one, and their middles compared.
pub fn verify(set: &DataSet) -> Verification {
    let mut found = Verification {
        summary: Summary::of(set),
        test_images_in_train: 0,
        validation_images_in_train: 0,
        test_images_in_validation: 0,
        repeated_in_train: 0,
        contradicting_labels: 0,
        equal: Vec::new(),
        clean: false,
    };
    let mut seen: HashMap<[u8; 32], (&str, u32, usize)> = HashMap::new();
    for (split, images) in [&set.train, &set.validation, &set.test].into_iter().enumerate() {
        for (index, hash) in hashes(images).into_iter().enumerate() {
            let (name, label) = (images.names[index].as_str(), images.labels[index]);
            let hash = match hash {
                Ok(hash) => hash,
                Err(reason) => {
                    found.summary.skipped.push(Skipped { file: name.to_owned(), reason });
                    continue;
                }
            };
            let Some((earlier, other, of)) = seen.get(&hash) else {
                // Held-out images are compared with other splits only.
                if split < 2 {
                    seen.insert(hash, (name, label, split));
                }
                continue;
            };
            match (of, split) {
                (0, 0) => found.repeated_in_train += 1,
                (0, 1) => found.validation_images_in_train += 1,
                (0, _) => found.test_images_in_train += 1,
                (_, 2) => found.test_images_in_validation += 1,
                _ => continue,
            }
            found.contradicting_labels += usize::from(*other != label);
            if found.equal.len() < LISTED {
                found.equal.push((earlier.to_string(), name.to_string()));
            }
        }
    }
    found.clean = found.summary.skipped.is_empty()
        && found.test_images_in_train + found.validation_images_in_train + found.test_images_in_validation
            == 0
        && found.contradicting_labels == 0;
    found
}

fn hashes(images: &Images) -> Vec<Result<[u8; 32], String>> {
    let hash = |index| Ok(Sha256::digest(images.middle(index)?).into());
    (0..images.len()).into_par_iter().map(hash).collect()
}

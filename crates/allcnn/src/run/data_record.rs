//! The data section of `run.toml`.

use serde::{Deserialize, Serialize};

use crate::data::{DataSet, Fold, Ignored, Labels, Reading};
use crate::split::Split;

/// Where the images of a run come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// The data as it was given.
    pub source: String,
    /// Its absolute path, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute: Option<String>,
    /// Its path relative to the run folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<String>,
    /// The holdout for testing, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<String>,
    /// What was taken out of the training images for validation, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// The label set used of CIFAR-100.
    #[serde(default, skip_serializing_if = "Labels::are_fine")]
    pub labels: Labels,
    /// The limit on the number of images, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The fingerprint of the images.
    pub fingerprint: String,
    /// Training images.
    pub train_images: usize,
    /// Validation images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation_images: usize,
    /// Test images.
    pub test_images: usize,
    /// The fold of the training images that is held out for testing, in a cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// How to read the data where its format leaves that open.
    #[serde(default, skip_serializing_if = "Reading::is_default")]
    pub reading: Reading,
    /// Decisions made while reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Ignored files, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
}

/// Whether a number is omitted from the file.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl DataRecord {
    /// The split that selects the best epoch; `None` if every image is trained on.
    pub fn selected_on(&self) -> Option<Split> {
        match (self.validation_images, self.test_images) {
            (0, 0) => None,
            (0, _) => Some(Split::Test),
            _ => Some(Split::Validation),
        }
    }

    /// The fingerprint of `data` for comparison with the record's: a run recorded without validation images has a
    /// fingerprint without them.
    pub fn fingerprint_of(&self, data: &DataSet) -> String {
        if self.validation_images == 0 {
            data.fingerprint_without_validation()
        } else {
            data.fingerprint.clone()
        }
    }
}

//! What `run.toml` says of the images of a run.

use serde::{Deserialize, Serialize};

use crate::data::{DataSet, Ignored, Labels, Reading};
use crate::split::Split;

/// Where the images of a run came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// The data as it was given.
    pub source: String,
    /// Its place from the root of the file system, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute: Option<String>,
    /// Its place from the run folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<String>,
    /// What was held out for testing, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<String>,
    /// Which labels of CIFAR-100.
    #[serde(default, skip_serializing_if = "Labels::are_fine")]
    pub labels: Labels,
    /// The most images that were used, where that was limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The fingerprint of the images.
    pub fingerprint: String,
    /// Training images.
    pub train_images: usize,
    /// Validation images, where the data has such a split.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation_images: usize,
    /// Test images.
    pub test_images: usize,
    /// What was said of the data where it does not tell itself.
    #[serde(default, skip_serializing_if = "Reading::is_default")]
    pub reading: Reading,
    /// What was decided while it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files that were left out, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
}

/// Whether a number is left out of a file.
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl DataRecord {
    /// The split whose images choose the best epoch of a training; none where every image is trained on.
    pub fn selected_on(&self) -> Option<Split> {
        match (self.validation_images, self.test_images) {
            (0, 0) => None,
            (0, _) => Some(Split::Test),
            _ => Some(Split::Validation),
        }
    }

    /// The fingerprint of `data` to hold against the record's: a run that knew no validation images knows none of their
    /// fingerprint.
    pub fn fingerprint_of(&self, data: &DataSet) -> String {
        if self.validation_images == 0 {
            data.fingerprint_without_validation()
        } else {
            data.fingerprint.clone()
        }
    }
}

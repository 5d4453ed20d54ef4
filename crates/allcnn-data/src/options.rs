//! How a data set is read.
use crate::fold::Fold;
use crate::framing::Framing;
use crate::group_by::GroupBy;
use crate::holdout::Holdout;
use crate::reading::Reading;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// What is taken out of the training images for validation, where the data has no such split: the last of each class
    /// by name.
    pub validation: Option<Holdout>,
    /// One of several folds of the training images to be held out as the test images; the data's own test split is then not used.
    /// Takes the place of a holdout.
    pub fold: Option<Fold>,
    /// What is kept of a picture of another size.
    pub framing: Framing,
    /// Leave the images of a folder where they are, to be read one by one ([`crate::Images::read`]): of these it is not known
    /// beforehand whether they can be decoded, and the fingerprint is that of their names. Needs a `size`.
    pub on_disk: bool,
    /// The most training images, balanced over the classes, the first by name. The test split is
    /// left whole.
    pub limit: Option<usize>,
    /// Data to be measured, not to be trained on: nothing is held out of it and one class is enough. Images that are in no
    /// split, or in one alone, are all test images; where the data has training and test images of its own, they stay what
    /// they are.
    pub whole: bool,
    /// Data to be looked at: one class is enough.
    pub one_class: bool,
    /// What a person says about the data.
    pub reading: Reading,
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
            validation: None,
            fold: None,
            framing: Framing::Whole,
            on_disk: false,
            limit: None,
            whole: false,
            one_class: false,
            reading: Reading::default(),
            labels: Labels::Fine,
            max_bad_percent: 5.0,
        }
    }
}

impl Options {
    /// Whether the test images are taken from the training images, whatever test split the data has.
    pub(crate) fn takes_test_images(&self) -> bool {
        self.holdout.is_some() || self.fold.is_some()
    }

    /// Whether a column keeps images together: then the data is a table.
    pub(crate) fn groups_by_column(&self) -> bool {
        let by = self.fold.as_ref().and_then(|fold| fold.group_by.as_ref());
        by.is_some_and(|by| *by != GroupBy::Folder)
    }
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

//! The splits of a data set, by name.

use std::fmt;

use serde::Serialize;

use crate::data::{DataSet, Images};

/// A split of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The images that a network is trained on.
    Train,
    /// Images that select the best checkpoint, where the data has such a split.
    Validation,
    /// Images held out for testing.
    #[default]
    Test,
}

/// The error for a split without images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{data} has no {wanted} images: it has {}\ngive another --split", .there.join(", "))]
pub struct NoSplit {
    /// The data.
    pub data: String,
    /// The split.
    pub wanted: Split,
    /// The splits that it has, such as `20 training images`.
    pub there: Vec<String>,
}

impl Split {
    /// Returns this split, or the only nonempty one if there is just one.
    pub(crate) fn or_only(self, data: &DataSet) -> Split {
        let splits =
            [(Split::Train, &data.train), (Split::Validation, &data.validation), (Split::Test, &data.test)];
        let mut there = splits.iter().filter(|(_, images)| !images.is_empty()).map(|(split, _)| *split);
        match (there.next(), there.next()) {
            (Some(only), None) => only,
            _ => self,
        }
    }

    /// All of them, in order.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// Its images.
    pub fn of(self, data: &DataSet) -> &Images {
        match self {
            Split::Train => &data.train,
            Split::Validation => &data.validation,
            Split::Test => &data.test,
        }
    }

    /// Moves the split's images out of a data set.
    ///
    /// # Errors
    /// [`NoSplit`].
    pub(crate) fn take(self, data: &mut DataSet) -> Result<Images, NoSplit> {
        let DataSet { name, train, validation, test, .. } = data;
        let splits = [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)];
        let (mut taken, mut there) = (Images::default(), Vec::new());
        for (split, images) in splits.into_iter().filter(|(_, images)| !images.is_empty()) {
            there.push(format!("{} {split} images", images.len()));
            if split == self {
                taken = std::mem::take(images);
            }
        }
        if taken.is_empty() {
            return Err(NoSplit { data: name.clone(), wanted: self, there });
        }
        Ok(taken)
    }
}

/// As written before "images".
impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "training",
            Split::Validation => "validation",
            Split::Test => "test",
        })
    }
}

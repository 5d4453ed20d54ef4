//! The splits of a data set, and the folders or files that a person names for them.
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A split of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SplitName {
    /// The images to train on.
    Train,
    /// The images that choose the best checkpoint.
    Validation,
    /// The images to test on.
    Test,
}

impl SplitName {
    /// All of them, each at the index of its number.
    pub(crate) const ALL: [SplitName; 3] = [SplitName::Train, SplitName::Validation, SplitName::Test];

    /// Its name in `--splits`.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            SplitName::Train => "train",
            SplitName::Validation => "val",
            SplitName::Test => "test",
        }
    }

    /// Its name in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            SplitName::Train => "training",
            SplitName::Validation => "validation",
            SplitName::Test => "test",
        }
    }
}

/// Names of folders or files that hold the data's own splits, as a person gives them: `train=NAME,val=NAME,test=NAME`, each
/// at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SplitNames {
    /// Of the training images.
    pub train: Option<String>,
    /// Of the validation images.
    pub validation: Option<String>,
    /// Of the test images.
    pub test: Option<String>,
}

impl FromStr for SplitNames {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadSplits(text.to_string());
        let mut names = Self::default();
        for part in text.split(',') {
            let (split, name) = part.split_once('=').ok_or_else(bad)?;
            let slot = match split.trim() {
                "train" => &mut names.train,
                "val" | "validation" => &mut names.validation,
                "test" => &mut names.test,
                _ => return Err(bad()),
            };
            let name = name.trim().trim_matches('/');
            if name.is_empty() || slot.replace(name.to_string()).is_some() {
                return Err(bad());
            }
        }
        Ok(names)
    }
}

impl TryFrom<String> for SplitNames {
    type Error = Error;

    /// As `--splits` takes it; nothing named by an empty text.
    fn try_from(text: String) -> Result<Self, Error> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse() }
    }
}

impl From<SplitNames> for String {
    fn from(names: SplitNames) -> String {
        names.to_string()
    }
}

impl fmt::Display for SplitNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("train", &self.train), ("val", &self.validation), ("test", &self.test)];
        let parts = parts.into_iter().filter_map(|(split, name)| Some(format!("{split}={}", name.as_ref()?)));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_splits_are_read_and_written() {
        let text = "train=a/b,test=c d";
        let names: SplitNames = text.parse().unwrap();
        assert_eq!((names.train.as_deref(), names.test.as_deref()), (Some("a/b"), Some("c d")));
        assert_eq!(names.to_string(), text);
        assert_eq!("validation=x".parse::<SplitNames>().unwrap().to_string(), "val=x");
        for bad in ["", "train", "train=", "other=a", "train=a,train=b"] {
            let error = bad.parse::<SplitNames>().unwrap_err().to_string();
            assert!(error.contains("train=NAME"), "{error}");
        }
    }
}

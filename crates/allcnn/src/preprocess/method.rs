//! The preprocessing methods.

use std::fmt;
use std::str::FromStr;

use super::error::PreprocessError;

/// How images are preprocessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Global contrast normalization, then ZCA whitening: the paper's preprocessing.
    GcnZca,
    /// `(value / 255 - mean) / standard deviation` per channel, over all training images.
    MeanStd,
    /// `value / 255`: nothing is fitted.
    None,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GcnZca => "gcn-zca",
            Self::MeanStd => "mean-std",
            Self::None => "none",
        })
    }
}

impl FromStr for Method {
    type Err = PreprocessError;

    fn from_str(text: &str) -> Result<Self, PreprocessError> {
        match text {
            "gcn-zca" => Ok(Self::GcnZca),
            "mean-std" => Ok(Self::MeanStd),
            "none" => Ok(Self::None),
            _ => Err(PreprocessError::UnknownMethod { given: text.to_owned() }),
        }
    }
}

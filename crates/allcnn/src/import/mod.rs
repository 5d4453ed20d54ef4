//! Weights from elsewhere: read from a file of another program, fitted to a network, and kept as a run folder that
//! every command takes.
//!
//! Read are safetensors with PyTorch's names, and Caffe's `.caffemodel`. The layers of a file are told by their names,
//! put into their order, and matched one by one with the convolutions of the network; a fully connected layer is the
//! convolution that it is: its weights `[out, channels · height · width]` have the same order as `[out, channels,
//! height, width]`, so only their shape changes.
//!
//! | form | names | layers in the order of |
//! |---|---|---|
//! | [`Form::Convolutions`] | `conv1.weight`, `conv1.bias`, ... | their names in the network |
//! | [`Form::Sequential`] | `0.weight`, `3.weight`, ... of an `nn.Sequential`, with or without a prefix | their numbers |
//! | [`Form::FeaturesClassifier`] | `features.0.weight`, ..., `classifier.6.bias`, as torchvision's AlexNet has them | `features`, then `classifier` |
//! | [`Form::Caffe`] | those of the file | the file |
//!
//! A network of Caffe takes blue before red; its first weights are turned around, so that here it takes RGB as all do.

mod caffe;
mod error;
mod fit;
mod run;
mod scaling;
mod state_dict;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use error::Error;
pub use run::{Import, Imported};
pub use scaling::{Scaling, ScalingError};

use crate::parameters::Tensor;

/// A file larger than this is not read: ten times the largest network of the paper.
const LARGEST_FILE: u64 = 8 << 30;

/// How a file names and orders its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By the network's own names.
    Convolutions,
    /// By numbers.
    Sequential,
    /// By numbers in two groups.
    FeaturesClassifier,
    /// A `.caffemodel`.
    Caffe,
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Convolutions => "safetensors named by convolutions",
            Self::Sequential => "safetensors of an nn.Sequential",
            Self::FeaturesClassifier => "safetensors in torchvision's layout",
            Self::Caffe => "caffemodel",
        })
    }
}

/// The weights of a file, before they are fitted to a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    form: Form,
    layers: Vec<Layer>,
}

/// A layer with weights.
#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// As the file calls it.
    name: String,
    weight: Tensor,
    bias: Tensor,
}

impl Weights {
    /// Reads a file; its content tells what it is.
    ///
    /// # Errors
    /// [`Error`]: a missing, damaged or foreign file. It never panics, whatever the file holds.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Io { path: path.into(), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(wrong)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(wrong)?;
        let read = if bytes.len() as u64 > LARGEST_FILE {
            Err(format!("it is larger than {} GiB", LARGEST_FILE >> 30))
        } else {
            Self::from_bytes(&bytes)
        };
        read.map_err(|problem| Error::Unreadable { path: path.into(), problem })
    }

    /// Reads the contents of a file; the error says what is wrong with it.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 0x02]) {
            return Err("it is pickled by PyTorch (or another archive); write the weights with \
                        safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")"
                .into());
        }
        // A safetensors file begins with the length of a JSON object.
        if bytes.get(8) == Some(&b'{') { state_dict::read(bytes) } else { caffe::read(bytes) }
    }

    /// The form of the file.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Outputs of the last layer: one a class.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.values.len())
    }
}

//! Weights from elsewhere: read from a file of another program, fitted to a network, and kept as a run folder that
//! every command takes.
//!
//! Read are safetensors and PyTorch's own files with the names of a state dict, and Caffe's `.caffemodel`. The layers of
//! a file are told by their names, put into their order, and matched one by one with the convolutions of the network; a
//! fully connected layer is the convolution that it is: its weights `[out, channels · height · width]` have the same order
//! as `[out, channels, height, width]`, so only their shape changes.
//!
//! | form | names, behind any prefix that all share | layers in the order of |
//! |---|---|---|
//! | [`Form::Convolutions`] | `conv1.weight`, `conv1.bias`, ... | their names in the network |
//! | [`Form::Sequential`] | `0.weight`, `3.weight`, ... of an `nn.Sequential` | their numbers |
//! | [`Form::FeaturesClassifier`] | `features.0.weight`, ..., `classifier.6.bias`, as torchvision's AlexNet has them | `features`, then `classifier` |
//! | [`Form::Other`] | any others | their numbers, and the one way in which their shapes fit |
//! | [`Form::Caffe`] | those of the file | the file |
//!
//! What is decided on the way, down to the last missing bias, is a [`Note`]. A network of Caffe takes blue before red; its
//! first weights are turned around, so that here it takes RGB as all do.

mod caffe;
mod class_names;
mod error;
mod fit;
mod note;
mod order;
mod pytorch;
mod run;
mod safetensors;
mod scaling;
mod search;
mod state_dict;
mod stored;

use std::path::Path;

pub use error::Error;
pub use fit::Fitted;
pub use note::{Note, NoteKind};
pub use run::{Import, Imported};
pub use scaling::{Scaling, ScalingError};

/// What [`crate::fuzz`] reaches of this module's inside.
pub(crate) mod fuzz {
    pub use super::pytorch::fuzz_pickle as pytorch_pickle;

    /// Reads the names of classes.
    pub fn class_names(bytes: &[u8]) -> bool {
        super::class_names::parse(bytes).is_ok()
    }
}

use order::{Chain, arrange, as_given};

use crate::data::open_file;
use crate::parameters::Tensor;

/// What kind of file holds the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Safetensors.
    Safetensors,
    /// What `torch.save` writes since PyTorch 1.6.
    PyTorch,
    /// What `torch.jit.save` writes.
    TorchScript,
    /// A `.caffemodel`.
    Caffe,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::PyTorch => "PyTorch file",
            Self::TorchScript => "TorchScript archive",
            Self::Caffe => "caffemodel",
        })
    }
}

/// How a file names and orders its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By the network's own names.
    Convolutions,
    /// By numbers.
    Sequential,
    /// By numbers in two groups.
    FeaturesClassifier,
    /// In other ways.
    Other,
    /// As Caffe does: in the order of the file.
    Caffe,
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Convolutions => "named by convolutions",
            Self::Sequential => "of an nn.Sequential",
            Self::FeaturesClassifier => "in torchvision's layout",
            Self::Other => "with names of its own",
            Self::Caffe => "with Caffe's names",
        })
    }
}

/// The weights of a file, before they are fitted to a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    container: Container,
    form: Form,
    chains: Vec<Chain>,
    /// The names of the classes, where the file has them.
    classes: Option<Vec<String>>,
    notes: Vec<Note>,
}

/// A layer with weights.
#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// As the file calls it.
    name: String,
    weight: Tensor,
    /// `None`: zero.
    bias: Option<Tensor>,
}

impl Layer {
    fn outputs(&self) -> usize {
        self.weight.shape.first().copied().unwrap_or(0)
    }
}

impl Weights {
    /// Reads a file; its content tells what it is.
    ///
    /// # Errors
    /// [`Error`]: a missing, damaged or foreign file. It never panics, whatever the file holds.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Io { path: path.into(), source };
        let bytes = open_file::read(path, open_file::WEIGHTS).map_err(wrong)?;
        Self::from_bytes(&bytes).map_err(|problem| Error::Unreadable { path: path.into(), problem })
    }

    /// Reads the contents of a file; the error says what is wrong with it.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (mut notes, mut classes) = (Vec::new(), None);
        let (container, layers) = match bytes {
            [b'P', b'K', 3, 4, ..] => {
                let (container, tensors) = pytorch::read(bytes, &mut notes)?;
                (container, state_dict::layers(tensors, bytes.len(), &mut notes)?)
            }
            [0x80, 2..=5, ..] => return Err(pytorch::OLD.into()),
            // A safetensors file begins with the length of a JSON object.
            _ if bytes.get(8) == Some(&b'{') => {
                let tensors = safetensors::read(bytes)?;
                classes = safetensors::classes(bytes);
                (Container::Safetensors, state_dict::layers(tensors, bytes.len(), &mut notes)?)
            }
            _ => (Container::Caffe, caffe::read(bytes)?),
        };
        notes.extend(without_bias(&layers));
        let (form, chains) = match container {
            Container::Caffe => (Form::Caffe, vec![as_given(layers)]),
            _ => arrange(layers)?,
        };
        Ok(Self { container, form, chains, classes, notes })
    }

    /// The kind of the file.
    pub fn container(&self) -> Container {
        self.container
    }

    /// How its layers are named.
    pub fn form(&self) -> Form {
        self.form
    }
}

/// A note of the layers that have no bias.
fn without_bias(layers: &[Layer]) -> Option<Note> {
    let names: Vec<&str> =
        layers.iter().filter(|layer| layer.bias.is_none()).map(|layer| layer.name.as_str()).collect();
    let text = || format!("took zero for the biases of {}: the file has none", note::list(&names));
    (!names.is_empty()).then(|| Note::new(NoteKind::MissingBias, text()))
}

#[cfg(test)]
mod tests;

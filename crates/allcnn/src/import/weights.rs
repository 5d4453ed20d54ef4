//! Weights read from a file, before fitting to a network.

use std::path::Path;

use super::container::Container;
use super::error::ImportError;
use super::layer::Layer;
use super::naming::Naming;
use super::note::{self, Note, NoteKind};
use super::order::{Chain, arrange, as_given};
use super::{caffe, pytorch, safetensors, state_dict};
use crate::data::open_file;
use crate::parameters::Tensor;

/// Weights read from a file, before fitting to a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub(super) container: Container,
    pub(super) naming: Naming,
    pub(super) chains: Vec<Chain>,
    /// The centers and rhos of learned norms.
    pub(super) norms: Vec<Tensor>,
    /// The class names, if the file has them.
    pub(super) classes: Option<Vec<String>>,
    pub(super) notes: Vec<Note>,
}

impl Weights {
    /// Reads a file; the format is detected from its contents.
    ///
    /// # Errors
    /// [`ImportError`]: a missing, damaged or foreign file. Never panics, whatever the file contains.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let wrong = |source| ImportError::Io { path: path.into(), source };
        let bytes = open_file::read(path, open_file::WEIGHTS).map_err(wrong)?;
        Self::from_bytes(&bytes).map_err(|problem| ImportError::Unreadable { path: path.into(), problem })
    }

    /// Parses the contents of a file; the error describes what is wrong.
    ///
    /// # Errors
    /// As [`Weights::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (mut notes, mut classes) = (Vec::new(), None);
        let (container, (layers, norms)) = match bytes {
            [b'P', b'K', 3, 4, ..] => {
                let (container, tensors) = pytorch::read(bytes, &mut notes)?;
                (container, state_dict::layers(tensors, bytes.len(), &mut notes)?)
            }
            [0x80, 2..=5, ..] => return Err(pytorch::OLD.into()),
            // A safetensors file begins with the header length (8 bytes) and a JSON object.
            _ if bytes.get(8) == Some(&b'{') => {
                let tensors = safetensors::read(bytes)?;
                classes = safetensors::classes(bytes);
                (Container::Safetensors, state_dict::layers(tensors, bytes.len(), &mut notes)?)
            }
            _ => (Container::Caffe, (caffe::read(bytes)?, vec![])),
        };
        notes.extend(without_bias(&layers));
        let (naming, chains) = match container {
            Container::Caffe => (Naming::Caffe, vec![as_given(layers)]),
            _ => arrange(layers)?,
        };
        Ok(Self { container, naming, chains, norms, classes, notes })
    }

    /// The file format.
    pub fn container(&self) -> Container {
        self.container
    }

    /// How the layers are named.
    pub fn naming(&self) -> Naming {
        self.naming
    }
}

/// A note listing the layers without bias.
fn without_bias(layers: &[Layer]) -> Option<Note> {
    let names: Vec<&str> =
        layers.iter().filter(|layer| layer.bias.is_none()).map(|layer| layer.name.as_str()).collect();
    let text = || format!("took zero for the biases of {}: the file has none", note::list(&names));
    (!names.is_empty()).then(|| Note::new(NoteKind::MissingBias, text()))
}

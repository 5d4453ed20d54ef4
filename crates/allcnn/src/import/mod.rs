//! Importing weights: read from a file of another program, fitted to a network, and stored as a run folder that
//! every command accepts.
//!
//! Supported are safetensors and PyTorch files with the names of a state dict, and Caffe's `.caffemodel`. The
//! layers of a file are identified by their names, ordered, and matched one by one with the network's
//! convolutions. A fully connected layer becomes a convolution: its weights `[out, channels · height · width]` are
//! in the same order as `[out, channels, height, width]`, so only the shape changes.
//!
//! | naming | names, behind any prefix that all share | layers in the order of |
//! |---|---|---|
//! | [`Naming::Convolutions`] | `conv1.weight`, `conv1.bias`, ... | their names in the network |
//! | [`Naming::Sequential`] | `0.weight`, `3.weight`, ... of an `nn.Sequential` | their numbers |
//! | [`Naming::FeaturesClassifier`] | `features.0.weight`, ..., `classifier.6.bias`, as torchvision's AlexNet has them | `features`, then `classifier` |
//! | [`Naming::Other`] | any others | their numbers, and the one way in which their shapes fit |
//! | [`Naming::Caffe`] | those of the file | the file |
//!
//! Every decision made, even about a missing bias, becomes a [`Note`]. Caffe networks take BGR input; their first
//! weights are reordered, so that here they take RGB like all others.

mod caffe;
mod class_names;
mod container;
mod error;
mod fit;
mod layer;
mod naming;
mod note;
mod order;
mod pytorch;
mod run;
mod safetensors;
mod scaling;
mod search;
mod slot;
mod state_dict;
mod stored;
mod weights;

pub use container::Container;
pub use error::ImportError;
pub use fit::Fitted;
pub use naming::Naming;
pub use note::{Note, NoteKind};
pub use run::{Import, Imported};
pub use safetensors::plain_tensors;
pub use scaling::{Scaling, ScalingError};
pub use weights::Weights;

/// Functions that [`crate::fuzz`] needs from this module.
pub(crate) mod fuzz {
    pub(crate) use super::pytorch::fuzz_pickle as pytorch_pickle;

    /// Parses class names.
    pub(crate) fn class_names(bytes: &[u8]) -> bool {
        super::class_names::parse(bytes).is_ok()
    }
}

#[cfg(test)]
mod tests;

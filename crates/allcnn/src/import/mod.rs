//! Weights from elsewhere: read from a file of another program, fitted to a network, and kept as a run folder that
//! every command takes.
//!
//! Read are safetensors and PyTorch's own files with the names of a state dict, and Caffe's `.caffemodel`. The layers of
//! a file are told by their names, put into their order, and matched one by one with the convolutions of the network; a
//! fully connected layer is the convolution that it is: its weights `[out, channels · height · width]` have the same order
//! as `[out, channels, height, width]`, so only their shape changes.
//!
//! | naming | names, behind any prefix that all share | layers in the order of |
//! |---|---|---|
//! | [`Naming::Convolutions`] | `conv1.weight`, `conv1.bias`, ... | their names in the network |
//! | [`Naming::Sequential`] | `0.weight`, `3.weight`, ... of an `nn.Sequential` | their numbers |
//! | [`Naming::FeaturesClassifier`] | `features.0.weight`, ..., `classifier.6.bias`, as torchvision's AlexNet has them | `features`, then `classifier` |
//! | [`Naming::Other`] | any others | their numbers, and the one way in which their shapes fit |
//! | [`Naming::Caffe`] | those of the file | the file |
//!
//! What is decided on the way, down to the last missing bias, is a [`Note`]. A network of Caffe takes blue before red; its
//! first weights are turned around, so that here it takes RGB as all do.

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
pub use error::Error;
pub use fit::Fitted;
pub use naming::Naming;
pub use note::{Note, NoteKind};
pub use run::{Import, Imported};
pub use scaling::{Scaling, ScalingError};
pub use weights::Weights;

/// What [`crate::fuzz`] reaches of this module's inside.
pub(crate) mod fuzz {
    pub use super::pytorch::fuzz_pickle as pytorch_pickle;

    /// Reads the names of classes.
    pub fn class_names(bytes: &[u8]) -> bool {
        super::class_names::parse(bytes).is_ok()
    }
}

#[cfg(test)]
mod tests;

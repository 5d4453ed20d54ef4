//! A layer of a file.

use crate::parameters::Tensor;

/// A layer with weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    /// Its name in the file.
    pub(super) name: String,
    pub(super) weight: Tensor,
    /// `None`: zero.
    pub(super) bias: Option<Tensor>,
}

impl Layer {
    pub(super) fn outputs(&self) -> usize {
        self.weight.shape.first().copied().unwrap_or(0)
    }
}

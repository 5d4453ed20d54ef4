//! Random crop and horizontal flip: the augmentation of ImageNet (Krizhevsky et al. 2012, section 4.1, without
//! color augmentation).

use allcnn_device::random::Sequence;

use crate::data::Crop;

/// A drawn crop and flip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropFlip {
    /// The crop of the photograph.
    pub crop: Crop,
    /// Whether to flip horizontally.
    pub flip: bool,
}

impl CropFlip {
    /// Draws a crop with uniform position, and a flip with probability 1/2.
    pub fn draw(sequence: &mut Sequence) -> Self {
        let crop = Crop { down: sequence.uniform(), right: sequence.uniform() };
        Self { crop, flip: sequence.below(2) == 1 }
    }
}

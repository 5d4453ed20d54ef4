//! A random part of a photograph, mirrored in half of the cases: the augmentation of ImageNet (Krizhevsky et al. 2012,
//! section 4.1, without its colors).

use allcnn_device::random::Sequence;

use crate::data::Crop;

/// One draw of a part and a flip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropFlip {
    /// The part of the photograph.
    pub crop: Crop,
    /// Whether left and right are exchanged.
    pub flip: bool,
}

impl CropFlip {
    /// Any place is as likely as any other; a flip has the probability 1/2.
    pub fn draw(sequence: &mut Sequence) -> Self {
        let crop = Crop { down: sequence.uniform(), right: sequence.uniform() };
        Self { crop, flip: sequence.below(2) == 1 }
    }
}

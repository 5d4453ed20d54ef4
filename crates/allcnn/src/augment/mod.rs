//! Augmentation: random variations of the training images, different in every epoch.
//!
//! It works on the preprocessed image (section 3 of the paper: "horizontally flipping and randomly translating
//! images" of the whitened data); only [`CropFlip`] also chooses which crop of an image file is read. It depends
//! only on the seed, the epoch and the image, and not on batch size, order, device or number of threads.

mod crop_flip;
mod flip_shift;
mod heavy;

use std::fmt;
use std::str::FromStr;

use allcnn_device::View;
use allcnn_device::random::{Purpose, Sequence, Stream};

use crate::data::{Crop, Framing};
use crate::preprocess::Geometry;
pub use crop_flip::CropFlip;
pub use flip_shift::{FlipShift, MAX_SHIFT};
pub use heavy::{Heavy, LEAST_ROOM, center};

/// An augmentation of training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Augment {
    /// None.
    None,
    /// Horizontal flip and translation: see [`FlipShift`].
    FlipShift {
        /// The maximum translation in each dimension, in pixels; [`MAX_SHIFT`] by default.
        max_shift: u32,
    },
    /// Scaling, rotation or shear, translation and color changes on a canvas larger than the image: see [`Heavy`].
    Heavy,
    /// A crop of a photograph, possibly flipped: see [`CropFlip`].
    CropFlip,
}

impl Augment {
    /// All augmentations, with their default settings.
    const ALL: [Self; 4] =
        [Self::None, Self::FlipShift { max_shift: MAX_SHIFT }, Self::Heavy, Self::CropFlip];

    /// How images of another size than the network's input are fitted to it when not augmented.
    pub fn framing(self) -> Framing {
        if self == Self::CropFlip { Framing::Middle } else { Framing::Whole }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::FlipShift { .. } => "flip-shift",
            Self::Heavy => "heavy",
            Self::CropFlip => "crop-flip",
        })
    }
}

impl FromStr for Augment {
    type Err = UnknownAugment;

    fn from_str(text: &str) -> Result<Self, UnknownAugment> {
        let named = Self::ALL.into_iter().find(|augment| augment.to_string() == text);
        named.ok_or_else(|| UnknownAugment(text.to_owned()))
    }
}

/// The error for an unknown augmentation.
#[derive(Debug, thiserror::Error)]
#[error("unknown augmentation `{0}`: expected none, flip-shift, heavy or crop-flip")]
pub struct UnknownAugment(String);

/// One augmented view of every image: the augmentation and what seeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// The variation.
    pub augment: Augment,
    /// The seed of the training.
    pub seed: u64,
    /// The epoch, or the number of the view.
    pub round: u64,
}

impl Look {
    /// The images without augmentation.
    pub const PLAIN: Look = Look { augment: Augment::None, seed: 0, round: 0 };

    /// Writes the augmented image with index `image_index` to `out`.
    ///
    /// `image` is preprocessed, `[height, width, channels]` as `geometry` says; `out` has the size `canvas`, which
    /// may be larger only for [`Augment::None`] (the image is then centered) and [`Augment::Heavy`]. Panics if the
    /// lengths do not match.
    pub fn show(
        &self,
        image_index: u32,
        image: &[f32],
        geometry: Geometry,
        out: &mut [f32],
        canvas: Geometry,
    ) {
        assert_eq!(image.len(), geometry.len(), "values of an image of {geometry}");
        assert_eq!(out.len(), canvas.len(), "values of an augmented image of {canvas}");
        let flip_shift = |draw: FlipShift, out: &mut [f32]| {
            assert_eq!(geometry, canvas, "the size of an image that is moved within itself");
            draw.apply(image, geometry, out);
        };
        let mut sequence = self.sequence(image_index);
        match self.augment {
            Augment::None => center(image, geometry, out, canvas, 0.0),
            Augment::FlipShift { max_shift } => flip_shift(FlipShift::draw(max_shift, &mut sequence), out),
            Augment::Heavy => Heavy::draw(geometry, &mut sequence).apply(image, geometry, out, canvas),
            Augment::CropFlip => {
                let CropFlip { flip, .. } = CropFlip::draw(&mut sequence);
                flip_shift(FlipShift { flip, down: 0, right: 0 }, out);
            }
        }
    }

    /// Returns the augmentation as a view for a device that stores the images; `None` if it is more than flip and
    /// translation.
    pub fn view(&self, image_index: u32) -> Option<View> {
        let FlipShift { flip, down, right } = match self.augment {
            Augment::None => FlipShift { flip: false, down: 0, right: 0 },
            Augment::FlipShift { max_shift } => FlipShift::draw(max_shift, &mut self.sequence(image_index)),
            Augment::Heavy | Augment::CropFlip => return None,
        };
        Some(View { image: image_index, flip, down, right })
    }

    /// The crop to read from the image file with index `image_index`.
    pub fn crop(&self, image_index: u32) -> Crop {
        match self.augment {
            Augment::CropFlip => CropFlip::draw(&mut self.sequence(image_index)).crop,
            _ => Crop::CENTER,
        }
    }

    fn sequence(&self, image_index: u32) -> Sequence {
        Stream::new(self.seed, Purpose::Augmentation, self.round, image_index).sequence()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_of_an_image_depends_on_seed_epoch_and_image_alone() {
        let geometry = Geometry { height: 12, width: 12, channels: 3 };
        let image: Vec<f32> = (1..=geometry.len()).map(|i| i as f32).collect();
        for augment in [Augment::FlipShift { max_shift: 5 }, Augment::Heavy] {
            let side = if augment == Augment::Heavy { 24 } else { 12 };
            let canvas = Geometry { height: side, width: side, channels: 3 };
            let view = |seed, round, index| {
                let mut out = vec![f32::NAN; canvas.len()];
                Look { augment, seed, round }.show(index, &image, geometry, &mut out, canvas);
                out
            };
            let forward: Vec<_> = (0..50).map(|index| view(1, 2, index)).collect();
            let backward: Vec<_> = (0..50).rev().map(|index| view(1, 2, index)).collect();
            assert!(forward.iter().eq(backward.iter().rev()));
            for (seed, round) in [(2, 2), (1, 3)] {
                let same =
                    (0..50).filter(|&index| view(seed, round, index) == forward[index as usize]).count();
                assert!(same < 5, "{same} of 50 views are the same for seed {seed}, round {round}");
            }
        }
    }

    #[test]
    fn a_plain_look_copies_and_names_are_read_back() {
        let small = Geometry { height: 2, width: 3, channels: 1 };
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 6];
        Look::PLAIN.show(1, &image, small, &mut out, small);
        assert_eq!(out, image);
        for augment in Augment::ALL {
            assert_eq!(augment.to_string().parse::<Augment>().unwrap(), augment);
        }
        let said = "mixup".parse::<Augment>().unwrap_err().to_string();
        assert_eq!(said, "unknown augmentation `mixup`: expected none, flip-shift, heavy or crop-flip");
    }

    #[test]
    fn only_crop_flip_reads_other_parts_than_the_middle() {
        let look = |augment| Look { augment, seed: 4, round: 1 };
        assert_eq!(look(Augment::Heavy).crop(3), Crop::CENTER);
        assert_ne!(look(Augment::CropFlip).crop(3), Crop::CENTER);
        assert_ne!(look(Augment::CropFlip).crop(3), look(Augment::CropFlip).crop(4));
    }
}

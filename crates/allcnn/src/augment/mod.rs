//! Augmentation: random variations of the training images, different in every epoch.
//!
//! It works on the preprocessed image (section 3 of the paper: "horizontally flipping and randomly translating
//! images" of the whitened data), with two exceptions: [`Photo`] varies the pixels before the preprocessing, and
//! [`CropFlip`] also chooses which crop of an image file is read. It depends only on the seed, the epoch and the image
//! (and on how often the epoch showed it before), and not on batch size, order, device or number of threads.

mod crop_flip;
mod flip_shift;
mod heavy;
mod photo;

use std::fmt;
use std::str::FromStr;

use allcnn_device::View;
use allcnn_device::random::{Purpose, Sequence, Stream};

use crate::data::{Crop, Framing};
use crate::preprocess::Geometry;
pub use crop_flip::CropFlip;
pub use flip_shift::{FlipShift, MAX_SHIFT};
pub use heavy::{Heavy, MIN_ROOM, center};
pub use photo::Photo;

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
    /// A resized crop, possibly flipped, with varied brightness, contrast and saturation: see [`Photo`].
    Photo,
}

impl Augment {
    /// All augmentations, with their default settings.
    const ALL: [Self; 5] =
        [Self::None, Self::FlipShift { max_shift: MAX_SHIFT }, Self::Heavy, Self::CropFlip, Self::Photo];

    /// How images of another size than the network's input are fitted to it when not augmented.
    pub fn framing(self) -> Framing {
        if self == Self::CropFlip { Framing::Middle } else { Framing::Whole }
    }

    /// The part of a larger canvas, in its middle, that augmented images of this size cover at most.
    pub fn extent(self, image: Geometry) -> Geometry {
        if self == Self::Heavy { Heavy::extent(image) } else { image }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::FlipShift { .. } => "flip-shift",
            Self::Heavy => "heavy",
            Self::CropFlip => "crop-flip",
            Self::Photo => "photo",
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
#[error("unknown augmentation `{0}`: expected none, flip-shift, heavy, crop-flip or photo")]
pub struct UnknownAugment(String);

/// One augmented view of every image: the augmentation and what seeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeededAugment {
    /// The variation.
    pub augment: Augment,
    /// The seed of the training.
    pub seed: u64,
    /// The epoch, or the number of the view.
    pub round: u64,
}

impl SeededAugment {
    /// The images without augmentation.
    pub const NONE: SeededAugment = SeededAugment { augment: Augment::None, seed: 0, round: 0 };

    /// Whether it varies the pixels before the preprocessing.
    pub fn varies_pixels(&self) -> bool {
        self.augment == Augment::Photo
    }

    /// Varies the `pixels` of the image with index `image_index`, before the preprocessing; `None` if the augmentation
    /// leaves them as they are.
    pub fn vary(&self, image_index: u32, pixels: &[u8], geometry: Geometry) -> Option<Vec<u8>> {
        self.varies_pixels().then(|| Photo::draw(&mut self.sequence(image_index)).apply(pixels, geometry))
    }

    /// Writes the augmented image with index `image_index` to `out`; what [`SeededAugment::vary`] does was done before.
    ///
    /// `image` is preprocessed, `[height, width, channels]` as `geometry` says; `out` has the size `canvas`, which
    /// may be larger only for [`Augment::None`] (the image is then centered) and [`Augment::Heavy`]. Panics if the
    /// lengths do not match.
    pub fn apply(
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
            Augment::None | Augment::Photo => center(image, geometry, out, canvas, 0.0),
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
            Augment::Heavy | Augment::CropFlip | Augment::Photo => return None,
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

    /// The augmentation of a later showing in the same round, after `before` others of the image: another draw.
    pub fn after(self, before: u32) -> Self {
        Self { round: self.round | u64::from(before & MAX_BEFORE) << ROUND_BITS, ..self }
    }

    fn sequence(&self, image_index: u32) -> Sequence {
        Stream::new(self.seed, Purpose::Augmentation, self.round, image_index).sequence()
    }
}

/// The bits of a round; above them the stream of random numbers counts showings, as far as it has bits.
const ROUND_BITS: u32 = 32;
const MAX_BEFORE: u32 = (1 << 24) - 1;

/// One showing of an image: its index, and how it is augmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Showing {
    /// The image.
    pub image: u32,
    /// Its augmentation.
    pub augment: SeededAugment,
}

impl Showing {
    /// Returns the showing as a view for a device that stores the images; `None` if it is more than flip and
    /// translation.
    pub fn view(&self) -> Option<View> {
        self.augment.view(self.image)
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
                SeededAugment { augment, seed, round }.apply(index, &image, geometry, &mut out, canvas);
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
    fn a_picture_is_varied_before_the_preprocessing_by_photo_alone() {
        let geometry = Geometry { height: 4, width: 4, channels: 3 };
        let pixels: Vec<u8> = (0..48).map(|at| at * 5).collect();
        let varied = |augment, before| {
            let seeded = SeededAugment { augment, seed: 4, round: 1 };
            seeded.after(before).vary(3, &pixels, geometry)
        };
        assert_eq!(varied(Augment::Heavy, 0), None);
        let first = varied(Augment::Photo, 0).unwrap();
        assert!(first != pixels && first == varied(Augment::Photo, 0).unwrap());
        assert_ne!(first, varied(Augment::Photo, 1).unwrap(), "shown again it is another variation");
    }

    #[test]
    fn a_plain_look_copies_and_names_are_read_back() {
        let small = Geometry { height: 2, width: 3, channels: 1 };
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 6];
        SeededAugment::NONE.apply(1, &image, small, &mut out, small);
        assert_eq!(out, image);
        for augment in Augment::ALL {
            assert_eq!(augment.to_string().parse::<Augment>().unwrap(), augment);
        }
        let said = "mixup".parse::<Augment>().unwrap_err().to_string();
        assert_eq!(
            said,
            "unknown augmentation `mixup`: expected none, flip-shift, heavy, crop-flip or photo"
        );
    }

    #[test]
    fn only_crop_flip_reads_other_parts_than_the_middle() {
        let seeded = |augment| SeededAugment { augment, seed: 4, round: 1 };
        assert_eq!(seeded(Augment::Heavy).crop(3), Crop::CENTER);
        assert_ne!(seeded(Augment::CropFlip).crop(3), Crop::CENTER);
        assert_ne!(seeded(Augment::CropFlip).crop(3), seeded(Augment::CropFlip).crop(4));
    }
}

//! Augmentation: a training image is seen a little differently in every epoch.
//!
//! It works on the preprocessed image (section 3 of the paper: "horizontally flipping and randomly translating
//! images" of the whitened data). What happens to an image depends on the seed, the epoch and the image alone, so it
//! is the same for any batch size, order, device and number of threads.

use std::fmt;
use std::str::FromStr;

use allcnn_device::random::{Purpose, Sequence, Stream};

use crate::preprocess::Geometry;

/// The paper's largest translation, in pixels.
pub const MAX_SHIFT: u32 = 5;

/// How training images are varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augment {
    /// Not at all.
    None,
    /// Horizontal flip and translation: see [`FlipShift`].
    FlipShift {
        /// The largest translation in each dimension, in pixels; [`MAX_SHIFT`] by default.
        max_shift: u32,
    },
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::FlipShift { .. } => "flip-shift",
        })
    }
}

impl FromStr for Augment {
    type Err = UnknownAugment;

    fn from_str(text: &str) -> Result<Self, UnknownAugment> {
        match text {
            "none" => Ok(Self::None),
            "flip-shift" => Ok(Self::FlipShift { max_shift: MAX_SHIFT }),
            _ => Err(UnknownAugment(text.to_owned())),
        }
    }
}

/// A name that is no augmentation.
#[derive(Debug, thiserror::Error)]
#[error("unknown augmentation `{0}`: expected none or flip-shift")]
pub struct UnknownAugment(String);

/// Writes to `out` the image with index `image_index` as it is seen in `epoch`.
///
/// `image` is preprocessed, `[height, width, channels]` as `geometry` says. Panics when `image` or `out` is not.
pub fn apply(
    augment: Augment,
    seed: u64,
    epoch: u64,
    image_index: u32,
    image: &[f32],
    geometry: Geometry,
    out: &mut [f32],
) {
    assert_eq!(image.len(), geometry.len(), "values of an image of {geometry}");
    assert_eq!(out.len(), geometry.len(), "values of an augmented image of {geometry}");
    match augment {
        Augment::None => out.copy_from_slice(image),
        Augment::FlipShift { max_shift } => {
            let stream = Stream::new(seed, Purpose::Augmentation, epoch, image_index);
            FlipShift::draw(max_shift, &mut stream.sequence()).apply(image, geometry, out);
        }
    }
}

/// One draw of flip and translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlipShift {
    /// Whether left and right are exchanged; done before the translation.
    pub flip: bool,
    /// Rows that the picture moves down; up where negative.
    pub down: i32,
    /// Columns that the picture moves right; left where negative.
    pub right: i32,
}

impl FlipShift {
    /// Flips with probability 1/2; each translation is uniform in `-max_shift..=max_shift`.
    pub fn draw(max_shift: u32, sequence: &mut Sequence) -> Self {
        let flip = sequence.below(2) == 1;
        let mut shift = || sequence.below(2 * max_shift + 1) as i32 - max_shift as i32;
        Self { flip, down: shift(), right: shift() }
    }

    /// Moves `image` into `out`, both `[height, width, channels]`. What comes into view is 0: the mean of the
    /// training images where these are centered.
    pub fn apply(&self, image: &[f32], geometry: Geometry, out: &mut [f32]) {
        let Geometry { height, width, channels } = geometry;
        let row_length = width * channels;
        out.fill(0.0);
        let (from_row, to_row, rows) = overlap(self.down, height);
        let (from_column, to_column, columns) = overlap(self.right, width);
        let from_rows = image.chunks_exact(row_length).skip(from_row);
        let to_rows = out.chunks_exact_mut(row_length).skip(to_row);
        for (from, to) in from_rows.zip(to_rows).take(rows) {
            let to = &mut to[to_column * channels..][..columns * channels];
            if self.flip {
                let last = (width - from_column) * channels;
                let mirrored = from[..last].rchunks_exact(channels);
                to.chunks_exact_mut(channels).zip(mirrored).for_each(|(to, from)| to.copy_from_slice(from));
            } else {
                to.copy_from_slice(&from[from_column * channels..][..columns * channels]);
            }
        }
    }
}

/// Where a line of `size` places and the same line moved by `shift` overlap: (start in the line, start in the moved
/// one, length).
fn overlap(shift: i32, size: usize) -> (usize, usize, usize) {
    let distance = (shift.unsigned_abs() as usize).min(size);
    let (from, to) = if shift < 0 { (distance, 0) } else { (0, distance) };
    (from, to, size - distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Geometry = Geometry { height: 2, width: 3, channels: 1 };

    fn moved(flip: bool, down: i32, right: i32) -> Vec<f32> {
        let mut out = vec![f32::NAN; 6];
        FlipShift { flip, down, right }.apply(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], SMALL, &mut out);
        out
    }

    #[test]
    fn moves_as_by_hand() {
        assert_eq!(moved(false, 0, 0), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(moved(true, 0, 0), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        assert_eq!(moved(false, 1, 0), [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(moved(false, 0, -1), [2.0, 3.0, 0.0, 5.0, 6.0, 0.0]);
        assert_eq!(moved(true, 0, 1), [0.0, 3.0, 2.0, 0.0, 6.0, 5.0]);
        assert_eq!(moved(true, -1, -2), [4.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(moved(false, 2, 0), [0.0; 6]);
        assert_eq!(moved(true, 0, -5), [0.0; 6]);
    }

    #[test]
    fn a_flip_keeps_the_channels_of_a_pixel_together() {
        let geometry = Geometry { height: 1, width: 2, channels: 3 };
        let mut out = [0.0; 6];
        let flip = FlipShift { flip: true, down: 0, right: 0 };
        flip.apply(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], geometry, &mut out);
        assert_eq!(out, [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn draws_are_uniform_and_independent() {
        const DRAWS: u32 = 44_000;
        let mut flips = 0;
        let mut places = [[0u32; 11]; 11];
        for image in 0..DRAWS {
            let mut sequence = Stream::new(3, Purpose::Augmentation, 1, image).sequence();
            let draw = FlipShift::draw(MAX_SHIFT, &mut sequence);
            flips += u32::from(draw.flip);
            places[(draw.down + 5) as usize][(draw.right + 5) as usize] += 1;
        }
        assert!((f64::from(flips) / f64::from(DRAWS) - 0.5).abs() < 0.01, "{flips} flips of {DRAWS}");
        let expected = f64::from(DRAWS) / 121.0;
        let chi_squared: f64 =
            places.iter().flatten().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        assert!(chi_squared < 180.0, "chi squared {chi_squared} of 120 degrees of freedom"); // p = 0.0003
    }

    #[test]
    fn the_view_of_an_image_depends_on_seed_epoch_and_image_alone() {
        let geometry = Geometry { height: 12, width: 12, channels: 3 };
        let image: Vec<f32> = (1..=geometry.len()).map(|i| i as f32).collect();
        let view = |seed, epoch, index| {
            let mut out = vec![f32::NAN; image.len()];
            apply(Augment::FlipShift { max_shift: 5 }, seed, epoch, index, &image, geometry, &mut out);
            out
        };
        let forward: Vec<_> = (0..50).map(|index| view(1, 2, index)).collect();
        let backward: Vec<_> = (0..50).rev().map(|index| view(1, 2, index)).collect();
        assert!(forward.iter().eq(backward.iter().rev()));
        for (seed, epoch) in [(2, 2), (1, 3)] {
            let same = (0..50).filter(|&index| view(seed, epoch, index) == forward[index as usize]).count();
            assert!(same < 5, "{same} of 50 views are the same for seed {seed}, epoch {epoch}");
        }
    }

    #[test]
    fn none_copies_and_names_are_read_back() {
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 6];
        apply(Augment::None, 1, 1, 1, &image, SMALL, &mut out);
        assert_eq!(out, image);
        for augment in [Augment::None, Augment::FlipShift { max_shift: 5 }] {
            assert_eq!(augment.to_string().parse::<Augment>().unwrap(), augment);
        }
        let said = "heavy".parse::<Augment>().unwrap_err().to_string();
        assert_eq!(said, "unknown augmentation `heavy`: expected none or flip-shift");
    }
}

//! How a picture of any size becomes one of the size that a network takes.
use crate::decode::{decode, decode_for};
use crate::picture::{Crop, MAX_SIDE, Picture, cut, resize};
use crate::resample::{ScaledPart, opencv, pillow};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// How much of a picture is kept where it gets another size, and how it is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// As much as the proportions allow.
    #[default]
    Whole,
    /// The middle of a photograph: 224 pixels where the shortest side has 256 of that size.
    Middle,
    /// The middle of the picture whose shorter side was scaled to this many pixels, as torchvision's `Resize` and
    /// `CenterCrop` do it.
    ShorterSide(usize),
    /// The middle of the picture that was scaled to a square of this side, whatever its proportions, as Caffe's data for
    /// ImageNet is made.
    Square(usize),
}

impl Framing {
    /// Decodes an image file of which a picture of that size will be made. The error says, in a few words, what is wrong
    /// with it.
    pub fn decode(self, file: &[u8], height: usize, width: usize) -> Result<Picture, String> {
        match self {
            Framing::Whole | Framing::Middle => decode_for(file, height, width),
            // A JPEG at a part of its size has other pixels.
            Framing::ShorterSide(_) | Framing::Square(_) => decode(file),
        }
    }

    /// The picture in that size; the error says in a few words why it cannot be.
    pub fn apply(self, picture: Picture, height: usize, width: usize) -> Result<Picture, String> {
        let rows_and_columns = [picture.height, picture.width];
        let size = match self {
            Framing::Whole => return resize(picture, height, width),
            Framing::Middle => return cut(picture, Crop::CENTER, height, width),
            Framing::ShorterSide(side) => {
                let shorter = picture.height.min(picture.width).max(1);
                rows_and_columns.map(|length| side.saturating_mul(length) / shorter)
            }
            Framing::Square(side) => [side; 2],
        };
        if size[0] < height || size[1] < width {
            return Err(format!(
                "cannot be framed: {height}x{width} are to be cut from {}x{}",
                size[0], size[1]
            ));
        }
        if let Framing::Square(_) = self {
            let middle = |length, wanted| from((length - wanted) / 2, wanted);
            let (rows, columns) = (middle(size[0], height), middle(size[1], width));
            return Ok(opencv(&picture, &ScaledPart { size, rows, columns }));
        }
        let middle = |length, wanted| from(half_to_even(length - wanted), wanted);
        let (rows, columns) = (middle(size[0], height), middle(size[1], width));
        Ok(pillow(&picture, &ScaledPart { size, rows, columns }))
    }

    /// Whether a picture that has the wanted size already stays as it is.
    pub(crate) fn keeps(self, own: [usize; 2], wanted: [usize; 2]) -> bool {
        own == wanted
            && match self {
                Framing::Whole | Framing::Middle => true,
                Framing::ShorterSide(side) => own[0].min(own[1]) == side,
                Framing::Square(side) => own == [side; 2],
            }
    }

    /// The framing of pictures that are small, and no photographs: nothing is cut off for the sake of a better view.
    pub(crate) fn of_small(self) -> Self {
        if self == Framing::Middle { Framing::Whole } else { self }
    }

    /// What is wrong with it for pictures of that size, where something is.
    pub fn fault(self, height: usize, width: usize) -> Option<String> {
        let (Framing::ShorterSide(side) | Framing::Square(side)) = self else { return None };
        let least = height.max(width);
        let fits = (least..=MAX_SIDE as usize).contains(&side);
        (!fits).then(|| {
            format!(
                "{side} pixels a side; expected {least} to {MAX_SIDE}, for the network's input of {height}x{width} is cut \
                 from the scaled picture"
            )
        })
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("scaled to cover the input, the overhang cut off"),
            Self::Middle => {
                f.write_str("the middle, 224 of 256 pixels of the shorter side, scaled to the input")
            }
            Self::ShorterSide(side) => {
                write!(f, "the shorter side scaled to {side} pixels, the input cut from the middle")
            }
            Self::Square(side) => {
                write!(f, "scaled to {side}x{side} whatever the proportions, the input cut from the middle")
            }
        }
    }
}

fn from(start: usize, length: usize) -> Range<usize> {
    start..start + length
}

/// Half of a number; what lies between two whole numbers becomes the even one, as Python rounds.
fn half_to_even(number: usize) -> usize {
    let half = number / 2;
    half + usize::from(number % 2 == 1 && half % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Pillow, torchvision and OpenCV make of pictures (`tests/fixtures/framing/make.py`).
    #[derive(Deserialize)]
    struct Case {
        height: usize,
        width: usize,
        framing: Framing,
        to: [usize; 2],
        pixels: Vec<u8>,
    }

    /// The picture that the script draws too.
    fn drawn(height: usize, width: usize) -> Picture {
        let value = |y: usize, x: usize, c: usize| {
            ((x * (37 + 11 * c) + y * (53 - 7 * c) + x * y * (c + 1)) % 256) as u8
        };
        let points = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        Picture {
            height,
            width,
            pixels: points.flat_map(|(y, x)| [0, 1, 2].map(|c| value(y, x, c))).collect(),
        }
    }

    #[test]
    fn pictures_are_framed_to_the_bit_as_torchvision_and_caffe_do_it() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/fixtures/framing/expected.json")).unwrap();
        assert!(cases.iter().any(|case| matches!(case.framing, Framing::ShorterSide(_))));
        assert!(cases.iter().any(|case| matches!(case.framing, Framing::Square(_))));
        for Case { height, width, framing, to, pixels } in cases {
            let framed = framing.apply(drawn(height, width), to[0], to[1]).unwrap();
            assert!(framed.pixels == pixels, "{framing:?} of {height}x{width} to {to:?}");
        }
    }

    #[test]
    fn a_narrow_picture_takes_no_more_memory_than_the_part_that_is_cut() {
        for framing in [Framing::ShorterSide(256), Framing::Square(256)] {
            for (height, width) in [(1, 16_384), (16_384, 1)] {
                let picture = Picture { height, width, pixels: vec![9; height * width * 3] };
                assert_eq!(framing.apply(picture, 224, 224).unwrap().pixels, vec![9; 224 * 224 * 3]);
            }
        }
    }

    #[test]
    fn a_picture_that_is_framed_already_stays_as_it_is() {
        let picture = drawn(6, 9);
        for (framing, keeps) in [
            (Framing::Whole, true),
            (Framing::ShorterSide(6), true),
            (Framing::ShorterSide(9), false),
            (Framing::Square(9), false),
        ] {
            assert_eq!(framing.keeps([6, 9], [6, 9]), keeps, "{framing:?}");
            assert_eq!(framing.apply(picture.clone(), 6, 9).unwrap() == picture, keeps, "{framing:?}");
        }
    }

    #[test]
    fn what_is_cut_must_fit_into_what_it_is_cut_from() {
        assert!(Framing::ShorterSide(30).apply(drawn(6, 9), 32, 30).unwrap_err().contains("32x30"));
        assert_eq!(Framing::ShorterSide(256).fault(224, 200), None);
        for framing in [Framing::Square(223), Framing::ShorterSide(0), Framing::ShorterSide(usize::MAX)] {
            assert!(framing.fault(200, 224).unwrap().contains("expected 224 to 16384"), "{framing:?}");
        }
    }
}

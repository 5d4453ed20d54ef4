//! Crop, flip and color: the augmentation of photographs that are in memory in the network's size.
//!
//! The kinds of variation are those of Szegedy et al. (2015, "Going deeper with convolutions", section 6: a crop of varied
//! area and aspect ratio) and Howard (2013, "Some improvements on deep convolutional neural network based image
//! classification": brightness, contrast and color). The ranges are milder than theirs, as small pictures have fewer
//! pixels to lose and small data sets shorter trainings; they are chosen here.

use allcnn_device::random::Sequence;

use crate::preprocess::Geometry;

/// The smallest area of a crop, as a fraction of the picture's.
const AREA: f32 = 0.6;
/// The largest ratio of width to height of a crop, relative to the picture's; the smallest is its inverse.
const ASPECT: f32 = 4.0 / 3.0;
/// The largest change of brightness, contrast and saturation, each a factor around 1.
const COLOR: f32 = 0.3;
/// The weights of red, green and blue in the gray value of a pixel (ITU-R BT.601).
const GRAY: [f32; 3] = [0.299, 0.587, 0.114];

/// A drawn crop, flip and change of colors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Photo {
    /// Height and width of the crop, as fractions of the picture's.
    size: [f32; 2],
    /// Where the crop lies in the room that it leaves, from 0 to 1 down and right.
    place: [f32; 2],
    /// Whether to flip horizontally.
    flip: bool,
    /// The factor of all values.
    brightness: f32,
    /// The factor of a value's distance from the picture's mean gray.
    contrast: f32,
    /// The factor of a value's distance from its pixel's gray.
    saturation: f32,
}

impl Photo {
    /// The picture as it is.
    pub const NONE: Photo = Photo {
        size: [1.0; 2],
        place: [0.0; 2],
        flip: false,
        brightness: 1.0,
        contrast: 1.0,
        saturation: 1.0,
    };

    /// Draws a crop whose area is uniform and whose aspect ratio is uniform in its logarithm (a side that would be longer
    /// than the picture's is as long as that), with uniform position; a flip with probability 1/2; uniform color factors.
    pub fn draw(sequence: &mut Sequence) -> Self {
        let area = sequence.range(AREA, 1.0);
        let stretch = sequence.range(-ASPECT.ln(), ASPECT.ln()).exp().sqrt();
        let size = [area.sqrt() / stretch, area.sqrt() * stretch].map(|side| side.min(1.0));
        let place = [(); 2].map(|()| sequence.uniform());
        let flip = sequence.below(2) == 1;
        let [brightness, contrast, saturation] = [(); 3].map(|()| 1.0 + sequence.range(-COLOR, COLOR));
        Self { size, place, flip, brightness, contrast, saturation }
    }

    /// Returns the varied picture in the size of `pixels`, `[height, width, 3]`.
    ///
    /// The crop is enlarged to the whole by bilinear interpolation; then brightness, contrast and saturation change, in
    /// this order, and values beyond 0 and 255 become these. Panics if `pixels` do not fill the geometry.
    pub fn apply(&self, pixels: &[u8], geometry: Geometry) -> Vec<u8> {
        assert_eq!((pixels.len(), geometry.channels), (geometry.len(), 3), "values of an RGB picture");
        let mut values = self.cut(pixels, geometry);
        self.color(&mut values);
        values.into_iter().flatten().map(|value| value.round().clamp(0.0, 255.0) as u8).collect()
    }

    /// The crop, enlarged to the whole, and flipped.
    fn cut(&self, pixels: &[u8], geometry: Geometry) -> Vec<[f32; 3]> {
        let Geometry { height, width, .. } = geometry;
        let pixels = pixels.as_chunks::<3>().0;
        let (rows, mut columns) = (self.taps(0, height), self.taps(1, width));
        if self.flip {
            columns.reverse();
        }
        let mut values = Vec::with_capacity(height * width);
        for row in &rows {
            let lines = row.at.map(|at| &pixels[at * width..][..width]);
            values.extend(columns.iter().map(|column| {
                let corner = |line: usize, side: usize| lines[line][column.at[side]].map(f32::from);
                let [above, below] =
                    [0, 1].map(|line| between(corner(line, 0), corner(line, 1), column.share));
                between(above, below, row.share)
            }));
        }
        values
    }

    /// What each position along an axis of `side` pixels is interpolated from.
    fn taps(&self, axis: usize, side: usize) -> Vec<Tap> {
        let length = side as f32;
        let (step, begin) = (self.size[axis], self.place[axis] * (1.0 - self.size[axis]) * length);
        let tap = |at: usize| {
            let point = (begin + (at as f32 + 0.5) * step - 0.5).clamp(0.0, length - 1.0);
            let first = point as usize;
            Tap { at: [first, (first + 1).min(side - 1)], share: point - first as f32 }
        };
        (0..side).map(tap).collect()
    }

    fn color(&self, pixels: &mut [[f32; 3]]) {
        let gray =
            |pixel: &[f32; 3]| pixel.iter().zip(GRAY).map(|(value, weight)| value * weight).sum::<f32>();
        let sum: f64 = pixels.iter().map(|pixel| f64::from(gray(pixel))).sum();
        let mean = self.brightness * (sum / pixels.len().max(1) as f64) as f32;
        for pixel in pixels {
            *pixel = pixel.map(|value| mean + self.contrast * (self.brightness * value - mean));
            let own = gray(pixel);
            *pixel = pixel.map(|value| own + self.saturation * (value - own));
        }
    }
}

/// Two neighboring positions and the share of the second.
struct Tap {
    at: [usize; 2],
    share: f32,
}

/// The point between two colors where the second has this share.
fn between(first: [f32; 3], second: [f32; 3], share: f32) -> [f32; 3] {
    [0, 1, 2].map(|channel| first[channel] + share * (second[channel] - first[channel]))
}

#[cfg(test)]
mod tests {
    use allcnn_device::random::{Purpose, Stream};

    use super::*;

    const PICTURE: Geometry = Geometry { height: 2, width: 4, channels: 3 };

    /// A picture of 2x4 gray pixels.
    fn gray(values: [u8; 8]) -> Vec<u8> {
        values.iter().flat_map(|&value| [value; 3]).collect()
    }

    fn shown(photo: Photo, values: [u8; 8]) -> Vec<u8> {
        photo.apply(&gray(values), PICTURE).into_iter().step_by(3).collect()
    }

    #[test]
    fn a_picture_is_cut_and_flipped_as_by_hand() {
        let values = [10, 20, 30, 40, 50, 60, 70, 80];
        assert_eq!(shown(Photo::NONE, values), values);
        let flipped = Photo { flip: true, ..Photo::NONE };
        assert_eq!(shown(flipped, values), [40, 30, 20, 10, 80, 70, 60, 50]);
        // The right half: columns 2 and 3, sampled at 1.75, 2.25, 2.75 and 3.25, which is beyond the last.
        let right = Photo { size: [1.0, 0.5], place: [0.0, 1.0], ..Photo::NONE };
        assert_eq!(shown(right, values), [28, 33, 38, 40, 68, 73, 78, 80]);
        let left_up = Photo { size: [0.5, 0.5], ..Photo::NONE };
        assert_eq!(shown(left_up, values), [10, 13, 18, 23, 20, 23, 28, 33]);
    }

    #[test]
    fn colors_change_as_by_hand() {
        let values = [10, 20, 30, 40, 50, 60, 70, 80]; // the mean is 45
        let bright = Photo { brightness: 1.2, ..Photo::NONE };
        assert_eq!(shown(bright, values), [12, 24, 36, 48, 60, 72, 84, 96]);
        let flat = Photo { contrast: 0.8, ..Photo::NONE };
        assert_eq!(shown(flat, values), [17, 25, 33, 41, 49, 57, 65, 73]);
        assert_eq!(shown(Photo { brightness: 9.0, ..Photo::NONE }, values)[3..], [255; 5]);
        let red = [200, 0, 0].repeat(8); // its gray is 59.8
        let pale = Photo { saturation: 0.5, ..Photo::NONE }.apply(&red, PICTURE);
        assert_eq!(pale[..3], [130, 30, 30]);
        let gone = Photo { saturation: 0.0, ..Photo::NONE }.apply(&red, PICTURE);
        assert_eq!(gone[..3], [60, 60, 60]);
    }

    #[test]
    fn draws_keep_to_their_ranges() {
        let mut flips = 0;
        for number in 0..4000 {
            let photo = Photo::draw(&mut Stream::new(5, Purpose::Augmentation, 0, number).sequence());
            let [height, width] = photo.size;
            assert!((AREA.sqrt() / ASPECT.sqrt() - 1e-5..=1.0).contains(&height), "{photo:?}");
            assert!((AREA.sqrt() / ASPECT.sqrt() - 1e-5..=1.0).contains(&width), "{photo:?}");
            assert!((AREA - 1e-5..=1.0).contains(&(height * width)), "{photo:?}");
            for factor in [photo.brightness, photo.contrast, photo.saturation] {
                assert!((1.0 - COLOR..=1.0 + COLOR).contains(&factor), "{photo:?}");
            }
            flips += u32::from(photo.flip);
        }
        assert!((1850..2150).contains(&flips), "{flips} of 4000 flipped");
    }
}

//! A picture in memory, and how it gets another size: scaled and cropped, or a part cut out of it.
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// The longest side that is decoded.
pub const MAX_SIDE: u32 = 16_384;
/// The most pixels that are decoded.
pub const MAX_PIXELS: u64 = 100_000_000;

/// The share of a photograph's shortest side that [`cut`] takes: 224 of 256.
const CUT: f64 = 224.0 / 256.0;

/// A decoded picture, `[height, width, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// Where in a picture the part lies that is cut out of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// The share of the rows left over that lie above, from 0 to 1.
    pub down: f32,
    /// The share of the columns left over that lie to the left, from 0 to 1.
    pub right: f32,
}

impl Crop {
    /// In the middle.
    pub const CENTER: Crop = Crop { down: 0.5, right: 0.5 };
}

/// Refuses a size that would take too much memory.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), String> {
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "{width}x{height} pixels are too many (at most {MAX_SIDE} a side, 100 million in all)"
        ));
    }
    Ok(())
}

/// The least height and width of a picture from which [`resize`] and [`cut`] make `height` x `width` without enlarging.
pub(crate) fn least_size(height: usize, width: usize) -> [usize; 2] {
    [height, width].map(|side| (side as f64 / CUT).ceil() as usize)
}

/// Makes the picture `height` x `width`: scaled so that it covers that size (Catmull-Rom), then cropped around
/// its center. A picture of that size stays as it is.
pub fn resize(picture: Picture, height: usize, width: usize) -> Result<Picture, String> {
    if (picture.height, picture.width) == (height, width) {
        return Ok(picture);
    }
    let largest = largest_part(&picture, height, width);
    resample(picture, largest, Crop::CENTER, FilterType::CatmullRom, height, width)
}

/// Cuts a part out of a photograph, as of ImageNet: where 224x224 are wanted, its shortest side is 256 of those pixels.
pub fn cut(picture: Picture, crop: Crop, height: usize, width: usize) -> Result<Picture, String> {
    let part = largest_part(&picture, height, width).map(|side| side * CUT);
    resample(picture, part, crop, FilterType::Bilinear, height, width)
}

/// Makes the whole picture `height` x `width`, whatever its proportions.
pub(crate) fn squash(picture: Picture, height: usize, width: usize) -> Result<Picture, String> {
    if (picture.height, picture.width) == (height, width) {
        return Ok(picture);
    }
    let whole = [picture.height, picture.width].map(|side| side as f64);
    resample(picture, whole, Crop::CENTER, FilterType::Bilinear, height, width)
}

/// The picture in its proportions, its longer side at most `side`.
pub(crate) fn fitted(picture: Picture, side: usize) -> Result<Picture, String> {
    let (rows, columns) = (picture.height, picture.width);
    let longest = rows.max(columns).max(side);
    let [height, width] = [rows, columns].map(|length| (length * side / longest).max(1));
    squash(picture, height, width)
}

/// Height and width of the largest part of the picture that has the proportions of `height` x `width`.
fn largest_part(picture: &Picture, height: usize, width: usize) -> [f64; 2] {
    let (rows, columns) = (picture.height as f64, picture.width as f64);
    let scale = (rows / height as f64).min(columns / width as f64);
    [(height as f64 * scale).min(rows), (width as f64 * scale).min(columns)] // whatever was rounded
}

/// Resamples a part of the picture, given by its height and width and the position that `crop` has for it.
fn resample(
    picture: Picture,
    [part_height, part_width]: [f64; 2],
    crop: Crop,
    filter: FilterType,
    height: usize,
    width: usize,
) -> Result<Picture, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("cannot be resized ({error})");
    let Picture { height: rows, width: columns, pixels } = picture;
    let top = (rows as f64 - part_height) * f64::from(crop.down);
    let left = (columns as f64 - part_width) * f64::from(crop.right);
    let source =
        TypedImageRef::<U8x3>::from_buffer(columns as u32, rows as u32, &pixels).map_err(|e| wrong(&e))?;
    let mut resampled = vec![0; height * width * 3];
    let mut target = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut resampled)
        .map_err(|e| wrong(&e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
        left,
        top,
        part_width,
        part_height,
    );
    // Typed: the other kinds of pixels would be compiled in too, some megabytes.
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| wrong(&e))?;
    Ok(Picture { height, width, pixels: resampled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_photograph_is_cut_where_the_crop_says() {
        // Each pixel tells its row and column; 16x16 of 16/14 times as much is neither scaled nor blurred.
        let pixels = (0..16 * 40).flat_map(|index| [(index / 40) as u8, (index % 40) as u8, 0]).collect();
        let picture = Picture { height: 16, width: 40, pixels };
        for (crop, first) in [
            (Crop::CENTER, [1, 13, 0]),
            (Crop { down: 0.0, right: 0.0 }, [0, 0, 0]),
            (Crop { down: 1.0, right: 1.0 }, [2, 26, 0]),
        ] {
            let part = cut(picture.clone(), crop, 14, 14).unwrap();
            assert_eq!((part.height, part.width, &part.pixels[..3]), (14, 14, first.as_slice()), "{crop:?}");
        }
        for side in 1..300 {
            let picture =
                Picture { height: side, width: 301 - side, pixels: vec![7; side * (301 - side) * 3] };
            for crop in [Crop::CENTER, Crop { down: 0.999_999_94, right: 0.999_999_94 }] {
                assert_eq!(
                    cut(picture.clone(), crop, 32, 48).unwrap().pixels,
                    vec![7; 32 * 48 * 3],
                    "{side}"
                );
            }
            assert_eq!(resize(picture, 48, 32).unwrap().pixels, vec![7; 48 * 32 * 3], "{side}");
        }
    }

    #[test]
    fn resizing_covers_and_crops_around_the_center() {
        // Columns black, white, white, black: the middle square of a 2 x 4 picture is white.
        let row = [[0u8; 3], [255; 3], [255; 3], [0; 3]].concat();
        let picture = Picture { height: 2, width: 4, pixels: [row.clone(), row].concat() };
        let small = resize(picture.clone(), 2, 2).unwrap();
        assert_eq!(small.pixels, [255; 12]);
        assert_eq!(resize(picture.clone(), 2, 4).unwrap(), picture);
        assert_eq!(resize(picture, 7, 5).unwrap().pixels.len(), 7 * 5 * 3);
    }
}

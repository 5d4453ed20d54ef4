//! A picture's print: what of it stays the same when it is compressed, brightened, scaled or moved a little.
use crate::picture::{Picture, squash};
use image::RgbImage;
use image_hasher::{FilterType, HashAlg, Hasher, HasherConfig};

/// Rows and columns of the picture that is compared.
pub(super) const SIDE: usize = 32;
/// The most of the hash's 64 bits in which prints of nearly the same picture differ. Of 2,000 images of
/// CIFAR-10, 99 % differ in fewer from themselves compressed (JPEG, quality 50), brightened by a tenth and moved by a pixel, all at once;
/// of pairs of different images 0.007 % do, which the correlation separates.
pub(super) const MAX_BITS: u32 = 14;
/// The furthest that two pictures are moved against each other, in pixels of the small picture.
const SHIFT: isize = 2;
/// A picture whose brightness deviates by less, of 255, is all one color.
const FLAT: f32 = 2.0;
/// A standard deviation of brightness, as it is stored.
const DEVIATION: f32 = 30.0;
/// The mean colors (Cb and Cr together, of 255) of nearly equal pictures differ by at most so much: a faded picture is near,
/// a red part is not near a blue one of the same shape.
const MAX_COLOR: f32 = 64.0;

/// What makes the hashes: pHash, the signs of an 8x8 discrete cosine transform against their median (Zauner 2010,
/// "Implementation and benchmarking of perceptual image hash functions").
pub(super) struct Printer {
    hasher: Hasher<[u8; 8]>,
}

impl Printer {
    /// A printer; each thread needs its own.
    pub(super) fn new() -> Self {
        let config = HasherConfig::with_bytes_type().hash_alg(HashAlg::Median).preproc_dct();
        Self { hasher: config.hash_size(8, 8).resize_filter(FilterType::Triangle).to_hasher() }
    }

    /// The print of a picture of any size; the error says in a few words why there is none.
    pub(super) fn print(&self, picture: Picture) -> Result<Print, String> {
        let pixels = squash(picture, SIDE, SIDE)?.pixels;
        let mean = |channel: usize| {
            let sum: u32 = pixels.iter().skip(channel).step_by(3).map(|&value| u32::from(value)).sum();
            sum as f32 / (SIDE * SIDE) as f32
        };
        let [red, green, blue] = [mean(0), mean(1), mean(2)];
        let color = [
            -0.169 * red - 0.331 * green + 0.5 * blue, // Cb
            0.5 * red - 0.419 * green - 0.081 * blue,  // Cr
        ];
        let luma = blurred(&luma(&pixels));
        let image = RgbImage::from_raw(SIDE as u32, SIDE as u32, pixels).ok_or("of another size")?;
        let hash = u64::from_le_bytes(self.hasher.hash_image(&image).into_inner());
        let level = luma.iter().sum::<f32>() / luma.len() as f32;
        let variance = luma.iter().map(|value| (value - level).powi(2)).sum::<f32>() / luma.len() as f32;
        let flat = variance < FLAT * FLAT;
        let scale = if flat { 0.0 } else { DEVIATION / variance.sqrt() };
        let stored = |value: &f32| ((value - level) * scale).round().clamp(-127.0, 127.0) as i8;
        Ok(Print { hash, luma: luma.iter().map(stored).collect(), level, flat, color })
    }
}

/// What is kept of a picture: about a kilobyte.
#[derive(Clone, Debug)]
pub(super) struct Print {
    /// The hash that is compared first.
    pub hash: u64,
    /// Brightness `[SIDE, SIDE]`, slightly blurred, less its mean and in units of its deviation.
    luma: Box<[i8]>,
    /// The mean brightness, 0 to 255.
    level: f32,
    /// Whether it is all one color.
    flat: bool,
    /// The means of Cb and Cr, -128 to 128.
    color: [f32; 2],
}

impl Print {
    /// How alike two pictures are, at most 1: the correlation of their brightness, moved against each other by up to two
    /// pixels of 32 so that it is highest. 0 where their colors are others, or only one is all of one color.
    pub(super) fn similarity(&self, other: &Print) -> f32 {
        let color: f32 = self.color.iter().zip(&other.color).map(|(a, b)| (a - b).abs()).sum();
        if color > MAX_COLOR || self.flat != other.flat {
            return 0.0;
        }
        if self.flat {
            return 1.0 - (self.level - other.level).abs() / 255.0;
        }
        let shifts = (-SHIFT..=SHIFT).flat_map(|down| (-SHIFT..=SHIFT).map(move |right| [down, right]));
        shifts.map(|shift| correlation(&self.luma, &other.luma, shift)).fold(-1.0, f32::max)
    }
}

/// The brightness of pixels `[SIDE, SIDE, 3]`, as in JPEG.
fn luma(pixels: &[u8]) -> Vec<f32> {
    let of = |pixel: &[u8]| {
        0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])
    };
    pixels.chunks_exact(3).map(of).collect()
}

/// Each value as the mean of its neighbors by 1, 2, 1 in both directions; at the border the last value goes on.
fn blurred(values: &[f32]) -> Vec<f32> {
    let along = |values: &[f32], step: usize, index_in_line: fn(usize) -> usize| -> Vec<f32> {
        let blur = |index: usize| {
            let at = index_in_line(index);
            let before = if at == 0 { index } else { index - step };
            let after = if at == SIDE - 1 { index } else { index + step };
            (values[before] + 2.0 * values[index] + values[after]) / 4.0
        };
        (0..values.len()).map(blur).collect()
    };
    along(&along(values, 1, |index| index % SIDE), SIDE, |index| index / SIDE)
}

/// Pearson's correlation of `a` with `b` moved `[down, right]`, where both are.
fn correlation(a: &[i8], b: &[i8], [down, right]: [isize; 2]) -> f32 {
    let start = |shift: isize| [shift.max(0) as usize, (-shift).max(0) as usize]; // of a, of b
    let ([row_a, row_b], [column_a, column_b]) = (start(down), start(right));
    let (rows, columns) = (SIDE - row_a - row_b, SIDE - column_a - column_b);
    let (mut sum_a, mut sum_b, mut aa, mut bb, mut ab) = (0i32, 0i32, 0i32, 0i32, 0i32);
    for row in 0..rows {
        let line_a = &a[(row_a + row) * SIDE + column_a..][..columns];
        let line_b = &b[(row_b + row) * SIDE + column_b..][..columns];
        for (&a, &b) in line_a.iter().zip(line_b) {
            let (a, b) = (i32::from(a), i32::from(b));
            sum_a += a;
            sum_b += b;
            aa += a * a;
            bb += b * b;
            ab += a * b;
        }
    }
    let count = (rows * columns) as f64;
    let [sum_a, sum_b, aa, bb, ab] = [sum_a, sum_b, aa, bb, ab].map(f64::from);
    let (of_a, of_b) = (aa - sum_a * sum_a / count, bb - sum_b * sum_b / count);
    if of_a <= 0.0 || of_b <= 0.0 {
        return 0.0; // all that differs lies outside
    }
    ((ab - sum_a * sum_b / count) / (of_a * of_b).sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shapes;

    fn print(pixels: Vec<u8>, height: usize, width: usize) -> Print {
        Printer::new().print(Picture { height, width, pixels }).unwrap()
    }

    #[test]
    fn a_picture_is_like_itself_moved_and_unlike_others() {
        let images = shapes::draw(0, 4, 1).train;
        let prints: Vec<Print> = (0..images.len()).map(|i| print(images.image(i).to_vec(), 32, 32)).collect();
        for (index, one) in prints.iter().enumerate() {
            assert!(one.similarity(one) > 0.9999);
            let mut moved = images.image(index).to_vec();
            moved.rotate_right((32 + 1) * 3); // down and right; the border is another
            let moved = print(moved, 32, 32);
            assert!(one.similarity(&moved) > 0.97, "{index}: {}", one.similarity(&moved));
            assert_eq!(one.similarity(&moved), moved.similarity(one));
            for other in prints.iter().skip(index + 1) {
                assert!(one.similarity(other) < 0.97);
            }
        }
    }

    #[test]
    fn colors_and_flat_pictures_are_told_apart() {
        let of = |color: [u8; 3]| print(color.repeat(16 * 8), 16, 8);
        let [white, pale, black, red, blue] =
            [[255, 255, 255], [253, 253, 253], [0, 0, 0], [200, 10, 10], [10, 10, 200]].map(of);
        assert!(white.similarity(&pale) > 0.99);
        for (one, other) in [(&white, &black), (&red, &blue), (&white, &red)] {
            assert!(one.similarity(other) < 0.5);
        }
        let textured = |color: [u8; 3]| {
            let pixel = |index: usize| color.map(|value| value + (index * index % 50) as u8);
            print((0..32 * 32).flat_map(pixel).collect(), 32, 32)
        };
        assert!(textured([200, 10, 10]).similarity(&textured([10, 10, 200])) < 0.5);
        assert!(textured([200, 10, 10]).similarity(&textured([190, 20, 20])) > 0.97);
        assert!(textured([200, 10, 10]).similarity(&red) < 0.5);
    }
}

//! Bilinear scaling to the bit as two libraries do it: networks that were trained on their pictures are to see the same.

use crate::picture::Picture;
use std::ops::Range;

/// A part of a scaled picture: only this much of it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScaledPart {
    /// Height and width of the whole scaled picture.
    pub size: [usize; 2],
    /// The rows wanted of it.
    pub rows: Range<usize>,
    /// The columns wanted of it.
    pub columns: Range<usize>,
}

/// Scales as Pillow's `resize` with `BILINEAR`, and so torchvision's `Resize` on Pillow's images: where the picture becomes
/// smaller the triangle is as wide as a new pixel (antialiasing), columns come before rows, and each pass rounds to 8 bits.
pub(crate) fn pillow(picture: &Picture, part: &ScaledPart) -> Picture {
    let columns = triangles(picture.width, part.size[1], part.columns.clone());
    let rows = triangles(picture.height, part.size[0], part.rows.clone());
    let width = columns.len();
    let first = rows.first().map_or(0, |triangle| triangle.start);
    let end = rows.last().map_or(0, |triangle| triangle.start + triangle.weights.len());
    let lines = picture.pixels.chunks_exact(3 * picture.width).take(end).skip(first);
    let narrow: Vec<u8> =
        lines.flat_map(|line| columns.iter().flat_map(|triangle| triangle.sum(|x| pixel(line, x)))).collect();
    let line = |row: usize| &narrow[3 * width * (row - first)..][..3 * width];
    let pixels = rows.iter().flat_map(|triangle| (0..width).map(move |x| (triangle, x)));
    let pixels = pixels.flat_map(|(triangle, x)| triangle.sum(|row| pixel(line(row), x))).collect();
    Picture { height: rows.len(), width, pixels }
}

fn pixel(line: &[u8], index: usize) -> [u8; 3] {
    [line[3 * index], line[3 * index + 1], line[3 * index + 2]]
}

/// Pixels side by side that make one, each with its weight.
struct Triangle {
    start: usize,
    /// In units of 1 / 2^[`FRACTION`].
    weights: Vec<i32>,
}

/// Bits behind the point of Pillow's weights.
const FRACTION: u32 = 22;

impl Triangle {
    fn sum(&self, pixel: impl Fn(usize) -> [u8; 3]) -> [u8; 3] {
        let mut sums = [1i32 << (FRACTION - 1); 3]; // a half, to round
        for (index, weight) in self.weights.iter().enumerate() {
            for (sum, value) in sums.iter_mut().zip(pixel(self.start + index)) {
                *sum += i32::from(value) * weight;
            }
        }
        sums.map(|sum| (sum >> FRACTION).clamp(0, 255) as u8)
    }
}

/// What makes each of the `wanted` ones of `to` pixels out of `from`.
fn triangles(from: usize, to: usize, wanted: Range<usize>) -> Vec<Triangle> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let of = |index: usize| {
        let center = (index as f64 + 0.5) * scale;
        let start = (center - reach + 0.5).max(0.0) as usize;
        let end = ((center + reach + 0.5) as usize).min(from);
        let height = |at: usize| (1.0 - ((at as f64 - center + 0.5) * (1.0 / reach)).abs()).max(0.0);
        let heights: Vec<f64> = (start..end).map(height).collect();
        let total: f64 = heights.iter().sum();
        let weights = heights.iter().map(|height| (0.5 + height / total * f64::from(1 << FRACTION)) as i32);
        Triangle { start, weights: weights.collect() }
    };
    wanted.map(of).collect()
}

/// Scales as OpenCV's `resize` with `INTER_LINEAR`, and so Caffe's `convert_imageset`: each pixel lies between four, however
/// much smaller the picture becomes (no antialiasing), with weights of 11 bits.
pub(crate) fn opencv(picture: &Picture, part: &ScaledPart) -> Picture {
    let columns = between(picture.width, part.size[1], part.columns.clone(), true);
    let rows = between(picture.height, part.size[0], part.rows.clone(), false);
    let across = |line: &[u8]| -> Vec<i32> {
        let mixed = |mix: &Between| {
            let [left, right] = mix.indices.map(|index| pixel(line, index));
            [0, 1, 2].map(|c| i32::from(left[c]) * mix.weights[0] + i32::from(right[c]) * mix.weights[1])
        };
        columns.iter().flat_map(mixed).collect()
    };
    let line = |row: usize| across(&picture.pixels[3 * picture.width * row..][..3 * picture.width]);
    let down = |mix: &Between| -> Vec<u8> {
        let [above, below] = mix.indices.map(line);
        let share = |value: i32, weight: i32| (weight * (value >> 4)) >> 16;
        let both = above.iter().zip(&below);
        both.map(|(&above, &below)| {
            ((share(above, mix.weights[0]) + share(below, mix.weights[1]) + 2) >> 2) as u8
        })
        .collect()
    };
    Picture { height: rows.len(), width: columns.len(), pixels: rows.iter().flat_map(down).collect() }
}

/// Two pixels that make one, with weights in units of 1 / 2048.
struct Between {
    indices: [usize; 2],
    weights: [i32; 2],
}

/// What makes each of the `wanted` ones of `to` pixels out of `from`. Beyond the border lies the last pixel: of columns it is
/// given the whole weight, of rows it counts twice, which OpenCV rounds otherwise.
fn between(from: usize, to: usize, wanted: Range<usize>, whole: bool) -> Vec<Between> {
    let scale = 1.0 / (to as f64 / from as f64);
    let last = from as i64 - 1;
    let of = |index: usize| {
        let at = ((index as f64 + 0.5) * scale - 0.5) as f32;
        let mut start = at.floor() as i64;
        let mut share = at - start as f32;
        if whole && (start < 0 || start >= last) {
            (start, share) = (start.clamp(0, last), 0.0);
        }
        let weight = |share: f32| (share * 2048.0).round_ties_even() as i32;
        let indices = [start, start + 1].map(|index| index.clamp(0, last) as usize);
        Between { indices, weights: [weight(1.0 - share), weight(share)] }
    };
    wanted.map(of).collect()
}

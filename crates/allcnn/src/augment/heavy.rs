//! The heavy augmentation of the Large All-CNN (section "CIFAR-10 with additional data augmentation", after Graham
//! 2015): the image is placed on a larger canvas, where it can be scaled, rotated, sheared and moved without being
//! cut off.
//!
//! The paper gives no numbers. The kinds and ranges of the transforms follow Graham's published programs for CIFAR
//! (SparseConvNet): both sides stretched by up to 20 %, a flip, one of shear down, shear right and rotation, a
//! translation of up to half the image; contrast, level and gradients across the image varied for each channel.
//! Colors are varied in the preprocessed image, where 1 is about a standard deviation.

use allcnn_device::random::Sequence;

use crate::preprocess::Geometry;

/// The canvas's sides are at least this multiple of the image's.
pub const MIN_ROOM: usize = 2;

/// The largest relative change of a side.
const STRETCH: f32 = 0.2;
/// The largest shear, and the largest angle in radians.
const TURN: f32 = 0.2;
/// The largest translation as a fraction of a side: with [`MIN_ROOM`] an unscaled image stays inside the canvas.
const SHIFT: f32 = 0.5;
/// Standard deviation of a channel's contrast.
const CONTRAST: f32 = 0.15;
/// Standard deviation of a channel's level.
const LEVEL: f32 = 0.4;
/// Standard deviation of a channel's change from the center to an edge.
const GRADIENT: f32 = 0.2;

/// A drawn transform, in coordinates (down, right) from the center of the image and of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heavy {
    /// The linear map from image to canvas.
    matrix: [[f32; 2]; 2],
    /// Where the image's center goes.
    shift: [f32; 2],
    colors: [Color; 3],
}

/// The change of a channel: `contrast · x + level + gradient · position`, the position from -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Color {
    contrast: f32,
    level: f32,
    gradient: [f32; 2],
}

impl Heavy {
    /// The identity: places the image in the center.
    pub const NONE: Heavy = Heavy {
        matrix: [[1.0, 0.0], [0.0, 1.0]],
        shift: [0.0; 2],
        colors: [Color { contrast: 1.0, level: 0.0, gradient: [0.0; 2] }; 3],
    };

    /// Draws a transform for an image of this size.
    pub fn draw(image: Geometry, sequence: &mut Sequence) -> Self {
        let mut stretch = || 1.0 + sequence.range(-STRETCH, STRETCH);
        let (down, mut right) = (stretch(), stretch());
        if sequence.below(2) == 1 {
            right = -right;
        }
        let kind = sequence.below(3);
        let turn = sequence.range(-TURN, TURN);
        let [a, b, c, d] = match kind {
            0 => [1.0, turn, 0.0, 1.0],
            1 => [1.0, 0.0, turn, 1.0],
            _ => [turn.cos(), -turn.sin(), turn.sin(), turn.cos()],
        };
        let shift = [image.height, image.width].map(|side| sequence.range(-SHIFT, SHIFT) * side as f32);
        let colors = [(); 3].map(|()| Color {
            contrast: 1.0 + CONTRAST * sequence.normal(),
            level: LEVEL * sequence.normal(),
            gradient: [(); 2].map(|()| GRADIENT * sequence.normal()),
        });
        Self { matrix: [[a * down, b * right], [c * down, d * right]], shift, colors }
    }

    /// The part of the canvas, in its middle, that images of this size cover at most.
    pub fn extent(image: Geometry) -> Geometry {
        let [high, wide] = [image.height, image.width].map(|side| (side as f32 - 1.0) / 2.0 + 1.0);
        let side = |along: f32, across: f32, side: usize| {
            let half = (1.0 + STRETCH) * (along + TURN * across) + SHIFT * side as f32;
            2 * half.ceil() as usize + 2
        };
        let (height, width) = (side(high, wide, image.height), side(wide, high, image.width));
        Geometry { height, width, ..image }
    }

    /// Draws the transformed `image` of size `geometry` on `out` of size `canvas`, with bilinear interpolation.
    /// Uncovered pixels are 0, the mean of the training images if these are centered.
    ///
    /// Panics for images without three channels.
    pub fn apply(&self, image: &[f32], geometry: Geometry, out: &mut [f32], canvas: Geometry) {
        assert_eq!([geometry.channels, canvas.channels], [3; 2], "channels");
        out.fill(0.0);
        let [[a, b], [c, d]] = self.matrix;
        let determinant = a * d - b * c;
        let middle =
            |geometry: Geometry| [geometry.height, geometry.width].map(|side| (side as f32 - 1.0) / 2.0);
        let (from, to) = (middle(geometry), middle(canvas));
        let reach = from.map(|half| half + 1.0); // interpolation fades out over one pixel
        let span = |axis: usize, side: usize| {
            let [along, across] = self.matrix[axis].map(f32::abs);
            let (center, half) = (to[axis] + self.shift[axis], along * reach[0] + across * reach[1]);
            let bound = |point: f32| point.clamp(0.0, side as f32) as usize;
            bound((center - half).ceil())..bound((center + half).floor() + 1.0)
        };
        for row in span(0, canvas.height) {
            let line = &mut out[row * canvas.width * 3..][..canvas.width * 3];
            for column in span(1, canvas.width) {
                let (y, x) = (row as f32 - to[0] - self.shift[0], column as f32 - to[1] - self.shift[1]);
                let point = [(d * y - b * x) / determinant, (a * x - c * y) / determinant];
                let (sums, covered) = sample(image, geometry, [point[0] + from[0], point[1] + from[1]]);
                for ((value, sum), color) in line[column * 3..][..3].iter_mut().zip(sums).zip(&self.colors) {
                    let gradient =
                        color.gradient[0] * point[0] / reach[0] + color.gradient[1] * point[1] / reach[1];
                    *value = color.contrast * sum + (color.level + gradient) * covered;
                }
            }
        }
    }
}

/// Bilinear interpolation at a point: the weighted sum of its pixels, zeros outside, and the weight inside the
/// image, from 0 to 1.
fn sample(image: &[f32], geometry: Geometry, point: [f32; 2]) -> ([f32; 3], f32) {
    let Geometry { height, width, .. } = geometry;
    let corner = point.map(f32::floor);
    let [below, beside] = [point[0] - corner[0], point[1] - corner[1]];
    let (mut sums, mut covered) = ([0.0; 3], 0.0);
    for (down, high) in [(0.0, 1.0 - below), (1.0, below)] {
        for (right, wide) in [(0.0, 1.0 - beside), (1.0, beside)] {
            let (row, column) = (corner[0] + down, corner[1] + right);
            if row >= 0.0 && column >= 0.0 && (row as usize) < height && (column as usize) < width {
                let weight = high * wide;
                let pixel = &image[(row as usize * width + column as usize) * 3..][..3];
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += weight * value);
                covered += weight;
            }
        }
    }
    (sums, covered)
}

/// Copies `image` of size `geometry` to the center of `out` of size `canvas`; the rest is set to `empty`. Equal
/// sizes are a plain copy. Panics if the canvas is smaller.
pub fn center<T: Copy>(image: &[T], geometry: Geometry, out: &mut [T], canvas: Geometry, empty: T) {
    if geometry == canvas {
        return out.copy_from_slice(image);
    }
    out.fill(empty);
    let (top, left) = ((canvas.height - geometry.height) / 2, (canvas.width - geometry.width) / 2);
    let length = geometry.width * geometry.channels;
    let lines = out.chunks_exact_mut(canvas.width * canvas.channels).skip(top);
    for (line, row) in lines.zip(image.chunks_exact(length)) {
        line[left * canvas.channels..][..length].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::random::{Purpose, Stream};

    use super::*;

    const IMAGE: Geometry = Geometry { height: 2, width: 2, channels: 3 };
    const CANVAS: Geometry = Geometry { height: 6, width: 6, channels: 3 };

    /// The first channel of a 2x2 image with the values 1 to 4, transformed onto 6x6.
    fn drawn(heavy: Heavy) -> Vec<f32> {
        let image: Vec<f32> = (1..=4).flat_map(|value| [value as f32; 3]).collect();
        let mut out = vec![f32::NAN; CANVAS.len()];
        heavy.apply(&image, IMAGE, &mut out, CANVAS);
        out.into_iter().step_by(3).collect()
    }

    /// 6x6 zeros but for some values at (row, column).
    fn zeros_but(values: &[(usize, usize, f32)]) -> Vec<f32> {
        let mut canvas = vec![0.0; 36];
        values.iter().for_each(|&(row, column, value)| canvas[row * 6 + column] = value);
        canvas
    }

    #[test]
    fn an_image_lies_in_the_middle_and_moves() {
        let middle = zeros_but(&[(2, 2, 1.0), (2, 3, 2.0), (3, 2, 3.0), (3, 3, 4.0)]);
        assert_eq!(drawn(Heavy::NONE), middle);
        let image: Vec<f32> = (1..=4).flat_map(|value| [value as f32; 3]).collect();
        let mut centered = vec![f32::NAN; CANVAS.len()];
        center(&image, IMAGE, &mut centered, CANVAS, 0.0);
        assert_eq!(centered.into_iter().step_by(3).collect::<Vec<_>>(), middle);
        let moved = drawn(Heavy { shift: [-1.0, 2.0], ..Heavy::NONE });
        assert_eq!(moved, zeros_but(&[(1, 4, 1.0), (1, 5, 2.0), (2, 4, 3.0), (2, 5, 4.0)]));
        let between = drawn(Heavy { shift: [0.0, 0.5], ..Heavy::NONE });
        assert_eq!(between[2 * 6..3 * 6], [0.0, 0.0, 0.5, 1.5, 1.0, 0.0]);
        let outside = drawn(Heavy { shift: [9.0, 0.0], ..Heavy::NONE });
        assert_eq!(outside, [0.0; 36]);
    }

    #[test]
    fn an_image_is_flipped_turned_and_scaled() {
        let flipped = drawn(Heavy { matrix: [[1.0, 0.0], [0.0, -1.0]], ..Heavy::NONE });
        assert_eq!(flipped, zeros_but(&[(2, 2, 2.0), (2, 3, 1.0), (3, 2, 4.0), (3, 3, 3.0)]));
        // A quarter turn: right becomes up.
        let turned = drawn(Heavy { matrix: [[0.0, -1.0], [1.0, 0.0]], ..Heavy::NONE });
        assert_eq!(turned, zeros_but(&[(2, 2, 2.0), (2, 3, 4.0), (3, 2, 1.0), (3, 3, 3.0)]));
        let doubled = drawn(Heavy { matrix: [[2.0, 0.0], [0.0, 2.0]], ..Heavy::NONE });
        assert!(doubled.iter().sum::<f32>() > 3.9 * 10.0, "{doubled:?}"); // four times the area
        assert_eq!(doubled[2 * 6 + 2], 1.75); // a quarter of the way from 1 to the others
    }

    #[test]
    fn colors_vary_on_the_image_alone() {
        let color = Color { contrast: 2.0, level: 1.0, gradient: [0.0, 0.0] };
        let colored = drawn(Heavy { colors: [color; 3], ..Heavy::NONE });
        assert_eq!(colored, zeros_but(&[(2, 2, 3.0), (2, 3, 5.0), (3, 2, 7.0), (3, 3, 9.0)]));
    }

    #[test]
    fn draws_keep_to_their_ranges_and_the_image_on_the_canvas() {
        let image = Geometry { height: 32, width: 32, channels: 3 };
        let (mut flips, mut levels) = (0, 0.0);
        for number in 0..4000 {
            let heavy = Heavy::draw(image, &mut Stream::new(5, Purpose::Augmentation, 0, number).sequence());
            let [[a, b], [c, d]] = heavy.matrix;
            let area = (a * d - b * c).abs();
            assert!((0.63..=1.45).contains(&area), "{heavy:?}");
            assert!(b.abs() < 0.25 && c.abs() < 0.25 && heavy.shift.iter().all(|s| s.abs() <= 16.0));
            flips += u32::from(d < 0.0);
            levels += heavy.colors.iter().map(|color| color.level.powi(2)).sum::<f32>();
        }
        assert!((1850..2150).contains(&flips), "{flips} of 4000 flipped");
        let deviation = (levels / 12_000.0).sqrt();
        assert!((deviation - LEVEL).abs() < 0.02, "{deviation}");
    }

    #[test]
    fn images_stay_inside_of_their_extent() {
        for (height, width) in [(32, 32), (9, 17)] {
            let image = Geometry { height, width, channels: 3 };
            let extent = Heavy::extent(image);
            let canvas = Geometry { height: 4 * height, width: 4 * width + 1, channels: 3 };
            let mut out = vec![f32::NAN; canvas.len()];
            let (mut rows, mut columns) = (canvas.height, canvas.width);
            for number in 0..1000 {
                let heavy =
                    Heavy::draw(image, &mut Stream::new(5, Purpose::Augmentation, 0, number).sequence());
                heavy.apply(&vec![1.0; image.len()], image, &mut out, canvas);
                for pixel in (0..canvas.height * canvas.width).filter(|pixel| out[3 * pixel] != 0.0) {
                    let (row, column) = (pixel / canvas.width, pixel % canvas.width);
                    rows = rows.min(row).min(canvas.height - 1 - row);
                    columns = columns.min(column).min(canvas.width - 1 - column);
                }
            }
            let [above, beside] =
                [canvas.height - extent.height, canvas.width - extent.width].map(|room| room / 2);
            assert!(rows >= above && columns >= beside, "{rows} and {columns} around {extent} on {canvas}");
            assert!(rows <= above + 5, "{rows} rows around {extent} on {canvas}, which is too large");
        }
    }
}

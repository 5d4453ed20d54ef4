//! Flip and translation: the paper's augmentation of CIFAR (section 3.1).

use allcnn_device::random::Sequence;

use crate::preprocess::Geometry;

/// The paper's maximum translation, in pixels.
pub const MAX_SHIFT: u32 = 5;

/// A drawn flip and translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlipShift {
    /// Whether to flip horizontally, before the translation.
    pub flip: bool,
    /// Rows to move down; up if negative.
    pub down: i32,
    /// Columns to move right; left if negative.
    pub right: i32,
}

impl FlipShift {
    /// Draws a flip with probability 1/2 and translations uniform in `-max_shift..=max_shift`.
    pub fn draw(max_shift: u32, sequence: &mut Sequence) -> Self {
        let flip = sequence.below(2) == 1;
        let mut shift = || sequence.below(2 * max_shift + 1) as i32 - max_shift as i32;
        Self { flip, down: shift(), right: shift() }
    }

    /// Writes the augmented `image` to `out`, both `[height, width, channels]`. Uncovered pixels are 0, the mean
    /// of the training images if these are centered.
    pub fn apply(&self, image: &[f32], geometry: Geometry, out: &mut [f32]) {
        let Geometry { height, width, channels } = geometry;
        let row_length = width * channels;
        if (self.down, self.right) != (0, 0) {
            out.fill(0.0);
        }
        let (from_row, to_row, rows) = overlap(self.down, height);
        let (from_column, to_column, columns) = overlap(self.right, width);
        let from_rows = image.chunks_exact(row_length).skip(from_row);
        let to_rows = out.chunks_exact_mut(row_length).skip(to_row);
        for (from, to) in from_rows.zip(to_rows).take(rows) {
            let to = &mut to[to_column * channels..][..columns * channels];
            if self.flip {
                mirror(&from[..(width - from_column) * channels], to, channels);
            } else {
                to.copy_from_slice(&from[from_column * channels..][..columns * channels]);
            }
        }
    }
}

/// Fills `to` with the last pixels of `from`, in reverse order.
fn mirror(from: &[f32], to: &mut [f32], channels: usize) {
    if channels == 3 {
        // RGB pixels are copied as values; others by a call of memcpy each.
        let pixels = from.as_rchunks::<3>().1.iter().rev();
        return to.as_chunks_mut::<3>().0.iter_mut().zip(pixels).for_each(|(to, from)| *to = *from);
    }
    let pixels = from.rchunks_exact(channels);
    to.chunks_exact_mut(channels).zip(pixels).for_each(|(to, from)| to.copy_from_slice(from));
}

/// The overlap of a line of `size` pixels and the line moved by `shift`: (start in the line, start in the moved
/// one, length).
fn overlap(shift: i32, size: usize) -> (usize, usize, usize) {
    let distance = (shift.unsigned_abs() as usize).min(size);
    let (from, to) = if shift < 0 { (distance, 0) } else { (0, distance) };
    (from, to, size - distance)
}

#[cfg(test)]
mod tests {
    use allcnn_device::random::{Purpose, Stream};

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
        let mut counts = [[0u32; 11]; 11];
        for image in 0..DRAWS {
            let mut sequence = Stream::new(3, Purpose::Augmentation, 1, image).sequence();
            let draw = FlipShift::draw(MAX_SHIFT, &mut sequence);
            flips += u32::from(draw.flip);
            counts[(draw.down + 5) as usize][(draw.right + 5) as usize] += 1;
        }
        assert!((f64::from(flips) / f64::from(DRAWS) - 0.5).abs() < 0.01, "{flips} flips of {DRAWS}");
        let expected = f64::from(DRAWS) / 121.0;
        let chi_squared: f64 =
            counts.iter().flatten().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        assert!(chi_squared < 180.0, "chi squared {chi_squared} of 120 degrees of freedom"); // p = 0.0003
    }
}

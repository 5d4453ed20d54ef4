//! The random numbers of `shapes` and of folds: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"),
//! with the streams of `allcnn_device::random`.
//!
//! The pictures and the folds are part of what this crate promises, so what draws them is here and not in a crate that may change
//! it, and stays as it is.

/// The purpose that `allcnn_device` reserves for `shapes`: no other stream has these numbers.
const SHAPES: u32 = 5;
/// What folds draw from: a split that has no pictures.
const FOLDS: u32 = u32::MAX;

/// Successive random numbers, a pure function of what they are drawn for.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    key: [u32; 2],
    counter: [u32; 3],
    index: u32,
    block: [u32; 4],
}

impl Sequence {
    /// The numbers of image `image` of a split, under `seed`.
    pub(crate) fn new(seed: u64, split: u32, image: u32) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, counter: [image, split, SHAPES << 24], index: 0, block: [0; 4] }
    }

    /// The numbers by which images are dealt to folds, the same ones always.
    pub(crate) fn of_folds() -> Self {
        Self::new(0, FOLDS, 0)
    }

    /// The next 32 bits.
    pub(crate) fn next_u32(&mut self) -> u32 {
        let word = (self.index % 4) as usize;
        if word == 0 {
            let [image, split, purpose] = self.counter;
            self.block = philox(self.key, [self.index / 4, image, split, purpose]);
        }
        self.index += 1;
        self.block[word]
    }

    /// Uniform in [0, 1), with 24 random bits.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `low..high`.
    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// A whole number in `0..bound`, without bias (Lemire 2019). Panics when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "bound must be above 0");
        loop {
            let wide = u64::from(self.next_u32()) * u64::from(bound);
            if wide as u32 >= bound.wrapping_neg() % bound {
                return (wide >> 32) as u32;
            }
        }
    }
}

/// The ten rounds of Philox4x32.
fn philox(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let low = u64::from(counter[0]) * 0xD251_1F53;
        let high = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A known answer of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answer() {
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }
}

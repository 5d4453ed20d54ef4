//! The features of the training images, the output of the last frozen layer, kept where they never change: then a step
//! begins above the frozen layers from the second epoch on.

/// Features are kept up to this size.
const KEPT_BYTES: usize = 4 << 30;

/// The features of images, as far as they were computed.
#[derive(Debug)]
pub(super) struct FrozenFeatures {
    /// Values of one image.
    len: usize,
    /// `[images, len]`
    values: Vec<f32>,
    known: Vec<bool>,
    /// Those of one batch, on their way to the device or from it.
    batch: Vec<f32>,
}

impl FrozenFeatures {
    /// Room for `len` values of each of `images` images, in batches of `rows`; `None` if that is too much.
    pub(super) fn new(images: usize, len: usize, rows: usize) -> Option<Self> {
        let fits = images.saturating_mul(len).saturating_mul(size_of::<f32>()) <= KEPT_BYTES;
        fits.then(|| Self {
            len,
            values: vec![0.0; images * len],
            known: vec![false; images],
            batch: vec![0.0; rows * len],
        })
    }

    /// Whether the features of all these images are known; they stay so.
    pub(super) fn know(&self, mut images: impl Iterator<Item = u32>) -> bool {
        images.all(|image| self.known[image as usize])
    }

    /// A batch of the features of the images at indices `indices`, which are known.
    pub(super) fn batch(&mut self, indices: &[u32]) -> &[f32] {
        for (row, &index) in self.batch.chunks_exact_mut(self.len).zip(indices) {
            row.copy_from_slice(&self.values[index as usize * self.len..][..self.len]);
        }
        &self.batch
    }

    /// Keeps the features of the images at indices `indices`, the first rows of the batch that `download` writes.
    pub(super) fn keep<E>(
        &mut self,
        indices: &[u32],
        download: impl FnOnce(&mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        download(&mut self.batch)?;
        for (row, &index) in self.batch.chunks_exact(self.len).zip(indices) {
            self.values[index as usize * self.len..][..self.len].copy_from_slice(row);
            self.known[index as usize] = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_when_all_of_a_batch_are_known() {
        let mut features = FrozenFeatures::new(4, 2, 3).unwrap();
        let download = |batch: &mut [f32]| {
            batch.copy_from_slice(&[30.0, 31.0, 10.0, 11.0, 0.0, 0.0]);
            Ok::<(), ()>(())
        };
        features.keep(&[3, 1], download).unwrap();
        assert!(!features.know([1, 0].into_iter()) && features.know([1, 3].into_iter()));
        assert_eq!(features.batch(&[1, 3])[..4], [10.0, 11.0, 30.0, 31.0]);
        assert_eq!(features.keep(&[0], |_| Err("gone")), Err("gone"));
        assert!(!features.know([0].into_iter()));
        assert!(FrozenFeatures::new(1 << 40, 1 << 40, 3).is_none());
    }
}

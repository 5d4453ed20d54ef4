//! A training batch in host memory: images, targets and labels.

use allcnn_device::View;
use allcnn_device::random::{Purpose, Stream};

use crate::augment::Look;
use crate::data;
use crate::input::Samples;
use crate::recipe::Recipe;

/// The order of the images in an epoch (from 0): a permutation seeded by (seed, epoch).
pub(super) fn order(images: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..images as u32).collect();
    Stream::new(seed, Purpose::Shuffle, epoch, 0).sequence().shuffle(&mut order);
    order
}

/// The images of a batch.
#[derive(Debug)]
pub(super) enum Pictures {
    /// Preprocessed values, `[rows, height, width, channels]`.
    Made(Vec<f32>),
    /// Views of images that the device stores.
    Kept(Vec<View>),
}

/// The host copy of a batch. Rows beyond the last image are zeros, with zero loss and gradient.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) pictures: Pictures,
    /// `[rows, classes]`.
    pub(super) targets: Vec<f32>,
    /// The class of each image, without padding rows.
    pub(super) labels: Vec<u32>,
    /// The step whose batch it holds.
    pub(super) step: Option<u64>,
    classes: usize,
}

impl Batch {
    /// Allocates a batch of `rows` images of `image_len` values; only of views if the device `keeps` the images.
    pub(super) fn new(rows: usize, image_len: usize, classes: usize, keeps: bool) -> Self {
        Self {
            pictures: if keeps {
                Pictures::Kept(Vec::with_capacity(rows))
            } else {
                Pictures::Made(vec![0.0; rows * image_len])
            },
            targets: vec![0.0; rows * classes],
            labels: Vec::with_capacity(rows),
            step: None,
            classes,
        }
    }

    /// Fills the batch with the images at indices `places`, augmented as the recipe says; `epoch` counts from 0.
    ///
    /// # Errors
    /// An image on disk cannot be read.
    pub(super) fn fill(
        &mut self,
        samples: &Samples<'_>,
        places: &[u32],
        recipe: &Recipe,
        epoch: u64,
    ) -> Result<(), data::Error> {
        let look = look(recipe, epoch);
        match &mut self.pictures {
            Pictures::Made(values) => samples.fill(places, look, values)?,
            Pictures::Kept(views) => {
                views.clear();
                views.extend(places.iter().filter_map(|&place| look.view(place)));
            }
        }
        self.labels.clear();
        self.labels.extend(places.iter().map(|&place| samples.labels()[place as usize]));
        self.targets.fill(0.0);
        let spread = recipe.label_smoothing / self.classes as f32;
        for (row, &label) in self.targets.chunks_exact_mut(self.classes).zip(&self.labels) {
            row.fill(spread);
            row[label as usize] += 1.0 - recipe.label_smoothing;
        }
        Ok(())
    }
}

/// The augmentation of training images in an epoch (from 0).
pub(super) fn look(recipe: &Recipe, epoch: u64) -> Look {
    Look { augment: recipe.augment, seed: recipe.seed, round: epoch }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_has_its_own_order_of_all_images() {
        let (first, second) = (order(100, 7, 0), order(100, 7, 1));
        assert_ne!(first, second);
        assert_ne!(first, order(100, 8, 0));
        assert_eq!(first, order(100, 7, 0));
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<u32>>());
    }
}

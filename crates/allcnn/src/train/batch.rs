//! One batch in the computer's memory: images, targets and labels of a training step.

use allcnn_device::View;
use allcnn_device::random::{Purpose, Stream};

use crate::augment::Look;
use crate::data;
use crate::input::Samples;
use crate::recipe::Recipe;

/// The order of the images in an epoch (counted from 0): a permutation keyed by (seed, epoch).
pub(super) fn order(images: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..images as u32).collect();
    Stream::new(seed, Purpose::Shuffle, epoch, 0).sequence().shuffle(&mut order);
    order
}

/// The pictures of a batch.
#[derive(Debug)]
pub(super) enum Pictures {
    /// `[rows, height, width, channels]`.
    Made(Vec<f32>),
    /// Of images that the device keeps.
    Kept(Vec<View>),
}

/// The host side of a batch. Rows beyond the images are zeros: they have no loss and no gradient.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) pictures: Pictures,
    /// `[rows, classes]`.
    pub(super) targets: Vec<f32>,
    /// The class of each image; as many as there are images.
    pub(super) labels: Vec<u32>,
    /// The step that it was filled for.
    pub(super) step: Option<u64>,
    classes: usize,
}

impl Batch {
    /// A batch of `rows` images of `image_len` values; only of views where the device `keeps` the images.
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

    /// Fills the batch with the images at `places`, varied as the recipe says; `epoch` counts from 0.
    ///
    /// # Errors
    /// An image on disk that cannot be read.
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

/// How a training of this recipe looks at its images in an epoch (counted from 0).
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

//! A training batch, or a shard of it, in host memory: images, targets and labels.

use allcnn_device::View;
use allcnn_device::random::Stream;

use super::mixup::Mix;
use crate::augment::Showing;
use crate::data;
use crate::input::Samples;
use crate::recipe::Recipe;

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
    /// `[rows, classes]`; the sum of a row is the weight of its image.
    pub(super) targets: Vec<f32>,
    /// The index of each image, without padding rows.
    pub(super) indices: Vec<u32>,
    /// The class of each image, without padding rows; of a mixed one that of the larger share.
    pub(super) labels: Vec<u32>,
    /// The weights of all images together.
    pub(super) weight: f64,
    /// The step, and the process's shard of its batch, that it holds.
    pub(super) of: Option<(u64, usize)>,
    classes: usize,
    image_len: usize,
    /// What was mixed, as it was.
    unmixed: Vec<f32>,
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
            indices: Vec::with_capacity(rows),
            labels: Vec::with_capacity(rows),
            weight: 0.0,
            of: None,
            classes,
            image_len,
            unmixed: vec![],
        }
    }

    /// Fills the batch with the images as they are shown, and with their targets.
    ///
    /// # Errors
    /// An image on disk cannot be read.
    pub(super) fn fill(
        &mut self,
        samples: &Samples<'_>,
        showings: &[Showing],
        recipe: &Recipe,
        class_weights: &[f32],
    ) -> Result<(), data::Error> {
        match &mut self.pictures {
            Pictures::Made(values) => samples.show(showings, values)?,
            Pictures::Kept(views) => {
                views.clear();
                views.extend(showings.iter().filter_map(Showing::view));
            }
        }
        self.fill_targets(samples, showings, recipe, class_weights);
        Ok(())
    }

    /// Fills the batch with the targets of images alone: with the recipe's label smoothing, each multiplied with the weight
    /// of its class.
    pub(super) fn fill_targets(
        &mut self,
        samples: &Samples<'_>,
        showings: &[Showing],
        recipe: &Recipe,
        class_weights: &[f32],
    ) {
        self.indices.clear();
        self.indices.extend(showings.iter().map(|showing| showing.image));
        self.labels.clear();
        self.labels.extend(showings.iter().map(|showing| samples.labels()[showing.image as usize]));
        self.targets.fill(0.0);
        self.weight = 0.0;
        for (row, &label) in self.targets.chunks_exact_mut(self.classes).zip(&self.labels) {
            let weight = class_weights[label as usize];
            row.fill(weight * (recipe.label_smoothing / self.classes as f32));
            row[label as usize] += weight * (1.0 - recipe.label_smoothing);
            self.weight += f64::from(weight);
        }
    }

    /// Mixes images and targets by mixup; that keeps the sum of the weights. Panics for views, whose images are
    /// elsewhere.
    pub(super) fn mix(&mut self, strength: f32, stream: Stream) {
        let Pictures::Made(values) = &mut self.pictures else { panic!("mixed images are made on the host") };
        let mix = Mix::draw(strength, self.labels.len(), stream);
        mix.apply(values, self.image_len, &mut self.unmixed);
        mix.apply(&mut self.targets, self.classes, &mut self.unmixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::SeededAugment;
    use crate::data::Images;
    use crate::preprocess::{Geometry, Method, Preprocessor};
    use crate::train::mixup;

    /// A batch of three images of 1x1 pixels, of the classes 0, 1 and 2, and one empty row.
    fn batch(recipe: &Recipe, weights: &[f32], step: u64) -> Batch {
        let mut images = Images::new(1, 1);
        images.pixels = vec![0, 0, 0, 100, 100, 100, 200, 200, 200];
        images.labels = vec![0, 1, 2];
        images.names = vec![String::new(); 3];
        let geometry = Geometry { height: 1, width: 1, channels: 3 };
        let preprocessor = Preprocessor::fit(Method::None, &images.pixels, geometry).unwrap();
        let samples = Samples::new(&images, &preprocessor).unwrap();
        let showings = [0, 1, 2].map(|image| Showing { image, augment: SeededAugment::NONE });
        let mut batch = Batch::new(4, 3, 3, false);
        batch.fill(&samples, &showings, recipe, weights).unwrap();
        if recipe.mixup > 0.0 {
            batch.mix(recipe.mixup, mixup::stream(recipe.seed, step, 0));
        }
        batch
    }

    fn sums(batch: &Batch) -> Vec<f32> {
        batch.targets.chunks_exact(3).map(|row| row.iter().sum()).collect()
    }

    #[test]
    fn targets_are_smoothed_then_weighted() {
        let recipe = Recipe { label_smoothing: 0.3, ..Recipe::quick() };
        let batch = batch(&recipe, &[0.5, 2.0, 1.0], 0);
        let expected = [0.4, 0.05, 0.05, 0.2, 1.6, 0.2, 0.1, 0.1, 0.8, 0.0, 0.0, 0.0];
        assert!(batch.targets.iter().zip(expected).all(|(t, e)| (t - e).abs() < 1e-6), "{:?}", batch.targets);
        assert_eq!(batch.weight, 3.5);
    }

    #[test]
    fn images_and_weighted_targets_are_mixed_alike() {
        let recipe = Recipe { mixup: 1.0, ..Recipe::quick() };
        let weights = [0.5, 2.0, 1.0];
        let mut moved = 0;
        for step in 0..20 {
            let batch = batch(&recipe, &weights, step);
            let Pictures::Made(values) = &batch.pictures else { panic!("made here") };
            for (row, (image, target)) in values.chunks(3).zip(batch.targets.chunks(3)).take(3).enumerate() {
                // The shares in the targets, without their weights, explain the image.
                let shares: Vec<f32> = target.iter().zip(weights).map(|(t, w)| t / w).collect();
                let expected: f32 =
                    shares.iter().enumerate().map(|(label, share)| share * unmixed(label)).sum();
                assert!((image[0] - expected).abs() < 1e-4, "step {step}, row {row}");
                assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert!(shares[row] >= 0.5, "the label is that of the larger share");
                moved += usize::from(shares[row] < 0.99);
            }
            assert!((sums(&batch).iter().sum::<f32>() - 3.5).abs() < 1e-5 && sums(&batch)[3] == 0.0);
            assert_eq!(batch.weight, 3.5);
        }
        assert!(moved > 20, "{moved} of 60 rows were mixed");
    }

    /// A value of an image as it is.
    fn unmixed(label: usize) -> f32 {
        let batch = batch(&Recipe::quick(), &[1.0; 3], 0);
        let Pictures::Made(values) = &batch.pictures else { panic!("made here") };
        values[3 * label]
    }
}

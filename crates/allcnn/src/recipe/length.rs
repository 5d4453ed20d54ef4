//! The number of epochs that a number of training images asks for.

use super::settings::Recipe;

/// The number of images for which the recipe `quick` states its epochs.
const IMAGES: f64 = 45_000.0;
/// With k times fewer images, k to this power more epochs: fewer steps in all, as fewer images are learned sooner.
const POWER: f64 = 0.75;
/// A hundred images are shown no oftener than that.
const MAX_EPOCHS: u32 = 400;

impl Recipe {
    /// The epochs that `images` training images ask for: those of the recipe for 45,000 images or more,
    /// (45,000 / images)^0.75 times as many for fewer, at most 400 (`docs/TRAINING.md`).
    pub fn epochs_for(&self, images: usize) -> u32 {
        let fewer = (IMAGES / images.max(1) as f64).max(1.0);
        ((f64::from(self.epochs) * fewer.powf(POWER)).round() as u32).min(MAX_EPOCHS).max(self.epochs)
    }

    /// Whether these are the epochs of the recipe `quick` itself, which give way to those that the images ask for.
    pub(crate) fn has_default_length(&self) -> bool {
        let quick = Recipe::quick();
        self.name == quick.name && self.epochs == quick.epochs && self.iterations.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_images_get_more_epochs_and_fewer_steps() {
        let quick = Recipe::quick();
        assert_eq!([60_000, 45_000].map(|images| quick.epochs_for(images)), [12, 12]);
        let steps = |images: usize| images * quick.epochs_for(images) as usize;
        let sizes = [100, 300, 810, 3_000, 10_000, 45_000];
        assert!(sizes.windows(2).all(|pair| quick.epochs_for(pair[0]) >= quick.epochs_for(pair[1])));
        assert!(sizes.windows(2).all(|pair| steps(pair[0]) < steps(pair[1])));
        assert_eq!(quick.epochs_for(1), MAX_EPOCHS);
    }

    #[test]
    fn epochs_that_were_asked_for_stay() {
        assert!(Recipe::quick().has_default_length());
        for other in [
            Recipe::paper(),
            Recipe { epochs: 3, ..Recipe::quick() },
            Recipe { iterations: Some(9), ..Recipe::quick() },
        ] {
            assert!(!other.has_default_length());
        }
    }
}

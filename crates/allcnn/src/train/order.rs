//! In which order an epoch shows the training images.

use allcnn_device::random::{Purpose, Stream};

use crate::augment::{SeededAugment, Showing};
use crate::recipe::{Balance, Recipe};

/// An image's turn in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The image.
    pub(super) image: u32,
    /// How often the epoch showed it before.
    before: u32,
}

impl Turn {
    /// The showing of the image in an epoch with this augmentation.
    pub(super) fn showing(self, augment: SeededAugment) -> Showing {
        Showing { image: self.image, augment: augment.after(self.before) }
    }
}

/// The augmentation of `images` training images in an epoch (from 0).
pub(super) fn epoch_augment(recipe: &Recipe, epoch: u64, images: usize) -> SeededAugment {
    SeededAugment { augment: recipe.augment_in(epoch, images), seed: recipe.seed, round: epoch }
}

/// The order of the images with these labels in an epoch (from 0), seeded by (seed, epoch): all of them once, or with
/// [`Balance::Sampling`] as many from each class.
pub(super) fn order(labels: &[u32], recipe: &Recipe, epoch: u64) -> Vec<Turn> {
    let images = match recipe.balance {
        Balance::Sampling => sampled(labels, recipe.seed, epoch),
        Balance::None | Balance::Loss => {
            let mut images: Vec<u32> = (0..labels.len() as u32).collect();
            Stream::new(recipe.seed, Purpose::Shuffle, epoch, 0).sequence().shuffle(&mut images);
            images
        }
    };
    let mut shown = vec![0; labels.len()];
    let turn = |image: u32| {
        let before = shown[image as usize];
        shown[image as usize] += 1;
        Turn { image, before }
    };
    images.into_iter().map(turn).collect()
}

/// As many images as there are, N / K from each of the K classes that have any; where that is no whole number, random
/// classes have one more. A class runs through all its images, in random order, before it repeats one.
fn sampled(labels: &[u32], seed: u64, epoch: u64) -> Vec<u32> {
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut of_class = vec![Vec::new(); classes];
    for (image, &label) in labels.iter().enumerate() {
        of_class[label as usize].push(image as u32);
    }
    // Stream 0 shuffles what is not sampled, stream 1 the classes and the whole, the others the images of a class.
    let mut whole = Stream::new(seed, Purpose::Shuffle, epoch, 1).sequence();
    let mut present: Vec<usize> = (0..classes).filter(|&class| !of_class[class].is_empty()).collect();
    whole.shuffle(&mut present);
    let mut images = Vec::with_capacity(labels.len());
    for (rank, &class) in present.iter().enumerate() {
        let mut numbers = Stream::new(seed, Purpose::Shuffle, epoch, 2 + class as u32).sequence();
        let own = &mut of_class[class];
        let mut left = labels.len() / present.len() + usize::from(rank < labels.len() % present.len());
        while left > 0 {
            numbers.shuffle(own);
            let taken = left.min(own.len());
            images.extend(&own[..taken]);
            left -= taken;
        }
    }
    whole.shuffle(&mut images);
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(labels: &[u32], balance: Balance, seed: u64, epoch: u64) -> Vec<u32> {
        let recipe = Recipe { seed, balance, ..Recipe::quick() };
        order(labels, &recipe, epoch).iter().map(|turn| turn.image).collect()
    }

    #[test]
    fn each_epoch_has_its_own_order_of_all_images() {
        let of = |seed, epoch| images(&[0; 100], Balance::None, seed, epoch);
        let (first, second) = (of(7, 0), of(7, 1));
        assert_ne!(first, second);
        assert_ne!(first, of(8, 0));
        assert_eq!(first, of(7, 0));
        let mut sorted = second;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<u32>>());
    }

    /// 70 images of class 0, 3 of class 2, 27 of class 3; none of class 1.
    fn uneven() -> Vec<u32> {
        [vec![0; 70], vec![2; 3], vec![3; 27]].concat()
    }

    #[test]
    fn sampled_classes_come_equally_often_and_no_image_again_before_all_of_its_class() {
        let labels = uneven();
        for epoch in 0..5 {
            let images = images(&labels, Balance::Sampling, 7, epoch);
            assert_eq!(images.len(), 100);
            let mut shown = [0; 100];
            images.iter().for_each(|&image| shown[image as usize] += 1);
            let counts = [0, 2, 3].map(|class| {
                let own = || (0..100).filter(move |&image| uneven()[image] == class);
                let [fewest, most] = [own().map(|i| shown[i]).min(), own().map(|i| shown[i]).max()];
                assert!(most.unwrap() - fewest.unwrap() <= 1, "class {class} in epoch {epoch}");
                own().map(|image| shown[image]).sum::<u32>()
            });
            let mut sorted = counts;
            sorted.sort_unstable();
            assert_eq!(sorted, [33, 33, 34]);
        }
    }

    #[test]
    fn samples_depend_on_seed_and_epoch_and_mix_the_classes() {
        let of = |seed, epoch| images(&uneven(), Balance::Sampling, seed, epoch);
        assert_eq!(of(7, 3), of(7, 3));
        assert!(of(7, 3) != of(7, 4) && of(7, 3) != of(8, 3));
        let first: std::collections::BTreeSet<u32> =
            of(7, 3)[..20].iter().map(|&image| uneven()[image as usize]).collect();
        assert_eq!(first.len(), 3, "the first 20 images are of all classes");
    }

    #[test]
    fn an_image_that_comes_again_is_augmented_anew() {
        let recipe = Recipe { balance: Balance::Sampling, ..Recipe::quick() };
        let turns = order(&uneven(), &recipe, 2);
        let showings: std::collections::HashSet<Showing> =
            turns.iter().map(|turn| turn.showing(epoch_augment(&recipe, 2, 100))).collect();
        assert_eq!(showings.len(), 100);
        assert!(turns.iter().any(|turn| turn.before > 8), "3 images share 33 or 34 turns");
    }
}

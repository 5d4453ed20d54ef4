//! Classes with unequally many training images: their weights, and the warning where nothing is done about it.

use crate::recipe::Balance;
use crate::text::shown::escaped;

/// The largest class has this many times the images of the smallest: worth a warning.
const UNEVEN: usize = 10;

/// The weight of each class in the loss: with [`Balance::Loss`] N / (K n), for n of N images and K classes that have any,
/// so that the mean over the images is 1; else 1.
pub(super) fn class_weights(labels: &[u32], classes: usize, balance: Balance) -> Vec<f32> {
    if balance != Balance::Loss {
        return vec![1.0; classes];
    }
    let counts = counts(labels, classes);
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &usize| match count {
        0 => 0.0,
        count => (labels.len() as f64 / (present as f64 * count as f64)) as f32,
    };
    counts.iter().map(weight).collect()
}

/// Names the largest and the smallest class and what to do, if they differ much and nothing was asked for.
pub(super) fn warning(labels: &[u32], classes: &[String], balance: Balance) -> Option<String> {
    let counts = counts(labels, classes.len());
    // The last of the largest, the first of the smallest: of equal classes two different ones.
    let largest = (0..counts.len()).max_by_key(|&class| counts[class])?;
    let smallest = (0..counts.len()).filter(|&class| counts[class] > 0).min_by_key(|&class| counts[class])?;
    let is_uneven = counts[largest] >= UNEVEN * counts[smallest];
    (balance.is_none() && is_uneven).then(|| {
        format!(
            "the classes are uneven: '{}' has {} training images, '{}' has {}. A network can be right by naming the \
             larger one\ngive --balance sampling (or loss), so that classes count alike",
            escaped(&classes[largest]),
            counts[largest],
            escaped(&classes[smallest]),
            counts[smallest]
        )
    })
}

/// The number of images of each class.
fn counts(labels: &[u32], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_the_inverse_frequency_and_their_mean_is_1() {
        let labels = [0, 0, 0, 0, 0, 0, 2, 2, 0, 0];
        assert_eq!(class_weights(&labels, 3, Balance::Loss), [0.625, 0.0, 2.5]);
        let weights = class_weights(&labels, 3, Balance::Loss);
        assert_eq!(labels.iter().map(|&label| weights[label as usize]).sum::<f32>(), 10.0);
        for even in [Balance::None, Balance::Sampling] {
            assert_eq!(class_weights(&labels, 3, even), [1.0; 3]);
        }
    }

    #[test]
    fn uneven_classes_are_named_with_their_numbers_and_the_flag() {
        let classes = ["cat", "dog", "owl"].map(String::from);
        let labels = |cats, owls| [vec![0; cats], vec![1; 30], vec![2; owls]].concat();
        let said = warning(&labels(3, 29), &classes, Balance::None).unwrap();
        for part in ["'dog' has 30 training images, 'cat' has 3.", "--balance sampling"] {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(warning(&labels(4, 29), &classes, Balance::None), None);
        assert_eq!(warning(&labels(3, 29), &classes, Balance::Loss), None);
        assert_eq!(
            warning(&labels(0, 29), &classes, Balance::None),
            None,
            "a class without images cannot count"
        );
    }
}

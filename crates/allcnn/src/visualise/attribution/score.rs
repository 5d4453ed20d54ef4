//! How good a map is as an explanation, in numbers.
//!
//! Pixels are ranked by the sum of their magnitudes over the channels, the first of equals first. *Deletion* sets them to zero (the mean
//! of the training images) in that order and follows the probability of the class; *insertion* begins with a picture of zeros and puts
//! them back (Petsiuk et al. 2018). The area under the curve over the share of pixels, from 0 to 1, is the score: a good explanation has
//! a small area of deletion and a large one of insertion. *Similarity* is Spearman's rank correlation of the magnitudes with those of
//! the same way to explain in a network of random weights (Adebayo et al. 2018): near 1, the map says little about what was learned.

use allcnn_device::Device;
use serde::Serialize;

use super::super::error::VisualiseError;
use super::super::explainer::Explainer;
use super::super::target::{Target, Unit};
use crate::parameters::Parameters;
use crate::score::ranked;

/// Points of a curve, without the first.
const POINTS: usize = 32;

/// The scores of a map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MapScore {
    /// The area under the curve of deletion.
    pub deletion: f64,
    /// The area under the curve of insertion.
    pub insertion: f64,
    /// The rank correlation with the map of random weights.
    pub randomized_similarity: f64,
}

/// Scores the map of a class in an image (`[height, width, channels]`, preprocessed) beside the map of a network of random weights.
///
/// # Errors
/// A device failure.
pub fn score_map<D: Device>(
    explainer: &mut Explainer<'_, D>,
    parameters: &Parameters<D>,
    (image, class): (&[f32], usize),
    map: &[f32],
    random: &[f32],
) -> Result<MapScore, VisualiseError> {
    let channels = explainer.network().input().channels;
    let sizes = magnitudes(map, channels);
    let order = ranked(&sizes, sizes.len());
    let curve = |explainer: &mut Explainer<'_, D>, begin: &[f32], end: &[f32]| {
        let images = exchanged(begin, end, &order, channels);
        probabilities(explainer, parameters, &images, class).map(|curve| area(&curve))
    };
    let zeros = vec![0.0; image.len()];
    Ok(MapScore {
        deletion: curve(explainer, image, &zeros)?,
        insertion: curve(explainer, &zeros, image)?,
        randomized_similarity: rank_correlation(&sizes, &magnitudes(random, channels)),
    })
}

/// The probability of a class in each of these images.
fn probabilities<D: Device>(
    explainer: &mut Explainer<'_, D>,
    parameters: &Parameters<D>,
    images: &[f32],
    class: usize,
) -> Result<Vec<f64>, VisualiseError> {
    let target = Target::of_classes(explainer.network(), vec![])?;
    let count = images.len() / explainer.network().input().shape(1).len();
    let pairs: Vec<_> = (0..count).map(|image| (image, Unit::Channel(class))).collect();
    let explained = explainer.explain_pairs(parameters, images, &target, &pairs, &[])?;
    Ok(explained.into_iter().map(|explanation| f64::from(explanation.probabilities[class])).collect())
}

/// The sum of a pixel's magnitudes over the channels.
fn magnitudes(map: &[f32], channels: usize) -> Vec<f32> {
    map.chunks_exact(channels).map(|pixel| pixel.iter().map(|value| value.abs()).sum()).collect()
}

/// Images on the way from one to another, in which 0/32, 1/32, ... of the pixels in this order were exchanged.
fn exchanged(begin: &[f32], end: &[f32], order: &[usize], channels: usize) -> Vec<f32> {
    let (mut image, mut done) = (begin.to_vec(), 0);
    let mut images = Vec::with_capacity((POINTS + 1) * begin.len());
    for point in 0..=POINTS {
        let until = order.len() * point / POINTS;
        for &pixel in &order[done..until] {
            let range = pixel * channels..(pixel + 1) * channels;
            image[range.clone()].copy_from_slice(&end[range]);
        }
        done = until;
        images.extend_from_slice(&image);
    }
    images
}

/// The area under a curve at equal steps from 0 to 1, by trapezoids.
fn area(curve: &[f64]) -> f64 {
    curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / (curve.len() - 1) as f64
}

/// Spearman's rank correlation: the correlation of the ranks, equal values sharing their mean rank; 0 where all are equal.
fn rank_correlation(one: &[f32], other: &[f32]) -> f64 {
    let (one, other) = (ranks(one), ranks(other));
    let middle = (one.len() as f64 - 1.0) / 2.0;
    let product =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum::<f64>();
    let scale = (product(&one, &one) * product(&other, &other)).sqrt();
    if scale == 0.0 { 0.0 } else { product(&one, &other) / scale }
}

/// The rank of each value, from 0.
fn ranks(values: &[f32]) -> Vec<f64> {
    let order = ranked(values, values.len());
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = mean);
        first += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_exchanged_from_the_largest_on() {
        let sizes = magnitudes(&[1.0, -1.0, 0.0, -3.0], 2);
        assert_eq!((sizes.clone(), ranked(&sizes, 2)), (vec![2.0, 3.0], vec![1, 0]));
        let images = exchanged(&[1.0, 2.0, 3.0, 4.0], &[0.0; 4], &[1, 0], 2);
        assert_eq!(images[..4], [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(images[16 * 4..][..4], [1.0, 2.0, 0.0, 0.0]);
        assert_eq!(images[32 * 4..], [0.0; 4]);
    }

    #[test]
    fn an_area_is_that_under_the_curve() {
        assert_eq!(area(&[1.0, 0.5, 0.0]), 0.5);
        assert_eq!(area(&[0.25; 33]), 0.25);
    }

    #[test]
    fn ranks_correlate_whatever_the_scale() {
        // scipy.stats.spearmanr
        assert!((rank_correlation(&[1.0, 2.0, 3.0, 9.0], &[10.0, 20.0, 70.0, 71.0]) - 1.0).abs() < 1e-12);
        assert!((rank_correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert!(
            (rank_correlation(&[1.0, 1.0, 2.0, 5.0], &[1.0, 3.0, 2.0, 4.0]) - 0.632_455_532_033_675_9).abs()
                < 1e-12
        );
        assert_eq!(rank_correlation(&[1.0, 1.0], &[1.0, 2.0]), 0.0);
    }
}

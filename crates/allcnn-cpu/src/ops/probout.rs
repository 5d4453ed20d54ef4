//! Probabilistic maxout: one of neighboring channels, drawn with the probabilities softmax(lambda z), or in testing the mean that is
//! to be expected.

use allcnn_device::Sampling;
use allcnn_device::random::Sequence;

use super::stochastic::NONE;
use crate::whole::{pieces as pieces_of, pieces_mut as pieces_of_mut};

/// How many channels compete, and how sure the largest is to be drawn.
#[derive(Clone, Copy)]
pub(crate) struct Probout {
    pub pieces: usize,
    pub lambda: f32,
}

impl Probout {
    /// exp(lambda (z - largest z)) of each value z of a group.
    #[inline(always)]
    fn weights(self, group: &[f32]) -> impl Iterator<Item = f32> + Clone {
        let largest = group.iter().fold(group[0], |best, &z| if z > best { z } else { best });
        group.iter().map(move |&z| Sampling::exponential(self.lambda * (z - largest)))
    }

    /// The sum of the weights, and the mean of the values by them.
    #[inline(always)]
    fn mean(self, group: &[f32]) -> (f32, f32) {
        let (mut total, mut weighted) = (0.0, 0.0);
        for (weight, &z) in self.weights(group).zip(group) {
            total += weight;
            weighted += weight * z;
        }
        (total, weighted / total)
    }

    /// Draws a value of each group; `numbers` has the next number for each.
    #[inline(always)]
    pub(crate) fn drawn(
        self,
        input: &[f32],
        numbers: &mut Sequence,
        output: &mut [f32],
        switches: &mut [u32],
    ) {
        for ((group, value), switch) in pieces_of(input, self.pieces).zip(output).zip(switches) {
            (*value, *switch) = match Sampling::choose(self.weights(group), numbers.next_u32()) {
                Some(chosen) => (group[chosen], chosen as u32),
                None => (self.mean(group).0, NONE), // NaN
            };
        }
    }

    #[inline(always)]
    pub(crate) fn expected(self, input: &[f32], output: &mut [f32]) {
        for (group, value) in pieces_of(input, self.pieces).zip(output) {
            *value = self.mean(group).1;
        }
    }

    /// g p (1 + lambda (z - y)) for each z, with its probability p and the mean y.
    #[inline(always)]
    pub(crate) fn expected_back(self, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
        let groups = pieces_of(input, self.pieces).zip(pieces_of_mut(d_input, self.pieces));
        for ((group, d_group), &signal) in groups.zip(d_output) {
            let (total, mean) = self.mean(group);
            for ((weight, &z), d) in self.weights(group).zip(group).zip(d_group) {
                *d = signal * (weight / total) * (1.0 + self.lambda * (z - mean));
            }
        }
    }
}

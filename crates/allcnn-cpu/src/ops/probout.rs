//! Probabilistic maxout: one of neighboring channels, drawn with the probabilities softmax(lambda z), or in testing the mean that is
//! to be expected.

use allcnn_device::Sampling;
use allcnn_device::random::unit_interval;

use super::stochastic::NONE;

/// Groups that are computed side by side.
const LANES: usize = 16;

/// How many channels compete, and how sure the largest is to be drawn.
#[derive(Clone, Copy)]
pub(crate) struct Probout {
    pub pieces: usize,
    pub lambda: f32,
}

/// An expression for a block of groups, compiled for whole blocks of pairs, the usual ones, for other whole blocks, and for what is left.
macro_rules! with_groups {
    ($probout:expr, $values:expr, $count:expr, $groups:ident => $body:expr) => {
        match ($probout.pieces, $count) {
            (2, LANES) => {
                let $groups = Groups::new($values, LANES, 2, $probout.lambda);
                $body
            }
            (pieces, LANES) => {
                let $groups = Groups::new($values, LANES, pieces, $probout.lambda);
                $body
            }
            (pieces, count) => {
                let $groups = Groups::new($values, count, pieces, $probout.lambda);
                $body
            }
        }
    };
}

/// At most [`LANES`] neighboring groups.
struct Groups<'a> {
    values: &'a [f32],
    count: usize,
    pieces: usize,
    lambda: f32,
    /// The largest value of each.
    largest: [f32; LANES],
}

impl Probout {
    /// Draws a value of each group, as [`Sampling`] says, by the random numbers that stand in the places of the switches.
    #[inline(always)]
    pub(crate) fn drawn(self, input: &[f32], output: &mut [f32], switches: &mut [u32]) {
        let blocks = input.chunks(LANES * self.pieces);
        for ((values, output), switches) in
            blocks.zip(output.chunks_mut(LANES)).zip(switches.chunks_mut(LANES))
        {
            with_groups!(self, values, output.len(), groups => groups.draw(output, switches));
        }
    }

    #[inline(always)]
    pub(crate) fn expected(self, input: &[f32], output: &mut [f32]) {
        for (values, output) in input.chunks(LANES * self.pieces).zip(output.chunks_mut(LANES)) {
            let (_, means) = with_groups!(self, values, output.len(), groups => groups.means());
            output.copy_from_slice(&means[..output.len()]);
        }
    }

    /// g p (1 + lambda (z - y)) for each z, with its probability p and the mean y.
    #[inline(always)]
    pub(crate) fn expected_back(self, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
        let len = LANES * self.pieces;
        for ((values, signal), d_values) in
            input.chunks(len).zip(d_output.chunks(LANES)).zip(d_input.chunks_mut(len))
        {
            with_groups!(self, values, signal.len(), groups => groups.back(signal, d_values));
        }
    }
}

impl<'a> Groups<'a> {
    #[inline(always)]
    fn new(values: &'a [f32], count: usize, pieces: usize, lambda: f32) -> Self {
        let values = &values[..count * pieces];
        let mut groups = Self { values, count, pieces, lambda, largest: [0.0; LANES] };
        groups.largest = groups.piece(0);
        for piece in 1..pieces {
            let z = groups.piece(piece);
            for (largest, z) in groups.largest.iter_mut().zip(z) {
                *largest = if z > *largest { z } else { *largest };
            }
        }
        groups
    }

    /// One value of each group.
    #[inline(always)]
    fn piece(&self, piece: usize) -> [f32; LANES] {
        let mut z = [0.0; LANES];
        for (at, z) in z[..self.count].iter_mut().enumerate() {
            *z = self.values[at * self.pieces + piece];
        }
        z
    }

    /// exp(lambda (z - largest z)) of one value of each group.
    #[inline(always)]
    fn weights(&self, z: [f32; LANES]) -> [f32; LANES] {
        let mut weights = [0.0; LANES];
        for at in 0..LANES {
            weights[at] = Sampling::exponential(self.lambda * (z[at] - self.largest[at]));
        }
        weights
    }

    /// The sum of the weights of each group, and the mean of its values by them.
    #[inline(always)]
    fn means(&self) -> ([f32; LANES], [f32; LANES]) {
        let (mut totals, mut means) = ([0.0; LANES], [0.0; LANES]);
        for piece in 0..self.pieces {
            let z = self.piece(piece);
            let weights = self.weights(z);
            for at in 0..LANES {
                totals[at] += weights[at];
                means[at] += weights[at] * z[at];
            }
        }
        for at in 0..LANES {
            means[at] /= totals[at];
        }
        (totals, means)
    }

    #[inline(always)]
    fn draw(&self, output: &mut [f32], switches: &mut [u32]) {
        let (totals, _) = self.means();
        let (mut thresholds, mut running) = ([0.0; LANES], [0.0; LANES]);
        let (mut values, mut chosen) = (totals, [NONE; LANES]); // where nothing is drawn: NaN
        for at in 0..self.count {
            thresholds[at] = unit_interval(switches[at]) * totals[at];
        }
        for piece in 0..self.pieces {
            let z = self.piece(piece);
            let weights = self.weights(z);
            for at in 0..LANES {
                let takes = (weights[at] > 0.0) & (running[at] <= thresholds[at]) & (totals[at] > 0.0);
                values[at] = if takes { z[at] } else { values[at] };
                chosen[at] = if takes { piece as u32 } else { chosen[at] };
                running[at] += weights[at];
            }
        }
        output.copy_from_slice(&values[..self.count]);
        switches.copy_from_slice(&chosen[..self.count]);
    }

    #[inline(always)]
    fn back(&self, signal: &[f32], d_values: &mut [f32]) {
        let (totals, means) = self.means();
        for piece in 0..self.pieces {
            let z = self.piece(piece);
            let weights = self.weights(z);
            for at in 0..self.count {
                let slope = (weights[at] / totals[at]) * (1.0 + self.lambda * (z[at] - means[at]));
                d_values[at * self.pieces + piece] = signal[at] * slope;
            }
        }
    }
}

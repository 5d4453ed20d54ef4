//! The weights of a data pass, packed as the right sides of its products.

use allcnn_device::ConvShape;

use super::super::geometry::Tap;
use super::super::pass::Direction;
use super::source::SourceView;
use crate::products::block::{BLOCK, TILE, TILE_PAIRS};
use crate::products::pack::{Squares, Terms, Values, store_pairs};
use crate::simd::{Kernel, Simd};
use crate::whole::pieces_mut;

/// The weights [out, kernel, kernel, in] of a pass and how they are packed.
#[derive(Clone, Copy, Debug)]
pub(super) struct RightSide {
    direction: Direction,
    out_channels: usize,
    kernel: usize,
    in_channels: usize,
    /// bf16 terms of a weight.
    terms: usize,
}

impl RightSide {
    /// Where the source has whole windows as pixels, the kernel is one of 1x1 over all their channels.
    pub(super) fn new(shape: &ConvShape, direction: Direction, source: &SourceView, terms: usize) -> Self {
        let (kernel, in_channels) = if source.is_windows() {
            (1, source.size.channels)
        } else {
            (shape.kernel, shape.input.channels)
        };
        Self { direction, out_channels: shape.out_channels, kernel, in_channels, terms }
    }

    /// f32-sized words of a step in depth of a block of columns: [term][half of the columns][pair][column].
    pub(super) fn step_words(&self) -> usize {
        self.terms * 2 * TILE_PAIRS
    }

    /// Packs the step of a tap and a block in depth, for a block of columns.
    #[inline(always)]
    fn pack_step<S: Simd>(
        &self,
        simd: S,
        weights: &[f32],
        tap: Tap,
        depth: usize,
        columns: usize,
        packed: &mut [f32],
    ) {
        let terms = Terms { count: self.terms, apart: 2 * TILE_PAIRS };
        assert_eq!(packed.len(), self.step_words(), "words of a step");
        for half in 0..2 {
            let column = columns * BLOCK + half * TILE;
            // SAFETY: both halves of each term are a tile, and `packed` has 2 tiles of each term.
            let to = unsafe { packed.as_mut_ptr().add(half * TILE_PAIRS) };
            let mut squares = Squares::<2>::new();
            let own = Terms { apart: Squares::<2>::APART, ..terms };
            for at in 0..TILE {
                match self.direction {
                    // A column's depth, to be transposed.
                    Direction::Forward => {
                        let values = |channel| self.row(weights, tap, column + at, channel);
                        let (low, high) = (values(depth * BLOCK), values(depth * BLOCK + TILE));
                        // SAFETY: the values are borrowed from `weights`; the squares have row `at`, in each term.
                        unsafe { store_pairs(simd, low, high, own, squares.row(at)) };
                    }
                    // The columns of a pair in depth.
                    Direction::Backward => {
                        let values = |out| self.row(weights, tap, out, column);
                        let (low, high) = (values(depth * BLOCK + at), values(depth * BLOCK + TILE + at));
                        // SAFETY: the values are borrowed from `weights`; a tile has row `at`, in each term.
                        unsafe { store_pairs(simd, low, high, terms, to.add(at * TILE)) };
                    }
                }
            }
            if self.direction == Direction::Forward {
                // SAFETY: 16 rows of 16 pairs are the half's tile, in each term.
                unsafe { squares.store_transposed(simd, terms, to, TILE) };
            }
        }
    }

    /// Weights of output channel `out` under a tap, 16 input channels from `channel` on; none outside.
    #[inline(always)]
    fn row(&self, weights: &[f32], tap: Tap, out: usize, channel: usize) -> Values {
        let Self { kernel, in_channels, .. } = *self;
        if out >= self.out_channels || channel >= in_channels {
            return Values::NONE;
        }
        let row = ((out * kernel + tap.ky) * kernel + tap.kx) * in_channels;
        Values::new(&weights[row + channel..row + in_channels])
    }
}

/// Packs the steps of all taps and a block in depth, for a block of columns.
pub(super) struct PackSteps<'a> {
    pub side: &'a RightSide,
    pub weights: &'a [f32],
    pub taps: &'a [Tap],
    pub depth: usize,
    pub columns: usize,
    pub packed: &'a mut [f32],
}

impl Kernel for PackSteps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { side, weights, taps, depth, columns, packed } = self;
        for (&tap, packed) in taps.iter().zip(pieces_mut(packed, side.step_words())) {
            side.pack_step(simd, weights, tap, depth, columns, packed);
        }
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::Shape;

    use super::super::super::geometry::Grid;
    use super::*;
    use crate::products::plain::{bits, for_each_isa, term, word};

    /// Ragged in both channels.
    fn shape() -> ConvShape {
        let input = Shape { batch: 1, height: 5, width: 5, channels: 43 };
        ConvShape { input, out_channels: 37, kernel: 2, stride: 1, padding: 0, groups: 1 }
    }

    #[test]
    fn steps_hold_the_terms_of_the_weights_between_their_channels_zero_padded() {
        let shape = shape();
        let weights: Vec<f32> = (0..shape.weights_len()).map(|at| (at as f32 * 0.7133).sin()).collect();
        for (direction, terms) in
            [Direction::Forward, Direction::Backward].map(|to| [(to, 1), (to, 2)]).concat()
        {
            let (source, grids) = SourceView::new(shape, direction);
            let side = RightSide::new(&shape, direction, &source, terms);
            let taps = &grids[0].taps;
            let weight = |tap: Tap, column: usize, k: usize| {
                let (out, channel) = if direction == Direction::Forward { (column, k) } else { (k, column) };
                let is_one = out < shape.out_channels && channel < shape.input.channels;
                let at =
                    ((out * shape.kernel + tap.ky) * shape.kernel + tap.kx) * shape.input.channels + channel;
                if is_one { weights[at] } else { 0.0 }
            };
            for (depth, columns) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let mut expected = Vec::new();
                for &tap in taps {
                    for (of_term, half) in (0..terms).flat_map(|term| [(term, 0), (term, 1)]) {
                        for (pair, column) in
                            (0..TILE).flat_map(|pair| (0..TILE).map(move |column| (pair, column)))
                        {
                            let column = columns * BLOCK + half * TILE + column;
                            let value = |k| term(weight(tap, column, depth * BLOCK + k), of_term);
                            expected.push(word(value(pair), value(pair + TILE)));
                        }
                    }
                }
                for_each_isa(|isa| {
                    let mut packed = vec![7.0; taps.len() * side.step_words()];
                    let (side, weights, packed_words) = (&side, &weights[..], &mut packed[..]);
                    isa.run(PackSteps { side, weights, taps, depth, columns, packed: packed_words });
                    assert_eq!(
                        bits(&packed),
                        bits(&expected),
                        "{isa}, {direction:?}, {terms} terms, {depth}, {columns}"
                    );
                });
            }
        }
    }

    #[test]
    fn the_windows_of_a_picture_have_all_weights_of_an_output_as_channels() {
        let input = Shape { batch: 1, height: 5, width: 5, channels: 3 };
        let shape = ConvShape { input, kernel: 3, ..shape() };
        let (source, grids) = SourceView::new(shape, Direction::Forward);
        let side = RightSide::new(&shape, Direction::Forward, &source, 1);
        let weights: Vec<f32> = (0..shape.weights_len()).map(|at| (at % 200) as f32).collect();
        let [Grid { taps, .. }] = &grids[..] else { panic!("{grids:?}") };
        for_each_isa(|isa| {
            let mut packed = vec![7.0; side.step_words()];
            let (side, weights) = (&side, &weights[..]);
            isa.run(PackSteps { side, weights, taps, depth: 0, columns: 1, packed: &mut packed });
            // Output 36 is column 4 of the second block; its 27 weights are the depth.
            for (pair, row) in packed[..TILE_PAIRS].chunks(TILE).enumerate() {
                let value = |k: usize| if k < 27 { weights[36 * 27 + k] } else { 0.0 };
                assert_eq!(
                    row[4].to_bits(),
                    word(value(pair), value(pair + TILE)).to_bits(),
                    "{isa}, pair {pair}"
                );
            }
        });
    }
}

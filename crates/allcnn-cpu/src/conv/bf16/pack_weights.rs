//! The weights of a data pass, packed to the right sides of its products.

use super::super::pass::Direction;
use super::data::Bf16;
use super::run::Tap;
use crate::products::block::{BLOCK, TILE, TILE_PAIRS};
use crate::products::pack::{Squares, Values, store_pairs};
use crate::simd::{Kernel, Simd};
use crate::whole::pieces_mut;

/// All taps of a block of columns and a block in depth.
pub(super) struct PackSteps<'a> {
    pub pass: &'a Bf16,
    pub weights: &'a [f32],
    pub taps: &'a [Tap],
    pub block: usize,
    pub columns: usize,
    pub packed: &'a mut [f32],
}

impl Kernel for PackSteps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { pass, weights, taps, block, columns, packed } = self;
        for (&tap, packed) in taps.iter().zip(pieces_mut(packed, pass.step_places())) {
            pass.pack_step(simd, weights, tap, block, columns, packed);
        }
    }
}

impl Bf16 {
    /// Packs one step of a block of columns.
    #[inline(always)]
    fn pack_step<S: Simd>(
        &self,
        simd: S,
        weights: &[f32],
        tap: Tap,
        block: usize,
        columns: usize,
        packed: &mut [f32],
    ) {
        let (terms, second) = (self.terms, 2 * TILE_PAIRS);
        assert_eq!(packed.len(), terms * second, "places of a step");
        for half in 0..2 {
            let column = columns * BLOCK + half * TILE;
            // SAFETY: a step has a tile of each half for all terms, and the weights stay borrowed.
            let to = unsafe { packed.as_mut_ptr().add(half * TILE_PAIRS) };
            let mut squares = Squares::new();
            for at in 0..TILE {
                let pair = |out: [usize; 2], channel: [usize; 2]| {
                    let run = |i: usize| self.weights(weights, tap, out[i], channel[i]);
                    [run(0), run(1)]
                };
                match self.direction {
                    // A column's depth, to be transposed.
                    Direction::Forward => {
                        let depth = block * BLOCK;
                        let [low, high] = pair([column + at; 2], [depth, depth + TILE]);
                        // SAFETY: as above.
                        unsafe { squares.set_row(simd, at, low, high, terms) };
                    }
                    // The columns of a pair in depth.
                    Direction::Backward => {
                        let depth = block * BLOCK + at;
                        let [low, high] = pair([depth, depth + TILE], [column; 2]);
                        // SAFETY: as above.
                        unsafe { store_pairs(simd, low, high, terms, to.add(at * TILE), second) };
                    }
                }
            }
            if self.direction == Direction::Forward {
                // SAFETY: as above.
                unsafe { squares.store_transposed(simd, terms, to, TILE, second) };
            }
        }
    }

    /// Weights of output channel `out` under a tap, 16 input channels from `channel` on; none outside.
    #[inline(always)]
    fn weights(&self, weights: &[f32], tap: Tap, out: usize, channel: usize) -> Values {
        let (kernel, channels) = if self.source.is_patches {
            (1, self.source.size.channels)
        } else {
            (self.shape.kernel, self.shape.input.channels)
        };
        if out >= self.shape.out_channels || channel >= channels {
            return Values::NONE;
        }
        let row = ((out * kernel + tap.ky) * kernel + tap.kx) * channels;
        Values::new(&weights[row + channel..row + channels])
    }
}

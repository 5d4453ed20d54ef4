//! The gradients of all parts, added up.

use super::weights::Bf16Weights;
use crate::products::block::BLOCK;
use crate::simd::{Kernel, Simd};
use crate::whole::{pieces, pieces_mut};

/// Adds the copies and writes the gradients of one output channel in the order [ky, kx, in].
pub(super) struct Reduce<'a> {
    pub pass: &'a Bf16Weights,
    pub copies: &'a [f32],
    pub out: usize,
    pub d_weights: &'a mut [f32],
    pub d_bias: &'a mut f32,
}

impl Kernel for Reduce<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { pass, copies, out, d_weights, d_bias } = self;
        let copies = pieces(copies, pass.copy_len());
        for (tap, d_weights) in pieces_mut(d_weights, pass.source.size.channels).enumerate() {
            for (source, d_weights) in d_weights.chunks_mut(BLOCK).enumerate() {
                let row = pass.block_place(tap, out / BLOCK, source) + out % BLOCK * BLOCK;
                d_weights.fill(0.0);
                for copy in copies.clone() {
                    add(d_weights, &copy[row..][..d_weights.len()]);
                }
            }
        }
        *d_bias = copies.map(|copy| copy[pass.bias_place() + out]).sum();
    }
}

#[inline(always)]
pub(super) fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

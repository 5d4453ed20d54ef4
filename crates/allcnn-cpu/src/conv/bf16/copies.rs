//! The copies of a weight gradient that the parts of its positions sum into, and their sum.

use crate::products::block::BLOCK;
use crate::simd::{Kernel, Simd};
use crate::whole::{pieces, pieces_mut};

/// A copy: blocks of 32 x 32 sums [block of outputs][block of sources][tap], then the bias.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopyLayout {
    pub taps: usize,
    /// Blocks of output and of source channels.
    pub out_blocks: usize,
    pub source_blocks: usize,
}

impl CopyLayout {
    /// Values of a copy.
    pub(super) fn len(&self) -> usize {
        self.bias() + self.out_blocks * BLOCK
    }

    /// The offset of the bias, whole blocks of output channels.
    pub(super) fn bias(&self) -> usize {
        self.taps * self.out_blocks * self.source_blocks * BLOCK * BLOCK
    }

    /// The offset of a block [output channel][source channel].
    pub(super) fn block(&self, tap: usize, out: usize, source: usize) -> usize {
        ((out * self.source_blocks + source) * self.taps + tap) * BLOCK * BLOCK
    }
}

/// Adds the copies and writes the gradients of one output channel in the order [ky, kx, in].
pub(super) struct SumCopies<'a> {
    pub layout: CopyLayout,
    pub copies: &'a [f32],
    pub out: usize,
    /// Source channels of a tap.
    pub channels: usize,
    pub d_weights: &'a mut [f32],
    pub d_bias: &'a mut f32,
}

impl Kernel for SumCopies<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { layout, copies, out, channels, d_weights, d_bias } = self;
        let copies = pieces(copies, layout.len());
        for (tap, d_weights) in pieces_mut(d_weights, channels).enumerate() {
            for (source, d_weights) in d_weights.chunks_mut(BLOCK).enumerate() {
                let row = layout.block(tap, out / BLOCK, source) + out % BLOCK * BLOCK;
                d_weights.fill(0.0);
                for copy in copies.clone() {
                    add(d_weights, &copy[row..][..d_weights.len()]);
                }
            }
        }
        *d_bias = copies.map(|copy| copy[layout.bias() + out]).sum();
    }
}

#[inline(always)]
pub(super) fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::plain::for_each_isa;

    #[test]
    fn a_gradient_is_the_sum_of_its_copies_in_the_order_of_the_weights() {
        let (layout, channels) = (CopyLayout { taps: 2, out_blocks: 2, source_blocks: 2 }, 40);
        // Copies whose values tell the output channel, tap and source channel.
        let value = |copy: usize, out: usize, tap: usize, channel: usize| {
            (copy * 1_000_000 + out * 10_000 + tap * 1000 + channel) as f32
        };
        let mut copies = vec![0.0; 2 * layout.len()];
        for (at, copy) in pieces_mut(&mut copies, layout.len()).enumerate() {
            for (out, channel) in (0..64).flat_map(|out| (0..64).map(move |channel| (out, channel))) {
                for tap in 0..2 {
                    let block = layout.block(tap, out / BLOCK, channel / BLOCK);
                    copy[block + out % BLOCK * BLOCK + channel % BLOCK] = value(at, out, tap, channel);
                }
                copy[layout.bias() + out] = value(at, out, 9, 0);
            }
        }
        for_each_isa(|isa| {
            for out in [0, 31, 33, 63] {
                let (mut sums, mut d_bias) = (vec![7.0; 2 * channels], 7.0);
                let d_weights = &mut sums[..];
                isa.run(SumCopies { layout, copies: &copies, out, channels, d_weights, d_bias: &mut d_bias });
                let sum = |tap, channel| value(0, out, tap, channel) + value(1, out, tap, channel);
                for (at, &d_weight) in sums.iter().enumerate() {
                    assert_eq!(
                        d_weight,
                        sum(at / channels, at % channels),
                        "{isa}, output {out}, weight {at}"
                    );
                }
                assert_eq!(d_bias, sum(9, 0), "{isa}, output {out}");
            }
        });
    }
}

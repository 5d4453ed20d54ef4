//! Dropout: many blocks of the counter-based generator at once.

use allcnn_device::Dropout;
use allcnn_device::random::Stream;

use crate::simd::{Kernel, Simd};

/// Blocks of four numbers that are computed side by side, a vector register (or two) for each of the four words.
const BLOCKS: usize = 16;

/// Multiplies values with their mask, in place.
pub(crate) struct Mask<'a> {
    pub dropout: Dropout,
    pub step: u64,
    /// The place of the first value in its whole buffer.
    pub first: usize,
    pub values: &'a mut [f32],
}

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let stream = self.dropout.stream(self.step);
        let (threshold, scale) = (self.dropout.threshold(), self.dropout.scale());
        // Up to the first whole block the scalar rule does.
        let head = (self.first.next_multiple_of(4) - self.first).min(self.values.len());
        let (head, body) = self.values.split_at_mut(head);
        for (at, value) in head.iter_mut().enumerate() {
            *value *= self.dropout.factor(&stream, self.first + at);
        }
        let mut block = ((self.first + head.len()) / 4) as u32;
        for values in body.chunks_mut(4 * BLOCKS) {
            let numbers = blocks(&stream, block);
            for (at, value) in values.iter_mut().enumerate() {
                *value *= if numbers[at % 4][at / 4] < threshold { 0.0 } else { scale };
            }
            block = block.wrapping_add(BLOCKS as u32);
        }
    }
}

/// Blocks `first..first + BLOCKS` of the stream, by word: the rounds of [`Stream::block`] in vector form.
#[inline(always)]
fn blocks(stream: &Stream, first: u32) -> [[u32; BLOCKS]; 4] {
    let (mut key, fixed) = stream.words();
    let mut a: [u32; BLOCKS] = std::array::from_fn(|at| first.wrapping_add(at as u32));
    let [mut b, mut c, mut d] = fixed.map(|word| [word; BLOCKS]);
    for _ in 0..10 {
        let low = a.map(|a| u64::from(a) * 0xD251_1F53);
        let high = c.map(|c| u64::from(c) * 0xCD9E_8D57);
        a = std::array::from_fn(|at| (high[at] >> 32) as u32 ^ b[at] ^ key[0]);
        c = std::array::from_fn(|at| (low[at] >> 32) as u32 ^ d[at] ^ key[1]);
        b = high.map(|high| high as u32);
        d = low.map(|low| low as u32);
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn the_mask_is_the_contracts_on_every_instruction_set_and_at_every_place() {
        let dropout = Dropout { rate: 0.3, seed: 9, layer: 2 };
        let stream = dropout.stream(17);
        for isa in Isa::available() {
            for (first, len) in [(0, 1000), (1, 3), (3, 200), (64, 64), (1021, 300), (2, 1)] {
                let mut values = vec![1.0; len];
                isa.run(Mask { dropout, step: 17, first, values: &mut values });
                for (at, &value) in values.iter().enumerate() {
                    assert_eq!(value, dropout.factor(&stream, first + at), "{isa} place {}", first + at);
                }
            }
        }
    }
}

//! Dropout: values times a mask that is drawn.

use allcnn_device::Dropout;
use allcnn_device::random::Stream;

use super::philox::{BLOCKS, blocks};
use crate::simd::{Kernel, Simd};

/// Multiplies values with their mask, in place.
pub(crate) struct Mask<'a> {
    pub dropout: Dropout,
    pub step: u64,
    /// The index of the first value in its whole buffer.
    pub first: usize,
    pub values: &'a mut [f32],
}

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { dropout, step, first, mut values } = self;
        let stream = dropout.stream(step);
        let Some(channels) = dropout.channels else { return draws(&dropout, &stream, first, values) };
        let mut channel = first % channels;
        while !values.is_empty() {
            let (pixel, rest) = values.split_at_mut((channels - channel).min(values.len()));
            draws(&dropout, &stream, channel, pixel);
            (values, channel) = (rest, 0);
        }
    }
}

/// Multiplies values with the stream's factors from draw `first` on.
#[inline(always)]
pub(crate) fn draws(dropout: &Dropout, stream: &Stream, first: usize, values: &mut [f32]) {
    let (threshold, scale) = (dropout.threshold(), dropout.scale());
    // Up to the first whole block the scalar rule does.
    let head = (first.next_multiple_of(4) - first).min(values.len());
    let (head, body) = values.split_at_mut(head);
    for (at, value) in head.iter_mut().enumerate() {
        *value *= dropout.factor(stream, first + at);
    }
    let mut block = ((first + head.len()) / 4) as u32;
    #[expect(clippy::disallowed_methods, reason = "the rest is used")]
    let (whole, rest) = body.as_chunks_mut::<{ 4 * BLOCKS }>();
    for values in whole {
        mask(blocks::<BLOCKS>(stream, block), threshold, scale, values);
        block = block.wrapping_add(BLOCKS as u32);
    }
    for values in rest.chunks_mut(2 * BLOCKS) {
        mask(blocks::<{ BLOCKS / 2 }>(stream, block), threshold, scale, values);
        block = block.wrapping_add(BLOCKS as u32 / 2);
    }
}

/// Multiplies values with what their numbers say.
#[inline(always)]
fn mask<const N: usize>(numbers: [[u32; N]; 4], threshold: u32, scale: f32, values: &mut [f32]) {
    let mut factors = [0.0; 4 * BLOCKS];
    for at in 0..N {
        for word in 0..4 {
            factors[4 * at + word] = if numbers[word][at] < threshold { 0.0 } else { scale };
        }
    }
    for (value, factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn the_mask_is_the_contracts_on_every_instruction_set_and_from_every_index() {
        for (isa, channels) in Isa::available()
            .into_iter()
            .flat_map(|isa| [None, Some(1), Some(7), Some(96)].map(|channels| (isa, channels)))
        {
            let dropout = Dropout { rate: 0.3, seed: 9, layer: 2, channels };
            let stream = dropout.stream(17);
            for (first, len) in [(0, 1000), (1, 3), (3, 200), (64, 64), (1021, 300), (2, 1)] {
                let mut values = vec![1.0; len];
                isa.run(Mask { dropout, step: 17, first, values: &mut values });
                for (at, &value) in values.iter().enumerate() {
                    let factor = dropout.factor(&stream, first + at);
                    assert_eq!(value, factor, "{isa}, {channels:?}, index {}", first + at);
                }
            }
        }
    }
}

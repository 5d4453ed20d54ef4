//! What tests hold the products and their packing against: plain numbers, one by one.

use crate::Isa;

/// A value rounded to bf16, to nearest, ties away from zero.
pub(crate) fn rounded(value: f32) -> f32 {
    f32::from_bits(value.to_bits().wrapping_add(0x8000) & 0xffff_0000)
}

/// Term 0 of a factor is the value rounded, term 1 what rounding left over, rounded.
pub(crate) fn term(value: f32, term: usize) -> f32 {
    if term == 0 { rounded(value) } else { rounded(value - rounded(value)) }
}

/// The word of a pair of values that are bf16 already.
pub(crate) fn word(low: f32, high: f32) -> f32 {
    assert_eq!([low, high], [low, high].map(rounded), "values of bf16");
    f32::from_bits(low.to_bits() >> 16 | high.to_bits())
}

/// Whole numbers of up to `most`, of both signs, in no order: sums of their products are exact while they stay below 2^24.
pub(crate) fn integers(len: usize, most: u32) -> Vec<f32> {
    let mut state = len as u32;
    let number = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) % (2 * most + 1)) as f32 - most as f32
    };
    (0..len).map(number).collect()
}

/// Bits, so that words of any pairs (among them NaN) can be compared.
pub(crate) fn bits(words: &[f32]) -> Vec<u32> {
    words.iter().map(|word| word.to_bits()).collect()
}

/// Runs a test for each instruction set of this machine.
pub(crate) fn for_each_isa(test: impl Fn(Isa)) {
    Isa::available().into_iter().for_each(test);
}

//! How many bf16 terms a factor has, and where products of them do a convolution.

use allcnn_device::{ConvShape, Precision};

use super::super::pass::Declined;
use super::source::MOST_CHANNELS;
use crate::engine::{Choice, Engine};
use crate::isa::Isa;

/// Products of a sum, at least, for two-term factors in f32 precision: the errors of fewer do not average out enough for
/// a whole network to stay within 1e-5 of its largest value, and the tiles stay half empty.
const FEWEST_PRODUCTS: usize = 512;

/// bf16 terms of a factor where products of bf16 can do a convolution with sums of `depth` channels under each tap and
/// pay, or why not.
pub(super) fn of_shape(shape: &ConvShape, depth: usize, engine: &Engine) -> Result<usize, Declined> {
    let terms = of_engine(engine).ok_or("no instructions that multiply bf16 faster than f32")?;
    if shape.groups != 1 {
        return Err("more than one group");
    }
    if shape.input.channels.max(shape.out_channels) > MOST_CHANNELS {
        return Err("too many channels");
    }
    let products = shape.kernel * shape.kernel * depth;
    if terms == 2 && engine.choice() == Choice::Fastest && products < FEWEST_PRODUCTS {
        return Err("too few products in a sum");
    }
    Ok(terms)
}

/// bf16 terms of a factor in the engine's precision, where it multiplies them faster than f32.
pub(super) fn of_engine(engine: &Engine) -> Option<usize> {
    match (engine.precision(), engine.isa()) {
        (Precision::Bf16, Isa::Avx512Bf16 | Isa::Amx) => Some(1),
        // Without such instructions each bf16 is expanded to f32 first, which takes longer than f32 as it is.
        (Precision::Bf16, _) if engine.choice() != Choice::Fastest => Some(1),
        (Precision::F32, Isa::Amx) => Some(2),
        _ => None,
    }
}

/// The name of the algorithm with `terms` terms to a factor.
pub(super) fn name(terms: usize) -> &'static str {
    if terms == 1 { "bf16" } else { "bf16x3" }
}

/// Products of terms that stand for one product of factors.
pub(super) fn products(terms: usize) -> usize {
    if terms == 1 { 1 } else { 3 }
}

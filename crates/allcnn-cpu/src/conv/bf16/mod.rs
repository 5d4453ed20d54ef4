//! Convolution by products of bf16 matrices with f32 sums, for machines that multiply bf16 faster than f32: AMX tiles,
//! or dot products of pairs (AVX512_BF16).
//!
//! With precision bf16 every factor is rounded to bf16. With precision f32 each factor is the sum of two bf16 terms,
//! x = high + low with an error of at most 2^-17 |x|, and three products stand for one (the product of both low terms is
//! left out): errors like those of an f32 convolution by a fast algorithm, at a third of the tiles' speed, which is
//! still five times that of f32 multiply-adds. (The method is known as BF16x3; Henry, Tang and Heinecke 2019,
//! "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations".)
//!
//! Images lie as one run of positions, row after row with zeros between the rows, so that a kernel's tap is one
//! distance for all positions and 16 neighbouring positions are the 16 rows of a tile, wherever a row ends. A stride
//! splits the source into phases of stride 1.
//!
//! | file | concept |
//! |---|---|
//! | `run` | the layout of images as runs of positions, and the taps of a convolution as distances in it |
//! | `source` | which values stand at a position: a pixel's channels, or a whole window of a picture |
//! | `pack_weights` | the weights of a data pass as right sides of its products |
//! | `blocks` | which positions are computed together, and which pixels they are |
//! | `output` | the sums' way through the end of a pass to the destination |
//! | `data` | forward and backward-data |
//! | `weights` | backward-weights |
//! | `reduce` | the gradients that its parts have summed, added up |
//! | `peak` | products alone, for the machine's measured ceiling |

mod blocks;
mod data;
mod output;
mod pack_weights;
mod peak;
mod reduce;
mod run;
mod source;
mod weights;

pub(super) use data::Bf16;
pub(crate) use peak::Peak;
pub(super) use weights::Bf16Weights;

use allcnn_device::{ConvShape, Precision};

use super::pass::Declined;
use crate::engine::{Choice, Engine};
use crate::isa::Isa;

/// Products of a sum, at least, for two-term factors in f32 precision: the errors of fewer do not average out enough for
/// a whole network to stay within 1e-5 of its largest value, and the tiles stay half empty.
const FEWEST_PRODUCTS: usize = 512;

/// bf16 terms of a factor where products of bf16 can do a convolution with sums of `depth` channels under each tap and
/// pay, or why not.
fn terms(shape: &ConvShape, depth: usize, engine: &Engine) -> Result<usize, Declined> {
    let terms = factor_terms(engine).ok_or("no tiles of bf16")?;
    if shape.groups != 1 {
        return Err("more than one group");
    }
    if shape.input.channels.max(shape.out_channels) > source::MOST_CHANNELS {
        return Err("too many channels");
    }
    let products = shape.kernel * shape.kernel * depth;
    if terms == 2 && engine.choice() == Choice::Fastest && products < FEWEST_PRODUCTS {
        return Err("too few products in a sum");
    }
    Ok(terms)
}

/// bf16 terms of a factor in the engine's precision, where it multiplies them faster than f32.
fn factor_terms(engine: &Engine) -> Option<usize> {
    match (engine.precision(), engine.isa()) {
        (Precision::Bf16, _) => Some(1),
        (Precision::F32, Isa::Amx) => Some(2),
        _ => None,
    }
}

/// What an algorithm of so many terms is called.
fn name(terms: usize) -> &'static str {
    if terms == 1 { "bf16" } else { "bf16x3" }
}

/// Products of terms that stand for one product of factors.
fn products(terms: usize) -> usize {
    if terms == 1 { 1 } else { 3 }
}

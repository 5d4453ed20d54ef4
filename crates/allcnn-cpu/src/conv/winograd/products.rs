//! What multiplies at the points.

use allcnn_device::{ConvShape, Precision};

use super::scheme::Scheme;
use super::tiling::Tiling;
use crate::engine::{Choice, Engine};
use crate::isa::Isa;
use crate::products::block::BLOCK;
use crate::products::f32::TileShape;
use crate::products::operand::{Operand, Pair};

/// With fewer channels, AMX tiles stay half empty or their packing costs more than they save.
const FEWEST_CHANNELS_OF_TERMS: usize = 64;

/// The products of a pass; all of them have f32 sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Products {
    /// Multiply-adds of f32.
    F32,
    /// Dot products of pairs of bf16: the transformed values are rounded.
    Bf16,
    /// Products of three-term factors on matrix tiles, as exact as f32.
    Terms,
}

impl Products {
    /// Those of a pass.
    pub(super) fn new(tiling: &Tiling, engine: &Engine) -> Self {
        if are_pairs(tiling.scheme, engine) {
            return Self::Bf16;
        }
        let channels = tiling.source.channels.min(tiling.destination.channels);
        let is_large = tiling.count() >= 2 * BLOCK && channels >= FEWEST_CHANNELS_OF_TERMS;
        let terms = engine.isa() == Isa::Amx && (is_large || engine.choice() != Choice::Fastest);
        if terms { Self::Terms } else { Self::F32 }
    }

    /// The tile that they consist of: a register tile, or a block of matrix tiles.
    pub(super) fn tile(self, engine: &Engine) -> TileShape {
        match self {
            Self::F32 => TileShape::of(engine.isa()),
            Self::Bf16 => TileShape::of_dots(engine.isa()),
            Self::Terms => TileShape::square(BLOCK),
        }
    }

    /// Words of a line of `values` factors, as its transform writes them.
    pub(super) fn words(self, values: usize) -> usize {
        if self == Self::Bf16 { values.div_ceil(Pair::VALUES) } else { values }
    }

    /// The name of the algorithm.
    pub(super) fn name(self) -> &'static str {
        if self == Self::Bf16 { "winograd-bf16" } else { "winograd" }
    }
}

/// Whether the products of a convolution are dot products of bf16 pairs: where there are instructions for them but no
/// matrix tiles, which do without transforms. (Plain code takes the place of the instructions where every machine can
/// test it.)
pub(in super::super) fn multiplies_pairs(shape: &ConvShape, engine: &Engine) -> bool {
    Scheme::of(shape, shape.output()).is_ok_and(|scheme| are_pairs(scheme, engine))
}

fn are_pairs(scheme: Scheme, engine: &Engine) -> bool {
    let can = match engine.isa() {
        Isa::Avx512Bf16 => true,
        Isa::Portable => engine.choice() != Choice::Fastest,
        _ => false,
    };
    // From 6 points to 5 outputs, the errors of 2x2 would grow larger than those of all others.
    can && engine.precision() == Precision::Bf16 && scheme != Scheme::TwoByTwo
}

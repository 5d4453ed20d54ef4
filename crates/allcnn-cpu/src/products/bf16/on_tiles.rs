//! By AMX tiles: 4 and 5 hold the left side's rows, 6 and 7 the right side's columns.

use super::super::block::{BLOCK, TILE};
use super::super::tile_loop::tile_loop;
use super::factors::Factors;
use crate::simd::Tiles;

/// A loop over all steps; x and y are the addresses of the left side's two tiles at the step. Rows of factors are 64
/// bytes long, rows of sums twice that.
macro_rules! product {
    ($factors:ident, $adds:ident, $sums:ident, [$($left:ident, $right:ident)?], $($instruction:literal),+) => {
        tile_loop!(
            start: ["test {x}, {x}", "lea {y}, [{row} + {row}]"],
            sums: ["[{c} + {y}]", "[{c} + {y} + 64]", "[{c} + {y} + 2048]", "[{c} + {y} + 2112]"],
            step: [
                "mov {x}, [{offsets}]",
                "lea {y}, [{x} + {a1}]",
                "add {x}, {a0}",
                $($instruction,)+
                "add {b}, {step}",
                "add {offsets}, 8",
            ],
            end: ["lea {y}, [{row} + {row}]"],
            x = inout(reg) usize::from($adds) => _,
            y = out(reg) _,
            offsets = inout(reg) $factors.offsets.as_ptr() => _,
            steps = inout(reg) $factors.offsets.len() => _,
            a0 = in(reg) $factors.left[0],
            a1 = in(reg) $factors.left[1],
            row = in(reg) TILE * size_of::<f32>(),
            $($left = in(reg) $factors.left_second, $right = in(reg) $factors.right_second,)?
            b = inout(reg) $factors.right => _,
            half = in(reg) $factors.right_half,
            step = in(reg) $factors.right_step,
            c = in(reg) $sums.as_mut_ptr(),
        )
    };
}

/// sums = the products of all steps, or += where `adds`.
///
/// # Safety
/// The factors must be as [`super::Session::multiply`] says, and have at least one step.
#[inline]
pub(super) unsafe fn multiply(
    _: &Tiles,
    factors: &Factors<'_>,
    tiles: usize,
    adds: bool,
    sums: &mut [f32; BLOCK * BLOCK],
) {
    // SAFETY: the tiles are configured as long as a `Tiles` lives; the caller promises the factors of at least one step.
    unsafe {
        match (factors.terms, tiles) {
            (1, 1) => product!(
                factors,
                adds,
                sums,
                [],
                "tileloadd tmm4, [{x} + {row}]",
                "tileloadd tmm6, [{b} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "lea {y}, [{b} + {half}]",
                "tileloadd tmm7, [{y} + {row}]",
                "tdpbf16ps tmm1, tmm4, tmm7"
            ),
            (1, _) => product!(
                factors,
                adds,
                sums,
                [],
                "tileloadd tmm4, [{x} + {row}]",
                "lea {x}, [{b} + {half}]",
                "tileloadd tmm6, [{b} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{x} + {row}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{y} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7"
            ),
            // Low times high, high times high, high times low.
            (_, 1) => product!(
                factors,
                adds,
                sums,
                [left, right],
                "tileloadd tmm4, [{x} + {row}]",
                "add {x}, {left}",
                "tileloadd tmm6, [{b} + {row}]",
                "tileloadd tmm5, [{x} + {row}]",
                "tdpbf16ps tmm0, tmm5, tmm6",
                "lea {x}, [{b} + {half}]",
                "tileloadd tmm7, [{x} + {row}]",
                "tdpbf16ps tmm1, tmm5, tmm7",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {x}, {right}",
                "lea {y}, [{b} + {right}]",
                "tileloadd tmm6, [{y} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{x} + {row}]",
                "tdpbf16ps tmm1, tmm4, tmm7"
            ),
            _ => product!(
                factors,
                adds,
                sums,
                [left, right],
                "add {x}, {left}",
                "tileloadd tmm4, [{x} + {row}]",
                "sub {x}, {left}",
                "tileloadd tmm6, [{b} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "add {b}, {half}",
                "tileloadd tmm7, [{b} + {row}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {y}, {left}",
                "tileloadd tmm5, [{y} + {row}]",
                "sub {y}, {left}",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{x} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{y} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {b}, {right}",
                "tileloadd tmm7, [{b} + {row}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "sub {b}, {half}",
                "tileloadd tmm6, [{b} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "sub {b}, {right}",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7"
            ),
        }
    }
}

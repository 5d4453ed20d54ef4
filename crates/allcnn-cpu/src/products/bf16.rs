//! The product of a block of 32 x 32 sums.
//!
//! The left side is two tiles of 16 rows, each row 32 bf16 values (16 pairs) of one position or channel, found at an
//! offset of its own for each step in depth. The right side is two tiles of 16 columns, the pairs of a step one after the
//! other. A tile is one run of memory on either side: rows further apart would share few sets of a first-level cache.

use super::block::{BLOCK, TILE};
use crate::isa::Isa;
use crate::simd::{Simd, Tiles};

/// The factors of a block; distances are in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// Row 0 of both tiles of the left side.
    pub left: [*const f32; 2],
    /// From the first to the second term of the left side.
    pub left_second: usize,
    /// Added to the left side's places at each step.
    pub offsets: &'a [isize],
    /// The right side's first tile, from there to its second one, to the second term, and to the next step.
    pub right: *const f32,
    pub right_half: usize,
    pub right_second: usize,
    pub right_step: usize,
    /// bf16 terms of each factor.
    pub terms: usize,
}

/// Which instructions multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multiplier {
    /// f32 multiply-adds of the expanded values.
    Plain,
    /// Dot products of pairs.
    #[cfg(target_arch = "x86_64")]
    Dot,
    /// Tiles.
    #[cfg(target_arch = "x86_64")]
    Tiles,
}

impl Multiplier {
    /// The fastest of the instruction set.
    pub(crate) fn new(isa: Isa) -> Self {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => Self::Tiles,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Self::Dot,
            _ => Self::Plain,
        }
    }

    fn is_tiled(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return self == Self::Tiles;
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Prepares the thread for blocks of products until the returned value is dropped.
    pub(crate) fn session(self) -> Session {
        Session {
            multiplier: self,
            // SAFETY: the multiplier is chosen only where tiles were detected.
            _tiles: self.is_tiled().then(|| unsafe { Tiles::new() }),
        }
    }
}

/// A thread that may multiply.
pub(crate) struct Session {
    multiplier: Multiplier,
    _tiles: Option<Tiles>,
}

impl Session {
    /// Computes `tiles` (1 or 2) tiles of rows of a block: sums, or `sums` + the sums where `adds`.
    ///
    /// # Safety
    /// All rows at all offsets, and the right side for all steps, must be readable.
    #[inline(always)]
    pub(crate) unsafe fn multiply<S: Simd>(
        &self,
        simd: S,
        factors: &Factors<'_>,
        tiles: usize,
        adds: bool,
        sums: &mut [f32; BLOCK * BLOCK],
    ) {
        let is_tiled = self.multiplier.is_tiled() && !factors.offsets.is_empty();
        if !adds && !is_tiled {
            sums[..tiles * TILE * BLOCK].fill(0.0);
        }
        // SAFETY: the caller's promise, and the instructions were detected.
        unsafe {
            match self.multiplier {
                Multiplier::Plain => plain(simd, factors, tiles, sums),
                #[cfg(target_arch = "x86_64")]
                Multiplier::Dot => dot(factors, tiles, sums),
                #[cfg(target_arch = "x86_64")]
                Multiplier::Tiles => tiles::multiply(factors, tiles, adds, sums),
            }
        }
    }
}

/// Pairs of terms whose products are added, small ones first: (left, right).
fn term_pairs(terms: usize) -> &'static [(usize, usize)] {
    if terms == 1 { &[(0, 0)] } else { &[(1, 0), (0, 0), (0, 1)] }
}

/// A pair of the left side.
///
/// # Safety
/// As for [`Session::multiply`].
#[inline(always)]
unsafe fn left_pair(factors: &Factors<'_>, row: usize, step: usize, term: usize, pair: usize) -> *const f32 {
    // SAFETY: the caller's promise.
    unsafe {
        factors.left[row / TILE]
            .byte_offset(factors.offsets[step])
            .byte_add(term * factors.left_second)
            .add(row % TILE * TILE + pair)
    }
}

/// The pairs of 16 columns of the right side.
///
/// # Safety
/// As for [`Session::multiply`].
#[inline(always)]
unsafe fn right_pairs(
    factors: &Factors<'_>,
    step: usize,
    term: usize,
    tile: usize,
    pair: usize,
) -> *const f32 {
    let bytes = step * factors.right_step + term * factors.right_second + tile * factors.right_half;
    // SAFETY: the caller's promise.
    unsafe { factors.right.byte_add(bytes).add(pair * TILE) }
}

/// By f32 multiply-adds: for machines without bf16 products.
#[inline(always)]
unsafe fn plain<S: Simd>(simd: S, factors: &Factors<'_>, tiles: usize, sums: &mut [f32; BLOCK * BLOCK]) {
    const ROWS: usize = 4;
    for row in (0..tiles * TILE).step_by(ROWS) {
        for column in (0..BLOCK).step_by(S::LANES) {
            let mut totals = [simd.splat(0.0); ROWS];
            // SAFETY: the block has the row and the column's vector; else the caller's promise.
            unsafe {
                for (r, total) in totals.iter_mut().enumerate() {
                    *total = simd.load(sums.as_ptr().add((row + r) * BLOCK + column));
                }
                for step in 0..factors.offsets.len() {
                    for &(left, right) in term_pairs(factors.terms) {
                        for pair in 0..TILE {
                            let b = right_pairs(factors, step, right, column / TILE, pair).add(column % TILE);
                            let b = simd.load(b);
                            let (b_low, b_high) = (simd.low_half(b), simd.high_half(b));
                            for (r, total) in totals.iter_mut().enumerate() {
                                let a = simd.splat(*left_pair(factors, row + r, step, left, pair));
                                *total = simd.mul_add(simd.low_half(a), b_low, *total);
                                *total = simd.mul_add(simd.high_half(a), b_high, *total);
                            }
                        }
                    }
                }
                for (r, total) in totals.into_iter().enumerate() {
                    simd.store(total, sums.as_mut_ptr().add((row + r) * BLOCK + column));
                }
            }
        }
    }
}

/// By dot products of pairs.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn dot(factors: &Factors<'_>, tiles: usize, sums: &mut [f32; BLOCK * BLOCK]) {
    use std::arch::x86_64::*;
    const ROWS: usize = 8;
    /// The same bits as pairs of bf16.
    #[inline(always)]
    fn pairs(bits: __m512) -> __m512bh {
        // SAFETY: both are 64 bytes of any bits.
        unsafe { std::mem::transmute(bits) }
    }
    for row in (0..tiles * TILE).step_by(ROWS) {
        let mut totals = [[_mm512_setzero_ps(); 2]; ROWS];
        // SAFETY: the block has the rows; else the caller's promise.
        unsafe {
            for (r, totals) in totals.iter_mut().enumerate() {
                let from = sums.as_ptr().add((row + r) * BLOCK);
                *totals = [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(TILE))];
            }
            for step in 0..factors.offsets.len() {
                for &(left, right) in term_pairs(factors.terms) {
                    for pair in 0..TILE {
                        let b = |tile| right_pairs(factors, step, right, tile, pair);
                        let b = [pairs(_mm512_loadu_ps(b(0))), pairs(_mm512_loadu_ps(b(1)))];
                        for (r, totals) in totals.iter_mut().enumerate() {
                            let a = pairs(_mm512_set1_ps(*left_pair(factors, row + r, step, left, pair)));
                            totals[0] = _mm512_dpbf16_ps(totals[0], a, b[0]);
                            totals[1] = _mm512_dpbf16_ps(totals[1], a, b[1]);
                        }
                    }
                }
            }
            for (r, totals) in totals.into_iter().enumerate() {
                let to = sums.as_mut_ptr().add((row + r) * BLOCK);
                _mm512_storeu_ps(to, totals[0]);
                _mm512_storeu_ps(to.add(TILE), totals[1]);
            }
        }
    }
}

/// By AMX tiles. The compiler has no stable intrinsics for them, but takes their instructions.
///
/// Tiles 0 to 3 hold the sums, [rows][columns]; 4 and 5 the left side's rows, 6 and 7 the right side's columns.
#[cfg(target_arch = "x86_64")]
mod tiles {
    use std::arch::asm;

    use super::super::block::{BLOCK, TILE};
    use super::Factors;

    /// A loop over all steps; x and y are the places of the left side's two tiles at the step. Rows of factors are 64
    /// bytes long, rows of sums twice that.
    macro_rules! product {
        ($factors:ident, $adds:ident, $sums:ident, [$($left:ident, $right:ident)?], $($instruction:literal),+) => {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "test {x}, {x}",
                "lea {y}, [{row} + {row}]",
                "jz 2f",
                "tileloadd tmm0, [{c} + {y}]",
                "tileloadd tmm1, [{c} + {y} + 64]",
                "tileloadd tmm2, [{c} + {y} + 2048]",
                "tileloadd tmm3, [{c} + {y} + 2112]",
                "2:",
                "mov {x}, [{offsets}]",
                "lea {y}, [{x} + {a1}]",
                "add {x}, {a0}",
                $($instruction,)+
                "add {b}, {step}",
                "add {offsets}, 8",
                "dec {steps}",
                "jnz 2b",
                "lea {y}, [{row} + {row}]",
                "tilestored [{c} + {y}], tmm0",
                "tilestored [{c} + {y} + 64], tmm1",
                "tilestored [{c} + {y} + 2048], tmm2",
                "tilestored [{c} + {y} + 2112], tmm3",
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
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            )
        };
    }

    /// sums = the products of all steps, or += where `adds`.
    ///
    /// # Safety
    /// Tiles must be configured; else as for [`super::Session::multiply`].
    #[inline]
    pub(crate) unsafe fn multiply(
        factors: &Factors<'_>,
        tiles: usize,
        adds: bool,
        sums: &mut [f32; BLOCK * BLOCK],
    ) {
        if factors.offsets.is_empty() {
            return;
        }
        // SAFETY: the caller's promise.
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
}

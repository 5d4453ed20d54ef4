//! The product of a block of 32 x 32 sums.
//!
//! The left side is two tiles of 16 rows, each row 32 bf16 values (16 pairs) of one position or channel, found at an
//! offset of its own for each step in depth. The right side is two tiles of 16 columns, the pairs of a step one after the
//! other. A tile is one run of memory on either side: rows further apart would share few sets of a first-level cache.

mod factors;
#[cfg(target_arch = "x86_64")]
mod on_tiles;

pub(crate) use factors::Factors;

use super::block::{BLOCK, TILE};
use crate::isa::Isa;
use crate::simd::Simd;
#[cfg(target_arch = "x86_64")]
use crate::simd::Tiles;

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

    /// Prepares the thread for blocks of products until the returned value is dropped.
    pub(crate) fn session(self) -> Session {
        match self {
            Self::Plain => Session::Plain,
            #[cfg(target_arch = "x86_64")]
            Self::Dot => Session::Dot,
            // SAFETY: the multiplier is chosen only where tiles were detected.
            #[cfg(target_arch = "x86_64")]
            Self::Tiles => Session::Tiles(unsafe { Tiles::new() }),
        }
    }
}

/// A [`Multiplier`] on a thread that is prepared for it.
pub(crate) enum Session {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Dot,
    #[cfg(target_arch = "x86_64")]
    Tiles(Tiles),
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
        #[cfg(target_arch = "x86_64")]
        if let (Self::Tiles(session), false) = (self, factors.offsets.is_empty()) {
            // SAFETY: the caller promises the factors, of which there is at least one step.
            return unsafe { on_tiles::multiply(session, factors, tiles, adds, sums) };
        }
        if !adds {
            sums[..tiles * TILE * BLOCK].fill(0.0);
        }
        // SAFETY: the caller promises the factors, and a multiplier is chosen only for instructions that were detected.
        unsafe {
            match self {
                Self::Plain => plain(simd, factors, tiles, sums),
                #[cfg(target_arch = "x86_64")]
                Self::Dot => dot(factors, tiles, sums),
                // There are no steps.
                #[cfg(target_arch = "x86_64")]
                Self::Tiles(_) => {}
            }
        }
    }
}

/// Pairs of terms whose products are added, small ones first: (left, right).
fn term_pairs(terms: usize) -> &'static [(usize, usize)] {
    if terms == 1 { &[(0, 0)] } else { &[(1, 0), (0, 0), (0, 1)] }
}

/// The address of a pair of the left side.
///
/// # Safety
/// As for [`Session::multiply`].
#[inline(always)]
unsafe fn left_pair(factors: &Factors<'_>, row: usize, step: usize, term: usize, pair: usize) -> *const f32 {
    // SAFETY: the caller promises all rows of both terms at the step's offset.
    unsafe {
        factors.left[row / TILE]
            .byte_offset(factors.offsets[step])
            .byte_add(term * factors.left_second)
            .add(row % TILE * TILE + pair)
    }
}

/// The address of a pair of each of 16 columns of the right side.
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
    // SAFETY: the caller promises both tiles and terms of the right side for all steps.
    unsafe { factors.right.byte_add(bytes).add(pair * TILE) }
}

/// By f32 multiply-adds: for machines without bf16 products.
///
/// # Safety
/// As for [`Session::multiply`].
#[inline(always)]
unsafe fn plain<S: Simd>(simd: S, factors: &Factors<'_>, tiles: usize, sums: &mut [f32; BLOCK * BLOCK]) {
    const ROWS: usize = 4;
    for row in (0..tiles * TILE).step_by(ROWS) {
        for column in (0..BLOCK).step_by(S::LANES) {
            let mut totals = [simd.splat(0.0); ROWS];
            // SAFETY: a block has 4 rows from `row` on and a vector at `column`; the caller promises the factors.
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
///
/// # Safety
/// As for [`Session::multiply`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn dot(factors: &Factors<'_>, tiles: usize, sums: &mut [f32; BLOCK * BLOCK]) {
    use std::arch::x86_64::*;
    const ROWS: usize = 8;
    /// A vector's bits as pairs of bf16.
    #[inline(always)]
    fn pairs(bits: __m512) -> __m512bh {
        // SAFETY: both types are 64 bytes of any bits.
        unsafe { std::mem::transmute(bits) }
    }
    for row in (0..tiles * TILE).step_by(ROWS) {
        let mut totals = [[_mm512_setzero_ps(); 2]; ROWS];
        // SAFETY: a block has 8 rows of 32 values from `row` on; the caller promises the factors.
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

#[cfg(test)]
mod tests {
    use super::super::block::{TILE_BYTES, TILE_PAIRS};
    use super::super::plain::{for_each_isa, integers, term, word};
    use super::*;
    use crate::simd::Kernel;

    /// Values whose two terms are exact, so small that all sums are.
    const MOST: u32 = 511;
    const STEPS: usize = 2;

    /// A left side of 32 rows of `STEPS` steps, and a right side of 32 columns.
    struct Sides {
        left: Vec<f32>,
        right: Vec<f32>,
    }

    impl Sides {
        fn new() -> Self {
            let side = |more| integers(BLOCK * STEPS * BLOCK + more, MOST);
            Self { left: side(0), right: side(1) }
        }

        fn left(&self, row: usize, step: usize, k: usize) -> f32 {
            self.left[(row * STEPS + step) * BLOCK + k]
        }

        fn right(&self, column: usize, step: usize, k: usize) -> f32 {
            self.right[(column * STEPS + step) * BLOCK + k]
        }

        /// Of each term and step the tiles [row or column][pair] of the left side, then [pair][column] of the right one.
        fn packed(&self) -> [Vec<f32>; 2] {
            let mut packed = [const { Vec::new() }; 2];
            for (of_term, step) in (0..2).flat_map(|term| (0..STEPS).map(move |step| (term, step))) {
                for (tile, row, pair) in indices() {
                    let left = |k| term(self.left(tile * TILE + row, step, k), of_term);
                    let right = |k| term(self.right(tile * TILE + pair, step, k), of_term);
                    packed[0].push(word(left(pair), left(pair + TILE)));
                    packed[1].push(word(right(row), right(row + TILE)));
                }
            }
            packed
        }

        /// The sum of the products of terms, but for that of both low terms.
        fn product(&self, row: usize, column: usize, steps: &[usize], terms: usize) -> f32 {
            let product = |step: usize, k: usize| {
                let (a, b) = (self.left(row, step, k), self.right(column, step, k));
                match terms {
                    1 => term(a, 0) * term(b, 0),
                    _ => a * b - term(a, 1) * term(b, 1),
                }
            };
            steps.iter().flat_map(|&step| (0..BLOCK).map(move |k| product(step, k))).sum()
        }
    }

    fn indices() -> impl Iterator<Item = (usize, usize, usize)> {
        (0..2 * TILE_PAIRS).map(|at| (at / TILE_PAIRS, at % TILE_PAIRS / TILE, at % TILE))
    }

    /// A block of products; its sums begin as ones.
    #[derive(Clone, Copy)]
    struct MultiplyBlock<'a> {
        multiplier: Multiplier,
        factors: Factors<'a>,
        tiles: usize,
        adds: bool,
    }

    impl Kernel for MultiplyBlock<'_> {
        type Output = [f32; BLOCK * BLOCK];

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [f32; BLOCK * BLOCK] {
            let mut sums = [1.0; BLOCK * BLOCK];
            let session = self.multiplier.session();
            // SAFETY: the sides have all steps and terms.
            unsafe { session.multiply(simd, &self.factors, self.tiles, self.adds, &mut sums) };
            sums
        }
    }

    #[test]
    fn a_block_is_the_product_of_its_rows_and_columns_by_every_multiplier() {
        let sides = Sides::new();
        let [left, right] = sides.packed();
        let step = 2 * TILE_BYTES;
        for_each_isa(|isa| {
            for multiplier in [Multiplier::Plain, Multiplier::new(isa)] {
                // The left side's steps may come in any order.
                for (steps, offsets) in [(&[][..], &[][..]), (&[0], &[0]), (&[0, 1], &[0, step as isize])] {
                    for (terms, tiles, adds) in [(1, 1, true), (1, 2, false), (2, 1, false), (2, 2, true)] {
                        let factors = Factors {
                            left: [left.as_ptr(), left[TILE_PAIRS..].as_ptr()],
                            left_second: STEPS * step,
                            offsets,
                            right: right.as_ptr(),
                            right_half: TILE_BYTES,
                            right_second: STEPS * step,
                            right_step: step,
                            terms,
                        };
                        let sums = isa.run(MultiplyBlock { multiplier, factors, tiles, adds });
                        for (at, &sum) in sums[..tiles * TILE * BLOCK].iter().enumerate() {
                            let product = sides.product(at / BLOCK, at % BLOCK, steps, terms);
                            let expected = if adds { 1.0 + product } else { product };
                            assert_eq!(
                                sum, expected,
                                "{isa}, {multiplier:?}, {terms} terms, {steps:?}, sum {at}"
                            );
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn the_left_side_may_lie_anywhere() {
        let sides = Sides::new();
        let [left, right] = sides.packed();
        for_each_isa(|isa| {
            let factors = Factors {
                // The second tile stands for both, and the second step comes before the first one.
                left: [left[TILE_PAIRS..].as_ptr(); 2],
                left_second: 0,
                offsets: &[2 * TILE_BYTES as isize, 0],
                right: right.as_ptr(),
                right_half: TILE_BYTES,
                right_second: 0,
                right_step: 0,
                terms: 1,
            };
            let multiplier = Multiplier::new(isa);
            let sums = isa.run(MultiplyBlock { multiplier, factors, tiles: 2, adds: false });
            for (at, &sum) in sums.iter().enumerate() {
                let (row, column) = (TILE + at / BLOCK % TILE, at % BLOCK);
                let product = |step: usize, k: usize| {
                    term(sides.left(row, step, k), 0) * term(sides.right(column, 0, k), 0)
                };
                let expected: f32 = (0..BLOCK).map(|k| product(0, k) + product(1, k)).sum();
                assert_eq!(sum, expected, "{isa}, sum {at}");
            }
        });
    }
}

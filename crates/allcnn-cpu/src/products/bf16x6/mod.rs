//! Products of f32 matrices on AMX tiles, as exact as in f32: a factor is cut into three bf16 terms of 8 bits each,
//! x = high + middle + low without a rest, and six products of terms stand for one of factors (those left out are below
//! 2^-21 of it). That is 2.7 times as fast as f32 multiply-adds. Two terms, as good as f32 where nothing amplifies their
//! errors, are not enough here: Winograd's output transform would make them 3e-5.
//!
//! Both sides are packed as [block of 32 rows or columns][step of 32 in depth][term][tile], so that every tile is one
//! KiB of neighbouring memory. A pair of a tile holds the values k and k + 16 of the step.
//!
//! ```text
//! for slab of the depth                                   at most 3 steps
//!     for block of 32 rows                                its slab (18 KiB) stays in the first-level cache
//!         for block of 32 columns
//!             for step of the slab                        the product: 2 x 2 tiles of sums stay in registers
//!                 for (left term, right term)             six pairs, the smallest products first
//!                     sums[row][column] += left[row][step][term] * right[column][step][term]
//! ```

#[cfg_attr(not(target_arch = "x86_64"), path = "no_tiles.rs")]
mod on_tiles;
mod terms;

pub(crate) use on_tiles::pack_left;
use on_tiles::{multiply_block, pack_terms};
pub(crate) use terms::TERM;
use terms::{STEP, TERMS};

use super::block::{BLOCK, TILE, TILE_PAIRS, ZEROS};
use super::pack::{Squares, Terms};
use crate::simd::{Simd, Tiles};
use crate::whole::pieces;

/// Steps of a slab, whose left side stays in a first-level cache beside a right one.
const SLAB_STEPS: usize = 3;

/// A matrix of f32 values, its rows `stride` values apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub start: *mut f32,
    pub stride: usize,
}

/// The size of a product.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
}

/// `to` = the product of packed sides, or `to` + the product where `adds`.
///
/// # Safety
/// `to` must be writable for whole blocks of 32 rows and columns.
pub(crate) unsafe fn multiply(_: &Tiles, left: &[f32], right: &[f32], size: Size, adds: bool, to: Rows) {
    let Size { rows, columns, depth } = size;
    let (block, steps) = (packed_len(1, depth), depth.div_ceil(BLOCK));
    // The right side of the next product follows this one; each block of rows prefetches the other half of it.
    let next = packed_len(columns, depth);
    let slabs = steps.div_ceil(SLAB_STEPS);
    let (left, right) = (&left[..packed_len(rows, depth)], &right[..next]);
    for slab in 0..slabs {
        let part = steps * slab / slabs..steps * (slab + 1) / slabs;
        let pairs = part.start * STEP..part.end * STEP;
        // Rows outside: a block of them stays in the first-level cache.
        for (row, left) in pieces(left, block).enumerate() {
            for (column, right) in pieces(right, block).enumerate() {
                let (left, right) = (&left[pairs.clone()], &right[pairs.clone()]);
                let ahead = right.as_ptr().wrapping_add(next + row % 2 * pairs.len() / 2);
                // SAFETY: tiles are configured, both sides hold the steps, and `to` is writable for whole blocks.
                unsafe {
                    let sums = to.start.add(row * BLOCK * to.stride + column * BLOCK);
                    let sides = [left.as_ptr(), right.as_ptr(), ahead];
                    multiply_block(sides, part.len(), adds || slab > 0, sums, to.stride);
                }
            }
        }
    }
}

/// Packs `rows` rows of `columns` values, transposed: the columns are the left side's rows.
///
/// # Safety
/// The rows must be readable for whole blocks of columns, [`packed_len`] pairs writable, and [`crate::Isa::Amx`] detected.
#[inline(always)]
pub(crate) unsafe fn pack_left_transposed<S: Simd>(
    simd: S,
    from: Rows,
    rows: usize,
    columns: usize,
    to: *mut f32,
) {
    let steps = rows.div_ceil(BLOCK);
    let mut squares = Squares::<TERMS>::new();
    let terms = Terms { count: TERMS, apart: TERM };
    for step in 0..steps {
        for column in (0..columns).step_by(TILE) {
            for pair in 0..TILE {
                let [low, high] = from.pair(rows, step * BLOCK + pair, column);
                // SAFETY: rows are readable for whole blocks of columns, and a square of each term has row `pair`.
                unsafe { pack_terms(low, high, squares.row(pair), Squares::<TERMS>::APART) };
            }
            // SAFETY: [`packed_len`] has a tile for each term of the step and the 16 columns.
            unsafe { squares.store_transposed(simd, terms, to.add(right_row(steps, column, step, 0)), TILE) };
        }
    }
}

/// Packs `rows` rows of one block of columns as a right side.
///
/// # Safety
/// As for [`pack_left_transposed`].
#[inline(always)]
pub(crate) unsafe fn pack_right(from: Rows, rows: usize, to: *mut f32) {
    let steps = rows.div_ceil(BLOCK);
    for step in 0..steps {
        for pair in 0..TILE {
            for column in [0, TILE] {
                let [low, high] = from.pair(rows, step * BLOCK + pair, column);
                // SAFETY: rows are readable for the block of columns, and [`packed_len`] has the row of each term.
                unsafe { pack_pairs(low, high, to.add(right_row(steps, column, step, pair))) };
            }
        }
    }
}

/// Packs the 16 pairs (low[i], high[i]) as a row of a side's tile, in all terms.
///
/// # Safety
/// 16 values must be readable at `low` and `high`, the row of each term's tile be writable, and [`crate::Isa::Amx`]
/// detected.
#[inline(always)]
pub(crate) unsafe fn pack_pairs(low: *const f32, high: *const f32, to: *mut f32) {
    // SAFETY: the caller's promises are those of `pack_terms`; the terms of a tile are TERM pairs apart.
    unsafe { pack_terms(low, high, to, TERM) };
}

impl Rows {
    /// The addresses of 16 values of rows `row` and `row + 16`, of zeros for rows past the last.
    #[inline(always)]
    fn pair(&self, rows: usize, row: usize, column: usize) -> [*const f32; 2] {
        [row, row + TILE].map(|row| match row < rows {
            true => self.start.wrapping_add(row * self.stride + column).cast_const(),
            false => ZEROS.as_ptr(),
        })
    }
}

/// Pairs of a packed side of `lines` rows or columns.
pub(crate) fn packed_len(lines: usize, depth: usize) -> usize {
    lines.div_ceil(BLOCK) * depth.div_ceil(BLOCK) * STEP
}

/// The index of row `pair` of the first term of a right side's tile, where the depth has `steps` steps.
pub(crate) fn right_row(steps: usize, column: usize, step: usize, pair: usize) -> usize {
    (column / BLOCK * steps + step) * STEP + column % BLOCK / TILE * TILE_PAIRS + pair * TILE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::simd::Kernel;

    const SIZE: Size = Size { rows: 40, columns: 32, depth: 50 };
    /// Values from a row to the next of the left side: whole blocks.
    const STRIDE: usize = 64;

    /// Ragged sides, the left one packed row by row or transposed, and their product where the machine has tiles.
    #[derive(Clone, Copy)]
    struct Product<'a> {
        left: &'a [f32],
        right: &'a [f32],
        is_transposed: bool,
        has_tiles: bool,
    }

    /// Both packed sides, and sums that began as ones.
    struct Packed {
        left: Vec<f32>,
        right: Vec<f32>,
        sums: Option<Vec<f32>>,
    }

    impl Kernel for Product<'_> {
        type Output = Packed;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Packed {
            let Size { rows, columns, depth } = SIZE;
            let side = |side: &[f32], stride| Rows { start: side.as_ptr().cast_mut(), stride };
            let mut left = vec![0.0; packed_len(rows, depth)];
            let mut right = vec![0.0; packed_len(columns, depth)];
            // SAFETY: both sides are padded to whole blocks; tiles are used only where there are some.
            unsafe {
                if self.is_transposed {
                    pack_left_transposed(simd, side(self.left, STRIDE), depth, rows, left.as_mut_ptr());
                } else {
                    pack_left(self.left.as_ptr(), STRIDE, rows, depth, left.as_mut_ptr());
                }
                pack_right(side(self.right, columns), depth, right.as_mut_ptr());
                let multiply = || {
                    let mut sums = vec![1.0; 2 * BLOCK * columns];
                    let to = Rows { start: sums.as_mut_ptr(), stride: columns };
                    multiply(&Tiles::new(), &left, &right, SIZE, true, to);
                    sums
                };
                let sums = self.has_tiles.then(multiply);
                Packed { left, right, sums }
            }
        }
    }

    /// A term of value k of a row of a packed left side.
    fn left_term(packed: &[f32], row: usize, k: usize, term: usize) -> f32 {
        let step = row / BLOCK * SIZE.depth.div_ceil(BLOCK) + k / BLOCK;
        let tile = step * STEP + term * TERM + row % BLOCK / TILE * TILE_PAIRS;
        half(packed[tile + row % TILE * TILE + k % TILE], k)
    }

    /// A term of value k of a column of a packed right side.
    fn right_term(packed: &[f32], column: usize, k: usize, term: usize) -> f32 {
        let row = right_row(SIZE.depth.div_ceil(BLOCK), column, k / BLOCK, k % TILE);
        half(packed[row + term * TERM + column % TILE], k)
    }

    /// A pair has the values k and k + 16 of a step, the first one in its low half.
    fn half(pair: f32, k: usize) -> f32 {
        let bits = pair.to_bits();
        f32::from_bits(if k % BLOCK < TILE { bits << 16 } else { bits & 0xffff_0000 })
    }

    /// Calls `check` with the sides [row][k] and [k][column] and what comes of them, packed in both ways, where this machine
    /// can pack.
    fn for_each_packing(check: impl Fn(&dyn Fn(usize, usize) -> f32, &[f32], Packed)) {
        let value = |at: usize| (at as f32 * 0.7133).sin() * 1.7;
        let left: Vec<f32> = (0..STRIDE * STRIDE).map(value).collect();
        let right: Vec<f32> = (0..STRIDE * SIZE.columns).map(|at| value(at + 9999)).collect();
        let Some(isa) = Isa::available().into_iter().rfind(|&isa| isa >= Isa::Avx512) else {
            eprintln!("skipped: this machine has no AVX-512");
            return;
        };
        for is_transposed in [false, true] {
            let has_tiles = isa == Isa::Amx;
            let packed = isa.run(Product { left: &left, right: &right, is_transposed, has_tiles });
            check(
                &|row, k| left[if is_transposed { k * STRIDE + row } else { row * STRIDE + k }],
                &right,
                packed,
            );
        }
    }

    #[test]
    fn the_three_terms_of_a_packed_value_are_the_value() {
        for_each_packing(|left, right, packed| {
            let steps = SIZE.depth.next_multiple_of(BLOCK);
            for (row, k) in (0..SIZE.rows).flat_map(|row| (0..SIZE.depth).map(move |k| (row, k))) {
                let sum = (0..TERMS).rev().map(|term| left_term(&packed.left, row, k, term)).sum::<f32>();
                assert_eq!(sum, left(row, k), "row {row}, {k}");
            }
            for (column, k) in (0..SIZE.columns).flat_map(|column| (0..steps).map(move |k| (column, k))) {
                let sum =
                    (0..TERMS).rev().map(|term| right_term(&packed.right, column, k, term)).sum::<f32>();
                let expected = if k < SIZE.depth { right[k * SIZE.columns + column] } else { 0.0 };
                assert_eq!(sum, expected, "column {column}, {k}");
            }
        });
    }

    #[test]
    fn products_of_terms_are_as_exact_as_f32() {
        /// What tiles multiply, and plain code where there are none.
        const TERM_PAIRS: [(usize, usize); 6] = [(2, 0), (1, 0), (1, 1), (0, 1), (0, 2), (0, 0)];
        for_each_packing(|left, right, packed| {
            let pairs = (0..SIZE.rows).flat_map(|row| (0..SIZE.columns).map(move |column| (row, column)));
            for (row, column) in pairs {
                let product =
                    |k: usize| f64::from(left(row, k)) * f64::from(right[k * SIZE.columns + column]);
                let expected = 1.0 + (0..SIZE.depth).map(product).sum::<f64>();
                let sum = match &packed.sums {
                    Some(sums) => f64::from(sums[row * SIZE.columns + column]),
                    None => {
                        let term = |k: usize, (a, b): (usize, usize)| {
                            left_term(&packed.left, row, k, a) * right_term(&packed.right, column, k, b)
                        };
                        let all =
                            (0..SIZE.depth).flat_map(|k| TERM_PAIRS.map(|pair| f64::from(term(k, pair))));
                        1.0 + all.sum::<f64>()
                    }
                };
                // A few roundings of an f32 sum of this size.
                assert!((sum - expected).abs() < 1e-5, "{sum} is not {expected}");
            }
        });
    }
}

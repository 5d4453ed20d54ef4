//! Products of f32 matrices on AMX tiles, as exact as in f32: a factor is cut into three bf16 terms of 8 bits each,
//! x = high + middle + low without a rest, and six products of terms stand for one of factors (those left out are below
//! 2^-21 of it). That is 2.7 times as fast as f32 multiply-adds. Two terms, as good as f32 where nothing amplifies their
//! errors, are not enough here: the output transform would make them 3e-5.
//!
//! Both sides are packed as [block of 32 rows or columns][step of 32 in depth][term][tile], so that every tile is one
//! KiB of neighbouring memory. A pair of a tile holds the values k and k + 16 of the step.

use super::block::{BLOCK, TILE, TILE_PAIRS, ZEROS};
use crate::simd::{Simd, Tiles};
use crate::whole::pieces;

/// Pairs of one term of a step: two tiles.
pub(crate) const TERM: usize = 2 * TILE_PAIRS;
/// Pairs of all terms of a step.
pub(crate) const STEP: usize = 3 * TERM;

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
/// The sides must be as long as [`packed_len`] says; `to` must be writable for whole blocks.
pub(crate) unsafe fn multiply(_: &Tiles, left: &[f32], right: &[f32], size: Size, adds: bool, to: Rows) {
    let Size { rows, columns, depth } = size;
    let (block, steps) = (packed_len(1, depth), depth.div_ceil(BLOCK));
    // The right side of the next product follows this one; every other block of rows asks for half of it.
    let next = packed_len(columns, depth);
    let slabs = steps.div_ceil(SLAB_STEPS);
    let (left, right) = (&left[..packed_len(rows, depth)], &right[..next]);
    for slab in 0..slabs {
        let part = steps * slab / slabs..steps * (slab + 1) / slabs;
        let places = part.start * STEP..part.end * STEP;
        // Rows outside: a block of them stays in the first-level cache.
        for (row, left) in pieces(left, block).enumerate() {
            for (column, right) in pieces(right, block).enumerate() {
                let (left, right) = (&left[places.clone()], &right[places.clone()]);
                let ahead = right.as_ptr().wrapping_add(next + row % 2 * places.len() / 2);
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

/// Packs `from`, so many rows of `columns` values, transposed: the columns are the left side's rows.
///
/// # Safety
/// The rows must be readable for whole blocks of columns, [`packed_len`] pairs writable; there must be tiles.
#[inline(always)]
pub(crate) unsafe fn pack_left_transposed<S: Simd>(
    simd: S,
    from: Rows,
    rows: usize,
    columns: usize,
    to: *mut f32,
) {
    let steps = rows.div_ceil(BLOCK);
    let mut squares = Squares([0.0; STEP]);
    for step in 0..steps {
        for column in (0..columns).step_by(TILE) {
            for pair in 0..TILE {
                let [low, high] = from.pair(rows, step * BLOCK + pair, column);
                // SAFETY: each row and the squares are there.
                unsafe { pack_pairs(low, high, squares.0.as_mut_ptr().add(pair * TILE)) };
            }
            for term in 0..3 {
                let place = right_row(steps, column, step, 0) + term * TERM;
                // SAFETY: the square is there, and the caller's promise.
                unsafe { simd.transpose(squares.0.as_ptr().add(term * TERM), to.add(place), TILE) };
            }
        }
    }
}

/// Packs so many rows of one block of columns as a right side.
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
                // SAFETY: the caller's promise.
                unsafe { pack_pairs(low, high, to.add(right_row(steps, column, step, pair))) };
            }
        }
    }
}

/// A tile of each term, before it is transposed.
#[repr(align(64))]
struct Squares([f32; STEP]);

impl Rows {
    /// Where 16 values of rows `row` and `row + 16` are, zeros for those past the last.
    #[inline(always)]
    fn pair(&self, rows: usize, row: usize, column: usize) -> [*const f32; 2] {
        [row, row + TILE].map(|row| match row < rows {
            true => self.start.wrapping_add(row * self.stride + column).cast_const(),
            false => ZEROS.as_ptr(),
        })
    }
}

/// Pairs of a packed side: so many rows or columns, so deep.
pub(crate) fn packed_len(lines: usize, depth: usize) -> usize {
    lines.div_ceil(BLOCK) * depth.div_ceil(BLOCK) * STEP
}

/// Where row `pair` of the first term of a right side's tile stands, of so many steps in depth.
pub(crate) fn right_row(steps: usize, column: usize, step: usize, pair: usize) -> usize {
    (column / BLOCK * steps + step) * STEP + column % BLOCK / TILE * TILE_PAIRS + pair * TILE
}

use on_tiles::multiply_block;
pub(crate) use on_tiles::{pack_left, pack_pairs};

/// Only machines with tiles choose them.
#[cfg(not(target_arch = "x86_64"))]
#[allow(clippy::missing_safety_doc)]
mod on_tiles {
    pub(crate) unsafe fn pack_pairs(_: *const f32, _: *const f32, _: *mut f32) {
        unreachable!("there are no tiles")
    }
    pub(crate) unsafe fn pack_left(_: *const f32, _: usize, _: usize, _: usize, _: *mut f32) {
        unreachable!("there are no tiles")
    }
    pub(crate) unsafe fn multiply_block(_: [*const f32; 3], _: usize, _: bool, _: *mut f32, _: usize) {
        unreachable!("there are no tiles")
    }
}

#[cfg(target_arch = "x86_64")]
mod on_tiles {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use super::super::block::{BLOCK, TILE, TILE_PAIRS};
    use super::{STEP, TERM};

    /// The bits of an f32 that are a bf16.
    const KEPT: i32 = 0xffff_0000_u32 as i32;

    /// Writes the three terms of 16 pairs, TERM pairs apart.
    ///
    /// # Safety
    /// 16 pairs must be writable at the three places.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn store_terms(mut low: __m512, mut high: __m512, to: *mut f32) {
        let kept = _mm512_set1_epi32(KEPT);
        let cut = |x: __m512| _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), kept));
        for term in 0..3 {
            let (low_bits, high_bits) = (_mm512_castps_si512(low), _mm512_castps_si512(high));
            // The kept bits of `high`, the others of the shifted `low`.
            let pairs = _mm512_ternarylogic_epi32::<0xb8>(_mm512_srli_epi32::<16>(low_bits), kept, high_bits);
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_ps(to.add(term * TERM), _mm512_castsi512_ps(pairs)) };
            (low, high) = (_mm512_sub_ps(low, cut(low)), _mm512_sub_ps(high, cut(high)));
        }
    }

    /// Writes the three terms of the pairs (low[i], high[i]), 16 values each, TERM pairs apart.
    ///
    /// # Safety
    /// The values must be readable, the pairs writable.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) unsafe fn pack_pairs(low: *const f32, high: *const f32, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { store_terms(_mm512_loadu_ps(low), _mm512_loadu_ps(high), to) };
    }

    /// Packs rows of `depth` values, `stride` apart, as a left side. Of the last block, rows that are not there are left
    /// as they are.
    ///
    /// # Safety
    /// The rows must be readable, up to whole vectors of 16; [`super::packed_len`] pairs writable.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) unsafe fn pack_left(from: *const f32, stride: usize, rows: usize, depth: usize, to: *mut f32) {
        let steps = depth.div_ceil(BLOCK);
        for row in 0..rows {
            let first = row / BLOCK * steps * STEP + row % BLOCK / TILE * TILE_PAIRS + row % TILE * TILE;
            for step in 0..steps {
                // SAFETY: the caller's promise.
                unsafe {
                    let values = from.add(row * stride + step * BLOCK);
                    let low = _mm512_loadu_ps(values);
                    let is_whole = step * BLOCK + TILE < depth;
                    let high = if is_whole { _mm512_loadu_ps(values.add(TILE)) } else { _mm512_setzero_ps() };
                    store_terms(low, high, to.add(first + step * STEP));
                }
            }
        }
    }

    /// A block of sums, its rows `stride` values apart: left * right over so many steps, or added to it.
    ///
    /// Tiles 0 to 3 hold the sums, [rows][columns]; 4 and 5 the left side's rows, 6 and 7 the right side's columns. From
    /// a product of terms to the next only one side changes. Asks for 3 KiB a step from `ahead` on.
    ///
    /// # Safety
    /// Tiles must be configured, both sides readable for at least one step, all 32 rows of sums writable.
    #[inline]
    pub(crate) unsafe fn multiply_block(
        [left, right, ahead]: [*const f32; 3],
        steps: usize,
        adds: bool,
        sums: *mut f32,
        stride: usize,
    ) {
        // A product, while two lines of what comes next are asked for.
        macro_rules! product {
            ($sums:literal, $left:literal, $right:literal, $line:literal) => {
                concat!(
                    concat!("tdpbf16ps tmm", $sums, ", tmm", $left, ", tmm", $right, "\n"),
                    concat!("prefetcht1 [{ahead} + 128 * ", $line, "]\n"),
                    concat!("prefetcht1 [{ahead} + 128 * ", $line, " + 64]")
                )
            };
        }
        // SAFETY: the caller's promise.
        unsafe {
            asm!(
                "test {adds}, {adds}",
                "jnz 2f",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "jmp 3f",
                "2:",
                "tileloadd tmm0, [{upper} + {stride}]",
                "tileloadd tmm1, [{upper} + {stride} + 64]",
                "tileloadd tmm2, [{lower} + {stride}]",
                "tileloadd tmm3, [{lower} + {stride} + 64]",
                "3:",
                // low * high
                "tileloadd tmm4, [{a} + {row} + 4096]",
                "tileloadd tmm6, [{b} + {row}]",
                product!(0, 4, 6, 0),
                "tileloadd tmm7, [{b} + {row} + 1024]",
                product!(1, 4, 7, 1),
                "tileloadd tmm5, [{a} + {row} + 5120]",
                product!(2, 5, 6, 2),
                product!(3, 5, 7, 3),
                // middle * high
                "tileloadd tmm4, [{a} + {row} + 2048]",
                product!(0, 4, 6, 4),
                product!(1, 4, 7, 5),
                "tileloadd tmm5, [{a} + {row} + 3072]",
                product!(2, 5, 6, 6),
                product!(3, 5, 7, 7),
                // middle * middle
                "tileloadd tmm6, [{b} + {row} + 2048]",
                product!(0, 4, 6, 8),
                product!(2, 5, 6, 9),
                "tileloadd tmm7, [{b} + {row} + 3072]",
                product!(1, 4, 7, 10),
                product!(3, 5, 7, 11),
                // high * middle
                "tileloadd tmm4, [{a} + {row}]",
                product!(0, 4, 6, 12),
                product!(1, 4, 7, 13),
                "tileloadd tmm5, [{a} + {row} + 1024]",
                product!(2, 5, 6, 14),
                product!(3, 5, 7, 15),
                // high * low
                "tileloadd tmm6, [{b} + {row} + 4096]",
                product!(0, 4, 6, 16),
                product!(2, 5, 6, 17),
                "tileloadd tmm7, [{b} + {row} + 5120]",
                product!(1, 4, 7, 18),
                product!(3, 5, 7, 19),
                // high * high
                "tileloadd tmm6, [{b} + {row}]",
                product!(0, 4, 6, 20),
                product!(2, 5, 6, 21),
                "tileloadd tmm7, [{b} + {row} + 1024]",
                product!(1, 4, 7, 22),
                product!(3, 5, 7, 23),
                "add {a}, 6144",
                "add {b}, 6144",
                "add {ahead}, 3072",
                "dec {steps}",
                "jnz 3b",
                "tilestored [{upper} + {stride}], tmm0",
                "tilestored [{upper} + {stride} + 64], tmm1",
                "tilestored [{lower} + {stride}], tmm2",
                "tilestored [{lower} + {stride} + 64], tmm3",
                adds = in(reg) usize::from(adds),
                a = inout(reg) left => _,
                b = inout(reg) right => _,
                ahead = inout(reg) ahead => _,
                steps = inout(reg) steps => _,
                upper = in(reg) sums,
                lower = in(reg) sums.add(TILE * stride),
                stride = in(reg) stride * size_of::<f32>(),
                row = in(reg) TILE * size_of::<f32>(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::simd::Kernel;

    const SIZE: Size = Size { rows: 40, columns: 32, depth: 50 };

    /// The product of ragged sides, the left one packed row by row or transposed.
    struct Product<'a> {
        left: &'a [f32],
        right: &'a [f32],
        is_transposed: bool,
    }

    impl Kernel for Product<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            let Size { rows, columns, depth } = SIZE;
            let start = |side: &[f32]| side.as_ptr().cast_mut();
            let mut packed = [vec![0.0; packed_len(rows, depth)], vec![0.0; packed_len(columns, depth)]];
            let mut sums = vec![1.0; 64 * columns];
            let to = Rows { start: sums.as_mut_ptr(), stride: columns };
            // SAFETY: there are tiles; all sides are filled up to whole blocks.
            unsafe {
                if self.is_transposed {
                    let left = Rows { start: start(self.left), stride: 64 };
                    pack_left_transposed(simd, left, depth, rows, packed[0].as_mut_ptr());
                } else {
                    pack_left(self.left.as_ptr(), 64, rows, depth, packed[0].as_mut_ptr());
                }
                pack_right(Rows { start: start(self.right), stride: columns }, depth, packed[1].as_mut_ptr());
                multiply(&Tiles::new(), &packed[0], &packed[1], SIZE, true, to);
            }
            sums
        }
    }

    #[test]
    fn products_of_terms_are_as_exact_as_f32() {
        if !Isa::available().contains(&Isa::Amx) {
            eprintln!("skipped: this machine has no tiles");
            return;
        }
        let Size { rows, columns, depth } = SIZE;
        let value = |at: usize| (at as f32 * 0.7133).sin() * 1.7;
        let left: Vec<f32> = (0..64 * 64).map(value).collect();
        let right: Vec<f32> = (0..64 * columns).map(|at| value(at + 9999)).collect();
        for is_transposed in [false, true] {
            let sums = Isa::Amx.run(Product { left: &left, right: &right, is_transposed });
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let at = |k: usize| if is_transposed { k * 64 + row } else { row * 64 + k };
                let product = |k: usize| f64::from(left[at(k)]) * f64::from(right[k * columns + column]);
                let expected = 1.0 + (0..depth).map(product).sum::<f64>();
                let actual = sums[row * columns + column];
                // A few roundings of an f32 sum of this size.
                assert!((f64::from(actual) - expected).abs() < 1e-5, "{actual} is not {expected}");
            }
        }
    }
}

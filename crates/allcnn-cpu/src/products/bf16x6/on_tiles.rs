//! Packing and products by AMX tiles.

use std::arch::x86_64::*;

use super::super::block::{BLOCK, TILE, TILE_PAIRS};
use super::super::tile_loop::tile_loop;
use super::terms::{STEP, TERM, TERMS};

/// The bits of an f32 that are a bf16.
const KEPT: i32 = 0xffff_0000_u32 as i32;

/// Writes the terms of 16 pairs, `apart` pairs from one to the next.
///
/// # Safety
/// 16 pairs must be writable for each term.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn store_terms(mut low: __m512, mut high: __m512, to: *mut f32, apart: usize) {
    let kept = _mm512_set1_epi32(KEPT);
    let cut = |x: __m512| _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), kept));
    for term in 0..TERMS {
        let (low_bits, high_bits) = (_mm512_castps_si512(low), _mm512_castps_si512(high));
        // The kept bits of `high`, the others of the shifted `low`.
        let pairs = _mm512_ternarylogic_epi32::<0xb8>(_mm512_srli_epi32::<16>(low_bits), kept, high_bits);
        // SAFETY: the caller promises 16 pairs for each term.
        unsafe { _mm512_storeu_ps(to.add(term * apart), _mm512_castsi512_ps(pairs)) };
        (low, high) = (_mm512_sub_ps(low, cut(low)), _mm512_sub_ps(high, cut(high)));
    }
}

/// Writes the terms of the pairs (low[i], high[i]), 16 values each, `apart` pairs from one to the next.
///
/// # Safety
/// The values must be readable, the pairs writable.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn pack_terms(low: *const f32, high: *const f32, to: *mut f32, apart: usize) {
    // SAFETY: the caller promises 16 values at both addresses, and the pairs.
    unsafe { store_terms(_mm512_loadu_ps(low), _mm512_loadu_ps(high), to, apart) };
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
            // SAFETY: the caller promises whole vectors of 16 values from each multiple of 16 below `depth` on, and a step
            // of all terms for each block of rows.
            unsafe {
                let values = from.add(row * stride + step * BLOCK);
                let low = _mm512_loadu_ps(values);
                let is_whole = step * BLOCK + TILE < depth;
                let high = if is_whole { _mm512_loadu_ps(values.add(TILE)) } else { _mm512_setzero_ps() };
                store_terms(low, high, to.add(first + step * STEP), TERM);
            }
        }
    }
}

/// A block of sums, its rows `stride` values apart: left * right over `steps` steps, or added to it.
///
/// Tiles 4 and 5 hold the left side's rows, 6 and 7 the right side's columns. From a product of terms to the next only one
/// side changes. Prefetches 3 KiB a step from `ahead` on.
///
/// # Safety
/// Tiles must be configured, both sides readable for at least one step, all 32 rows of sums writable.
#[inline]
pub(super) unsafe fn multiply_block(
    [left, right, ahead]: [*const f32; 3],
    steps: usize,
    adds: bool,
    sums: *mut f32,
    stride: usize,
) {
    // A product, while two lines of what comes next are prefetched.
    macro_rules! product {
        ($sums:literal, $left:literal, $right:literal, $line:literal) => {
            concat!(
                concat!("tdpbf16ps tmm", $sums, ", tmm", $left, ", tmm", $right, "\n"),
                concat!("prefetcht1 [{ahead} + 128 * ", $line, "]\n"),
                concat!("prefetcht1 [{ahead} + 128 * ", $line, " + 64]")
            )
        };
    }
    // SAFETY: the caller promises configured tiles, and memory for both sides' steps and the rows of sums; prefetching
    // needs none.
    unsafe {
        tile_loop!(
            start: ["test {adds}, {adds}"],
            sums: [
                "[{upper} + {stride}]", "[{upper} + {stride} + 64]",
                "[{lower} + {stride}]", "[{lower} + {stride} + 64]"
            ],
            step: [
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
            ],
            end: [],
            adds = in(reg) usize::from(adds),
            a = inout(reg) left => _,
            b = inout(reg) right => _,
            ahead = inout(reg) ahead => _,
            steps = inout(reg) steps => _,
            upper = in(reg) sums,
            lower = in(reg) sums.add(TILE * stride),
            stride = in(reg) stride * size_of::<f32>(),
            row = in(reg) TILE * size_of::<f32>(),
        );
    }
}

//! AVX-512: 16 lanes, 32 registers; with or without dot products of bf16 pairs.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::vector::{Simd, check, plain_dot};
use crate::whole::arrays_mut;

/// Token for AVX-512, and for AVX512_BF16 where `BF16`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512<const BF16: bool>;
const _: () = check::<Avx512<true>>();

// Every method below is inlined into a function with the features enabled ([`crate::Isa::run`]), which runs only
// where they were detected: that is the safety of every intrinsic here.
impl<const BF16: bool> Simd for Avx512<BF16> {
    type V = __m512;
    const LANES: usize = 16;
    const TILE_ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m512 {
        debug_assert!(count <= Self::LANES);
        let mask = ((1u32 << count) - 1) as __mmask16;
        // SAFETY: the features are enabled (see the impl); masked lanes are not touched.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }
    #[inline(always)]
    unsafe fn store(self, value: __m512, to: *mut f32) {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn store_first(self, value: __m512, count: usize, to: *mut f32) {
        debug_assert!(count <= Self::LANES);
        let mask = ((1u32 << count) - 1) as __mmask16;
        // SAFETY: the features are enabled (see the impl); masked lanes are not touched.
        unsafe { _mm512_mask_storeu_ps(to, mask, value) }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    fn prefetch_far(self, from: *const f32) {
        // SAFETY: a hint, which reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn select_positive(self, of: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(of, _mm512_setzero_ps()), b, a) }
    }
    #[inline(always)]
    fn positive_part(self, a: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched. Where one is NaN, the instruction gives the second operand.
        unsafe { _mm512_max_ps(_mm512_setzero_ps(), a) }
    }
    #[inline(always)]
    fn rounded(self, a: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let bits = _mm512_add_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(0x8000));
            let kept = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(bits, kept))
        }
    }
    #[inline(always)]
    fn pair(self, low: __m512, high: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let half = _mm512_set1_epi32(0x8000);
            let low = _mm512_srli_epi32::<16>(_mm512_add_epi32(_mm512_castps_si512(low), half));
            let high = _mm512_castps_si512(self.rounded(high));
            _mm512_castsi512_ps(_mm512_or_si512(low, high))
        }
    }
    #[inline(always)]
    fn low_half(self, pairs: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))) }
    }
    #[inline(always)]
    fn high_half(self, pairs: __m512) -> __m512 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let kept = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), kept))
        }
    }
    #[inline(always)]
    fn dot(self, a: __m512, b: __m512, sums: __m512) -> __m512 {
        if BF16 {
            // SAFETY: the features are enabled (see the impl), and no memory is touched; both types are 64 bytes of any
            // bits.
            unsafe {
                let (a, b) = (transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b));
                _mm512_dpbf16_ps(sums, a, b)
            }
        } else {
            plain_dot(self, a, b, sums)
        }
    }
    #[inline(always)]
    unsafe fn store_rounded(self, value: __m512, to: *mut f32) {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe {
            let upper = _mm512_srli_epi32::<16>(_mm512_castps_si512(self.rounded(value)));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(upper));
        }
    }
    #[inline(always)]
    fn exchange(self, a: __m512, b: __m512) -> [__m512; 2] {
        const HIGH: __mmask32 = 0xaaaa_aaaa;
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
            let low = _mm512_mask_mov_epi16(a, HIGH, _mm512_slli_epi32::<16>(b));
            let high = _mm512_mask_mov_epi16(_mm512_srli_epi32::<16>(a), HIGH, b);
            [_mm512_castsi512_ps(low), _mm512_castsi512_ps(high)]
        }
    }
    #[inline(always)]
    unsafe fn stream(self, value: __m512, to: *mut f32) {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe { _mm512_stream_ps(to, value) }
    }
    #[inline(always)]
    fn fence(self) {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    unsafe fn transpose(self, square: *const f32, to: *mut f32, step: usize) {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointers.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (at, row) in rows.iter_mut().enumerate() {
                *row = _mm512_loadu_ps(square.add(at * 16));
            }
            // Pairs of rows, then four rows: each 128-bit part of vector 4 i + k holds a column of rows 4 i to 4 i + 3.
            for pair in arrays_mut::<_, 2>(&mut rows) {
                let [a, b] = *pair;
                *pair = [_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)];
            }
            for four in arrays_mut::<_, 4>(&mut rows) {
                let [a, b, c, d] = *four;
                let (a, b, c, d) =
                    (_mm512_castps_pd(a), _mm512_castps_pd(b), _mm512_castps_pd(c), _mm512_castps_pd(d));
                *four = [
                    _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(a, c)),
                    _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(b, d)),
                ];
            }
            for k in 0..4 {
                let [a, b, c, d] = [rows[k], rows[4 + k], rows[8 + k], rows[12 + k]];
                let even = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0x88>(c, d));
                let odd = (_mm512_shuffle_f32x4::<0xdd>(a, b), _mm512_shuffle_f32x4::<0xdd>(c, d));
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(even.0, even.1),
                    _mm512_shuffle_f32x4::<0x88>(odd.0, odd.1),
                    _mm512_shuffle_f32x4::<0xdd>(even.0, even.1),
                    _mm512_shuffle_f32x4::<0xdd>(odd.0, odd.1),
                ];
                for (at, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * at + k) * step), column);
                }
            }
        }
    }
}

//! AVX2 with FMA: 8 lanes, 16 registers.

use std::arch::x86_64::*;

use super::vector::{Simd, check};

/// Token for AVX2 with FMA: 8 lanes, 16 registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2;
const _: () = check::<Avx2>();

// Every method below is inlined into a function with the features enabled ([`crate::Isa::run`]), which runs only
// where they were detected: that is the safety of every intrinsic here.
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const TILE_ROWS: usize = 4;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> __m256 {
        debug_assert!(count <= Self::LANES);
        if count == Self::LANES {
            // SAFETY: the caller vouches for `count` values at `from`.
            return unsafe { self.load(from) };
        }
        let mut lanes = [0.0f32; Self::LANES];
        // SAFETY: the features are enabled (see the impl); the array holds all lanes, the caller vouches for `count` values at `from`.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            _mm256_loadu_ps(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(self, value: __m256, to: *mut f32) {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn store_first(self, value: __m256, count: usize, to: *mut f32) {
        debug_assert!(count <= Self::LANES);
        if count == Self::LANES {
            // SAFETY: the caller vouches for `count` values at `to`.
            return unsafe { self.store(value, to) };
        }
        let mut lanes = [0.0f32; Self::LANES];
        // SAFETY: the features are enabled (see the impl); the array holds all lanes, the caller vouches for `count` values at `to`.
        unsafe {
            _mm256_storeu_ps(lanes.as_mut_ptr(), value);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
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
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn select_positive(self, of: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_GT_OQ>(of, _mm256_setzero_ps())) }
    }
    #[inline(always)]
    fn positive_part(self, a: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched. Where one is NaN, the instruction gives the second operand.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
    }
    #[inline(always)]
    fn rounded(self, a: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let bits = _mm256_add_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(0x8000));
            let kept = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            _mm256_castsi256_ps(_mm256_and_si256(bits, kept))
        }
    }
    #[inline(always)]
    fn pair(self, low: __m256, high: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let half = _mm256_set1_epi32(0x8000);
            let low = _mm256_srli_epi32::<16>(_mm256_add_epi32(_mm256_castps_si256(low), half));
            let high = _mm256_castps_si256(self.rounded(high));
            _mm256_castsi256_ps(_mm256_or_si256(low, high))
        }
    }
    #[inline(always)]
    fn low_half(self, pairs: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(pairs))) }
    }
    #[inline(always)]
    fn high_half(self, pairs: __m256) -> __m256 {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let kept = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pairs), kept))
        }
    }
}

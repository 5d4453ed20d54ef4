//! NEON of aarch64: 4 lanes, 32 registers. Emulated, it passes the conformance suite, whole networks against PyTorch and the
//! program's tests (`scripts/arm.sh`); on a real machine it has neither been run nor timed.

use std::arch::aarch64::*;

use super::vector::{Simd, check};

/// Token for NEON: 4 lanes, 32 registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon;
const _: () = check::<Neon>();

// NEON belongs to the baseline of aarch64, and [`crate::Isa::run`] enables it besides: that is the safety of every
// intrinsic here.
impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const TILE_ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer, which needs no alignment beyond that of f32.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> float32x4_t {
        debug_assert!(count <= Self::LANES);
        if count == Self::LANES {
            // SAFETY: the caller vouches for `count` values at `from`.
            return unsafe { self.load(from) };
        }
        let mut lanes = [0.0f32; Self::LANES];
        // SAFETY: the features are enabled (see the impl); the array holds all lanes, the caller vouches for `count` values at `from`.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(self, value: float32x4_t, to: *mut f32) {
        // SAFETY: the features are enabled (see the impl); the caller vouches for the pointer.
        unsafe { vst1q_f32(to, value) }
    }
    #[inline(always)]
    unsafe fn store_first(self, value: float32x4_t, count: usize, to: *mut f32) {
        debug_assert!(count <= Self::LANES);
        if count == Self::LANES {
            // SAFETY: the caller vouches for `count` values at `to`.
            return unsafe { self.store(value, to) };
        }
        let mut lanes = [0.0f32; Self::LANES];
        // SAFETY: the features are enabled (see the impl); the array holds all lanes, the caller vouches for `count` values at `to`.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), value);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched. The addend comes first.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn select_positive(self, of: float32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vbslq_f32(vcgtq_f32(of, vdupq_n_f32(0.0)), a, b) }
    }
    #[inline(always)]
    fn rounded(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let bits = vaddq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x8000));
            vreinterpretq_f32_u32(vandq_u32(bits, vdupq_n_u32(0xffff_0000)))
        }
    }
    #[inline(always)]
    fn pair(self, low: float32x4_t, high: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe {
            let low = vaddq_u32(vreinterpretq_u32_f32(low), vdupq_n_u32(0x8000));
            let high = vreinterpretq_u32_f32(self.rounded(high));
            vreinterpretq_f32_u32(vorrq_u32(vshrq_n_u32::<16>(low), high))
        }
    }
    #[inline(always)]
    fn low_half(self, pairs: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(pairs))) }
    }
    #[inline(always)]
    fn high_half(self, pairs: float32x4_t) -> float32x4_t {
        // SAFETY: the features are enabled (see the impl), and no memory is touched.
        unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), vdupq_n_u32(0xffff_0000))) }
    }
}

//! Arrays of four, for machines without a known instruction set; the compiler makes of them what it can.

use super::vector::{Simd, check};

/// Token for plain code with register tiles of ROWS rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable<const ROWS: usize>;
const _: () = check::<Portable<4>>();

impl<const ROWS: usize> Simd for Portable<ROWS> {
    type V = [f32; 4];
    const LANES: usize = 4;
    const TILE_ROWS: usize = ROWS;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 4] {
        [value; 4]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 4] {
        // SAFETY: the caller vouches for four readable values; an array of f32 needs no more alignment than one.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> [f32; 4] {
        debug_assert!(count <= Self::LANES);
        let mut lanes = [0.0; 4];
        // SAFETY: the caller vouches for `count` readable values.
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count) };
        lanes
    }
    #[inline(always)]
    unsafe fn store(self, value: [f32; 4], to: *mut f32) {
        // SAFETY: the caller vouches for four writable values.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn store_first(self, value: [f32; 4], count: usize, to: *mut f32) {
        debug_assert!(count <= Self::LANES);
        // SAFETY: the caller vouches for `count` writable values.
        unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, count) }
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn select_positive(self, of: [f32; 4], a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| if of[i] > 0.0 { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn rounded(self, a: [f32; 4]) -> [f32; 4] {
        a.map(|x| f32::from_bits(x.to_bits().wrapping_add(0x8000) & 0xffff_0000))
    }
    #[inline(always)]
    fn pair(self, low: [f32; 4], high: [f32; 4]) -> [f32; 4] {
        let half = |x: f32| x.to_bits().wrapping_add(0x8000) & 0xffff_0000;
        std::array::from_fn(|i| f32::from_bits(half(low[i]) >> 16 | half(high[i])))
    }
    #[inline(always)]
    fn low_half(self, pairs: [f32; 4]) -> [f32; 4] {
        pairs.map(|pair| f32::from_bits(pair.to_bits() << 16))
    }
    #[inline(always)]
    fn high_half(self, pairs: [f32; 4]) -> [f32; 4] {
        pairs.map(|pair| f32::from_bits(pair.to_bits() & 0xffff_0000))
    }
}

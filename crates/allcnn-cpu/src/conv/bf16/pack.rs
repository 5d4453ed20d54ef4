//! f32 values to rows of 16 pairs of bf16, one or two terms of them.

use super::{TILE, TILE_PAIRS};
use crate::simd::Simd;

static ZEROS: [f32; TILE] = [0.0; TILE];

/// Up to 16 values in a row; what is missing is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    start: *const f32,
    count: usize,
}

impl Values {
    /// No value.
    pub(super) const NONE: Values = Values { start: ZEROS.as_ptr(), count: TILE };

    /// The first 16 values, or all where there are fewer.
    #[inline(always)]
    pub(super) fn new(values: &[f32]) -> Self {
        Self { start: values.as_ptr(), count: values.len().min(TILE) }
    }

    /// Values `at..at + LANES`.
    ///
    /// # Safety
    /// The slice must still be borrowed.
    #[inline(always)]
    unsafe fn vector<S: Simd>(self, simd: S, at: usize) -> S::V {
        let count = self.count.saturating_sub(at).min(S::LANES);
        // SAFETY: `count` values are there.
        unsafe { simd.load_first(self.start.wrapping_add(at), count) }
    }
}

/// Writes the 16 pairs (low[i], high[i]) to `to`, and where there are two terms the pairs of what rounding left over to
/// `to + second`.
///
/// # Safety
/// The slices behind the values must still be borrowed, and 16 pairs be writable at both places.
#[inline(always)]
pub(super) unsafe fn store_pairs<S: Simd>(
    simd: S,
    low: Values,
    high: Values,
    terms: usize,
    to: *mut f32,
    second: usize,
) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let (low, high) = (low.vector(simd, at), high.vector(simd, at));
            store_vectors(simd, low, high, terms, to.add(at), second);
        }
    }
}

/// The same for 16 values at each place.
///
/// # Safety
/// 16 values must be readable, 16 pairs writable at each place.
#[inline(always)]
pub(super) unsafe fn store_whole_pairs<S: Simd>(
    simd: S,
    low: *const f32,
    high: *const f32,
    terms: usize,
    to: *mut f32,
    second: usize,
) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let (low, high) = (simd.load(low.add(at)), simd.load(high.add(at)));
            store_vectors(simd, low, high, terms, to.add(at), second);
        }
    }
}

/// The pairs of two vectors.
///
/// # Safety
/// A vector must be writable at both places.
#[inline(always)]
unsafe fn store_vectors<S: Simd>(simd: S, low: S::V, high: S::V, terms: usize, to: *mut f32, second: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        simd.store(simd.pair(low, high), to);
        if terms == 2 {
            let rest = (simd.sub(low, simd.rounded(low)), simd.sub(high, simd.rounded(high)));
            simd.store(simd.pair(rest.0, rest.1), to.add(second));
        }
    }
}

/// A square of 16 x 16 pairs for each term, to be transposed.
#[repr(align(64))]
pub(super) struct Squares([f32; 2 * TILE_PAIRS]);

impl Squares {
    pub(super) fn new() -> Self {
        Self([0.0; 2 * TILE_PAIRS])
    }

    /// Sets row `at` of both squares.
    ///
    /// # Safety
    /// The slices behind the values must still be borrowed.
    #[inline(always)]
    pub(super) unsafe fn set_row<S: Simd>(
        &mut self,
        simd: S,
        at: usize,
        low: Values,
        high: Values,
        terms: usize,
    ) {
        assert!(at < TILE);
        // SAFETY: both squares have the row.
        unsafe { store_pairs(simd, low, high, terms, self.0.as_mut_ptr().add(at * TILE), TILE_PAIRS) };
    }

    /// The place of row `at` of the first term; the second term's is `TILE_PAIRS` further on.
    #[inline(always)]
    pub(super) fn row(&mut self, at: usize) -> *mut f32 {
        self.0[at * TILE..].as_mut_ptr()
    }

    /// Writes column i of each term's square to `to + i * step`, the second term's `second` further on.
    ///
    /// # Safety
    /// The places must be writable.
    #[inline(always)]
    pub(super) unsafe fn store_transposed<S: Simd>(
        &self,
        simd: S,
        terms: usize,
        to: *mut f32,
        step: usize,
        second: usize,
    ) {
        for term in 0..terms {
            // SAFETY: the square is there, and the caller's promise.
            unsafe { simd.transpose(self.0.as_ptr().add(term * TILE_PAIRS), to.add(term * second), step) };
        }
    }
}

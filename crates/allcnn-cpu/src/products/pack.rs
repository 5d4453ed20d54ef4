//! Values to rows of 16 pairs of bf16: from f32, one or two terms of them, or from pairs.

use super::block::{TILE, TILE_PAIRS, ZEROS};
use crate::simd::Simd;

/// Up to 16 values in a row; what is missing is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    start: *const f32,
    count: usize,
}

impl Values {
    /// No value.
    pub(crate) const NONE: Values = Values { start: ZEROS.as_ptr(), count: TILE };

    /// The first 16 values, or all where there are fewer.
    #[inline(always)]
    pub(crate) fn new(values: &[f32]) -> Self {
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
pub(crate) unsafe fn store_pairs<S: Simd>(
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
pub(crate) unsafe fn store_whole_pairs<S: Simd>(
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

/// Copies the 16 pairs of a block of channels.
///
/// # Safety
/// They must be readable and writable.
#[inline(always)]
pub(crate) unsafe fn copy_pairs<S: Simd>(simd: S, from: *const f32, to: *mut f32) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the caller's promise.
        unsafe { simd.store(simd.load(from.add(at)), to.add(at)) };
    }
}

/// From pairs of channels i and i + 16 of two positions to pairs of the positions, for channels 0 to 15 and 16 to 31.
///
/// # Safety
/// 16 pairs must be readable and writable at each place.
#[inline(always)]
pub(crate) unsafe fn exchange_pairs<S: Simd>(simd: S, pixels: [*const f32; 2], to: [*mut f32; 2]) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let (a, b) = (simd.load(pixels[0].add(at)), simd.load(pixels[1].add(at)));
            let [low, high] = simd.exchange(a, b);
            simd.store(low, to[0].add(at));
            simd.store(high, to[1].add(at));
        }
    }
}

/// Packs 16 channels of two positions, of which `rest` are there.
///
/// # Safety
/// The channels must be readable, and 16 pairs writable at `to` and, for two terms, `second` further on.
#[inline(always)]
pub(crate) unsafe fn pack_pair<S: Simd>(
    simd: S,
    pixels: [*const f32; 2],
    channel: usize,
    rest: usize,
    terms: usize,
    to: *mut f32,
    second: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if rest >= TILE {
            let [low, high] = [pixels[0].add(channel), pixels[1].add(channel)];
            store_whole_pairs(simd, low, high, terms, to, second);
        } else if rest == 0 {
            store_pairs(simd, Values::NONE, Values::NONE, terms, to, second);
        } else {
            let values =
                |pixel: *const f32| Values::new(std::slice::from_raw_parts(pixel.add(channel), rest));
            store_pairs(simd, values(pixels[0]), values(pixels[1]), terms, to, second);
        }
    }
}

/// A square of 16 x 16 pairs for each term, to be transposed.
#[repr(align(64))]
pub(crate) struct Squares([f32; 2 * TILE_PAIRS]);

impl Squares {
    pub(crate) fn new() -> Self {
        Self([0.0; 2 * TILE_PAIRS])
    }

    /// Sets row `at` of both squares.
    ///
    /// # Safety
    /// The slices behind the values must still be borrowed.
    #[inline(always)]
    pub(crate) unsafe fn set_row<S: Simd>(
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
    pub(crate) fn row(&mut self, at: usize) -> *mut f32 {
        self.0[at * TILE..].as_mut_ptr()
    }

    /// Writes column i of each term's square to `to + i * step`, the second term's `second` further on.
    ///
    /// # Safety
    /// The places must be writable.
    #[inline(always)]
    pub(crate) unsafe fn store_transposed<S: Simd>(
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

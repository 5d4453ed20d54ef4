//! Pixels that come next, asked for while the current ones are multiplied: memory is idle then, and transforms would wait
//! for it.

use std::ops::Range;

use crate::products::f32::LINE;
use crate::simd::Simd;
use crate::stored::Stored;

/// Some values that are to be in a cache soon, asked for in equal shares.
#[derive(Clone, Copy)]
pub(super) struct Ahead<'a> {
    values: &'a [f32],
    /// Values that were asked for.
    asked: usize,
    /// Values of a share: whole cache lines.
    share: usize,
}

impl<'a> Ahead<'a> {
    /// A range of pixels of `channels` channels, where there are values, in so many shares.
    pub(super) fn new(values: Stored<'a>, channels: usize, pixels: Range<usize>, shares: usize) -> Self {
        let words = values.storage().words(channels);
        let values = values.words().get(pixels.start * words..pixels.end * words).unwrap_or_default();
        Self { values, asked: 0, share: values.len().div_ceil(shares).next_multiple_of(LINE) }
    }

    /// Asks for the next share.
    #[inline(always)]
    pub(super) fn ask<S: Simd>(&mut self, simd: S) {
        let end = (self.asked + self.share).min(self.values.len());
        for at in (self.asked..end).step_by(LINE) {
            simd.prefetch_far(self.values.as_ptr().wrapping_add(at));
        }
        self.asked = end;
    }
}

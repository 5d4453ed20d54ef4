//! Where finished f32 values of forward and backward-data go.

use crate::buffer::Buffer;
use crate::ops::epilogue::{Finish, Position};
use crate::products::f32::LINE;
use crate::simd::Simd;
use crate::threads::SharedMut;

/// The whole destination of a pass, of which every piece of work writes its own pixels and channels.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    finish: Finish<'a>,
    values: SharedMut<'a, f32>,
    /// Whether whole vectors go past the caches.
    is_streamed: bool,
}

impl<'a> Destination<'a> {
    /// The destination of values that `finish` finishes, `channels` of them a pixel.
    pub(super) fn new(buffer: &'a mut Buffer, channels: usize, finish: Finish<'a>) -> Self {
        let is_streamed = buffer.exceeds_caches() && channels.is_multiple_of(LINE) && !finish.drops();
        Self { finish, values: SharedMut::new(buffer), is_streamed }
    }

    /// Finishes sums of `count` channels, all but dropout, and writes them from `first` on; prefetches what will be written
    /// `ahead` values further on.
    ///
    /// # Safety
    /// Nobody else may use the values.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd>(
        &self,
        simd: S,
        first: Position,
        count: usize,
        sums: S::V,
        ahead: usize,
    ) {
        let to = self.values.pointer(first.index..first.index + count);
        let finished = self.finish.vector(simd, first, count, sums);
        // SAFETY: the destination has `count` values there, and nobody else uses them, as the caller promises.
        unsafe {
            let is_whole = count == S::LANES && to.addr().is_multiple_of(size_of::<S::V>());
            if self.is_streamed && is_whole {
                return simd.stream(finished, to);
            }
            simd.prefetch(to.wrapping_add(ahead));
            simd.store_first(finished, count, to);
        }
    }

    /// Ends the writing of `columns` of some pixels of `channels` values each: with dropout, where there is any.
    ///
    /// # Safety
    /// Nobody else may use their values.
    #[inline(always)]
    pub(super) unsafe fn end<S: Simd>(
        &self,
        simd: S,
        pixels: std::ops::Range<usize>,
        channels: usize,
        columns: std::ops::Range<usize>,
    ) {
        simd.fence();
        if !self.finish.drops() {
            return;
        }
        // Whole pixels are one run of values.
        let run = if columns.len() == channels { pixels.len() } else { 1 };
        for pixel in pixels.step_by(run.max(1)) {
            let (first, len) = (pixel * channels + columns.start, run * columns.len());
            // SAFETY: nobody else uses these values, as the caller promises.
            let values = unsafe { self.values.slice(first..first + len) };
            self.finish.drop(simd, first, values);
        }
    }
}

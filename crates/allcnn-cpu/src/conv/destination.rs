//! Where finished f32 values of forward and backward-data go.

use crate::buffer::Buffer;
use crate::ops::epilogue::Finish;
use crate::products::f32::LINE;
use crate::simd::Simd;
use crate::threads::SendPtr;

/// The whole destination of a pass, of which every piece of work writes its own pixels and channels.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    finish: Finish<'a>,
    start: SendPtr<f32>,
    len: usize,
    /// Whether whole vectors go past the caches.
    is_streamed: bool,
}

impl<'a> Destination<'a> {
    /// The destination of values that `finish` finishes, so many channels a pixel.
    pub(super) fn new(buffer: &mut Buffer, channels: usize, finish: Finish<'a>) -> Self {
        let is_streamed = buffer.exceeds_caches() && channels.is_multiple_of(LINE) && !finish.drops();
        Self { finish, start: SendPtr(buffer.as_mut_ptr()), len: buffer.len(), is_streamed }
    }

    /// The place of `count` values from `first` on.
    #[inline(always)]
    fn place(&self, first: usize, count: usize) -> *mut f32 {
        assert!(first.checked_add(count).is_some_and(|end| end <= self.len), "a place in the destination");
        // SAFETY: just asserted.
        unsafe { self.start.at(first) }
    }

    /// Finishes sums of `count` channels from `channel` on, all but dropout, and writes them from `first` on; brings near
    /// what will be written `ahead` values further on.
    ///
    /// # Safety
    /// Nobody else may use the place.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd>(
        &self,
        simd: S,
        (first, channel): (usize, usize),
        count: usize,
        sums: S::V,
        ahead: usize,
    ) {
        let place = self.place(first, count);
        let finished = self.finish.vector(simd, (first, channel), count, sums);
        // SAFETY: `count` values are there; else the caller's promise.
        unsafe {
            let is_whole = count == S::LANES && place.addr().is_multiple_of(size_of::<S::V>());
            if self.is_streamed && is_whole {
                return simd.stream(finished, place);
            }
            simd.prefetch(place.wrapping_add(ahead));
            simd.store_first(finished, count, place);
        }
    }

    /// Ends the writing of `columns` of some pixels, of so many channels each: with dropout, where there is any.
    ///
    /// # Safety
    /// Nobody else may use these places.
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
            // SAFETY: the caller's promise.
            let values = unsafe { std::slice::from_raw_parts_mut(self.place(first, len), len) };
            self.finish.drop(simd, first, values);
        }
    }
}

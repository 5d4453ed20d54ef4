//! A slice that several threads write, each its own elements, where these are not pieces that the pool could cut it
//! into.

use std::marker::PhantomData;
use std::ops::Range;

/// A borrowed slice whose elements are given out by range, to whoever vouches that nobody else has them.
#[derive(Debug)]
pub(crate) struct SharedMut<'a, T> {
    start: *mut T,
    len: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SharedMut<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for SharedMut<'_, T> {}

// SAFETY: it is a unique borrow of elements that may go to other threads; who uses it there vouches that no two threads
// use an element at the same time.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}
// SAFETY: a shared reference gives no more than a copy of it does, and copies may go to other threads.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Borrows the slice for as long as its parts are used.
    pub(crate) fn new(values: &'a mut [T]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), borrowed: PhantomData }
    }

    /// A range of it.
    ///
    /// # Panics
    /// Where the range is not inside the slice.
    #[track_caller]
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let len = range.len();
        Self { start: self.pointer(range), len, borrowed: PhantomData }
    }

    /// A pointer to the elements of a range.
    ///
    /// # Panics
    /// Where the range is not inside the slice.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn pointer(&self, range: Range<usize>) -> *mut T {
        let (first, end, len) = (range.start, range.end, self.len);
        assert!(first <= end && end <= len, "elements {first}..{end} of a slice of {len}");
        self.start.wrapping_add(first)
    }

    /// The elements of a range.
    ///
    /// # Safety
    /// Nobody else may use any of them as long as the returned slice lives.
    ///
    /// # Panics
    /// Where the range is not inside the slice.
    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
        let len = range.len();
        // SAFETY: the elements are inside the borrowed slice, and nobody else uses them, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(range), len) }
    }
}

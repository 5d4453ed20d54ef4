//! Aligned memory for f32 values.

use std::alloc::{Layout, alloc, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use allcnn_device::Error;

/// From this size on, a buffer starts on a huge page and asks for more of them: fewer TLB misses.
const HUGE_PAGE: usize = 2 << 20;
/// A cache line, and the widest vector.
const CACHE_LINE: usize = 64;

/// A fixed number of f32 values, aligned to cache lines.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<f32>,
    len: usize,
}

// SAFETY: a buffer owns its memory, as a Vec does.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the system has no room.
    pub fn zeros(len: usize) -> Result<Self, Error> {
        let layout = Self::layout(len).ok_or(Error::OutOfMemory { what: "a buffer", bytes: usize::MAX })?;
        // SAFETY: the layout's size is never zero.
        let start = NonNull::new(unsafe { alloc(layout) }.cast::<f32>())
            .ok_or(Error::OutOfMemory { what: "a buffer", bytes: layout.size() })?;
        let buffer = Self { start, len };
        #[cfg(target_os = "linux")]
        buffer.advise_huge_pages();
        // SAFETY: `len` values were allocated, and zero bytes are the f32 zero.
        unsafe { start.as_ptr().write_bytes(0, len) };
        Ok(buffer)
    }

    fn layout(len: usize) -> Option<Layout> {
        let bytes = len.max(1).checked_mul(size_of::<f32>())?;
        let align = if bytes >= HUGE_PAGE { HUGE_PAGE } else { CACHE_LINE };
        Layout::from_size_align(bytes, align).ok()
    }

    /// Asks the system to back the buffer by huge pages, for pages not yet touched.
    #[cfg(target_os = "linux")]
    fn advise_huge_pages(&self) {
        let bytes = self.len * size_of::<f32>();
        if bytes >= HUGE_PAGE {
            // SAFETY: the range belongs to this buffer; the advice never changes its contents.
            unsafe { libc::madvise(self.start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.len) {
            // SAFETY: allocated in `zeros` with this very layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len` initialized values that this buffer owns.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

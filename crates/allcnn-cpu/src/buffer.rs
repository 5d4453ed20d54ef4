//! Aligned memory for f32 values, or for the same values in bf16.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use allcnn_device::Error;

use crate::stored::{Storage, Stored};

/// From this size on, a buffer is mapped by itself, on huge pages: fewer TLB misses, and no page is touched before use.
const HUGE_PAGE: usize = 2 << 20;
/// A cache line, and the widest vector.
const CACHE_LINE: usize = 64;
/// Values that the next operation may still find in the caches of a few cores. Measured: writing past the caches pays
/// for 900,000 values in bf16, not for 790,000 in f32.
const MOST_CACHED: usize = 800_000;

/// A fixed number of values, aligned to cache lines. It has room for all of them in f32, and is a slice as long as
/// they are stored so.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<f32>,
    len: usize,
    storage: Storage,
}

// SAFETY: a buffer owns its memory, which any thread may use and free.
unsafe impl Send for Buffer {}
// SAFETY: a shared buffer gives out shared slices only.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when the system has no room.
    pub fn zeros(len: usize) -> Result<Self, Error> {
        let refused = |bytes| Error::OutOfMemory { what: "a buffer", bytes };
        let layout = layout(len).ok_or(refused(usize::MAX))?;
        let start = if is_mapped(layout) { map(layout) } else { allocate(layout) };
        Ok(Self { start: start.ok_or(refused(layout.size()))?.cast(), len, storage: Storage::F32 })
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The values as they are stored.
    pub(crate) fn stored(&self) -> Stored<'_> {
        match self.storage {
            Storage::F32 => Stored::F32(self),
            Storage::Pairs => {
                let words = self.storage.words(self.len);
                // SAFETY: this buffer owns the words, `zeros` initialized them, and they are borrowed as long as the
                // slice.
                Stored::Pairs(unsafe { std::slice::from_raw_parts(self.start.as_ptr(), words) })
            }
        }
    }

    /// Whether values leave the caches before the last of them is written, so that they may as well go past them.
    pub(crate) fn exceeds_caches(&self) -> bool {
        self.len > MOST_CACHED
    }

    /// Changes the storage. Returns the words to be overwritten: one for each f32 value or each pair.
    pub(crate) fn overwrite(&mut self, storage: Storage) -> &mut [f32] {
        self.storage = storage;
        // SAFETY: this buffer owns the words, `zeros` initialized them, and they are borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), storage.words(self.len)) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.len) {
            let start = self.start.as_ptr().cast();
            // SAFETY: `zeros` took the memory with the same layout, in the same one of the two ways.
            unsafe { if is_mapped(layout) { unmap(start, layout) } else { dealloc(start, layout) } };
        }
    }
}

fn layout(len: usize) -> Option<Layout> {
    let bytes = len.max(1).checked_mul(size_of::<f32>())?;
    let align = if bytes >= HUGE_PAGE { HUGE_PAGE } else { CACHE_LINE };
    Some(Layout::from_size_align(bytes, align).ok()?.pad_to_align())
}

/// Zeros from the allocator.
fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    // SAFETY: a layout has room for one value at least.
    NonNull::new(unsafe { alloc_zeroed(layout) })
}

fn is_mapped(layout: Layout) -> bool {
    cfg!(all(target_os = "linux", not(miri))) && layout.align() == HUGE_PAGE
}

/// Fresh zero pages from the system, huge ones where it has them.
#[cfg(target_os = "linux")]
fn map(layout: Layout) -> Option<NonNull<u8>> {
    let (size, align) = (layout.size(), layout.align());
    // Mapped with room to spare, then cut to the alignment.
    let room = size.checked_add(align)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping touches no memory that is in use; what is unmapped and advised lies within it.
    unsafe {
        let mapped = libc::mmap(std::ptr::null_mut(), room, protection, flags, -1, 0);
        if mapped == libc::MAP_FAILED {
            return None;
        }
        let mapped = mapped.cast::<u8>();
        let before = mapped.align_offset(align);
        let start = mapped.add(before);
        if before > 0 {
            libc::munmap(mapped.cast(), before);
        }
        if align > before {
            libc::munmap(start.add(size).cast(), align - before);
        }
        libc::madvise(start.cast(), size, libc::MADV_HUGEPAGE);
        NonNull::new(start)
    }
}

/// # Safety
/// `start` must be what [`map`] returned for this layout, and nobody may use it any more.
#[cfg(target_os = "linux")]
unsafe fn unmap(start: *mut u8, layout: Layout) {
    // SAFETY: the caller promises a mapping of `map` with this layout, which nobody uses any more.
    unsafe { libc::munmap(start.cast(), layout.size()) };
}

#[cfg(not(target_os = "linux"))]
fn map(layout: Layout) -> Option<NonNull<u8>> {
    unreachable!("{layout:?} is mapped on Linux only")
}

#[cfg(not(target_os = "linux"))]
unsafe fn unmap(_: *mut u8, layout: Layout) {
    unreachable!("{layout:?} is mapped on Linux only")
}

impl Deref for Buffer {
    type Target = [f32];
    #[track_caller]
    fn deref(&self) -> &[f32] {
        assert_eq!(self.storage, Storage::F32, "the storage of a buffer that is used as f32 values");
        // SAFETY: this buffer owns `len` values, `zeros` initialized them, and they are borrowed as long as the slice.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut [f32] {
        assert_eq!(self.storage, Storage::F32, "the storage of a buffer that is changed as f32 values");
        // SAFETY: this buffer owns `len` values, `zeros` initialized them, and they are borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_buffers_are_aligned_zeros() {
        for len in [0, 1, 1000, HUGE_PAGE / 4, HUGE_PAGE / 2 + 1, 3 << 20] {
            let mut buffer = Buffer::zeros(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert!(buffer.as_ptr().addr().is_multiple_of(CACHE_LINE));
            assert!(buffer.iter().all(|&value| value == 0.0));
            buffer.fill(1.0);
        }
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        assert!(matches!(Buffer::zeros(usize::MAX), Err(Error::OutOfMemory { .. })));
        assert!(matches!(Buffer::zeros(usize::MAX / 8), Err(Error::OutOfMemory { .. })));
    }
}

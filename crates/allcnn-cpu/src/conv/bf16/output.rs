//! Where the sums of forward and backward-data go.

use crate::ops::epilogue::Finish;
use crate::products::block::{BLOCK, TILE};
use crate::simd::Simd;
use crate::stored::Storage;
use crate::threads::SharedMut;

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub finish: Finish<'a>,
    /// The destination, and how its values are stored.
    pub words: SharedMut<'a, f32>,
    pub storage: Storage,
    /// Whether cache lines of it are written past the caches.
    pub is_streamed: bool,
}

impl Output<'_> {
    /// Finishes the sums of `count` channels from `channel`, the first of a block, and writes them to the destination from
    /// value `first` on.
    ///
    /// # Safety
    /// Nobody else may use these values.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd>(
        &self,
        simd: S,
        (first, channel): (usize, usize),
        count: usize,
        sums: &mut [f32; BLOCK],
    ) {
        let words = self.storage.words(first)..self.storage.words(first + count);
        // SAFETY: nobody else uses these values, as the caller promises.
        let to = unsafe { self.words.slice(words) };
        if count == BLOCK {
            self.write_block(simd, (first, channel), sums, to);
        } else {
            self.finish.run(simd, (first, channel), &mut sums[..count]);
            to.copy_from_slice(&sums[..count]);
        }
    }

    /// [`Self::write`] of a whole block.
    #[inline(always)]
    fn write_block<S: Simd>(
        &self,
        simd: S,
        (first, channel): (usize, usize),
        sums: &mut [f32; BLOCK],
        to: &mut [f32],
    ) {
        let finish = self.finish.drop_in_memory(simd, (first, channel), sums);
        let is_line = to.as_ptr().addr().is_multiple_of(TILE * size_of::<f32>());
        assert_eq!(to.len(), self.storage.words(BLOCK), "words of a block");
        for at in (0..TILE).step_by(S::LANES) {
            // SAFETY: both halves of the sums have 16 values, and `to` has the words of a block.
            unsafe {
                let halves = (simd.load(sums.as_ptr().add(at)), simd.load(sums.as_ptr().add(TILE + at)));
                let (low, high) = finish.halves(simd, (first, channel), at, halves);
                let to = to.as_mut_ptr().add(at);
                match (self.storage, self.is_streamed && is_line) {
                    (Storage::Pairs, true) => simd.stream(simd.pair(low, high), to),
                    (Storage::Pairs, false) => simd.store(simd.pair(low, high), to),
                    (Storage::F32, true) => {
                        simd.stream(low, to);
                        simd.stream(high, to.add(TILE));
                    }
                    (Storage::F32, false) => {
                        simd.store(low, to);
                        simd.store(high, to.add(TILE));
                    }
                }
            }
        }
    }
}

//! Where blocks of 32 sums of forward and backward-data go, in either storage.

use crate::ops::epilogue::{Finish, Position};
use crate::products::block::{BLOCK, TILE};
use crate::simd::Simd;
use crate::stored::Storage;
use crate::threads::SharedMut;

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(super) struct BlocksOut<'a> {
    pub finish: Finish<'a>,
    /// The destination, and how its values are stored.
    pub words: SharedMut<'a, f32>,
    pub storage: Storage,
    /// Whether cache lines of it are written past the caches.
    pub is_streamed: bool,
}

impl BlocksOut<'_> {
    /// Finishes the sums of `count` channels, from the first of a block on, and writes them to the destination.
    ///
    /// # Safety
    /// Nobody else may use these values.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd>(
        &self,
        simd: S,
        first: Position,
        count: usize,
        sums: &mut [f32; BLOCK],
    ) {
        let words = self.storage.words(first.index)..self.storage.words(first.index + count);
        // SAFETY: nobody else uses these values, as the caller promises.
        let to = unsafe { self.words.slice(words) };
        if count == BLOCK {
            self.write_block(simd, first, sums, to);
        } else {
            self.finish.in_memory(simd, first, &mut sums[..count]);
            to.copy_from_slice(&sums[..count]);
        }
    }

    /// [`Self::write`] of a whole block.
    #[inline(always)]
    fn write_block<S: Simd>(&self, simd: S, first: Position, sums: &mut [f32; BLOCK], to: &mut [f32]) {
        let finish = self.finish.drop_in_memory(simd, first, sums);
        let is_line = to.as_ptr().addr().is_multiple_of(TILE * size_of::<f32>());
        assert_eq!(to.len(), self.storage.words(BLOCK), "words of a block");
        for at in (0..TILE).step_by(S::LANES) {
            // SAFETY: both halves of the sums have 16 values, and `to` has the words of a block.
            unsafe {
                let halves = (simd.load(sums.as_ptr().add(at)), simd.load(sums.as_ptr().add(TILE + at)));
                let (low, high) = finish.halves(simd, first, at, halves);
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

//! How the values of a buffer may be stored.

use crate::products::block::{BLOCK, TILE as PAIRS};
use crate::simd::Simd;
use crate::whole::{arrays, arrays_mut};

/// How the values of a buffer are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Storage {
    /// A value in each word.
    #[default]
    F32,
    /// bf16: word i of each 32 values holds values i (low half) and i + 16, as products of bf16 want them.
    Pairs,
}

impl Storage {
    /// f32-sized words of `len` values.
    pub(crate) fn words(self, len: usize) -> usize {
        match self {
            Storage::F32 => len,
            Storage::Pairs => len / 2,
        }
    }
}

/// The words of a buffer's values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored<'a> {
    /// See [`Storage::F32`].
    F32(&'a [f32]),
    /// See [`Storage::Pairs`].
    Pairs(&'a [f32]),
}

impl<'a> Stored<'a> {
    pub(crate) fn storage(self) -> Storage {
        match self {
            Stored::F32(_) => Storage::F32,
            Stored::Pairs(_) => Storage::Pairs,
        }
    }

    /// The values, which must be in f32.
    #[inline(always)]
    pub(crate) fn f32(self) -> &'a [f32] {
        assert_eq!(self.storage(), Storage::F32, "the storage of values that are used as f32");
        self.words()
    }

    #[inline(always)]
    pub(crate) fn words(self) -> &'a [f32] {
        match self {
            Stored::F32(words) | Stored::Pairs(words) => words,
        }
    }
}

/// Expands 16 pairs to the 32 values that they hold.
#[inline(always)]
fn expand<S: Simd>(simd: S, pairs: &[f32; PAIRS], values: &mut [f32; BLOCK]) {
    for at in (0..PAIRS).step_by(S::LANES) {
        // SAFETY: vectors of up to 16 values, `at` from the beginning of 16 pairs and of each half of the values.
        unsafe {
            let pairs = simd.load(pairs.as_ptr().add(at));
            simd.store(simd.low_half(pairs), values.as_mut_ptr().add(at));
            simd.store(simd.high_half(pairs), values.as_mut_ptr().add(PAIRS + at));
        }
    }
}

/// A vector of each half of the block of 32 values that begins at `first`, `at` values from their beginnings.
#[inline(always)]
pub(crate) fn halves<S: Simd>(simd: S, values: Stored<'_>, first: usize, at: usize) -> (S::V, S::V) {
    let storage = values.storage();
    let words = &values.words()[storage.words(first)..][..storage.words(BLOCK)];
    // SAFETY: slicing checked that each half has values from `at` on, and lanes divide both 16 and `at`.
    unsafe {
        match storage {
            Storage::F32 => (simd.load(words[at..].as_ptr()), simd.load(words[PAIRS + at..].as_ptr())),
            Storage::Pairs => {
                let pairs = simd.load(words[at..].as_ptr());
                (simd.low_half(pairs), simd.high_half(pairs))
            }
        }
    }
}

/// The word of a pixel that holds a channel, with pairs where `PAIRS`.
#[inline(always)]
pub(crate) fn word<const PAIRS_STORED: bool>(channel: usize) -> usize {
    if PAIRS_STORED { channel / BLOCK * PAIRS + channel % PAIRS } else { channel }
}

/// `count` channels of a pixel from `channel` on; of pairs, all of a vector.
///
/// # Safety
/// The pixel must hold them.
#[inline(always)]
pub(crate) unsafe fn channels<S: Simd, const PAIRS_STORED: bool>(
    simd: S,
    pixel: *const f32,
    channel: usize,
    count: usize,
) -> S::V {
    // SAFETY: the caller promises the channels; pairs are stored of whole blocks only, so also of a vector's.
    unsafe {
        let words = pixel.add(word::<PAIRS_STORED>(channel));
        if !PAIRS_STORED {
            return simd.load_first(words, count);
        }
        let pairs = simd.load(words);
        if channel % BLOCK < PAIRS { simd.low_half(pairs) } else { simd.high_half(pairs) }
    }
}

/// Copies values in either storage to f32.
pub(crate) struct Copy<'a> {
    pub from: Stored<'a>,
    pub to: &'a mut [f32],
}

impl crate::simd::Kernel for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.from {
            Stored::F32(values) => self.to.copy_from_slice(values),
            Stored::Pairs(words) => {
                let blocks = arrays(words).iter().zip(arrays_mut(self.to));
                blocks.for_each(|(pairs, values)| expand(simd, pairs, values));
            }
        }
    }
}

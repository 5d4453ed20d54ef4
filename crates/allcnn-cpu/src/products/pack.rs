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

/// The bf16 terms of packed values, the most significant first: how many (one or two), and the words from one to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub count: usize,
    pub apart: usize,
}

/// Writes the terms of the 16 pairs (low[i], high[i]) from `to` on; the second one is what rounding left over.
///
/// # Safety
/// The slices behind the values must still be borrowed, and 16 pairs be writable for each term.
#[inline(always)]
pub(crate) unsafe fn store_pairs<S: Simd>(simd: S, low: Values, high: Values, terms: Terms, to: *mut f32) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the caller promises that the values are borrowed; vectors `at` lie within 16 pairs of each term.
        unsafe {
            let (low, high) = (low.vector(simd, at), high.vector(simd, at));
            store_vectors(simd, low, high, terms, to.add(at));
        }
    }
}

/// [`store_pairs`] of 16 values each.
///
/// # Safety
/// 16 values must be readable at `low` and `high`, and 16 pairs writable for each term.
#[inline(always)]
pub(crate) unsafe fn store_whole_pairs<S: Simd>(
    simd: S,
    low: *const f32,
    high: *const f32,
    terms: Terms,
    to: *mut f32,
) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: vectors `at` lie within the 16 values and pairs that the caller promises.
        unsafe {
            let (low, high) = (simd.load(low.add(at)), simd.load(high.add(at)));
            store_vectors(simd, low, high, terms, to.add(at));
        }
    }
}

/// Writes the pairs of two vectors.
///
/// # Safety
/// A vector must be writable for each term.
#[inline(always)]
unsafe fn store_vectors<S: Simd>(simd: S, low: S::V, high: S::V, terms: Terms, to: *mut f32) {
    // SAFETY: the caller promises a vector for each of the (one or two) terms.
    unsafe {
        simd.store(simd.pair(low, high), to);
        if terms.count == 2 {
            let rest = (simd.sub(low, simd.rounded(low)), simd.sub(high, simd.rounded(high)));
            simd.store(simd.pair(rest.0, rest.1), to.add(terms.apart));
        }
    }
}

/// Copies the 16 pairs of a block of channels.
///
/// # Safety
/// 16 pairs must be readable at `from` and writable at `to`.
#[inline(always)]
pub(crate) unsafe fn copy_pairs<S: Simd>(simd: S, from: *const f32, to: *mut f32) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the vectors lie within the 16 pairs that the caller promises.
        unsafe { simd.store(simd.load(from.add(at)), to.add(at)) };
    }
}

/// From pairs of channels i and i + 16 of two positions to pairs of the positions, for channels 0 to 15 and 16 to 31.
///
/// # Safety
/// 16 pairs must be readable at both `pixels` and writable at both `to`.
#[inline(always)]
pub(crate) unsafe fn exchange_pairs<S: Simd>(simd: S, pixels: [*const f32; 2], to: [*mut f32; 2]) {
    for at in (0..TILE).step_by(S::LANES) {
        // SAFETY: the vectors lie within the 16 pairs that the caller promises.
        unsafe {
            let (a, b) = (simd.load(pixels[0].add(at)), simd.load(pixels[1].add(at)));
            let [low, high] = simd.exchange(a, b);
            simd.store(low, to[0].add(at));
            simd.store(high, to[1].add(at));
        }
    }
}

/// Packs pairs of two positions for 16 of their channels from `channel` on; those from `channels` on are zeros.
///
/// # Safety
/// `channels` values must be readable at both `pixels`, and 16 pairs be writable for each term.
#[inline(always)]
pub(crate) unsafe fn pack_positions<S: Simd>(
    simd: S,
    pixels: [*const f32; 2],
    channel: usize,
    channels: usize,
    terms: Terms,
    to: *mut f32,
) {
    let rest = channels.saturating_sub(channel);
    // SAFETY: `rest` values are readable from `channel` on, at least 16 where they are read as a whole; the caller promises
    // the pairs.
    unsafe {
        if rest >= TILE {
            let [low, high] = [pixels[0].add(channel), pixels[1].add(channel)];
            store_whole_pairs(simd, low, high, terms, to);
        } else if rest == 0 {
            store_pairs(simd, Values::NONE, Values::NONE, terms, to);
        } else {
            let values =
                |pixel: *const f32| Values::new(std::slice::from_raw_parts(pixel.add(channel), rest));
            store_pairs(simd, values(pixels[0]), values(pixels[1]), terms, to);
        }
    }
}

/// A square of 16 x 16 pairs for each term, to be transposed.
#[repr(align(64))]
pub(crate) struct Squares<const TERMS: usize>([[f32; TILE_PAIRS]; TERMS]);

impl<const TERMS: usize> Squares<TERMS> {
    /// The words from a term's square to the next one.
    pub(crate) const APART: usize = TILE_PAIRS;

    /// Zeros.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([[0.0; TILE_PAIRS]; TERMS])
    }

    /// Row `at` of the first term; the next one's is [`Self::APART`] further on.
    #[inline(always)]
    pub(crate) fn row(&mut self, at: usize) -> *mut f32 {
        assert!(at < TILE, "row {at} of a square");
        self.0.as_mut_ptr().cast::<f32>().wrapping_add(at * TILE)
    }

    /// Writes column i of the first `terms.count` squares to `to + i * step`.
    ///
    /// # Safety
    /// 16 pairs must be writable at each of the 16 addresses, for each term.
    #[inline(always)]
    pub(crate) unsafe fn store_transposed<S: Simd>(&self, simd: S, terms: Terms, to: *mut f32, step: usize) {
        for (term, square) in self.0[..terms.count].iter().enumerate() {
            // SAFETY: the square has 16 x 16 pairs, and the caller promises where they go.
            unsafe { simd.transpose(square.as_ptr(), to.add(term * terms.apart), step) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::{bits, for_each_isa, term, word};
    use super::*;
    use crate::simd::Kernel;

    /// Words from a term to the next, or from the first of two destinations to the other.
    const APART: usize = TILE + 3;
    const UNTOUCHED: f32 = 7.0;

    /// Values that lose bits when they are rounded.
    fn values(first: usize, len: usize) -> Vec<f32> {
        (first..first + len).map(|at| (at as f32 * 0.7133).sin() * 1.7).collect()
    }

    #[derive(Clone, Copy, Debug)]
    enum Function {
        StorePairs,
        StoreWholePairs,
        CopyPairs,
        ExchangePairs,
        /// From this channel on.
        PackPositions(usize),
    }

    #[derive(Clone, Copy)]
    struct Pack<'a> {
        function: Function,
        low: &'a [f32],
        high: &'a [f32],
        terms: usize,
    }

    impl Kernel for Pack<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            let terms = Terms { count: self.terms, apart: APART };
            let mut words = vec![UNTOUCHED; 2 * APART];
            let to = words.as_mut_ptr();
            let (low, high) = (self.low.as_ptr(), self.high.as_ptr());
            // SAFETY: there are 16 words for two terms or destinations; the tests give as many values as each function reads.
            unsafe {
                match self.function {
                    Function::StorePairs => {
                        store_pairs(simd, Values::new(self.low), Values::new(self.high), terms, to);
                    }
                    Function::StoreWholePairs => store_whole_pairs(simd, low, high, terms, to),
                    Function::CopyPairs => copy_pairs(simd, low, to),
                    Function::ExchangePairs => exchange_pairs(simd, [low, high], [to, to.add(APART)]),
                    Function::PackPositions(channel) => {
                        pack_positions(simd, [low, high], channel, self.low.len(), terms, to);
                    }
                }
            }
            words
        }
    }

    /// Runs a function of every instruction set and checks its words against those of the terms of `pairs`.
    fn check_terms(function: Function, low: &[f32], high: &[f32], pairs: impl Fn(usize) -> [f32; 2]) {
        for terms in [1, 2] {
            let mut expected = vec![UNTOUCHED; 2 * APART];
            for (of_term, at) in (0..terms).flat_map(|term| (0..TILE).map(move |at| (term, at))) {
                let [low, high] = pairs(at).map(|value| term(value, of_term));
                expected[of_term * APART + at] = word(low, high);
            }
            for_each_isa(|isa| {
                let words = isa.run(Pack { function, low, high, terms });
                assert_eq!(bits(&words), bits(&expected), "{isa}, {function:?}, {terms} terms");
            });
        }
    }

    #[test]
    fn pairs_of_up_to_16_values_are_rounded_and_zero_padded() {
        let all = values(0, 40);
        for (low, high) in [(16, 16), (20, 5), (1, 0), (0, 15)] {
            let (low, high) = (&all[..low], &all[20..][..high]);
            let value = |values: &[f32], at: usize| values.get(at).copied().unwrap_or(0.0);
            check_terms(Function::StorePairs, low, high, |at| [value(low, at), value(high, at)]);
        }
        check_terms(Function::StoreWholePairs, &all, &all[20..], |at| [all[at], all[20 + at]]);
    }

    #[test]
    fn channels_of_two_positions_are_zero_padded() {
        for channels in [16, 17, 31, 32, 50] {
            let pixels = [values(0, channels), values(99, channels)];
            let value = |pixel: usize, at: usize| pixels[pixel].get(16 + at).copied().unwrap_or(0.0);
            let function = Function::PackPositions(16);
            check_terms(function, &pixels[0], &pixels[1], |at| [value(0, at), value(1, at)]);
        }
    }

    /// Words of pairs of rounded values.
    fn pairs(low: &[f32], high: &[f32]) -> Vec<f32> {
        low.iter().zip(high).map(|(&low, &high)| word(term(low, 0), term(high, 0))).collect()
    }

    #[test]
    fn pairs_of_channels_become_pairs_of_positions() {
        let [a, b] = [values(0, 32), values(50, 32)];
        let pixels = [&a, &b].map(|pixel| pairs(&pixel[..TILE], &pixel[TILE..]));
        let expected = [pairs(&a[..TILE], &b[..TILE]), pairs(&a[TILE..], &b[TILE..])];
        for_each_isa(|isa| {
            let run = |function| isa.run(Pack { function, low: &pixels[0], high: &pixels[1], terms: 1 });
            let words = run(Function::ExchangePairs);
            assert_eq!(bits(&words[..TILE]), bits(&expected[0]), "{isa}");
            assert_eq!(bits(&words[APART..][..TILE]), bits(&expected[1]), "{isa}");
            assert_eq!(bits(&run(Function::CopyPairs)[..TILE]), bits(&pixels[0]), "{isa}");
        });
    }

    /// Squares whose words are their own numbers, transposed.
    struct Transpose;

    impl Kernel for Transpose {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut squares = Squares::<2>::new();
            for (at, word) in squares.0.as_flattened_mut().iter_mut().enumerate() {
                *word = at as f32;
            }
            let mut words = vec![UNTOUCHED; TILE * 2 * APART];
            let terms = Terms { count: 2, apart: APART };
            // SAFETY: there are 16 words for each column of both terms.
            unsafe { squares.store_transposed(simd, terms, words.as_mut_ptr(), 2 * APART) };
            words
        }
    }

    #[test]
    fn the_squares_of_all_terms_are_transposed() {
        for_each_isa(|isa| {
            for (at, word) in isa.run(Transpose).into_iter().enumerate() {
                let (column, term, row) = (at / (2 * APART), at / APART % 2, at % APART);
                let expected = term * TILE_PAIRS + row * TILE + column;
                assert_eq!(word, if row < TILE { expected as f32 } else { UNTOUCHED }, "{isa}, word {at}");
            }
        });
    }
}

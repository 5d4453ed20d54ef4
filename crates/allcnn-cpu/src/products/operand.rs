//! What the words of a product's sides hold: f32 values, or pairs of bf16 values.

use crate::simd::Simd;

/// A word of either side of a product whose sums are f32.
pub(crate) trait Operand: Copy + Default + Send + Sync {
    /// Values in a word, neighbors in depth.
    const VALUES: usize;
    /// sums + a * b, over all values of the words.
    fn multiply_add<S: Simd>(simd: S, a: S::V, b: S::V, sums: S::V) -> S::V;
    /// A vector of words from the `VALUES` neighbors in depth of each; the rest of them is not used.
    fn join<S: Simd>(simd: S, first: S::V, second: S::V) -> S::V;
    /// Writes neighbors in depth as `LANES / VALUES` words.
    ///
    /// # Safety
    /// `to` must be valid for writing them.
    unsafe fn store<S: Simd>(simd: S, values: S::V, to: *mut f32);
}

/// A value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Single;

/// Two values, rounded to bf16; the first is in the low half.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pair;

impl Operand for Single {
    const VALUES: usize = 1;
    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::V, b: S::V, sums: S::V) -> S::V {
        simd.mul_add(a, b, sums)
    }
    #[inline(always)]
    fn join<S: Simd>(_: S, first: S::V, _: S::V) -> S::V {
        first
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, values: S::V, to: *mut f32) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { simd.store(values, to) }
    }
}

impl Operand for Pair {
    const VALUES: usize = 2;
    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::V, b: S::V, sums: S::V) -> S::V {
        simd.dot(a, b, sums)
    }
    #[inline(always)]
    fn join<S: Simd>(simd: S, first: S::V, second: S::V) -> S::V {
        simd.pair(first, second)
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, values: S::V, to: *mut f32) {
        // SAFETY: the caller vouches for the pointer.
        unsafe { simd.store_rounded(values, to) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::{bits, for_each_isa, rounded, word};
    use super::*;
    use crate::simd::{Kernel, WIDEST};

    /// Values that lose bits when they are rounded.
    fn values(seed: usize) -> [f32; WIDEST] {
        std::array::from_fn(|at| ((at + 100 * seed) as f32 * 0.7133).sin() * 1.7)
    }

    /// The words of a vector that is stored, and those of two that are joined.
    struct Words;

    impl Kernel for Words {
        type Output = (Vec<f32>, Vec<f32>);

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> (Vec<f32>, Vec<f32>) {
            let (mut stored, mut joined) = (vec![7.0; S::LANES / 2 + 1], vec![7.0; S::LANES]);
            // SAFETY: no vector is wider than the values, and there is room for half a vector of words and for a whole one.
            unsafe {
                let (first, second) = (simd.load(values(0).as_ptr()), simd.load(values(1).as_ptr()));
                Pair::store(simd, first, stored.as_mut_ptr());
                simd.store(Pair::join(simd, first, second), joined.as_mut_ptr());
            }
            (stored, joined)
        }
    }

    #[test]
    fn pairs_are_of_neighbors_or_of_two_vectors() {
        let [first, second] = [0, 1].map(|seed| values(seed).map(rounded));
        let check = |(stored, joined): (Vec<f32>, Vec<f32>)| {
            let lanes = joined.len();
            let expected: Vec<_> = (0..lanes / 2).map(|at| word(first[2 * at], first[2 * at + 1])).collect();
            assert_eq!(bits(&stored[..lanes / 2]), bits(&expected));
            assert_eq!(stored[lanes / 2], 7.0, "nothing is written past the vector");
            let expected: Vec<_> = (0..lanes).map(|at| word(first[at], second[at])).collect();
            assert_eq!(bits(&joined), bits(&expected));
        };
        for_each_isa(|isa| {
            check(isa.run(Words));
            check(isa.run_dots(Words));
        });
    }
}

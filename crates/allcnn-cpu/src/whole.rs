//! Slices cut into pieces of one length. The standard library's `chunks_exact` and `as_chunks` leave out a rest without a
//! word; here a rest is a mistake of the caller, which panics.

use std::slice::{ChunksExact, ChunksExactMut};

/// Panics where pieces of `len` values leave a rest of `all` values.
#[inline(always)]
#[track_caller]
fn check(all: usize, len: usize) {
    assert!(all.is_multiple_of(len), "{all} values do not consist of pieces of {len}");
}

/// The pieces of `len` values of a slice that consists of them.
#[inline(always)]
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "checked")]
pub(crate) fn pieces<T>(values: &[T], len: usize) -> ChunksExact<'_, T> {
    check(values.len(), len);
    values.chunks_exact(len)
}

/// The pieces of `len` values of a slice that consists of them, to be written.
#[inline(always)]
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "checked")]
pub(crate) fn pieces_mut<T>(values: &mut [T], len: usize) -> ChunksExactMut<'_, T> {
    check(values.len(), len);
    values.chunks_exact_mut(len)
}

/// The pieces of N values of a slice that consists of them, as arrays.
#[inline(always)]
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "checked")]
pub(crate) fn arrays<T, const N: usize>(values: &[T]) -> &[[T; N]] {
    check(values.len(), N);
    values.as_chunks().0
}

/// The pieces of N values of a slice that consists of them, as arrays to be written.
#[inline(always)]
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "checked")]
pub(crate) fn arrays_mut<T, const N: usize>(values: &mut [T]) -> &mut [[T; N]] {
    check(values.len(), N);
    values.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_cut_into_whole_pieces() {
        let mut values = [1, 2, 3, 4, 5, 6];
        assert_eq!(pieces(&values, 2).collect::<Vec<_>>(), [[1, 2], [3, 4], [5, 6]]);
        assert_eq!(arrays::<_, 3>(&values), [[1, 2, 3], [4, 5, 6]]);
        pieces_mut(&mut values, 6).for_each(|piece| piece.fill(0));
        arrays_mut::<_, 2>(&mut values).iter_mut().for_each(|[_, second]| *second = 1);
        assert_eq!(values, [0, 1, 0, 1, 0, 1]);
    }

    #[test]
    #[should_panic(expected = "5 values do not consist of pieces of 2")]
    fn a_rest_is_refused() {
        let _ = pieces(&[0; 5], 2);
    }
}

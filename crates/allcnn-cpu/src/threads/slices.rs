//! Jobs over slices: each chunk, or each worker, gets a piece of its own.

use super::{SharedMut, Threads};

/// Consecutive pieces of a slice, `piece_len` long but for the last.
struct Pieces<'a, T> {
    values: SharedMut<'a, T>,
    len: usize,
    piece_len: usize,
}

impl<'a, T> Pieces<'a, T> {
    fn of(values: &'a mut [T], piece_len: usize) -> Self {
        Self { len: values.len(), values: SharedMut::new(values), piece_len }
    }

    fn count(&self) -> usize {
        self.len.div_ceil(self.piece_len)
    }

    /// Piece `at`, empty behind the last.
    ///
    /// # Safety
    /// Nobody else may have it.
    unsafe fn piece(&self, at: usize) -> &'a mut [T] {
        let [first, end] = [at, at + 1].map(|piece| (piece * self.piece_len).min(self.len));
        // SAFETY: pieces do not overlap, and the caller vouches for this one.
        unsafe { self.values.slice(first..end) }
    }
}

impl Threads {
    /// Calls `work(chunk index, chunk)` for consecutive chunks of `values`, `chunk_len` long but for the last.
    pub(crate) fn run_over<T: Send>(
        &self,
        values: &mut [T],
        chunk_len: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let pieces = Pieces::of(values, chunk_len);
        self.run(pieces.count(), |chunk| {
            // SAFETY: the pool runs each chunk once.
            work(chunk, unsafe { pieces.piece(chunk) });
        });
    }

    /// Calls `work(chunk index, chunk of a, chunk of b)` for consecutive chunks of two slices, which are cut into the
    /// same number of chunks; where `b` is empty, so are its chunks.
    pub(crate) fn run_zipped<A: Send, B: Send>(
        &self,
        (a, a_chunk): (&mut [A], usize),
        (b, b_chunk): (&mut [B], usize),
        work: impl Fn(usize, &mut [A], &mut [B]) + Sync,
    ) {
        let (a, b) = (Pieces::of(a, a_chunk), Pieces::of(b, b_chunk));
        assert!(b.len == 0 || a.count() == b.count(), "{} chunks beside {}", a.count(), b.count());
        self.run(a.count(), |chunk| {
            // SAFETY: the pool runs each chunk once, and `a` and `b` are borrowed uniquely.
            let (a, b) = unsafe { (a.piece(chunk), b.piece(chunk)) };
            work(chunk, a, b);
        });
    }

    /// Calls `work(chunk index, scratch)` once for every chunk below `chunks`, with `per_worker` elements of `scratch`
    /// that belong to the worker: they hold what its last chunk left there.
    pub(crate) fn run_with_scratch<T: Send>(
        &self,
        chunks: usize,
        scratch: &mut [T],
        per_worker: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let (len, workers) = (scratch.len(), self.count());
        assert!(len >= workers * per_worker, "{len} elements for {workers} workers, {per_worker} each");
        let scratch = Pieces::of(scratch, per_worker);
        self.run_on_workers(chunks, |chunk, worker| {
            // SAFETY: two chunks of the same worker never overlap in time.
            work(chunk, unsafe { scratch.piece(worker) });
        });
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_gets_its_piece_and_the_last_one_the_rest() {
        for count in [1, 2, 5] {
            let threads = Threads::new(count);
            for len in [0, 1, 6, 7, 1000] {
                let mut values = vec![0; len];
                threads.run_over(&mut values, 3, |chunk, piece| piece.fill(chunk + 1));
                assert!(values.iter().enumerate().all(|(at, &value)| value == at / 3 + 1));
            }
        }
    }

    #[test]
    fn zipped_slices_are_cut_at_the_same_chunks() {
        let threads = Threads::new(3);
        let (mut a, mut b) = (vec![0; 10], vec![0; 20]);
        threads.run_zipped((&mut a, 2), (&mut b, 4), |chunk, a, b| {
            a.fill(chunk);
            b.fill(chunk);
        });
        assert!(a.iter().enumerate().all(|(at, &value)| value == at / 2));
        assert!(b.iter().enumerate().all(|(at, &value)| value == at / 4));
        threads.run_zipped((&mut a, 3), (&mut [0; 0], 3), |_, a, b| {
            assert!(b.is_empty());
            a.fill(7);
        });
        assert_eq!(a, [7; 10]);
    }

    #[test]
    #[should_panic(expected = "5 chunks beside 4")]
    fn slices_of_different_numbers_of_chunks_are_not_zipped() {
        Threads::new(2).run_zipped((&mut [0; 10], 2), (&mut [0; 10], 3), |_, _, _| ());
    }

    #[test]
    fn a_worker_keeps_its_scratch_and_shares_it_with_nobody() {
        for count in [1, 4] {
            let threads = Threads::new(count);
            let mut scratch = vec![0; 3 * count + 1];
            threads.run_with_scratch(100, &mut scratch, 3, |_, own| {
                assert_eq!(own.len(), 3);
                own[2] += 1;
            });
            assert_eq!(scratch.iter().sum::<i32>(), 100);
            assert!((0..scratch.len()).all(|at| at % 3 == 2 || scratch[at] == 0));
        }
    }

    #[test]
    #[should_panic(expected = "7 elements for 2 workers, 4 each")]
    fn too_little_scratch_is_refused() {
        Threads::new(2).run_with_scratch(1, &mut [0; 7], 4, |_, _| ());
    }
}

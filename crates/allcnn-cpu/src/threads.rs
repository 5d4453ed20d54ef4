//! A small thread pool: chunks of one job are handed out from an atomic counter. Nothing is allocated by a job.
//!
//! What a chunk computes must not depend on which worker takes it: then results are the same for any thread count.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How long a thread looks for what it waits for before it sleeps; jobs of a step follow one another closely.
const SPINS: usize = 4000;

/// The work of one job: called with (chunk, worker).
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// A pool of `count` workers; the caller of [`Threads::run`] is worker 0.
#[derive(Debug)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    /// One job at a time.
    caller: Mutex<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    idle: Condvar,
    /// Counts jobs, so that a spinning worker sees a new one without the lock.
    generation: AtomicUsize,
    /// Workers that are at the job; taken up under the lock, so that none joins a closed one.
    active: AtomicUsize,
    next_chunk: AtomicUsize,
    panicked: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    job: Option<Job>,
    generation: usize,
    /// Workers that wait for `wake`.
    sleeping: usize,
    /// Whether the caller waits for `idle`.
    caller_sleeps: bool,
    quit: bool,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    work: *const Work<'static>,
    chunks: usize,
}

// SAFETY: the work is Sync, and `run` keeps it alive until no worker holds the job.
unsafe impl Send for Job {}

impl Threads {
    /// Starts `count - 1` workers beside the caller.
    pub(crate) fn new(count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let handles = (1..count)
            .map(|worker| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(worker))
            })
            .collect();
        Self { shared, handles, caller: Mutex::new(()) }
    }

    /// Number of workers, the caller included.
    pub(crate) fn count(&self) -> usize {
        self.handles.len() + 1
    }

    /// Calls `work(chunk, worker)` once for every chunk below `chunks`; returns when all are done.
    /// Workers are numbered below [`Threads::count`]; two chunks with the same worker never overlap in time.
    pub(crate) fn run(&self, chunks: usize, work: impl Fn(usize, usize) + Sync) {
        let _one_job = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        if chunks <= 1 || self.handles.is_empty() {
            (0..chunks).for_each(|chunk| work(chunk, 0));
            return;
        }
        let work: &Work<'_> = &work;
        // SAFETY: only the lifetime is forgotten; `close` below returns when no worker uses the work any more, also
        // when this thread's share of it panicked.
        let work = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        let job = Job { work, chunks };
        self.shared.open(job);
        let own = catch_unwind(AssertUnwindSafe(|| self.shared.take_chunks(job, 0)));
        self.shared.close();
        if let Err(panic) = own {
            std::panic::resume_unwind(panic);
        }
        assert!(!self.shared.panicked.swap(false, Ordering::Relaxed), "a worker thread panicked");
    }

    /// Calls `work(chunk index, chunk)` for consecutive chunks of `values`, `chunk_len` long but for the last.
    pub(crate) fn run_over<T: Send>(
        &self,
        values: &mut [T],
        chunk_len: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let (len, start) = (values.len(), SendPtr(values.as_mut_ptr()));
        self.run(len.div_ceil(chunk_len), |chunk, _| {
            let first = chunk * chunk_len;
            // SAFETY: chunks are disjoint parts of `values`, which stay borrowed until all are done.
            let part = unsafe { std::slice::from_raw_parts_mut(start.at(first), chunk_len.min(len - first)) };
            work(chunk, part);
        });
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().quit = true;
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.wake.notify_all();
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, job: Job) {
        let mut state = self.lock();
        self.next_chunk.store(0, Ordering::Relaxed);
        state.job = Some(job);
        state.generation += 1;
        let (generation, sleeping) = (state.generation, state.sleeping > 0);
        drop(state);
        // Who sees this takes the lock at once, so it must be free by then.
        self.generation.store(generation, Ordering::Release);
        if sleeping {
            self.wake.notify_all();
        }
    }

    /// Takes the job back and waits for the workers that are still at it; late ones find nothing.
    fn close(&self) {
        self.lock().job = None;
        let is_active = || self.active.load(Ordering::Acquire) > 0;
        spin_while(is_active);
        if !is_active() {
            return;
        }
        let mut state = self.lock();
        state.caller_sleeps = true;
        while is_active() {
            state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.caller_sleeps = false;
    }

    fn take_chunks(&self, job: Job, worker: usize) {
        loop {
            let chunk = self.next_chunk.fetch_add(1, Ordering::Relaxed);
            if chunk >= job.chunks {
                return;
            }
            // SAFETY: the job is open, so `run` still holds the work.
            unsafe { (*job.work)(chunk, worker) };
        }
    }

    /// A worker's life.
    fn serve(&self, worker: usize) {
        let mut seen = 0;
        loop {
            spin_while(|| self.generation.load(Ordering::Acquire) == seen);
            let mut state = self.lock();
            while state.generation == seen && !state.quit {
                state.sleeping += 1;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.sleeping -= 1;
            }
            if state.quit {
                return;
            }
            seen = state.generation;
            let Some(job) = state.job else { continue };
            self.active.fetch_add(1, Ordering::Relaxed);
            drop(state);
            if catch_unwind(AssertUnwindSafe(|| self.take_chunks(job, worker))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            // Under the lock, so that a caller that has just looked is asleep by now.
            if self.active.fetch_sub(1, Ordering::AcqRel) == 1 && self.lock().caller_sleeps {
                self.idle.notify_all();
            }
        }
    }
}

/// Spins while something holds, for a while.
fn spin_while(holds: impl Fn() -> bool) {
    let mut spins = 0;
    while holds() && spins < SPINS {
        std::hint::spin_loop();
        spins += 1;
    }
}

/// A pointer that may go to other threads, for writing to disjoint places.
#[derive(Debug)]
pub(crate) struct SendPtr<T>(pub(crate) *mut T);

impl<T> Clone for SendPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for SendPtr<T> {}

// SAFETY: whoever writes through it vouches for disjoint places.
unsafe impl<T: Send> Send for SendPtr<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SendPtr<T> {}

impl<T> SendPtr<T> {
    /// The place `offset` values on.
    ///
    /// # Safety
    /// It must lie in the same allocation.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, offset: usize) -> *mut T {
        // SAFETY: the caller's duty.
        unsafe { self.0.add(offset) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_runs_once_job_after_job() {
        for count in [1, 2, 5] {
            let threads = Threads::new(count);
            for chunks in (0..200).chain([5000]) {
                let mut values = vec![0u32; chunks];
                threads.run_over(&mut values, 1, |chunk, value| value[0] += chunk as u32 + 1);
                assert!(values.iter().enumerate().all(|(at, &value)| value as usize == at + 1));
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let threads = Threads::new(3);
        let panic = catch_unwind(AssertUnwindSafe(|| threads.run(64, |chunk, _| assert_ne!(chunk, 40))));
        assert!(panic.is_err());
        let sum = AtomicUsize::new(0);
        threads.run(100, |chunk, _| {
            sum.fetch_add(chunk, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 4950);
    }
}

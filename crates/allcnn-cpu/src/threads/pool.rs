//! The pool: chunks of one job are handed out from an atomic counter. Nothing is allocated by a job.
//!
//! What a chunk computes must not depend on which worker takes it: then results are the same for any thread count.
//!
//! Why not a pool from a crate: a step is many short jobs, one after another. Workers spin for a while before they
//! sleep, no job allocates, and each chunk is told its worker, which owns scratch memory.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;
use std::time::Instant;

use super::sync::{Arc, AtomicUsize, Condvar, JoinHandle, Mutex, MutexGuard, Ordering, spawn, spin_loop};

/// How often a thread looks for what it waits for before it sleeps; jobs of a step follow one another closely. One
/// look is enough for a model, which tries both ends of it.
const SPINS: usize = if cfg!(all(loom, test)) { 1 } else { 4000 };

/// The work of one job: called with (chunk, worker).
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// What a panic was raised with.
type Payload = Box<dyn Any + Send>;

/// A pool of `count` workers; the caller of [`Threads::run`] is worker 0.
#[derive(Debug)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    /// One job at a time.
    caller: Mutex<()>,
    rehearsal: Option<Rehearsal>,
}

/// What a pool without workers writes down in their place.
#[derive(Debug)]
struct Rehearsal {
    /// The workers that it pretends to have.
    count: usize,
    /// Seconds of each chunk of each job.
    jobs: Mutex<Vec<Vec<f64>>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    idle: Condvar,
    /// Counts jobs, so that a spinning worker sees a new one without the lock.
    generation: AtomicUsize,
    /// Workers that are at the job. Counted up under the lock, so that none joins a closed one.
    active: AtomicUsize,
    next_chunk: AtomicUsize,
    /// The first panic of a worker in the job.
    panic: Mutex<Option<Payload>>,
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

// SAFETY: the work is Sync, so other threads may call it through a pointer; `run_on_workers` keeps it alive until
// none does any more.
unsafe impl Send for Job {}

impl Threads {
    /// Starts `count - 1` workers beside the caller.
    pub(crate) fn new(count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let handles = (1..count)
            .map(|worker| {
                let shared = Arc::clone(&shared);
                spawn(move || shared.serve(worker))
            })
            .collect();
        Self { shared, handles, caller: Mutex::new(()), rehearsal: None }
    }

    /// A pool of the caller alone that says it has `count` workers and writes down how long each chunk takes.
    pub(crate) fn rehearsal(count: usize) -> Self {
        let mut threads = Self::new(1);
        threads.rehearsal = Some(Rehearsal { count, jobs: Mutex::default() });
        threads
    }

    /// Seconds of each chunk of the jobs since the last call; of no jobs where this is no rehearsal.
    pub(crate) fn take_rehearsed(&self) -> Vec<Vec<f64>> {
        self.rehearsal.as_ref().map_or_else(Vec::new, |rehearsal| std::mem::take(&mut *lock(&rehearsal.jobs)))
    }

    /// Number of workers, the caller included.
    pub(crate) fn count(&self) -> usize {
        self.rehearsal.as_ref().map_or(self.handles.len() + 1, |rehearsal| rehearsal.count)
    }

    /// Calls `work(chunk)` once for every chunk below `chunks`; returns when all are done.
    ///
    /// # Panics
    /// With the first panic of `work`, the caller's own before those of other workers.
    pub(crate) fn run(&self, chunks: usize, work: impl Fn(usize) + Sync) {
        self.run_on_workers(chunks, |chunk, _| work(chunk));
    }

    /// [`Threads::run`] with `work(chunk, worker)`. Workers are numbered below [`Threads::count`]; two chunks with
    /// the same worker never overlap in time.
    pub(super) fn run_on_workers(&self, chunks: usize, work: impl Fn(usize, usize) + Sync) {
        let one_job = lock(&self.caller);
        if let Some(rehearsal) = &self.rehearsal {
            let seconds = (0..chunks).map(|chunk| {
                let begin = Instant::now();
                work(chunk, 0);
                begin.elapsed().as_secs_f64()
            });
            return lock(&rehearsal.jobs).push(seconds.collect());
        }
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
        // Taken in any case: the next job begins without it.
        let of_a_worker = lock(&self.shared.panic).take();
        drop(one_job);
        if let Some(panic) = own.err().or(of_a_worker) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        lock(&self.shared.state).quit = true;
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.wake.notify_all();
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

impl Shared {
    /// Offers a job to the workers.
    fn open(&self, job: Job) {
        let mut state = lock(&self.state);
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
        lock(&self.state).job = None;
        let is_active = || self.active.load(Ordering::Acquire) > 0;
        spin_while(is_active);
        if !is_active() {
            return;
        }
        let mut state = lock(&self.state);
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
            // SAFETY: this thread is the caller or counted in `active`, so `run_on_workers` still holds the work.
            unsafe { (*job.work)(chunk, worker) };
        }
    }

    /// A worker's life.
    fn serve(&self, worker: usize) {
        let mut seen = 0;
        loop {
            spin_while(|| self.generation.load(Ordering::Acquire) == seen);
            let mut state = lock(&self.state);
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
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.take_chunks(job, worker))) {
                lock(&self.panic).get_or_insert(panic);
            }
            // Releases what the chunks wrote to the caller. Under the lock, a caller that has just looked is asleep.
            if self.active.fetch_sub(1, Ordering::AcqRel) == 1 && lock(&self.state).caller_sleeps {
                self.idle.notify_all();
            }
        }
    }
}

/// Spins while something holds, for a while.
fn spin_while(holds: impl Fn() -> bool) {
    let mut spins = 0;
    while holds() && spins < SPINS {
        spin_loop();
        spins += 1;
    }
}

/// Locks; a panic while it was locked leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_runs_once_job_after_job() {
        for count in [1, 2, 5] {
            let threads = Threads::new(count);
            for chunks in (0..200).chain([5000]) {
                let runs: Vec<_> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
                threads.run(chunks, |chunk| {
                    runs[chunk].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.into_iter().all(|runs| runs.into_inner() == 1));
            }
        }
    }

    #[test]
    fn a_rehearsal_has_every_chunk_of_every_job_and_runs_them_in_the_caller() {
        let threads = Threads::rehearsal(64);
        assert_eq!(threads.count(), 64);
        let caller = std::thread::current().id();
        for chunks in [3, 0, 1] {
            threads.run_on_workers(chunks, |_, worker| {
                assert_eq!((worker, std::thread::current().id()), (0, caller));
                std::thread::sleep(std::time::Duration::from_millis(1));
            });
        }
        let jobs = threads.take_rehearsed();
        assert_eq!(jobs.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0, 1]);
        assert!(jobs.iter().flatten().all(|&seconds| seconds >= 1e-3), "{jobs:?}");
        assert!(threads.take_rehearsed().is_empty());
        let threads = Threads::new(2);
        threads.run(5, |_| ());
        assert!(threads.take_rehearsed().is_empty());
    }

    /// What a job over 64 chunks panics with.
    fn panic_of(threads: &Threads, work: impl Fn(usize, usize) + Sync) -> String {
        let panic = catch_unwind(AssertUnwindSafe(|| threads.run_on_workers(64, work))).unwrap_err();
        *panic.downcast::<String>().unwrap()
    }

    #[test]
    fn a_panic_reaches_the_caller_with_its_message_and_the_pool_lives_on() {
        let threads = Threads::new(3);
        assert_eq!(
            panic_of(&threads, |chunk, _| assert!(chunk != 40, "chunk {chunk} fails")),
            "chunk 40 fails"
        );
        // All workers wait for one another, so that each has a chunk; then those beside the caller panic.
        let at_work = std::sync::Barrier::new(3);
        let panic = panic_of(&threads, |chunk, worker| {
            if chunk < 3 {
                at_work.wait();
                assert!(worker == 0, "worker {worker} fails");
            }
        });
        assert!(["worker 1 fails", "worker 2 fails"].contains(&&*panic), "{panic}");
        let sum = AtomicUsize::new(0);
        threads.run(100, |chunk| {
            sum.fetch_add(chunk, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 4950);
    }

    #[test]
    fn a_job_does_not_inherit_the_panic_of_the_one_before() {
        let threads = Threads::new(2);
        let at_work = std::sync::Barrier::new(2);
        let panic = panic_of(&threads, |_, worker| {
            at_work.wait();
            panic!("worker {worker} fails")
        });
        assert_eq!(panic, "worker 0 fails");
        threads.run(64, |_| ());
    }
}

/// Every interleaving of a few threads and chunks, see `scripts/loom.sh`.
#[cfg(test)]
#[cfg(loom)]
mod model {
    use loom::cell::UnsafeCell;

    use super::*;

    /// Memory that chunks write without any synchronization, each its own cell: loom panics where a thread uses a
    /// cell and what another thread did with it has not happened before.
    struct Cells(Vec<UnsafeCell<usize>>);

    // SAFETY: loom checks every access.
    unsafe impl Sync for Cells {}

    impl Cells {
        fn new(count: usize) -> Self {
            Self((0..count).map(|_| UnsafeCell::new(0)).collect())
        }

        fn add_to(&self, at: usize) {
            // SAFETY: loom checks that nobody else uses the cell.
            self.0[at].with_mut(|value| unsafe { *value += 1 });
        }

        fn all_are(&self, expected: usize) -> bool {
            // SAFETY: loom checks that nobody else writes the cell.
            self.0.iter().all(|cell| cell.with(|value| unsafe { *value }) == expected)
        }
    }

    #[test]
    fn what_all_chunks_wrote_is_there_when_the_job_ends() {
        loom::model(|| {
            let (threads, cells) = (Threads::new(2), Cells::new(3));
            threads.run(3, |chunk| cells.add_to(chunk));
            assert!(cells.all_are(1));
        });
    }

    #[test]
    fn a_job_finds_what_the_one_before_wrote() {
        loom::model(|| {
            let (threads, cells) = (Threads::new(2), Cells::new(2));
            threads.run(2, |chunk| cells.add_to(chunk));
            threads.run(2, |chunk| cells.add_to(1 - chunk));
            assert!(cells.all_are(2));
        });
    }

    #[test]
    fn a_worker_has_its_scratch_for_itself_among_three() {
        loom::model(|| {
            let (threads, cells, scratch) = (Threads::new(3), Cells::new(3), Cells::new(3));
            threads.run_on_workers(3, |chunk, worker| {
                scratch.add_to(worker);
                cells.add_to(chunk);
            });
            assert!(cells.all_are(1));
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_next_job_runs() {
        loom::model(|| {
            let (threads, cells) = (Threads::new(2), Cells::new(2));
            let panic = catch_unwind(AssertUnwindSafe(|| {
                threads.run(2, |chunk| {
                    if chunk == 1 {
                        // Without the message that a panic prints.
                        resume_unwind(Box::new("chunk 1 fails"));
                    }
                    cells.add_to(chunk);
                })
            }));
            assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"chunk 1 fails"));
            threads.run(2, |chunk| cells.add_to(1 - chunk));
        });
    }
}

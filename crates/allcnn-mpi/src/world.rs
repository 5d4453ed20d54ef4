//! All processes of the job, `MPI_COMM_WORLD`.

use std::mem::ManuallyDrop;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use allcnn_device::{Collective, Error};
use mpi::Threading;
use mpi::environment::{Universe, initialize_with_threading, processor_name};
use mpi::request::{Request, Scope, scope};
use mpi::topology::{Process, SimpleCommunicator};
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Source};

use crate::patience::Patience;

/// Seconds that a process is waited for during a training.
const PATIENCE: &str = "ALLCNN_MPI_PATIENCE";
const USUAL_PATIENCE: u64 = 45;
/// The most bytes or values of a message: MPI counts them with 32 bits.
const MESSAGE: usize = 1 << 28;
/// The bytes of the first message, which are all of an order and of a step's figures: on a slow network each message costs.
const HEAD: usize = 512;
/// Of these the length.
const LEN: usize = 8;
/// The most bytes of a host's name.
const HOST: usize = 64;
/// For so long a wait does nothing but yield; then it sleeps between two looks.
const AWAKE: Duration = Duration::from_millis(2);
const SLEEP: Duration = Duration::from_micros(100);
/// A launcher passes on what processes print, and may lose what it has not read when they are ended.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// All processes of the job.
pub struct World {
    /// Dropped by [`World::finish`] only: that waits for all others.
    universe: ManuallyDrop<Universe>,
    communicator: SimpleCommunicator,
    hosts: Vec<String>,
    patience: Patience,
}

impl World {
    /// Joins the other processes. Called once, by the main thread, which makes all calls.
    ///
    /// # Errors
    /// [`Error::Process`] where MPI cannot be had.
    pub fn join() -> Result<Self, Error> {
        let patience = match std::env::var(PATIENCE) {
            Err(_) => USUAL_PATIENCE,
            Ok(text) => text.parse().ok().filter(|&seconds| seconds > 0).ok_or_else(|| {
                Error::Process(format!("{PATIENCE} is '{text}', expected a whole number of seconds, as 45"))
            })?,
        };
        let (universe, _) = initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| Error::Process("MPI was initialized before".into()))?;
        let communicator = universe.world();
        let mut own = [0; HOST];
        let name = processor_name().unwrap_or_default();
        own.iter_mut().zip(name.bytes()).for_each(|(to, byte)| *to = byte);
        let mut all = vec![0; HOST * communicator.size() as usize];
        communicator.all_gather_into(&own[..], &mut all[..]);
        let host = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        let hosts = all.chunks(HOST).map(host).collect();
        let patience = Patience::new(Duration::from_secs(patience));
        Ok(Self { universe: ManuallyDrop::new(universe), communicator, hosts, patience })
    }

    /// Leaves together with all others, which do the same.
    pub fn finish(self) {
        drop(ManuallyDrop::into_inner(self.universe));
    }

    /// Ends all processes at once, with this exit code.
    pub fn abort(&self, code: u8) -> ! {
        thread::sleep(LAST_WORDS);
        self.communicator.abort(code.into())
    }

    /// `rank 3 on node7`.
    fn named(&self, rank: usize) -> String {
        format!("rank {rank} on {}", self.hosts[rank])
    }

    fn process(&self, rank: usize) -> Process<'_> {
        self.communicator.process_at_rank(rank as i32)
    }

    /// Waits for a message from or to `rank`; if that takes too long, ends all processes. `level`: see [`Patience::limit`].
    fn wait<'a, B: ?Sized>(&self, mut request: Request<'a, B, impl Scope<'a>>, rank: usize, level: u32) {
        let (since, limit) = (Instant::now(), self.patience.limit(level));
        while let Err(pending) = request.test() {
            request = pending;
            let waited = since.elapsed();
            if limit.is_some_and(|limit| waited > limit) {
                eprintln!(
                    "error: {} waited {} s for {}, which hangs or cannot be reached: all processes end\n\
                     the run can be resumed from its last checkpoint, by any number of processes",
                    self.name(),
                    waited.as_secs(),
                    self.named(rank)
                );
                self.abort(1);
            }
            if waited < AWAKE { thread::yield_now() } else { thread::sleep(SLEEP) }
        }
        self.patience.heard();
    }

    /// Sends the partner one part of the values and adds its values to the other part.
    fn add_halves(
        &self,
        partner: usize,
        values: &mut [f32],
        kept: Range<usize>,
        gone: Range<usize>,
        others: &mut [f32],
    ) {
        let parts = kept.len().max(gone.len()).div_ceil(others.len().max(1));
        let part = |range: &Range<usize>, at: usize| {
            let [from, to] = [at, at + 1].map(|at| (range.start + at * others.len()).min(range.end));
            from..to
        };
        let parts: Vec<_> = (0..parts).map(|at| (part(&kept, at), part(&gone, at))).collect();
        for (kept, gone) in parts {
            let received = &mut others[..kept.len()];
            self.swap(partner, &values[gone], received);
            values[kept].iter_mut().zip(&*received).for_each(|(own, other)| *own += other);
        }
    }

    /// Sends the partner values and receives its.
    fn swap(&self, partner: usize, own: &[f32], theirs: &mut [f32]) {
        let level = (self.rank() ^ partner).ilog2();
        let sizes = own.len().max(theirs.len()).div_ceil(MESSAGE);
        let part = |len: usize, at: usize| (at * MESSAGE).min(len)..((at + 1) * MESSAGE).min(len);
        for at in 0..sizes {
            let [from, to] = [part(own.len(), at), part(theirs.len(), at)];
            let (own, theirs) = (&own[from], &mut theirs[to]);
            scope(|scope| {
                let received = self.process(partner).immediate_receive_into(scope, theirs);
                let sent = self.process(partner).immediate_send(scope, own);
                self.wait(received, partner, level);
                self.wait(sent, partner, level);
            });
        }
    }

    fn send(&self, bytes: &[u8], to: usize, level: u32) {
        let (head, rest) = head(bytes);
        scope(|scope| self.wait(self.process(to).immediate_send(scope, &head[..]), to, level));
        for part in rest.chunks(MESSAGE) {
            scope(|scope| self.wait(self.process(to).immediate_send(scope, part), to, level));
        }
    }

    fn receive(&self, from: usize, level: u32) -> Result<Vec<u8>, Error> {
        let mut head = [0; HEAD];
        scope(|scope| {
            self.wait(self.process(from).immediate_receive_into(scope, &mut head[..]), from, level)
        });
        let mut bytes = self.room(&head)?;
        for part in rest(&mut bytes).chunks_mut(MESSAGE) {
            scope(|scope| self.wait(self.process(from).immediate_receive_into(scope, part), from, level));
        }
        Ok(bytes)
    }

    /// The bytes that begin with what is in the head; zeros for those that will follow.
    fn room(&self, head: &[u8; HEAD]) -> Result<Vec<u8>, Error> {
        let (len, first) = head.split_at(LEN);
        let len = u64::from_le_bytes(len.try_into().expect("eight bytes")) as usize;
        let mut bytes = vec![];
        let reserved = bytes.try_reserve_exact(len);
        reserved.map_err(|_| {
            Error::Process(format!("{}: no memory for a message of {len} bytes", self.name()))
        })?;
        bytes.extend_from_slice(&first[..len.min(first.len())]);
        bytes.resize(len, 0);
        Ok(bytes)
    }
}

/// The first message for these bytes, which says how many there are, and what does not fit into it.
fn head(bytes: &[u8]) -> ([u8; HEAD], &[u8]) {
    let mut head = [0; HEAD];
    head[..LEN].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    let (first, rest) = bytes.split_at(bytes.len().min(HEAD - LEN));
    head[LEN..][..first.len()].copy_from_slice(first);
    (head, rest)
}

/// What does not fit into the first message.
fn rest(bytes: &mut [u8]) -> &mut [u8] {
    let first = bytes.len().min(HEAD - LEN);
    &mut bytes[first..]
}

impl Collective for World {
    fn rank(&self) -> usize {
        self.communicator.rank() as usize
    }

    fn size(&self) -> usize {
        self.communicator.size() as usize
    }

    fn name(&self) -> String {
        self.named(self.rank())
    }

    /// Recursive halving, then doubling (Rabenseifner 2004): partners at the distance 1, 2, 4, ... add a half of what they have
    /// left, each its own; then they give the sums back in the opposite order. Each value is added by the tree, and each process
    /// sends twice the values, however many processes there are.
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Error> {
        self.patience.begin();
        let mut others = vec![0.0; values.len().div_ceil(2).min(MESSAGE)];
        let mut left = 0..values.len();
        let mut given = vec![];
        let mut distance = 1;
        while distance < self.size() {
            let middle = left.start + left.len() / 2;
            let (lower, upper) = (left.start..middle, middle..left.end);
            let (kept, gone) = if self.rank() & distance == 0 { (lower, upper) } else { (upper, lower) };
            self.add_halves(self.rank() ^ distance, values, kept.clone(), gone.clone(), &mut others);
            given.push((self.rank() ^ distance, gone));
            left = kept;
            distance *= 2;
        }
        for (partner, gone) in given.into_iter().rev() {
            let (from, to) = (gone.start.min(left.start), gone.end.max(left.end));
            let is_lower = left.end <= gone.start;
            let between = if is_lower { left.end } else { left.start };
            let (lower, upper) = values[from..to].split_at_mut(between - from);
            let (own, theirs) = if is_lower { (lower, upper) } else { (upper, lower) };
            self.swap(partner, own, theirs);
            left = from..to;
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        // A binomial tree: rank 6 hears from 4, which hears from 0.
        let rank = self.rank();
        let levels = self.size().ilog2();
        let own = if rank == 0 { levels } else { rank.trailing_zeros() };
        if rank > 0 {
            *bytes = self.receive(rank & (rank - 1), levels + 1)?;
        }
        (0..own).rev().for_each(|level| self.send(bytes, rank | 1 << level, 0));
        Ok(())
    }

    fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        if self.rank() > 0 {
            self.send(&bytes, 0, self.size().ilog2() + 1);
            return Ok(vec![]);
        }
        let others = (1..self.size()).map(|rank| self.receive(rank, 0));
        std::iter::once(Ok(bytes)).chain(others).collect()
    }
}

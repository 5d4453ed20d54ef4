//! What every kernel runs on: the threads, the instruction set, and one workspace for all convolutions.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use allcnn_device::{Error, Precision};

use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::rehearsal::{Record, Rehearsed, Timed};
use crate::threads::Threads;

/// Settings of the CPU device.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuOptions {
    /// Worker threads; all the machine has when not given.
    pub threads: Option<usize>,
    /// The instruction set; the widest when not given. Must be among [`Isa::available`].
    pub isa: Option<Isa>,
    /// How algorithms are chosen.
    pub choice: Choice,
    /// The precision of the products of convolutions.
    pub precision: Precision,
}

/// Which of the algorithms that can do a convolution does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The first of the list that pays.
    #[default]
    Fastest,
    /// The first of the list that can, even where it does not pay: for tests of its edges.
    First,
    /// The last of the list, which can do everything: for tests of it.
    Last,
}

/// Threads, instruction set and workspace.
#[derive(Debug)]
pub(crate) struct Engine {
    threads: Threads,
    isa: Isa,
    choice: Choice,
    precision: Precision,
    /// Scratch memory of convolutions, one at a time; as large as the largest prepared one needs.
    workspace: Mutex<Buffer>,
    /// The operations of a rehearsal.
    record: Option<Record>,
}

impl Engine {
    /// Starts the worker threads; the errors are those of [`crate::Cpu::new`].
    pub(crate) fn new(options: CpuOptions) -> Result<Self, Error> {
        Self::with(options, Threads::new, None)
    }

    /// An engine whose operations are cut for the threads and run by the caller, see [`crate::rehearsal`].
    pub(crate) fn rehearsal(options: CpuOptions) -> Result<Self, Error> {
        Self::with(options, Threads::rehearsal, Some(Record::default()))
    }

    fn with(options: CpuOptions, start: fn(usize) -> Threads, record: Option<Record>) -> Result<Self, Error> {
        let isa = match options.isa {
            Some(isa) if Isa::available().contains(&isa) => isa,
            Some(isa) => return Err(Error::Unavailable(format!("this machine has no {isa} instructions"))),
            None => Isa::detect().map_err(Error::Unavailable)?,
        };
        let all = available_parallelism().map_or(1, usize::from);
        let threads = start(options.threads.unwrap_or(all).max(1));
        let CpuOptions { choice, precision, .. } = options;
        Ok(Self { threads, isa, choice, precision, workspace: Mutex::new(Buffer::zeros(0)?), record })
    }

    /// Begins an operation on these operands (those that are read and written twice); in a rehearsal it is written down
    /// when the result is dropped.
    pub(crate) fn operation<'b>(
        &self,
        name: &'static str,
        operands: impl IntoIterator<Item = &'b Buffer>,
    ) -> Option<Timed<'_>> {
        self.record.as_ref().map(|record| record.begin(&self.threads, name, operands))
    }

    /// Takes the operations of a rehearsal out.
    pub(crate) fn take_rehearsed(&self) -> Vec<Rehearsed> {
        self.record.as_ref().map_or_else(Vec::new, Record::take)
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    pub(crate) fn choice(&self) -> Choice {
        self.choice
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Makes sure that the workspace holds at least `len` values.
    pub(crate) fn reserve_workspace(&self, len: usize) -> Result<(), Error> {
        let mut workspace = self.workspace();
        if workspace.len() < len {
            *workspace = Buffer::zeros(len)?;
        }
        Ok(())
    }

    /// The workspace, for the length of one operation.
    pub(crate) fn workspace(&self) -> MutexGuard<'_, Buffer> {
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

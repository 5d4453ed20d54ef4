//! Devices for networks. A network borrows its device, and Python decides how long the network lives: so a device lives as long as
//! the process, and serves one network after the other.

use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use allcnn_cpu::{Cpu, CpuOptions};
use pyo3::PyResult;

use crate::error::failure;

/// The devices that no network has.
static FREE: Mutex<Vec<Made>> = Mutex::new(vec![]);

/// A device, with what it was made for.
#[derive(Clone, Copy)]
struct Made {
    device: &'static Cpu,
    threads: Option<usize>,
    /// The process that has its threads: one that was forked from it has not.
    process: u32,
}

/// A device of a network's own, which is free for the next one when this is dropped: there are never more devices than networks were
/// open at once.
pub(crate) struct OwnDevice(Made);

impl OwnDevice {
    /// A device with so many threads, all cores if `None`.
    pub(crate) fn new(threads: Option<usize>) -> PyResult<Self> {
        let process = process::id();
        let mut free = free();
        let known = free.iter().position(|made| (made.threads, made.process) == (threads, process));
        if let Some(known) = known {
            return Ok(Self(free.swap_remove(known)));
        }
        drop(free);
        let device = Cpu::new(CpuOptions { threads, ..CpuOptions::default() }).map_err(failure)?;
        Ok(Self(Made { device: Box::leak(Box::new(device)), threads, process }))
    }

    pub(crate) fn get(&self) -> &'static Cpu {
        self.0.device
    }
}

impl Drop for OwnDevice {
    fn drop(&mut self) {
        free().push(self.0);
    }
}

fn free() -> MutexGuard<'static, Vec<Made>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

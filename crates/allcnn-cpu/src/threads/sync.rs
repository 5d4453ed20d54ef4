//! Atomics, locks and threads of the pool. Under `cfg(loom)` they are loom's, which tries every interleaving and every
//! value that the memory model lets a load see (`scripts/loom.sh`).

#[cfg(not(all(loom, test)))]
pub(super) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{JoinHandle, spawn},
};

#[cfg(all(loom, test))]
pub(super) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{JoinHandle, spawn},
};

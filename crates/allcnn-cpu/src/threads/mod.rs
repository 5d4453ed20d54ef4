//! A small thread pool, and slices handed out to its workers.
//!
//! | file | concept |
//! |---|---|
//! | `pool` | the pool: chunks of one job are handed out from an atomic counter, nothing is allocated by a job |
//! | `slices` | jobs over slices: each chunk, or each worker, gets its own piece |
//! | `shared_mut` | a slice that threads write in parts that are no pieces of it |
//! | `sync` | what the pool is built of: the standard library's, or loom's for its model |

mod pool;
mod shared_mut;
mod slices;
mod sync;

pub(crate) use pool::Threads;
pub(crate) use shared_mut::SharedMut;

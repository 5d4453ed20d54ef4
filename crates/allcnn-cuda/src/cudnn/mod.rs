//! Convolutions as operation graphs of cuDNN (its "graph" or "backend" API).
//!
//! | file | concept |
//! |---|---|
//! | `descriptor` | the one kind of object that this API has: created, filled, finalized, read |
//! | `graph` | the operations of a pass of a convolution, as a graph |
//! | `plan` | engines for a graph in the order of cuDNN's own guess, as plans that can be executed |
//!
//! A graph is made for a [`Target`]: a GPU at hand, or the properties of one. The latter needs no GPU, which is how
//! the tests know that every graph finds engines on a Hopper card.

mod descriptor;
pub(crate) mod graph;
pub(crate) mod plan;

use cudarc::cudnn::sys;
pub(crate) use descriptor::{Descriptor, version};

/// What a graph is made for.
pub(crate) enum Target {
    /// The GPU of a cuDNN handle.
    Handle(sys::cudnnHandle_t),
    /// A GPU known by its properties alone; plans for it can be made and not executed.
    #[cfg_attr(not(test), allow(dead_code))]
    Properties(Descriptor),
}

// SAFETY: any thread may use cuDNN's descriptors and handles, one at a time; a target is part of the queue, behind its lock.
unsafe impl Send for Target {}

#[cfg(test)]
mod tests;

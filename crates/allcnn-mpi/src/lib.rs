//! Processes that train one network together, over MPI: [`allcnn_device::Collective`] by the crate `mpi`. The only place of MPI.
//!
//! Without the feature `mpi` the crate is empty. With it, building needs an MPI library (Open MPI or MPICH, with `mpicc`) and
//! libclang, which reads its header.
#![forbid(unsafe_code)]

#[cfg(feature = "mpi")]
mod patience;
#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use world::World;

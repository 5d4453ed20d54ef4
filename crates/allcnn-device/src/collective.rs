//! Several processes that train one network together.

use crate::device::{Device, Parameter};

/// The processes of one training. A training loop always calls it, so it never branches on how many there are.
pub trait Collective<D: Device> {
    /// This process's number, from 0.
    fn rank(&self) -> usize;
    /// How many processes there are.
    fn size(&self) -> usize;
    /// Replaces every gradient by the sum over the processes.
    fn all_reduce(&self, device: &D, parameters: &mut [Parameter<D::Buffer>]);
}

/// The one process of an ordinary training: rank 0 of 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleProcess;

impl<D: Device> Collective<D> for SingleProcess {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    fn all_reduce(&self, _: &D, _: &mut [Parameter<D::Buffer>]) {}
}

//! Several processes that train one network together.

use crate::error::Error;

/// The processes of one training, numbered by rank from 0; their number is a power of two.
///
/// Every call is made by all of them, in the same order, and may wait for the others. A process that does not come, because
/// it ended or hangs, is an error, or the end of all.
pub trait Collective {
    /// This process's number, from 0.
    fn rank(&self) -> usize;
    /// How many processes there are.
    fn size(&self) -> usize;
    /// Rank and host, for messages: `rank 3 on node7`.
    fn name(&self) -> String;
    /// Replaces each value by the sum over the processes, added by a binary tree: first those of ranks r and r ^ 1, then these
    /// sums of r and r ^ 2, and so on. All processes get the same bits.
    ///
    /// # Errors
    /// [`Error::Process`].
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), Error>;
    /// Replaces the bytes of every process by those of rank 0.
    ///
    /// # Errors
    /// [`Error::Process`].
    fn broadcast(&self, bytes: &mut Vec<u8>) -> Result<(), Error>;
    /// The bytes of every process by rank, for rank 0; nothing for the others.
    ///
    /// # Errors
    /// [`Error::Process`].
    fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, Error>;
}

/// The one process of an ordinary training: rank 0 of 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct SingleProcess;

impl Collective for SingleProcess {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    fn name(&self) -> String {
        "the only process".into()
    }
    fn all_reduce(&self, _: &mut [f32]) -> Result<(), Error> {
        Ok(())
    }
    fn broadcast(&self, _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
    fn gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        Ok(vec![bytes])
    }
}

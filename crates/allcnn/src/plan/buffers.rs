//! The buffers of a plan, by slot.

use allcnn_device::{Device, Error};

/// Maps each `slot` to a buffer.
pub(super) struct Buffers<D: Device> {
    buffers: Vec<D::Buffer>,
    of: Vec<usize>,
}

impl<D: Device> Buffers<D> {
    /// Allocates buffers of these lengths, one per slot from `first` on. If `shared`, buffers are reused such
    /// that adjacent slots differ, which suffices for a pass that reads only the previous slot.
    pub(super) fn new(device: &D, lens: &[usize], first: usize, shared: bool) -> Result<Self, Error> {
        let (mut buffers, mut sizes, mut of) = (Vec::new(), Vec::new(), Vec::new());
        for (slot, &len) in lens.iter().enumerate() {
            let before = slot.checked_sub(1).map(|before| of[before]);
            let free = (0..sizes.len()).find(|&free| shared && sizes[free] == len && Some(free) != before);
            of.push(match free {
                _ if slot < first => usize::MAX,
                Some(free) => free,
                None => {
                    buffers.push(device.alloc(len)?);
                    sizes.push(len);
                    sizes.len() - 1
                }
            });
        }
        Ok(Self { buffers, of })
    }

    pub(super) fn at(&self, slot: usize) -> &D::Buffer {
        &self.buffers[self.of[slot]]
    }

    pub(super) fn at_mut(&mut self, slot: usize) -> &mut D::Buffer {
        &mut self.buffers[self.of[slot]]
    }

    /// Borrows the buffers of two slots, the second mutably.
    pub(super) fn pair(&mut self, read: usize, write: usize) -> (&D::Buffer, &mut D::Buffer) {
        match self.buffers.get_disjoint_mut([self.of[read], self.of[write]]) {
            Ok([read, write]) => (read, write),
            Err(_) => panic!("slots {read} and {write} share a buffer or have none"),
        }
    }
}

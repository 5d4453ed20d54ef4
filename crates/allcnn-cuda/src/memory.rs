//! Buffers on the GPU.
//!
//! The contract's buffers hold f32. With bf16 arithmetic the values between convolutions stay in bf16, so a buffer has
//! memory for f32 and knows whether its values are stored as f32 or bf16 now. Every operation that writes a buffer writes
//! all of it, so the storage format changes as a whole; the host only ever sees f32.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use allcnn_device::Shape;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DeviceRepr};

/// A storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Storage {
    /// 32 bits.
    F32,
    /// The upper 16 bits of an f32.
    Bf16,
}

impl Storage {
    /// Bytes of a value.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Storage::F32 => 4,
            Storage::Bf16 => 2,
        }
    }
}

/// The storage format that a buffer has now, shared with the recordings that change it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StorageCell(Arc<AtomicBool>);

impl StorageCell {
    pub(crate) fn get(&self) -> Storage {
        if self.0.load(Ordering::Relaxed) { Storage::Bf16 } else { Storage::F32 }
    }
    pub(crate) fn set(&self, storage: Storage) {
        self.0.store(storage == Storage::Bf16, Ordering::Relaxed);
    }
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Which storage formats a sequence of operations found in the buffers that it read, and left in those that it wrote.
#[derive(Debug, Default)]
pub(crate) struct StorageLog {
    reads: Vec<(StorageCell, Storage)>,
    writes: Vec<(StorageCell, Storage)>,
}

impl StorageLog {
    /// Notes what was there before the work; what the work itself wrote is no condition.
    pub(crate) fn note_read(&mut self, cell: &StorageCell, storage: Storage) {
        if !self.writes.iter().chain(&self.reads).any(|(known, _)| known.is(cell)) {
            self.reads.push((cell.clone(), storage));
        }
    }

    pub(crate) fn note_write(&mut self, cell: &StorageCell, storage: Storage) {
        match self.writes.iter_mut().find(|(known, _)| known.is(cell)) {
            Some((_, last)) => *last = storage,
            None => self.writes.push((cell.clone(), storage)),
        }
    }

    /// Whether the buffers are as the work found them.
    pub(crate) fn fits(&self) -> bool {
        self.reads.iter().all(|(cell, storage)| cell.get() == *storage)
    }

    /// Sets the buffers' formats to those that the work left.
    pub(crate) fn apply(&self) {
        self.writes.iter().for_each(|(cell, storage)| cell.set(*storage));
    }
}

/// The values of a parameter a second time, in bf16: convolutions read them there, and the optimizer writes both.
#[derive(Debug, Default)]
pub(crate) struct Bf16Copy {
    /// Allocated when a convolution first reads it.
    pub memory: OnceLock<CudaSlice<u8>>,
    /// [`Storage::Bf16`] while it holds the buffer's values.
    pub state: StorageCell,
}

/// A flat array on the GPU.
#[derive(Debug)]
pub struct Buffer {
    pub(crate) memory: CudaSlice<f32>,
    pub(crate) storage: StorageCell,
    pub(crate) copy: Bf16Copy,
    len: usize,
    address: u64,
}

impl Buffer {
    /// `memory` holds `len` values, and at least one.
    pub(crate) fn new(memory: CudaSlice<f32>, len: usize, stream: &CudaStream) -> Self {
        let address = memory.device_ptr(stream).0;
        Self { memory, storage: StorageCell::default(), copy: Bf16Copy::default(), len, address }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values, as kernels take them.
    pub(crate) fn values(&self, storage: Storage) -> Values {
        Values { address: self.address, is_bf16: u64::from(storage == Storage::Bf16) }
    }
}

/// Values in either storage format, as kernels take them (`struct Values` in values.cu).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Values {
    pub address: u64,
    pub is_bf16: u64,
}

impl Values {
    pub(crate) fn new(address: u64, storage: Storage) -> Self {
        Self { address, is_bf16: u64::from(storage == Storage::Bf16) }
    }

    pub(crate) fn storage(self) -> Storage {
        if self.is_bf16 == 0 { Storage::F32 } else { Storage::Bf16 }
    }
}

// SAFETY: `repr(C)` with the two words of `struct Values` in values.cu.
unsafe impl DeviceRepr for Values {}

/// Rows and columns of values in memory: of an image buffer a row a pixel, a column a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatrixShape {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl MatrixShape {
    /// Of an image buffer.
    pub(crate) fn of(shape: Shape) -> Self {
        Self { rows: shape.len() / shape.channels, columns: shape.channels }
    }

    pub(crate) fn len(self) -> usize {
        self.rows * self.columns
    }
}

/// A matrix on the GPU, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix {
    pub(crate) values: Values,
    pub(crate) shape: MatrixShape,
}

/// Panics when a buffer does not fit its shape.
pub(crate) fn assert_len(buffer: &Buffer, expected: usize, name: &str) {
    assert_eq!(buffer.len, expected, "{name} holds {} values, its shape needs {expected}", buffer.len);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_knows_what_the_work_needs_and_what_it_leaves() {
        let [images, hidden] = [StorageCell::default(), StorageCell::default()];
        let mut log = StorageLog::default();
        log.note_read(&images, Storage::F32);
        log.note_write(&hidden, Storage::F32);
        log.note_write(&hidden, Storage::Bf16);
        log.note_read(&hidden, Storage::Bf16);
        // What it writes itself is no condition, whatever the host did to it in between.
        hidden.set(Storage::F32);
        assert!(log.fits());
        log.apply();
        assert_eq!((images.get(), hidden.get()), (Storage::F32, Storage::Bf16));
        images.set(Storage::Bf16);
        assert!(!log.fits());
    }
}

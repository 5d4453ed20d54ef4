//! Buffers on the GPU.
//!
//! The contract's buffers hold f32. With bf16 arithmetic what convolutions hand to each other stays in bf16, so a
//! buffer has room for f32 and says in which form its values are now. Every operation that writes a buffer writes all
//! of it, so the form changes as a whole; the host only ever sees f32.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use allcnn_device::Shape;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DeviceRepr};

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// 32 bits.
    F32,
    /// The upper 16 bits of an f32.
    Bf16,
}

impl Form {
    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Form::F32 => 4,
            Form::Bf16 => 2,
        }
    }
}

/// The form that a buffer has now, shared with the recordings that change it.
#[derive(Clone, Debug, Default)]
pub struct FormCell(Arc<AtomicBool>);

impl FormCell {
    pub fn get(&self) -> Form {
        if self.0.load(Ordering::Relaxed) { Form::Bf16 } else { Form::F32 }
    }
    pub fn set(&self, form: Form) {
        self.0.store(form == Form::Bf16, Ordering::Relaxed);
    }
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Which storage formats a sequence of operations found in the buffers that it read, and left in those that it wrote.
#[derive(Debug, Default)]
pub(crate) struct FormLog {
    reads: Vec<(FormCell, Form)>,
    writes: Vec<(FormCell, Form)>,
}

impl FormLog {
    /// Notes what was there before the work; what the work itself wrote is no condition.
    pub(crate) fn note_read(&mut self, cell: &FormCell, form: Form) {
        if !self.writes.iter().chain(&self.reads).any(|(known, _)| known.is(cell)) {
            self.reads.push((cell.clone(), form));
        }
    }

    pub(crate) fn note_write(&mut self, cell: &FormCell, form: Form) {
        match self.writes.iter_mut().find(|(known, _)| known.is(cell)) {
            Some((_, last)) => *last = form,
            None => self.writes.push((cell.clone(), form)),
        }
    }

    /// Whether the buffers are as the work found them.
    pub(crate) fn fits(&self) -> bool {
        self.reads.iter().all(|(cell, form)| cell.get() == *form)
    }

    /// Sets the buffers' formats to those that the work left.
    pub(crate) fn apply(&self) {
        self.writes.iter().for_each(|(cell, form)| cell.set(*form));
    }
}

/// The values of a parameter a second time, in bf16: convolutions read them there, and the optimizer writes both.
#[derive(Debug, Default)]
pub struct Bf16Copy {
    /// Taken when a convolution first asks for it.
    pub memory: OnceLock<CudaSlice<u8>>,
    /// [`Form::Bf16`] while it holds the buffer's values.
    pub state: FormCell,
}

/// A flat array on the GPU.
#[derive(Debug)]
pub struct Buffer {
    pub(crate) memory: CudaSlice<f32>,
    pub(crate) form: FormCell,
    pub(crate) copy: Bf16Copy,
    len: usize,
    address: u64,
}

impl Buffer {
    /// `memory` holds `len` values, and at least one.
    pub(crate) fn new(memory: CudaSlice<f32>, len: usize, stream: &CudaStream) -> Self {
        let address = memory.device_ptr(stream).0;
        Self { memory, form: FormCell::default(), copy: Bf16Copy::default(), len, address }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values in a form.
    pub(crate) fn values(&self, form: Form) -> Values {
        Values { address: self.address, is_bf16: u64::from(form == Form::Bf16) }
    }
}

/// Values in either form, as kernels take them (`struct Values` in values.cu).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Values {
    pub address: u64,
    pub is_bf16: u64,
}

impl Values {
    pub fn new(address: u64, form: Form) -> Self {
        Self { address, is_bf16: u64::from(form == Form::Bf16) }
    }

    pub fn form(self) -> Form {
        if self.is_bf16 == 0 { Form::F32 } else { Form::Bf16 }
    }
}

// SAFETY: two words, laid out as in values.cu.
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
        let [images, hidden] = [FormCell::default(), FormCell::default()];
        let mut log = FormLog::default();
        log.note_read(&images, Form::F32);
        log.note_write(&hidden, Form::F32);
        log.note_write(&hidden, Form::Bf16);
        log.note_read(&hidden, Form::Bf16);
        // What it writes itself is no condition, whatever the host did to it in between.
        hidden.set(Form::F32);
        assert!(log.fits());
        log.apply();
        assert_eq!((images.get(), hidden.get()), (Form::F32, Form::Bf16));
        images.set(Form::Bf16);
        assert!(!log.fits());
    }
}

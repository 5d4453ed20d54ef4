//! Buffers on the GPU.
//!
//! The contract's buffers hold f32. With bf16 arithmetic what convolutions hand to each other stays in bf16, so a
//! buffer has room for f32 and says in which form its values are now. Every operation that writes a buffer writes all
//! of it, so the form changes as a whole; the host only ever sees f32.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

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

/// Panics when a buffer does not fit its shape.
pub fn assert_len(buffer: &Buffer, expected: usize, name: &str) {
    assert_eq!(buffer.len, expected, "{name} holds {} values, its shape needs {expected}", buffer.len);
}

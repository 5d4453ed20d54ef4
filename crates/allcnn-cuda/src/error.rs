//! Failures of the CUDA driver as the contract's errors.

use allcnn_device::Error;
use cudarc::driver::{DriverError, sys};

/// A failure of the driver, in its words.
pub(crate) fn driver_error(what: &str) -> impl FnOnce(DriverError) -> Error + '_ {
    move |error| Error::Unavailable(format!("the GPU failed at {what}: {error}"))
}

/// A failure to allocate `bytes` bytes.
pub(crate) fn memory_error(what: &'static str, bytes: usize) -> impl FnOnce(DriverError) -> Error {
    move |error| match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::OutOfMemory { what, bytes },
        _ => driver_error("taking memory")(error),
    }
}

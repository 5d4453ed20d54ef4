//! The values that change from step to step, in memory of the GPU (`struct Step` in values.cu).

use std::sync::Arc;

use allcnn_device::Error;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use crate::error::{driver_error, memory_error};

/// A step's number and learning rate.
#[derive(Debug)]
pub struct Step {
    memory: CudaSlice<u32>,
    address: u64,
    /// The number, for what is drawn on the host.
    number: u64,
}

impl Step {
    pub(crate) fn new(stream: &Arc<CudaStream>) -> Result<Self, Error> {
        let words = words(0, 0.0);
        let memory = stream.alloc_zeros(words.len()).map_err(memory_error("a step", size_of_val(&words)))?;
        let address = memory.device_ptr(stream).0;
        Ok(Self { memory, address, number: 0 })
    }

    /// Queues the change behind everything that still reads the old values.
    pub(crate) fn set(
        &mut self,
        stream: &Arc<CudaStream>,
        number: u64,
        learning_rate: f32,
    ) -> Result<(), Error> {
        self.number = number;
        let copied = stream.memcpy_htod(&words(number, learning_rate), &mut self.memory);
        copied.map_err(driver_error("setting the step"))
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn address(&self) -> u64 {
        self.address
    }
}

fn words(number: u64, learning_rate: f32) -> [u32; 4] {
    [number as u32, (number >> 32) as u32, learning_rate.to_bits(), 0]
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_step_is_laid_out_as_the_kernels_read_it() {
        assert_eq!(super::words((7 << 32) + 5, 0.5), [5, 7, 0.5f32.to_bits(), 0]);
    }
}

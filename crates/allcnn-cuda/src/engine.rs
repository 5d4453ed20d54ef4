//! What operations run on: the context and stream of one GPU, its kernels, its libraries and scratch memory.
//!
//! One stream, in order, behind one lock: an operation holds the lock while it queues its work, so that operations of
//! several threads do not mix. Operations return nothing, so the first failure is kept for the next call that returns a
//! result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use allcnn_device::{Error, Precision};
use cudarc::cudnn;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DeviceRepr};

use crate::cache::Cache;
use crate::cublaslt::CublasLt;
use crate::cudnn::Target;
use crate::cudnn::plan::Arithmetic;
use crate::error::{driver_error, memory_error};
use crate::kernels::{Grid, Kernel, Kernels};
use crate::libraries;
use crate::memory::{Buffer, Storage, StorageCell, StorageLog, Values};

/// Pieces of the scratch memory begin at multiples of this.
const ALIGNMENT: usize = 256;

/// The first cuDNN whose graphs are those that the device builds.
const OLDEST_CUDNN: usize = 90_000;

/// One GPU with its stream and libraries.
#[derive(Debug)]
pub(crate) struct Engine {
    pub context: Arc<CudaContext>,
    pub stream: Arc<CudaStream>,
    pub numbers: Numbers,
    queue: Mutex<Queue>,
}

/// How numbers of convolutions are stored and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub storage: Storage,
    pub arithmetic: Arithmetic,
}

impl Numbers {
    pub(crate) fn new(precision: Precision, tf32: bool) -> Self {
        match precision {
            Precision::Bf16 => Self { storage: Storage::Bf16, arithmetic: Arithmetic::TensorCores },
            Precision::F32 if tf32 => Self { storage: Storage::F32, arithmetic: Arithmetic::TensorCores },
            Precision::F32 => Self { storage: Storage::F32, arithmetic: Arithmetic::Strict },
        }
    }

    /// The format of the factors of products.
    pub(crate) fn products(self) -> &'static str {
        match (self.storage, self.arithmetic) {
            (Storage::Bf16, _) => "bf16",
            (Storage::F32, Arithmetic::TensorCores) => "TF32",
            (Storage::F32, Arithmetic::Strict) => "f32",
        }
    }

    /// What the channels of a convolution without groups are padded to: 16 bytes, as tensor cores want them.
    pub(crate) fn channel_multiple(self) -> usize {
        match self.arithmetic {
            Arithmetic::Strict => 1,
            Arithmetic::TensorCores => 16 / self.storage.bytes(),
        }
    }
}

/// The stream with everything that only one thread may use at a time.
pub(crate) struct Queue {
    pub stream: Arc<CudaStream>,
    pub target: Target,
    pub cache: Cache,
    /// For 1x1 convolutions, where the library is installed.
    pub cublaslt: Option<Arc<CublasLt>>,
    kernels: Kernels,
    handle: cudnn::sys::cudnnHandle_t,
    /// Scratch memory. The last allocation is used; the smaller ones before it stay for the graphs that were recorded
    /// with them.
    scratch: Vec<CudaSlice<u8>>,
    failure: Option<Error>,
    /// While a step is being recorded: the formats that its operations found and left.
    pub storage_log: Option<StorageLog>,
}

// SAFETY: only the cuDNN handle is not Send; any thread may use it, one at a time, and whoever has the queue has it alone.
unsafe impl Send for Queue {}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: created in `new`; nothing uses it afterwards, plans of cuDNN are dropped before (see `Choices`). A
        // failure here has no remedy.
        let _ = unsafe { cudnn::result::destroy_handle(self.handle) };
    }
}

impl Engine {
    /// Opens GPU `number`. The libraries must be there (see [`crate::libraries`]).
    pub(crate) fn new(number: usize, numbers: Numbers, cache: Cache) -> Result<Self, Error> {
        let count = CudaContext::device_count().map_err(driver_error("looking for GPUs"))?.max(0) as usize;
        if number >= count {
            return Err(Error::Unavailable(format!(
                "there is no GPU {number}: the driver knows {count}, from 0"
            )));
        }
        if crate::cudnn::version() < OLDEST_CUDNN {
            let version = crate::cudnn::version();
            return Err(Error::Unavailable(format!("cuDNN {version} is too old: install cuDNN 9 or later")));
        }
        let context = CudaContext::new(number).map_err(driver_error("opening the GPU"))?;
        // SAFETY: events order work between streams; here all work goes to one stream, which runs it in order.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(driver_error("making a stream"))?;
        let kernels = Kernels::new(&context, &cache)?;
        let cudnn_error = |error| Error::Unavailable(format!("cuDNN does not start: {error}"));
        let handle = cudnn::result::create_handle().map_err(cudnn_error)?;
        // SAFETY: the handle was just created, and the queue keeps the stream as long as the handle; both stream types are
        // the driver's one opaque struct.
        unsafe { cudnn::result::set_stream(handle, stream.cu_stream().cast()) }.map_err(cudnn_error)?;
        let queue = Queue {
            stream: Arc::clone(&stream),
            target: Target::Handle(handle),
            cache,
            cublaslt: if libraries::has_cublaslt() { CublasLt::open() } else { None },
            kernels,
            handle,
            scratch: Vec::new(),
            failure: None,
            storage_log: None,
        };
        Ok(Self { context, stream, numbers, queue: Mutex::new(queue) })
    }

    /// Locks the queue and makes the GPU's context current in the calling thread.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.context.bind_to_thread() {
            queue.failure.get_or_insert(driver_error("turning to it from another thread")(error));
        }
        queue
    }

    /// Queues an operation. After a failure, nothing more until it has been reported.
    pub(crate) fn enqueue(&self, operation: impl FnOnce(&mut Queue) -> Result<(), Error>) {
        let mut queue = self.queue();
        if queue.failure.is_none() {
            queue.failure = operation(&mut queue).err();
        }
    }

    /// A new buffer of zeros.
    pub(crate) fn alloc(&self, len: usize) -> Result<Buffer, Error> {
        let memory = self.stream.alloc_zeros(len.max(1)).map_err(memory_error("a buffer", 4 * len))?;
        Ok(Buffer::new(memory, len, &self.stream))
    }
}

impl Queue {
    /// Reports the failure of an earlier operation, once.
    pub(crate) fn report_failure(&mut self) -> Result<(), Error> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The values of a buffer that an operation reads.
    pub(crate) fn read(&mut self, buffer: &Buffer) -> Values {
        let storage = buffer.storage.get();
        if let Some(log) = &mut self.storage_log {
            log.note_read(&buffer.storage, storage);
        }
        buffer.values(storage)
    }

    /// The values of a buffer that an operation overwrites, stored in `storage`.
    pub(crate) fn write(&mut self, buffer: &mut Buffer, storage: Storage) -> Values {
        self.set_storage(&buffer.storage, storage);
        self.set_storage(&buffer.copy.state, Storage::F32);
        buffer.values(storage)
    }

    /// The address of a parameter's values in bf16, converted now if the copy is out of date.
    pub(crate) fn read_copy(&mut self, parameter: &Buffer) -> Result<u64, Error> {
        let copy = &parameter.copy;
        if copy.memory.get().is_none() {
            let bytes = parameter.len() * Storage::Bf16.bytes();
            // SAFETY: uninitialized memory, which the conversion below fills before anything reads it.
            let memory = unsafe { self.stream.alloc(bytes.max(1)) };
            let _ = copy.memory.set(memory.map_err(memory_error("weights in bf16", bytes))?);
        }
        let address = copy.memory.get().map_or(0, |memory| memory.device_ptr(&self.stream).0);
        let state = copy.state.get();
        if let Some(log) = &mut self.storage_log {
            log.note_read(&copy.state, state);
        }
        if state == Storage::F32 {
            let (from, to) = (self.read(parameter), Values::new(address, Storage::Bf16));
            let len = parameter.len();
            let grid = Grid::over(len.div_ceil(4));
            // SAFETY: the parameter and its copy hold `len` values each.
            unsafe { self.launch(Kernel::Convert, grid, &[&from, &to, &(len as u64)]) }?;
            self.set_storage(&copy.state, Storage::Bf16);
        }
        Ok(address)
    }

    /// The address of a parameter's bf16 copy, to be written together with the parameter; 0 where none was ever read.
    pub(crate) fn write_copy(&mut self, parameter: &Buffer) -> u64 {
        let Some(memory) = parameter.copy.memory.get() else { return 0 };
        self.set_storage(&parameter.copy.state, Storage::Bf16);
        memory.device_ptr(&self.stream).0
    }

    fn set_storage(&mut self, cell: &StorageCell, storage: Storage) {
        if let Some(log) = &mut self.storage_log {
            log.note_write(cell, storage);
        }
        cell.set(storage);
    }

    /// Queues a kernel.
    ///
    /// # Safety
    /// As [`Kernels::launch`].
    pub(crate) unsafe fn launch(
        &mut self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[&dyn DeviceRepr],
    ) -> Result<(), Error> {
        // SAFETY: the function called asks for what this one asks of its caller.
        unsafe { self.kernels.launch(&self.stream, kernel, grid, arguments) }
    }

    /// Whether work is being recorded rather than executed.
    pub(crate) fn is_recording(&self) -> bool {
        self.storage_log.is_some()
    }

    /// The cuDNN handle, bound to the stream.
    pub(crate) fn handle(&self) -> cudnn::sys::cudnnHandle_t {
        self.handle
    }

    /// Scratch memory until the end of an operation: the addresses of pieces of these sizes in bytes.
    pub(crate) fn scratch<const N: usize>(&mut self, bytes: [usize; N]) -> Result<[u64; N], Error> {
        let (starts, total) = pieces(bytes);
        if self.scratch.last().is_none_or(|piece| piece.len() < total) {
            let bytes = total.next_power_of_two(); // so that the pieces that stay add up to less than the last one
            // SAFETY: uninitialized memory, which every operation writes before it reads it.
            let memory = unsafe { self.stream.alloc(bytes) };
            self.scratch.push(memory.map_err(memory_error("working memory", bytes))?);
        }
        let base = self.scratch.last().map_or(0, |piece| piece.device_ptr(&self.stream).0);
        Ok(starts.map(|start| base + start as u64))
    }

    /// Waits until everything queued is done.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        self.stream.synchronize().map_err(driver_error("waiting for the GPU"))
    }
}

/// The offsets of pieces of these sizes in bytes, and the end of the last one.
fn pieces<const N: usize>(bytes: [usize; N]) -> ([usize; N], usize) {
    let mut end = 0;
    let starts = bytes.map(|bytes| {
        let start = end;
        end += bytes.next_multiple_of(ALIGNMENT);
        start
    });
    (starts, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_aligned_and_do_not_overlap() {
        assert_eq!(pieces([1, 256, 0, 257]), ([0, 256, 512, 512], 1024));
        assert_eq!(pieces([]), ([], 0));
    }

    #[test]
    fn channels_are_padded_to_16_bytes_where_tensor_cores_are_used() {
        let multiples = [(Precision::Bf16, true), (Precision::F32, true), (Precision::F32, false)]
            .map(|(precision, tf32)| Numbers::new(precision, tf32).channel_multiple());
        assert_eq!(multiples, [8, 4, 1]);
        assert_eq!(Numbers::new(Precision::Bf16, false), Numbers::new(Precision::Bf16, true));
    }
}

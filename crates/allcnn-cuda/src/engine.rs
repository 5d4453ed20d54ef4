//! What operations run on: the context and stream of one GPU, its kernels, its libraries and the memory to work in.
//!
//! One stream, in order, behind one lock: an operation takes the lock for all that it queues, so that operations of
//! several threads do not mix. Operations return nothing, so their first failure is kept for the next one that can tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use allcnn_device::{Error, Precision};
use cudarc::cudnn;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, sys};

use crate::cache::Cache;
use crate::conv::choice::Chosen;
use crate::cublaslt::Library;
use crate::cudnn::Target;
use crate::cudnn::graph::Work;
use crate::cudnn::plan::Arithmetic;
use crate::kernels::{Grid, Kernel, Kernels};
use crate::libraries;
use crate::memory::{Buffer, Form, FormCell, Values};
use crate::recording::Taken;

/// Pieces of the working memory begin at multiples of this.
const ALIGNMENT: usize = 256;

/// The first cuDNN whose graphs are those that the device builds.
const OLDEST_CUDNN: usize = 90_000;

/// One GPU, and how to calculate on it.
#[derive(Debug)]
pub struct Engine {
    pub context: Arc<CudaContext>,
    pub stream: Arc<CudaStream>,
    pub numbers: Numbers,
    queue: Mutex<Queue>,
}

/// How numbers of convolutions are stored and multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub form: Form,
    pub arithmetic: Arithmetic,
}

impl Numbers {
    pub fn new(precision: Precision, tf32: bool) -> Self {
        match precision {
            Precision::Bf16 => Self { form: Form::Bf16, arithmetic: Arithmetic::TensorCores },
            Precision::F32 if tf32 => Self { form: Form::F32, arithmetic: Arithmetic::TensorCores },
            Precision::F32 => Self { form: Form::F32, arithmetic: Arithmetic::Strict },
        }
    }

    /// What the channels of a convolution without groups are padded to: 16 bytes, as tensor cores want them.
    pub fn channel_multiple(self) -> usize {
        match self.arithmetic {
            Arithmetic::Strict => 1,
            Arithmetic::TensorCores => 16 / self.form.bytes(),
        }
    }
}

/// The stream with everything that its user must have to himself.
pub struct Queue {
    pub stream: Arc<CudaStream>,
    pub target: Target,
    pub cache: Cache,
    /// For 1x1 convolutions, where it is there.
    pub cublaslt: Option<Arc<Library>>,
    /// The engines chosen so far.
    pub chosen: HashMap<Work, Arc<Chosen>>,
    kernels: Kernels,
    handle: cudnn::sys::cudnnHandle_t,
    /// Working memory. The last piece serves; the smaller ones before it stay for the graphs that were recorded with
    /// them.
    scratch: Vec<CudaSlice<u8>>,
    failure: Option<Error>,
    /// What the recording that is being made has read and written.
    pub taken: Option<Taken>,
}

// SAFETY: the cuDNN handle is the one part that is not Send; it may be used by any thread, by one at a time.
unsafe impl Send for Queue {}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.chosen.clear();
        // SAFETY: made in `new` and not used afterwards. A failure here has no remedy.
        let _ = unsafe { cudnn::result::destroy_handle(self.handle) };
    }
}

impl Engine {
    /// Opens GPU `number`. The libraries must be there (see [`crate::libraries`]).
    pub fn new(number: usize, numbers: Numbers, cache: Cache) -> Result<Self, Error> {
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
        // SAFETY: all work goes to one stream, whose order is enough.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(driver_error("making a stream"))?;
        let kernels = Kernels::new(&context, &cache)?;
        let cudnn_error = |error| Error::Unavailable(format!("cuDNN does not start: {error}"));
        let handle = cudnn::result::create_handle().map_err(cudnn_error)?;
        // SAFETY: a live handle and a stream that outlives it; both types are one opaque struct of the driver.
        unsafe { cudnn::result::set_stream(handle, stream.cu_stream().cast()) }.map_err(cudnn_error)?;
        let queue = Queue {
            stream: Arc::clone(&stream),
            target: Target::Handle(handle),
            cache,
            cublaslt: if libraries::has_cublaslt() { Library::open() } else { None },
            chosen: HashMap::new(),
            kernels,
            handle,
            scratch: Vec::new(),
            failure: None,
            taken: None,
        };
        Ok(Self { context, stream, numbers, queue: Mutex::new(queue) })
    }

    /// Takes the queue, for the thread that calls.
    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.context.bind_to_thread() {
            queue.failure.get_or_insert(driver_error("turning to it from another thread")(error));
        }
        queue
    }

    /// Queues an operation; after a failure, which is kept, nothing more until it is told.
    pub fn run(&self, operation: impl FnOnce(&mut Queue) -> Result<(), Error>) {
        let mut queue = self.queue();
        if queue.failure.is_none() {
            queue.failure = operation(&mut queue).err();
        }
    }

    /// A new buffer of zeros.
    pub fn alloc(&self, len: usize) -> Result<Buffer, Error> {
        let memory = self.stream.alloc_zeros(len.max(1)).map_err(memory_error("a buffer", 4 * len))?;
        Ok(Buffer::new(memory, len, &self.stream))
    }
}

impl Queue {
    /// The failure of an operation before, told once.
    pub fn tell_failure(&mut self) -> Result<(), Error> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The values of a buffer, as they are stored.
    pub fn read(&mut self, buffer: &Buffer) -> Values {
        let form = buffer.form.get();
        if let Some(taken) = &mut self.taken {
            taken.note_read(&buffer.form, form);
        }
        buffer.values(form)
    }

    /// The place of a buffer that is about to be overwritten in a form.
    pub fn write(&mut self, buffer: &mut Buffer, form: Form) -> Values {
        self.set(&buffer.form, form);
        self.set(&buffer.copy.state, Form::F32);
        buffer.values(form)
    }

    /// Where the f32 values of a parameter lie in bf16.
    pub fn read_copy(&mut self, parameter: &Buffer) -> Result<u64, Error> {
        let copy = &parameter.copy;
        if copy.memory.get().is_none() {
            let bytes = parameter.len() * Form::Bf16.bytes();
            // SAFETY: filled below before anything reads it.
            let memory = unsafe { self.stream.alloc(bytes.max(1)) };
            let _ = copy.memory.set(memory.map_err(memory_error("weights in bf16", bytes))?);
        }
        let address = copy.memory.get().map_or(0, |memory| memory.device_ptr(&self.stream).0);
        let state = copy.state.get();
        if let Some(taken) = &mut self.taken {
            taken.note_read(&copy.state, state);
        }
        if state == Form::F32 {
            let (from, to) = (self.read(parameter), Values::new(address, Form::Bf16));
            let len = parameter.len();
            let grid = Grid::over(len.div_ceil(4));
            // SAFETY: both hold `len` values.
            unsafe { self.launch(Kernel::Convert, grid, &[&from, &to, &(len as u64)]) }?;
            self.set(&copy.state, Form::Bf16);
        }
        Ok(address)
    }

    /// Where the copy of a parameter lies, to be written along with it; 0 where nothing ever asked for one.
    pub fn write_copy(&mut self, parameter: &Buffer) -> u64 {
        let Some(memory) = parameter.copy.memory.get() else { return 0 };
        self.set(&parameter.copy.state, Form::Bf16);
        memory.device_ptr(&self.stream).0
    }

    fn set(&mut self, cell: &FormCell, form: Form) {
        if let Some(taken) = &mut self.taken {
            taken.note_write(cell, form);
        }
        cell.set(form);
    }

    /// Queues a kernel.
    ///
    /// # Safety
    /// As [`Kernels::launch`].
    pub unsafe fn launch(
        &mut self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[&dyn DeviceRepr],
    ) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { self.kernels.launch(&self.stream, kernel, grid, arguments) }
    }

    /// Whether the work is being recorded and does not run.
    pub fn is_recording(&self) -> bool {
        self.taken.is_some()
    }

    /// The cuDNN handle, bound to the stream.
    pub fn handle(&self) -> cudnn::sys::cudnnHandle_t {
        self.handle
    }

    /// Memory to work in until the end of an operation: pieces of these sizes in bytes.
    pub fn scratch<const N: usize>(&mut self, bytes: [usize; N]) -> Result<[u64; N], Error> {
        let (starts, total) = pieces(bytes);
        if self.scratch.last().is_none_or(|piece| piece.len() < total) {
            let bytes = total.next_power_of_two(); // so that the pieces that stay add up to less than the last one
            // SAFETY: only written before it is read.
            let memory = unsafe { self.stream.alloc(bytes) };
            self.scratch.push(memory.map_err(memory_error("working memory", bytes))?);
        }
        let base = self.scratch.last().map_or(0, |piece| piece.device_ptr(&self.stream).0);
        Ok(starts.map(|start| base + start as u64))
    }

    /// Waits until everything queued is done.
    pub fn wait(&self) -> Result<(), Error> {
        self.stream.synchronize().map_err(driver_error("waiting for the GPU"))
    }
}

/// Where pieces of these sizes begin, and where the last one ends.
fn pieces<const N: usize>(bytes: [usize; N]) -> ([usize; N], usize) {
    let mut end = 0;
    let starts = bytes.map(|bytes| {
        let start = end;
        end += bytes.next_multiple_of(ALIGNMENT);
        start
    });
    (starts, end)
}

/// A failure of the driver, in its words.
pub fn driver_error(what: &str) -> impl FnOnce(DriverError) -> Error + '_ {
    move |error| Error::Unavailable(format!("the GPU failed at {what}: {error}"))
}

/// A failure to get memory.
pub fn memory_error(what: &'static str, bytes: usize) -> impl FnOnce(DriverError) -> Error {
    move |error| match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::OutOfMemory { what, bytes },
        _ => driver_error("taking memory")(error),
    }
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
    fn what_precisions_mean() {
        let multiples = [(Precision::Bf16, true), (Precision::F32, true), (Precision::F32, false)]
            .map(|(precision, tf32)| Numbers::new(precision, tf32).channel_multiple());
        assert_eq!(multiples, [8, 4, 1]);
        assert_eq!(Numbers::new(Precision::Bf16, false), Numbers::new(Precision::Bf16, true));
    }
}

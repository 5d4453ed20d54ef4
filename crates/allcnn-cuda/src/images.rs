//! Images that stay on the GPU, and batches gathered from them there (`kernels/gather.cu`).
//!
//! They are kept as they come: bytes with a table of their values, or f32. A batch is f32 in either precision, so that its
//! values are those that the host would have made, to the bit.

use allcnn_device::{Error, ImageSet, ImageValues, Shape, View};
use cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr, result};

use crate::engine::Engine;
use crate::error::{driver_error, memory_error};
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Storage};

/// Images are kept where they take no more than this share of the memory that is free: the rest is for others on the
/// same GPU, and for working memory.
const SHARE: usize = 2;

/// Words of `struct View` of gather.cu.
const VIEW_WORDS: usize = 4;

/// A set of images.
#[derive(Debug)]
pub struct Images {
    shape: Shape,
    values: Stored,
    /// The views of the batch that is being gathered, on the host and on the GPU.
    words: Vec<u32>,
    views: Option<CudaSlice<u32>>,
}

#[derive(Debug)]
enum Stored {
    F32(CudaSlice<f32>),
    Bytes { bytes: CudaSlice<u8>, table: CudaSlice<f32> },
}

impl Images {
    /// Copies a set to the GPU; `None` if there is too little memory.
    pub(crate) fn new(engine: &Engine, set: ImageSet<'_>) -> Result<Option<Self>, Error> {
        let ImageSet { shape, values } = set.checked();
        let bytes = match values {
            ImageValues::F32(values) => size_of_val(values),
            ImageValues::Bytes { bytes, .. } => bytes.len(),
        };
        let mut queue = engine.queue();
        queue.report_failure()?;
        let (free, _) = result::mem_get_info().map_err(driver_error("asking for free memory"))?;
        if shape.is_empty() || bytes > free / SHARE {
            return Ok(None);
        }
        let stored = match values {
            ImageValues::F32(values) => copied(engine, values).map(Stored::F32),
            ImageValues::Bytes { bytes, table } => copied(engine, bytes)
                .and_then(|bytes| Ok(Stored::Bytes { bytes, table: copied(engine, table.as_flattened())? })),
        };
        match stored {
            Ok(values) => Ok(Some(Self { shape, values, words: Vec::new(), views: None })),
            Err(Error::OutOfMemory { .. }) => Ok(None), // another process was faster
            Err(error) => Err(error),
        }
    }

    /// Makes a batch of the images in `views`, zeros in the rows after them.
    pub(crate) fn gather(
        &mut self,
        engine: &Engine,
        views: &[View],
        batch: &mut Buffer,
    ) -> Result<(), Error> {
        let Shape { batch: count, height, width, channels } = self.shape;
        let image_len = height * width * channels;
        let rows = batch.len() / image_len;
        assert_eq!(batch.len(), rows * image_len, "a batch of whole images of {image_len} values");
        assert!(views.len() <= rows, "{} views in a batch of {rows}", views.len());
        self.words.clear();
        for view in views {
            assert!((view.image as usize) < count, "image {} of {count}", view.image);
            self.words.extend(words(view, self.shape));
        }
        let mut queue = engine.queue();
        queue.report_failure()?;
        let device_views = match self.views.take() {
            Some(memory) if memory.len() >= self.words.len() => memory,
            _ => {
                let len = rows * VIEW_WORDS;
                engine.stream.alloc_zeros(len).map_err(memory_error("the views of a batch", 4 * len))?
            }
        };
        let device_views = self.views.insert(device_views);
        if !self.words.is_empty() {
            engine
                .stream
                .memcpy_htod(&self.words, device_views)
                .map_err(driver_error("an upload of views"))?;
        }
        let address = device_views.device_ptr(&engine.stream).0;
        let (values, bytes, table) = match &self.values {
            Stored::F32(values) => (values.device_ptr(&engine.stream).0, 0, 0),
            Stored::Bytes { bytes, table } => {
                (0, bytes.device_ptr(&engine.stream).0, table.device_ptr(&engine.stream).0)
            }
        };
        let shape = [height, width, channels].map(|size| size as u32);
        let (to, len, count) = (queue.write(batch, Storage::F32), batch.len() as u64, views.len() as u32);
        // SAFETY: `count` views were queued for copying just above, each checked to be of an image of the set; the batch holds
        // `len` values.
        unsafe {
            queue.launch(
                Kernel::Gather,
                Grid::over(batch.len()),
                &[&shape, &values, &bytes, &table, &address, &count, &to, &len],
            )
        }
    }
}

/// New memory with these values.
fn copied<T: DeviceRepr>(engine: &Engine, values: &[T]) -> Result<CudaSlice<T>, Error> {
    // SAFETY: uninitialized memory, which the copy below fills before anything reads it.
    let memory = unsafe { engine.stream.alloc(values.len()) };
    let mut memory = memory.map_err(memory_error("a set of images", size_of_val(values)))?;
    engine.stream.memcpy_htod(values, &mut memory).map_err(driver_error("an upload of images"))?;
    Ok(memory)
}

/// `struct View` of gather.cu. A shift beyond the image is cut to its size, which leaves nothing in view either.
fn words(view: &View, shape: Shape) -> [u32; VIEW_WORDS] {
    let shift = |shift: i32, size: usize| {
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        shift.clamp(-size, size).cast_unsigned()
    };
    [view.image, view.flip.into(), shift(view.down, shape.height), shift(view.right, shape.width)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_laid_out_as_the_kernel_reads_it() {
        let shape = Shape { batch: 9, height: 2, width: 3, channels: 1 };
        let view = View { image: 7, flip: true, down: -1, right: i32::MAX };
        assert_eq!(words(&view, shape), [7, 1, u32::MAX, 3]);
    }
}

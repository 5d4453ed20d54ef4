//! The measured bandwidth of memory, for predictions.

use std::hint::black_box;
use std::time::Instant;

use allcnn_device::Error;

use crate::buffer::Buffer;
use crate::engine::Engine;

/// Values of a buffer: 128 MiB, more than most last-level caches.
const VALUES: usize = 32 << 20;
/// Values of a chunk.
const CHUNK: usize = 1 << 18;
const TRIES: usize = 5;

/// Bytes read and written in a second while all threads copy one large buffer to another; the best of several tries.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn measure_bytes_per_s(engine: &Engine) -> Result<f64, Error> {
    let (mut from, mut to) = (Buffer::zeros(VALUES)?, Buffer::zeros(VALUES)?);
    from.fill(1.0); // pages of zeros may be one and the same
    let from = &*from;
    let seconds = (0..=TRIES).map(|_| {
        let begin = Instant::now();
        engine.threads().run_over(&mut to, CHUNK, |chunk, to| {
            to.copy_from_slice(&from[chunk * CHUNK..][..to.len()]);
        });
        black_box(&mut to);
        begin.elapsed().as_secs_f64()
    });
    let bytes = (2 * VALUES * size_of::<f32>()) as f64;
    Ok(bytes / seconds.skip(1).fold(f64::INFINITY, f64::min)) // the first try touches the pages
}

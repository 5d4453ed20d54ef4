//! How much of a run's data is read.

use super::error::EngineError;
use crate::runs::OpenRun;

/// Fails if the images of a run's data take more bytes than `most`, as the network sees them.
pub(super) fn expect_images_within(run: &OpenRun, most: usize) -> Result<(), EngineError> {
    let data = &run.manifest.data;
    let images = data.train_images + data.validation_images + data.test_images;
    let bytes = images.saturating_mul(run.transform.pictures().len());
    if bytes <= most { Ok(()) } else { Err(EngineError::TooMany(images)) }
}

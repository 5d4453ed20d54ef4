//! The images of a run's data.

use allcnn::data::DataSet;
use allcnn::evaluate::EvaluateError;
use allcnn::run::open_data;

use super::error::EngineError;
use crate::runs::OpenRun;

/// Reads all images of a run's data, as large as its network sees them.
///
/// # Errors
/// Images that take more bytes than `most` together; data that is not there any more.
pub(super) fn read(run: &OpenRun, most: usize) -> Result<DataSet, EngineError> {
    let (data, geometry) = (&run.trained.manifest.data, run.trained.transform.pictures());
    let images = data.train_images + data.validation_images + data.test_images;
    if images.saturating_mul(geometry.len()) > most {
        return Err(EngineError::TooMany(images));
    }
    let opened = open_data((run.folder.path(), &run.trained.manifest), geometry, None, true, &mut |_| ());
    Ok(opened.map_err(EvaluateError::from)?.data)
}

//! Why the device has no answer.

use allcnn::evaluate::EvaluateError;
use allcnn::export::ExportError;
use allcnn::visualise::VisualiseError;

/// Why the device has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Visualise(#[from] VisualiseError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The images of a run's data are more than are looked through at once.
    #[error("the run's {0} images are too many to be looked through here")]
    TooMany(usize),
    /// The server ends.
    #[error("the explorer ends")]
    Ended,
}

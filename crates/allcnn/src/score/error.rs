//! Errors of scoring images.

use crate::parameters::ParametersError;
use crate::preprocess::PreprocessError;

/// Why images cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A logit is not finite, which no trained network produces.
    #[error(
        "the network answers {0}, which is no probability: its weights or its preprocessing are absurd\n\
         put the run's own files back, or train again"
    )]
    Absurd(f32),
    /// Loading the parameters failed.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// Applying the preprocessing failed.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// An image cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
}

//! What can go wrong where images are shown to a network.

/// Images that cannot be shown to a network, or an answer that says nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A logit that is not finite, which no network that was trained has.
    #[error(
        "the network answers {0}, which is no probability: its weights or its preprocessing are absurd\n\
         put the run's own files back, or train again"
    )]
    Absurd(f32),
    /// The parameters.
    #[error(transparent)]
    Parameters(#[from] crate::parameters::Error),
    /// The preprocessing.
    #[error(transparent)]
    Preprocess(#[from] crate::preprocess::Error),
    /// An image that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
}

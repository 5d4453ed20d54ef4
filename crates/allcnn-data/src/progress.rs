//! How far a long task is, for whoever shows it.

/// How far a long task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// How much is done: images, or bytes of a download.
    pub done: u64,
    /// Out of how much, where that is known.
    pub total: Option<u64>,
}

/// What a long task is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding out what there is.
    Listing,
    /// Reading files; images. Such data as needs no decoding is read into the images at once.
    Reading,
    /// Decoding what was read, and giving it the wanted size; images.
    Decoding,
    /// Fetching; bytes.
    Downloading,
    /// Converting; images.
    Writing,
    /// Comparing with each other; images.
    Comparing,
}

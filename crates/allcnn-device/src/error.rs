//! What can go wrong on a device.

/// A failure of a device or a shape that it cannot take.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer whose numbers do not fit together.
    #[error("{what}: {given}; expected {expected}")]
    InvalidShape {
        /// The operation or layer.
        what: &'static str,
        /// The offending numbers.
        given: String,
        /// The rule that they break.
        expected: &'static str,
    },
    /// The device has too little memory.
    #[error("out of memory: {bytes} bytes for {what} do not fit; use a smaller batch")]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much was asked for.
        bytes: usize,
    },
    /// The device, its driver or its libraries failed or are missing.
    #[error("{0}")]
    Unavailable(String),
    /// One of the processes that train together.
    #[error("{0}")]
    Process(String),
}

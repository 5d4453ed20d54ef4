//! Why a pickle was refused.

/// Why a pickle was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// It names a Python function or class that plain data has no need of.
    #[error("it wants to use '{0}', which data has no need of (a malicious file?); nothing was run")]
    Refused(String),
    /// An instruction outside the known ones.
    #[error("it uses the pickle instruction {0:#04x}, which data has no need of")]
    Instruction(u8),
    /// The file ends in the middle.
    #[error("it ends early: the file is truncated")]
    Truncated,
    /// It does not make sense.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Text conversions would need more memory than the file's size justifies.
    #[error("it would unpack to far more than its size")]
    TooLarge,
}

pub(super) type Result<T> = std::result::Result<T, PickleError>;

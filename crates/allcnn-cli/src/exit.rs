//! The exit code of the program.

use std::process::ExitCode;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// The work is done.
    pub(crate) const DONE: Self = Self(0);
    /// The work failed.
    pub(crate) const FAILED: Self = Self(1);
    /// The command line cannot be understood, as in clap.
    pub(crate) const USAGE: Self = Self(2);
    /// The work was interrupted after saving.
    pub(crate) const INTERRUPTED: Self = Self(130);
}

impl From<Exit> for ExitCode {
    fn from(Exit(code): Exit) -> Self {
        Self::from(code)
    }
}

//! A page that could not be made, and writing one that was.

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file::write_atomically;
use crate::text::shown::PathText;

/// A page that could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report {}: {source}\ncheck that its folder exists, can be written and has room", path.shown())]
pub struct Error {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Writes a page that was made, atomically.
pub(super) fn write_page(page: io::Result<String>, path: &Path) -> Result<(), Error> {
    page.and_then(|page| write_atomically(path, page.as_bytes()))
        .map_err(|source| Error { path: path.to_owned(), source })
}

//! Writing pages, and its error.

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file::write_atomically;
use crate::text::shown::PathText;

/// A page could not be rendered or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report {}: {source}\ncheck that its folder exists, can be written and has room", path.shown())]
pub struct WriteReportError {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Writes a rendered page atomically.
pub(super) fn write_page(page: io::Result<String>, path: &Path) -> Result<(), WriteReportError> {
    page.and_then(|page| write_atomically(path, page.as_bytes()))
        .map_err(|source| WriteReportError { path: path.to_owned(), source })
}

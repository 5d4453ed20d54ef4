//! Exports as bytes.

use std::path::Path;

use allcnn::data::open_file;
use allcnn::export::ExportError;

use super::error::EngineError;

/// The bytes of a file that `write` writes somewhere.
pub(crate) fn in_a_file(
    name: &str,
    write: impl FnOnce(&Path) -> Result<(), ExportError>,
) -> Result<Vec<u8>, EngineError> {
    let io = |source| ExportError::Io { path: name.into(), source };
    let folder = tempfile::tempdir().map_err(io)?;
    let path = folder.path().join(name);
    write(&path)?;
    Ok(open_file::read(&path, open_file::WEIGHTS).map_err(io)?)
}

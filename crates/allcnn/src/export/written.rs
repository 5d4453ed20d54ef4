//! Exports as files.

use std::path::Path;

use allcnn_device::Device;

use super::check::{Agreement, PICTURES, check};
use super::error::ExportError;
use super::html;
use super::onnx::{self, OnnxOptions};
use super::safetensors;
use super::trained::Trained;
use crate::atomic_file::{write_atomically, write_checked};
use crate::data::open_file;

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// How far it is from the program; `None` for weights alone, which are copied.
    pub agreement: Option<Agreement>,
}

/// Writes a network as ONNX to `path`, after it was read back, run on pictures and found to say what the program says on
/// `device`.
///
/// # Errors
/// Fractional pooling; a disagreement; a file that cannot be written. What was at `path` before is then untouched.
pub fn write_onnx<D: Device>(
    device: &D,
    trained: &Trained,
    options: &OnnxOptions,
    path: &Path,
) -> Result<Written, ExportError> {
    let model = onnx::model(trained, options)?;
    let mut agreement = None;
    let io = |source| ExportError::Io { path: path.into(), source };
    write_checked(path, &model.bytes, io, |written| {
        let file = open_file::read(written, open_file::WEIGHTS).map_err(io)?;
        agreement = Some(check(device, trained, options, &model.layers, &file, PICTURES)?);
        Ok(())
    })?;
    Ok(Written { bytes: model.bytes.len() as u64, agreement })
}

/// Writes the weights to `path`, in PyTorch's names and layout.
///
/// # Errors
/// A file that cannot be written.
pub fn write_safetensors(trained: &Trained, path: &Path) -> Result<Written, ExportError> {
    let bytes = safetensors::to_bytes(trained)?;
    write_atomically(path, &bytes).map_err(|source| ExportError::Io { path: path.into(), source })?;
    Ok(Written { bytes: bytes.len() as u64, agreement: None })
}

/// Writes the network as a page to `path`, which classifies pictures in the browser.
///
/// # Errors
/// A network that the page does not compute; a file that cannot be written.
pub fn write_html(trained: &Trained, path: &Path) -> Result<Written, ExportError> {
    let page = html::page(trained)?;
    write_atomically(path, page.as_bytes())
        .map_err(|source| ExportError::Io { path: path.into(), source })?;
    Ok(Written { bytes: page.len() as u64, agreement: None })
}

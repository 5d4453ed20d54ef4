//! Explanations of image files as a sheet, in one call.

use std::path::{Path, PathBuf};

use allcnn_device::Device;

use super::error::Error;
use super::files::{Entry, ExplainRequest, Explained, FileExplainer};
use super::plate::{Coloring, plate};
use super::render::Shading;
use crate::run::RunFolder;

/// Explains `files` with a run's network and writes the maps as a sheet to `out` (`NAME.png`, then `NAME-2.png`,
/// ... if one page is not enough). Returns an entry for each map and for each unreadable file.
///
/// # Errors
/// A request that the network cannot satisfy; a damaged run; device failures; a sheet that cannot be written.
pub fn explain_files<D: Device>(
    device: &D,
    run: &RunFolder,
    request: &ExplainRequest,
    files: &[PathBuf],
    out: &Path,
) -> Result<Vec<Entry>, Error> {
    let mut explainer = FileExplainer::new(device, run, request, files.len())?;
    let mut answers = vec![];
    for files in files.chunks(explainer.batch()) {
        answers.extend(explainer.explain(files)?);
    }
    let explained: Vec<&Explained> = answers.iter().flatten().collect();
    let sheet = plate(&explainer, explained.iter().copied(), Coloring::Map(Shading::Signed));
    let pages = if explained.is_empty() { None } else { Some(sheet.write_pages(out)?) };
    Ok(explainer.all_entries(&answers, pages.as_ref()))
}

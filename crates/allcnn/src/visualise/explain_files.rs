//! Explanations of image files as a sheet, in one call.

use std::path::{Path, PathBuf};

use allcnn_device::Device;

use super::error::VisualiseError;
use super::files::{Entry, ExplainRequest, Explained, FileExplainer, Unread};
use super::plate::{plate, what_is_shown};
use super::render::Pages;
use crate::observer::{Event, Observer, Phase, Stopwatch};
use crate::run::RunFolder;

/// Explained files, and the sheet that shows them.
#[derive(Debug)]
pub struct ExplainedFiles {
    /// For each file its explanations, or why it cannot be read.
    pub files: Vec<Result<Explained, Unread>>,
    /// An entry for each map and for each unreadable file.
    pub entries: Vec<Entry>,
    /// A sentence on what the maps show.
    pub caption: String,
    /// The pages of the sheet; `None` if no file can be read.
    pub pages: Option<Pages>,
}

impl ExplainedFiles {
    /// The files that were read, with their explanations.
    pub fn explained(&self) -> impl Iterator<Item = &Explained> {
        self.files.iter().flatten()
    }
}

/// Explains `files` with a run's network and writes the maps as a sheet to `out` (`NAME.png`, then `NAME-2.png`,
/// ... if one page is not enough). `observer` receives the algorithms, the progress, pages of an earlier sheet that were removed,
/// and the times.
///
/// # Errors
/// A request that the network cannot satisfy; a damaged run; device failures; a sheet that cannot be written.
pub fn explain_files<D: Device>(
    device: &D,
    run: &RunFolder,
    request: &ExplainRequest,
    files: &[PathBuf],
    out: &Path,
    observer: &mut dyn Observer,
) -> Result<ExplainedFiles, VisualiseError> {
    let mut explainer = FileExplainer::new(device, run, request, files.len())?;
    explainer.report_algorithms(observer);
    let total = files.len();
    let mut answers = vec![];
    for files in files.chunks(explainer.batch()) {
        answers.extend(explainer.explain(files)?);
        observer.observe(Event::Explaining { done: answers.len(), total });
    }
    let mut stopwatch = Stopwatch::default();
    stopwatch.begin(Phase::Drawing);
    let explained: Vec<&Explained> = answers.iter().flatten().collect();
    let sheet = || plate(&explainer, explained.iter().copied(), request.coloring);
    let pages = if explained.is_empty() { None } else { Some(sheet().write_pages(out)?) };
    stopwatch.end();
    if let Some(note) = pages.as_ref().and_then(Pages::removed_words) {
        observer.observe(Event::Note(&note));
    }
    let mut times = explainer.times();
    times.add(&stopwatch.times());
    observer.observe(Event::Times(&times));
    let views = explained.iter().flat_map(|explained| explained.units.iter().flatten());
    let caption = what_is_shown(&explainer, views);
    let entries = explainer.all_entries(&answers, pages.as_ref());
    Ok(ExplainedFiles { files: answers, entries, caption, pages })
}

//! Pictures given on the command line, and files to write.

use std::path::{Path, PathBuf};

use allcnn::atomic_file::expect_folder;
use allcnn::data::{Ignored, Pictures, pictures};
use allcnn::text::shown::{PathText, escaped};
use allcnn::visualise::Method;
use allcnn::visualise::render::{Pages, Sheet};
use anyhow::{Context, bail};

use crate::args::{MethodChoice, OutputFlags};
use crate::failure::WrongUsage;
use crate::output::counted;
use crate::progress::Progress;

/// The given pictures and those in the given folders, at least one; reports what was left out of the folders.
pub(super) fn given(paths: &[PathBuf], output: OutputFlags) -> anyhow::Result<Vec<PathBuf>> {
    let Pictures { files, ignored } = pictures(paths)?;
    let progress = Progress::of(output);
    for ignored in Ignored::by_reason(&ignored) {
        progress.note(&escaped(&ignored.to_string()));
    }
    let named = paths.iter().filter(|path| !path.is_dir()).count();
    progress.detail(&format!(
        "{}: {named} named, {} found in folders; told by what is in them, not by their names",
        counted(files.len(), "picture"),
        files.len() - named
    ));
    match paths.first() {
        Some(path) if files.is_empty() => {
            bail!("no pictures in {}: expected JPEG, PNG and the like", path.shown())
        }
        _ => Ok(files),
    }
}

/// Refuses a file that cannot be written before any work is done: the extension of another kind, or a missing folder.
pub(super) fn check_out(flag: &str, path: &Path, kind: &str) -> anyhow::Result<()> {
    check_name(flag, path, kind)?;
    expect_folder(path).with_context(|| format!("cannot write {}", path.shown()))
}

/// Refuses a name with the extension of another kind of file.
pub(super) fn check_name(flag: &str, path: &Path, kind: &str) -> Result<(), WrongUsage> {
    if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    Err(WrongUsage(format!("{flag} {}: expected a name that ends in .{kind}", path.shown())))
}

/// Writes a sheet, and reports pages of an earlier one that were removed.
pub(super) fn write_sheet(sheet: Sheet, path: &Path, output: OutputFlags) -> anyhow::Result<Pages> {
    let pages = sheet.write_pages(path)?;
    if let Some(note) = pages.removed_words() {
        Progress::of(output).note(&format!("note: {note}"));
    }
    Ok(pages)
}

/// The methods of a choice.
pub(super) fn methods(choice: MethodChoice) -> Vec<Method> {
    match choice {
        MethodChoice::Guided => vec![Method::Guided],
        MethodChoice::Backprop => vec![Method::Backprop],
        MethodChoice::Deconvnet => vec![Method::Deconvnet],
        MethodChoice::All => Method::ALL.to_vec(),
    }
}

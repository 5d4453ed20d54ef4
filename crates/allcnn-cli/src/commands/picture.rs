//! Pictures given on the command line, and files to write.

use std::path::{Path, PathBuf};

use allcnn::atomic_file::expect_folder;
use allcnn::data::{Ignored, Pictures, pictures};
use allcnn::text::shown::{PathText, escaped};
use allcnn::visualise::Method;
use anyhow::{Context, bail};

use crate::args::{MethodChoice, Telling};
use crate::failure::WrongUsage;
use crate::progress::Progress;

/// The given pictures and those in the given folders, at least one; reports what was left out of the folders.
pub fn given(paths: &[PathBuf], telling: Telling) -> anyhow::Result<Vec<PathBuf>> {
    let Pictures { files, ignored } = pictures(paths)?;
    for ignored in Ignored::by_reason(&ignored) {
        Progress::of(telling).note(&escaped(&ignored.to_string()));
    }
    match paths.first() {
        Some(path) if files.is_empty() => {
            bail!("no pictures in {}: expected JPEG, PNG and the like", path.shown())
        }
        _ => Ok(files),
    }
}

/// Refuses a file that cannot be written before any work is done: the extension of another kind, or a missing folder.
pub fn check_out(flag: &str, path: &Path, kind: &str) -> anyhow::Result<()> {
    check_name(flag, path, kind)?;
    expect_folder(path).with_context(|| format!("cannot write {}", path.shown()))
}

/// Refuses a name with the extension of another kind of file.
pub fn check_name(flag: &str, path: &Path, kind: &str) -> Result<(), WrongUsage> {
    if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    Err(WrongUsage(format!("{flag} {}: expected a name that ends in .{kind}", path.shown())))
}

/// The methods of a choice.
pub fn methods(choice: MethodChoice) -> Vec<Method> {
    match choice {
        MethodChoice::Guided => vec![Method::Guided],
        MethodChoice::Backprop => vec![Method::Backprop],
        MethodChoice::Deconvnet => vec![Method::Deconvnet],
        MethodChoice::All => Method::ALL.to_vec(),
    }
}

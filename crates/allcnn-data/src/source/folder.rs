//! The files of a folder.
use super::names::is_hidden;
use crate::error::Error;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files below `folder` that are not hidden, sorted.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    walk(folder, &mut HashSet::new(), &mut files)?;
    files.sort();
    Ok(files)
}

/// Collects the files below `folder`, each real folder once (links may form circles).
fn walk(folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let real = fs::canonicalize(folder).map_err(Error::io("read", folder))?;
    if !seen.insert(real) {
        return Ok(());
    }
    let mut items = Vec::new();
    for item in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let item = item.map_err(Error::io("read", folder))?;
        if !is_hidden(&item.file_name().to_string_lossy()) {
            items.push(item.path());
        }
    }
    items.sort();
    for path in items {
        match fs::metadata(&path) {
            Ok(data) if data.is_dir() => walk(&path, seen, files)?,
            Ok(data) if !data.is_file() => {} // a pipe or a device
            _ => files.push(path),            // a broken link is reported when it is read
        }
    }
    Ok(())
}

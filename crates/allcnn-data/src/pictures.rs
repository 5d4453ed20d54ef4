//! The pictures that a person names, by themselves or by their folder, as data has them.
use crate::error::Error;
use crate::ignored::{Counts, Ignored};
use crate::source::{Entry, Source};
use std::path::PathBuf;

/// Pictures, and what lies beside them.
#[derive(Clone, Debug, Default)]
pub struct Pictures {
    /// The files.
    pub files: Vec<PathBuf>,
    /// What was left out in the folders.
    pub ignored: Vec<Ignored>,
}

/// The files among `paths`, and the pictures in the folders among them and below, by name.
///
/// # Errors
/// A folder that cannot be listed.
pub fn pictures(paths: &[PathBuf]) -> Result<Pictures, Error> {
    let (mut files, mut ignored) = (Vec::new(), Counts::default());
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let source = Source::list(path)?;
        let pictures = (0..source.entries.len()).filter(|&entry| source.entries[entry].is_picture());
        files.extend(pictures.filter_map(|entry| source.file(entry)));
        ignored.append(source.left_out(Entry::is_picture));
        ignored.append(source.ignored);
    }
    Ok(Pictures { files, ignored: ignored.list() })
}

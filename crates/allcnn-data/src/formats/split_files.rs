//! The splits of files that hold many images each: parquet files and CIFAR batches.
use super::split_name::{given, lies_in, locate, of_file, outer};
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::Options;
use crate::source::Source;
use crate::split_names::SplitName;
use std::path::Path;

/// Files by split.
pub(super) struct SplitFiles {
    /// The files that are read, in the order of their names, each with its split.
    pub files: Vec<(usize, SplitName)>,
    /// Those that belong to no split.
    pub ignored: Vec<Ignored>,
    pub notes: Vec<Note>,
    /// What people call each split: its first file.
    pub names: [Option<String>; 3],
}

/// Divides files by what a person says of them, else by their names. A file whose name says nothing is for training, unless
/// others say that they are.
pub(super) fn divide(source: &Source, files: &[usize], options: &Options) -> Result<SplitFiles, Error> {
    let names: Vec<&str> = files.iter().map(|&file| source.entries[file].name.as_str()).collect();
    divide_names(source.path(), &names, files, options)
}

/// Divides parts of the data at `path` by their names; `files` has the number of each, by which it is known.
pub(super) fn divide_names(
    path: &Path,
    names: &[&str],
    files: &[usize],
    options: &Options,
) -> Result<SplitFiles, Error> {
    let names = || names.iter().copied();
    let splits: Vec<Option<SplitName>> = if options.reading.splits == Default::default() {
        // A folder that holds everything counts only where nothing below it says a split.
        let shared = outer(names()).iter().map(|folder| folder.len() + 1).sum();
        let below: Vec<Option<SplitName>> = names().map(|name| of_file(&name[shared..])).collect();
        let told = below.iter().any(Option::is_some);
        let splits = if told { below } else { names().map(of_file).collect() };
        let trained = splits.contains(&Some(SplitName::Train));
        splits.into_iter().map(|split| split.or((!trained).then_some(SplitName::Train))).collect()
    } else {
        let outer = outer(names());
        let mut folders = Vec::new();
        for (split, name) in SplitName::ALL.into_iter().zip(given(&options.reading.splits)) {
            let Some(name) = name else { continue };
            let folder = locate(name, &outer, names()).ok_or_else(|| Error::no_split(path, name, names()))?;
            folders.push((split, folder));
        }
        // The innermost folder counts: `train=.,test=test`.
        folders.sort_by_key(|(_, folder)| std::cmp::Reverse(folder.len()));
        let of = |name| folders.iter().find(|(_, folder)| lies_in(name, folder)).map(|(split, _)| *split);
        names().map(of).collect()
    };
    let (mut ignored, mut notes) = (Vec::new(), Vec::new());
    let left: Vec<&str> =
        names().zip(&splits).filter_map(|(name, split)| split.is_none().then_some(name)).collect();
    if let Some(first) = left.first() {
        notes.push(Note::OtherFiles { files: left.len(), example: first.to_string() });
        ignored.push(Ignored::new("in no split", &left));
    }
    let name = |wanted| {
        let mut of = names().zip(&splits).filter(|(_, split)| **split == Some(wanted));
        let (first, _) = of.next()?;
        Some(match of.count() {
            0 => first.to_string(),
            more => format!("{first} and {more} more"),
        })
    };
    let names = SplitName::ALL.map(name);
    let files = files.iter().zip(&splits).filter_map(|(&file, split)| Some((file, (*split)?))).collect();
    Ok(SplitFiles { files, ignored, notes, names })
}

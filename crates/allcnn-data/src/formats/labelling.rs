//! What tables say of image files, held beside what class folders say.
use super::labelled_files::Layout;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// What tables say of image files.
pub(super) struct Labelling {
    pub layout: Layout,
    /// The source of the files, where it is not that of the tables.
    pub files: Option<Source>,
    /// The tables that were read.
    pub tables: Vec<String>,
    /// The first of them with its column of classes, for people.
    pub column: (String, String),
    /// Pictures of the source that no table names.
    pub unnamed: usize,
}

impl Labelling {
    /// Whether the tables are of fewer than half of the images in class folders, or of none of them.
    pub(super) fn is_of_few(&self, folders: &Layout) -> bool {
        let (ours, theirs) = (assignments(&self.layout), assignments(folders));
        self.files.is_some()
            || 2 * ours.keys().filter(|entry| theirs.contains_key(entry)).count() < theirs.len()
    }

    /// Whether class folders say the same of the images, classes being called as they may.
    pub(super) fn says_the_same_as(&self, folders: &Layout) -> bool {
        let (ours, theirs) = (assignments(&self.layout), assignments(folders));
        let both = || ours.iter().filter_map(|(entry, our)| Some((*our, *theirs.get(entry)?)));
        let pairs: BTreeSet<(u32, u32)> = both().map(|((_, our), (_, their))| (our, their)).collect();
        let alone =
            |of: fn(&(u32, u32)) -> u32| pairs.iter().map(of).collect::<BTreeSet<u32>>().len() == pairs.len();
        alone(|pair| pair.0) && alone(|pair| pair.1) && both().all(|((a, _), (b, _))| a == b)
    }

    /// What it is, for people, with the flag that chooses it.
    pub(super) fn words(&self) -> String {
        let (table, column) = &self.column;
        format!(
            "by the table '{table}' ({} classes, {} images{}; --label-column {column})",
            self.layout.classes.len(),
            self.layout.splits.iter().map(Vec::len).sum::<usize>(),
            if self.unnamed > 0 { format!(", {} without a row", self.unnamed) } else { String::new() }
        )
    }
}

/// The split and the class of each entry.
fn assignments(layout: &Layout) -> BTreeMap<usize, (usize, u32)> {
    let of = |(split, items): (usize, &Vec<(usize, u32)>)| {
        items.iter().map(move |&(entry, label)| (entry, (split, label))).collect::<Vec<_>>()
    };
    layout.splits.iter().enumerate().flat_map(of).collect()
}

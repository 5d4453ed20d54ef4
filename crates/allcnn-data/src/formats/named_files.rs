//! The image files that a table names: members of its source, or files of a folder on disk.
use super::split_name::of_file;
use crate::decode::{IMAGE_EXTENSIONS, has_image_extension};
use crate::source::Source;
use crate::split_names::SplitName;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// Finds named files.
pub(super) enum NamedFiles<'s> {
    /// Among the pictures of a source.
    Within(Members<'s>),
    /// In a folder on disk.
    In(Folder),
}

/// The pictures of a source.
pub(super) struct Members<'s> {
    source: &'s Source,
    by_name: HashMap<&'s str, usize>,
    /// By the last part of the name without its ending: several may share it.
    by_stem: HashMap<&'s str, Vec<usize>>,
}

/// Files of a folder on disk, numbered as they are asked for.
pub(super) struct Folder {
    root: PathBuf,
    /// Whether absolute paths and `..` may lead to files in the folder.
    given: bool,
    names: Vec<String>,
    indices: HashMap<String, usize>,
}

/// Why a name is none of a file here.
pub(super) enum Unnamed {
    /// There is no such file.
    Missing,
    /// Several files have this name.
    Several(String, String),
    /// It leads elsewhere.
    Outside(&'static str),
}

impl<'s> NamedFiles<'s> {
    /// The pictures of a source.
    pub(super) fn within(source: &'s Source) -> Self {
        let (mut by_name, mut by_stem): (_, HashMap<&str, Vec<usize>>) = (HashMap::new(), HashMap::new());
        for (index, entry) in source.entries.iter().enumerate().filter(|(_, entry)| entry.is_picture()) {
            by_name.insert(entry.name.as_str(), index);
            by_stem.entry(stem(entry.file_name())).or_default().push(index);
        }
        Self::Within(Members { source, by_name, by_stem })
    }

    /// The files of a folder, which a person gave or which holds the table.
    pub(super) fn in_folder(root: &Path, given: bool) -> Self {
        let (names, indices) = Default::default();
        Self::In(Folder { root: root.to_path_buf(), given, names, indices })
    }

    /// The file that the table of a split calls `given`: the index of an entry of the source that [`NamedFiles::source`] returns.
    pub(super) fn find(
        &mut self,
        table: &str,
        split: Option<SplitName>,
        given: &str,
    ) -> Result<usize, Unnamed> {
        if given.contains("://") {
            return Err(Unnamed::Outside("an address, and nothing is downloaded: give files"));
        }
        let given = if given.contains('\\') { Cow::from(given.replace('\\', "/")) } else { given.into() };
        match self {
            Self::Within(members) => members.find(table, split, &given),
            Self::In(folder) => folder.find(&given),
        }
    }

    /// The source of the files that were found, where it is another than that of the table.
    pub(super) fn source(self) -> Option<Source> {
        match self {
            Self::Within(_) => None,
            Self::In(folder) => Some(Source::of_files(&folder.root, folder.names)),
        }
    }

    /// The name of a file that was found.
    pub(super) fn name(&self, index: usize) -> &str {
        match self {
            Self::Within(members) => &members.source.entries[index].name,
            Self::In(folder) => &folder.names[index],
        }
    }
}

impl Members<'_> {
    /// A file relative to the table; else the only one of its name, with or without its ending. Of several the one in a folder of
    /// the table's split counts.
    fn find(&self, table: &str, split: Option<SplitName>, given: &str) -> Result<usize, Unnamed> {
        let given = inside(given)?;
        let relative = match table.rsplit_once('/') {
            Some((folder, _)) => Cow::from(format!("{folder}/{given}")),
            None => Cow::from(given.as_str()),
        };
        if let Some(index) = self.by_name.get(&*relative) {
            return Ok(*index);
        }
        let (folder, file) = given.rsplit_once('/').unwrap_or(("", &given));
        let name = |index: usize| self.source.entries[index].name.as_str();
        let fits = |&index: &usize| {
            let (above, found) = name(index).rsplit_once('/').unwrap_or(("", name(index)));
            let ending = !has_image_extension(file) || found == file;
            let below = |above: &str| above.is_empty() || above.ends_with('/');
            ending && (folder.is_empty() || above.strip_suffix(folder).is_some_and(below))
        };
        let mut found: Vec<usize> =
            self.by_stem.get(stem(file)).into_iter().flatten().copied().filter(fits).collect();
        if found.len() > 1 && split.is_some() {
            found.retain(|&index| {
                name(index).rsplit_once('/').is_some_and(|(folder, _)| of_file(folder) == split)
            });
        }
        match found.as_slice() {
            [] => Err(Unnamed::Missing),
            [index] => Ok(*index),
            [one, other, ..] => Err(Unnamed::Several(name(*one).to_string(), name(*other).to_string())),
        }
    }
}

impl Folder {
    fn find(&mut self, given: &str) -> Result<usize, Unnamed> {
        let name = if self.given { self.below(given)? } else { inside(given)? };
        if let Some(index) = self.indices.get(&name) {
            return Ok(*index);
        }
        let endings =
            IMAGE_EXTENSIONS.iter().flat_map(|ending| [ending.to_string(), ending.to_ascii_uppercase()]);
        let with_endings = endings.map(|ending| format!("{name}.{ending}"));
        let mut names =
            std::iter::once(name.clone()).chain(with_endings.filter(|_| !has_image_extension(&name)));
        let found = names.find(|name| self.root.join(name).is_file()).ok_or(Unnamed::Missing)?;
        let index = *self.indices.entry(found.clone()).or_insert_with(|| {
            self.names.push(found);
            self.names.len() - 1
        });
        self.indices.insert(name, index);
        Ok(index)
    }

    /// The name below the folder of a path that starts there or is absolute.
    fn below(&self, given: &str) -> Result<String, Unnamed> {
        let root = plain(&std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone()));
        let path = plain(&root.join(given));
        let below = path.strip_prefix(&root).ok().and_then(Path::to_str).filter(|below| !below.is_empty());
        below.map(|below| below.replace('\\', "/")).ok_or(Unnamed::Outside(
            "a path out of the folder of --image-root: give a folder that holds all of them",
        ))
    }
}

/// A relative path without `.` and empty parts that stays where it starts.
fn inside(given: &str) -> Result<String, Unnamed> {
    let drive = matches!(given.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if given.starts_with('/') || drive {
        return Err(Unnamed::Outside(
            "an absolute path: give the folder that holds the images with --image-root",
        ));
    }
    let parts: Vec<&str> = given.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Unnamed::Outside(
            "a path out of the table's folder: give the folder that holds the images with --image-root",
        ));
    }
    Ok(parts.join("/"))
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// A file's name without an image's ending.
fn stem(file: &str) -> &str {
    file.rsplit_once('.').filter(|_| has_image_extension(file)).map_or(file, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_where_they_start() {
        assert_eq!(inside("./a//b.png").ok().as_deref(), Some("a/b.png"));
        for outside in ["/a.png", "a/../b.png", "..", "C:/a.png"] {
            assert!(inside(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn a_given_folder_may_be_named_in_any_way() {
        let below = |given: &str| match NamedFiles::in_folder(Path::new("/data/images"), true) {
            NamedFiles::In(folder) => folder.below(given).ok(),
            NamedFiles::Within(_) => None,
        };
        assert_eq!(below("a/1.png").as_deref(), Some("a/1.png"));
        assert_eq!(below("/data/images/./a/1.png").as_deref(), Some("a/1.png"));
        assert_eq!(below("../images/1.png").as_deref(), Some("1.png"));
        assert_eq!((below("../1.png"), below("/etc/1.png"), below("")), (None, None, None));
    }
}

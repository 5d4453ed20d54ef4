//! The files of a folder: found by a walk that follows links, then looked at on all threads.
use super::entry::{Entry, MAX_FILES, start_of};
use super::file_id::{FileId, has_hard_links};
use crate::error::Error;
use crate::file_kind::TELLING;
use crate::ignored::{Counts, Reason};
use crate::names::{hidden, of_a_run, readable};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// What a walk through a folder finds.
#[derive(Default)]
pub(super) struct Walk {
    /// The names of the files, sorted part by part.
    pub names: Vec<String>,
    /// Where those files are whose names do not spell it.
    pub odd: HashMap<usize, PathBuf>,
    /// What was left out.
    pub ignored: Counts,
    /// Folders in which there is nothing that is not hidden.
    pub empty: Vec<String>,
    /// Hidden files and folders.
    hidden: Vec<(Reason, String, PathBuf)>,
    /// What links led to.
    linked: HashSet<FileId>,
    /// Folders that were listed.
    folders: usize,
}

/// A folder on the way of the walk.
struct Directory<'p> {
    path: &'p Path,
    /// Its name in the source; empty for the root.
    name: &'p str,
    /// Whether the name spells the path.
    spelt: bool,
    /// It and the folders above it.
    above: &'p [FileId],
}

/// A file, folder or link in a folder.
struct Item<'n> {
    path: PathBuf,
    name: String,
    spelt: bool,
    above: &'n [FileId],
}

impl Walk {
    /// Walks through `root`.
    pub(super) fn through(root: &Path) -> Result<Walk, Error> {
        let mut walk = Walk::default();
        // A link to a folder that holds the root leads in a circle as well.
        let real = fs::canonicalize(root).map_err(Error::io("read", root))?;
        let above =
            real.ancestors().filter_map(|folder| Some(FileId::of(folder, &fs::metadata(folder).ok()?)));
        walk.list(&Directory { path: root, name: "", spelt: true, above: &above.collect::<Vec<_>>() })?;
        for (reason, name, path) in std::mem::take(&mut walk.hidden) {
            walk.count_hidden(reason, &name, &path);
        }
        Ok(walk)
    }

    /// Whether a link was followed.
    pub(super) fn followed_links(&self) -> bool {
        !self.linked.is_empty()
    }

    fn list(&mut self, directory: &Directory) -> Result<(), Error> {
        self.folders += 1;
        if self.names.len() + self.folders > MAX_FILES {
            return Err(Error::TooManyFiles { path: directory.path.to_path_buf(), most: MAX_FILES });
        }
        let items = items(directory.path).map_err(Error::io("read", directory.path))?;
        if items.iter().all(|(file_name, _)| hidden(&readable(file_name)).is_some()) {
            self.empty.push(directory.name.to_string());
        }
        let files = items.iter().filter(|(_, kind)| kind.is_file());
        let of_a_run = of_a_run(files.map(|(file_name, _)| file_name.as_os_str()));
        for (file_name, kind) in items {
            let part = readable(&file_name);
            let name = if directory.name.is_empty() {
                part.to_string()
            } else {
                format!("{}/{part}", directory.name)
            };
            let (path, spelt) = (directory.path.join(&file_name), directory.spelt && *file_name == *part);
            match hidden(&part) {
                None if kind.is_file() && of_a_run.contains(&&*part) => {
                    self.ignored.add(Reason::OfARun, &name)
                }
                Some(reason) => self.hidden.push((reason, name, path)),
                None => self.add(Item { path, name, spelt, above: directory.above }, kind)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, item: Item, kind: FileType) -> Result<(), Error> {
        if kind.is_file() {
            self.add_file(item);
        } else if kind.is_dir() {
            let data = fs::metadata(&item.path).map_err(Error::io("read", &item.path))?;
            let id = FileId::of(&item.path, &data);
            self.enter(&item, id)?;
        } else if kind.is_symlink() {
            self.follow(item)?;
        } else {
            self.ignored.add(Reason::Special, &item.name);
        }
        Ok(())
    }

    fn add_file(&mut self, item: Item) {
        if !item.spelt {
            self.odd.insert(self.names.len(), item.path);
        }
        self.names.push(item.name);
    }

    fn enter(&mut self, item: &Item, id: FileId) -> Result<(), Error> {
        let above = [item.above, &[id]].concat();
        self.list(&Directory { path: &item.path, name: &item.name, spelt: item.spelt, above: &above })
    }

    /// A link counts as what it leads to.
    fn follow(&mut self, item: Item) -> Result<(), Error> {
        let target = match fs::metadata(&item.path) {
            Ok(target) => target,
            Err(error) => {
                self.ignored.add(refusal(&error), &item.name);
                return Ok(());
            }
        };
        let id = FileId::of(&item.path, &target);
        if target.is_dir() && item.above.contains(&id) {
            self.ignored.add(Reason::LinkLoop, &item.name);
        } else if target.is_dir() {
            self.linked.insert(id);
            self.enter(&item, id)?;
        } else if target.is_file() {
            self.linked.insert(id);
            self.add_file(item);
        } else {
            self.ignored.add(Reason::Special, &item.name);
        }
        Ok(())
    }

    /// Counts a hidden file, or the files of a hidden folder, but for what links led to: that is there under another name.
    fn count_hidden(&mut self, reason: Reason, name: &str, path: &Path) {
        let Ok(data) = fs::symlink_metadata(path) else { return };
        if self.linked.contains(&FileId::of(path, &data)) {
            return;
        }
        if !data.is_dir() {
            return self.ignored.add(reason, name);
        }
        let Ok(items) = items(path) else { return self.ignored.add(Reason::Unopened, name) };
        for (file_name, _) in items {
            self.count_hidden(reason, &format!("{name}/{}", readable(&file_name)), &path.join(&file_name));
        }
    }
}

/// What a folder holds, sorted.
fn items(folder: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let item =
        |item: io::Result<fs::DirEntry>| item.and_then(|item| Ok((item.file_name(), item.file_type()?)));
    let mut items = fs::read_dir(folder)?.map(item).collect::<io::Result<Vec<_>>>()?;
    items.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(items)
}

/// Why a link cannot be followed.
fn refusal(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reason::BrokenLink,
        io::ErrorKind::PermissionDenied => Reason::Unopened,
        _ => Reason::LinkLoop,
    }
}

/// Looks at files: each one's entry and, where `linked` or hard links make other names for it, which file it is.
pub(super) fn look(
    names: Vec<String>,
    linked: bool,
    path: impl Fn(usize, &str) -> PathBuf + Sync,
) -> (Vec<Entry>, Vec<FileId>) {
    let (mut entries, mut ids) = (Vec::new(), Vec::new());
    let look = |(index, name): (usize, String)| {
        let path = path(index, &name);
        let mut room = [0; TELLING];
        match open(&path, &mut room) {
            Ok((data, head)) if linked || has_hard_links(&data) => {
                (Entry::new(name, data.len(), head), FileId::of(&path, &data))
            }
            Ok((data, head)) => (Entry::new(name, data.len(), head), FileId::UNKNOWN),
            Err(_) => (Entry::unopened(name), FileId::UNKNOWN),
        }
    };
    names.into_par_iter().enumerate().map(look).unzip_into_vecs(&mut entries, &mut ids);
    (entries, ids)
}

/// A file's metadata and its first bytes.
fn open<'r>(path: &Path, room: &'r mut [u8]) -> io::Result<(Metadata, &'r [u8])> {
    let mut file = File::open(path)?;
    Ok((file.metadata()?, start_of(&mut file, room)?))
}

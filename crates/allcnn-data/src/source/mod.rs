//! The files of a folder, or of a tar (compressed by gzip, zstd, xz, bzip2 or not) or zip archive: listed, then read one after the other.
//!
//! Every file is an entry or is counted as ignored: hidden ones, pipes and devices (which are never opened), links that
//! lead nowhere or in a circle. All other links count as the files that they lead to, in an archive as in a folder.
//! Nothing is unpacked to disk. The kind of an archive is recognized by its first bytes, never by its name.
pub(crate) mod archive;
mod entry;
mod file_id;
mod folder;
mod links;
mod members;

use crate::dataset::Images;
use crate::error::Error;
use crate::file_kind::holds_arrays;
use crate::ignored::Counts;
use crate::note::Note;
use crate::packing::ArchiveFormat;
use archive::{Member, damaged};
use bytes::Bytes;
pub(crate) use entry::Entry;
use entry::start_of;
use file_id::FileId;
use folder::Walk;
use members::Members;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The files of a folder or an archive.
pub(crate) struct Source {
    path: PathBuf,
    files: Files,
    /// Which file each entry is; empty where none has another name.
    ids: Vec<FileId>,
    /// The files. For an archive in its own order, for a folder sorted by name.
    pub entries: Vec<Entry>,
    /// What was left out.
    pub ignored: Counts,
    /// Folders without a file that is not hidden, where the source is a folder.
    pub empty_folders: Vec<String>,
}

/// Where the bytes of the entries are.
enum Files {
    /// In files below a folder; of those whose name does not spell it, the path is kept.
    Folder { root: PathBuf, odd: HashMap<usize, PathBuf> },
    /// In these members of an archive.
    Archive { packed: Packed, format: ArchiveFormat, members: Vec<u32> },
}

/// Where the bytes of an archive are.
enum Packed {
    /// In the file that the source is called after.
    File,
    Memory(Bytes),
}

impl Source {
    /// Lists the files at `path`, of which there must be some.
    pub(crate) fn open(path: &Path) -> Result<Source, Error> {
        let source = Source::list(path)?;
        if !source.entries.is_empty() {
            return Ok(source);
        }
        let (path, ignored) = (path.to_path_buf(), source.ignored.list());
        if ignored.is_empty() {
            return Err(Error::Empty(path));
        }
        let reasons = ignored.iter().take(3).map(ToString::to_string).collect::<Vec<_>>();
        Err(Error::AllLeftOut { path, what: reasons.join("; ") })
    }

    /// Lists the files at `path`.
    pub(crate) fn list(path: &Path) -> Result<Source, Error> {
        let data = match fs::metadata(path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing(path.to_path_buf()));
            }
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        if data.is_dir() {
            return Source::of_folder(path);
        }
        if !data.is_file() {
            return Err(Error::Special(path.to_path_buf()));
        }
        let head = head_of(path)?;
        match ArchiveFormat::recognize(&head) {
            Some(ArchiveFormat::Zip) if holds_arrays(&head) && archive::holds_only_arrays(path) => {
                Ok(Source::of_file(path))
            }
            Some(format) => Source::of_archive(path, Packed::File, format),
            None => Ok(Source::of_file(path)),
        }
    }

    fn of_folder(path: &Path) -> Result<Source, Error> {
        let walk = Walk::through(path)?;
        let (linked, Walk { names, odd, ignored, empty: empty_folders, .. }) = (walk.followed_links(), walk);
        let path_of_entry = |index, name: &str| path_of(path, &odd, index, name);
        let (entries, mut ids) = folder::look(names, linked, path_of_entry);
        if ids.iter().all(|&id| id == FileId::UNKNOWN) {
            ids = Vec::new();
        }
        let files = Files::Folder { root: path.to_path_buf(), odd };
        Ok(Source { path: path.to_path_buf(), files, ids, entries, ignored, empty_folders })
    }

    /// The files of a folder that have these names.
    pub(crate) fn of_files(root: &Path, names: Vec<String>) -> Source {
        let (entries, ids) = folder::look(names, false, |_, name| root.join(name));
        let files = Files::Folder { root: root.to_path_buf(), odd: HashMap::new() };
        Source {
            path: root.to_path_buf(),
            files,
            ids,
            entries,
            ignored: Counts::default(),
            empty_folders: vec![],
        }
    }

    fn of_file(path: &Path) -> Source {
        let name = crate::names::readable(path.file_name().unwrap_or_default()).into_owned();
        let (entries, _) = folder::look(vec![name], false, |_, _| path.to_path_buf());
        let odd = HashMap::from([(0, path.to_path_buf())]);
        let files = Files::Folder { root: PathBuf::new(), odd };
        let (ids, empty_folders, ignored) = Default::default();
        Source { path: path.to_path_buf(), files, ids, entries, ignored, empty_folders }
    }

    /// Lists the files of an archive in memory, which is called `path`.
    pub(crate) fn of_bytes(path: &Path, archive: Bytes) -> Result<Source, Error> {
        match ArchiveFormat::recognize(&archive) {
            Some(format) => Source::of_archive(path, Packed::Memory(archive), format),
            None => Err(Error::Archive { path: path.to_path_buf(), what: "it is no archive".into() }),
        }
    }

    fn of_archive(path: &Path, packed: Packed, format: ArchiveFormat) -> Result<Source, Error> {
        let mut members = Members::default();
        visit(path, &packed, format, &mut |name, member| {
            members.add(name, member).map_err(|error| damaged(path, &error))?;
            members.check(path)
        })?;
        let (entries, members, linked, ignored) = members.finish(path)?;
        let id = |&member: &u32| FileId::member(member as usize);
        let ids = if linked { members.iter().map(id).collect() } else { vec![] };
        let files = Files::Archive { packed, format, members };
        Ok(Source { path: path.to_path_buf(), files, ids, entries, ignored, empty_folders: vec![] })
    }

    /// The path that was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The entries that are `wanted`, in the order of their names.
    pub(crate) fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.entries.len()).filter(|&at| wanted(&self.entries[at])).collect();
        found.sort_by(|&a, &b| self.entries[a].name.cmp(&self.entries[b].name));
        found
    }

    /// The file behind an entry, when it is not in an archive.
    pub(crate) fn file(&self, entry: usize) -> Option<PathBuf> {
        match &self.files {
            Files::Folder { root, odd } => Some(path_of(root, odd, entry, &self.entries[entry].name)),
            Files::Archive { .. } => None,
        }
    }

    /// Counts the entries that are not `used`.
    pub(crate) fn left_out(&self, used: impl Fn(&Entry) -> bool) -> Counts {
        let mut counts = Counts::default();
        for entry in self.entries.iter().filter(|entry| !used(entry)) {
            counts.add(entry.kind.reason(), &entry.name);
        }
        counts
    }

    /// What is to be said where splits have images that are one file, by links.
    pub(crate) fn shared_images(&self, splits: &[&Images]) -> Option<Note> {
        let known = self.entries.iter().zip(&self.ids).filter(|(_, id)| **id != FileId::UNKNOWN);
        let ids: HashMap<&str, FileId> = known.map(|(entry, id)| (entry.name.as_str(), *id)).collect();
        let mut first: HashMap<FileId, (usize, &str)> = HashMap::new();
        let (mut images, mut example) = (0, None);
        for (split, names) in splits.iter().map(|split| &split.names).enumerate() {
            for name in names {
                let Some(id) = ids.get(name.as_str()) else { continue };
                let (other, earlier) = *first.entry(*id).or_insert((split, name));
                if other != split {
                    images += 1;
                    example.get_or_insert((earlier, name));
                }
            }
        }
        let (earlier, later) = example?;
        Some(Note::SharedImages { images, earlier: earlier.to_string(), later: later.clone() })
    }

    /// Reads the entries at `wanted` in the order of the source. Files above `limit` bytes, and single files
    /// that the system refuses, are handed over as errors; a damaged archive ends the reading.
    pub(crate) fn read(
        &self,
        wanted: &[usize],
        limit: u64,
        each: &mut dyn FnMut(usize, Result<Vec<u8>, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match &self.files {
            Files::Folder { .. } => self.read_files(wanted, limit, each),
            Files::Archive { packed, format, members } => {
                let mut of_member: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
                for &entry in wanted {
                    of_member.entry(members[entry] as usize).or_default().push(entry);
                }
                self.read_members(packed, *format, of_member, limit, each)
            }
        }
    }

    fn read_files(
        &self,
        wanted: &[usize],
        limit: u64,
        each: &mut dyn FnMut(usize, Result<Vec<u8>, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        for entry in wanted {
            let Some(file) = self.file(entry) else { continue };
            let bytes = File::open(&file).map_err(Error::io("read", &file)).and_then(|mut opened| {
                let Entry { name, size, .. } = &self.entries[entry];
                read_limited(name, *size, limit, &mut opened)?.map_err(Error::io("read", &file))
            });
            if each(entry, bytes).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Reads the members of an archive, each for all entries that are it.
    fn read_members(
        &self,
        packed: &Packed,
        format: ArchiveFormat,
        mut wanted: BTreeMap<usize, Vec<usize>>,
        limit: u64,
        each: &mut dyn FnMut(usize, Result<Vec<u8>, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut index = 0;
        visit(&self.path, packed, format, &mut |name, member| {
            let Member::File(size, reader) = member else { return Ok(ControlFlow::Continue(())) };
            index += 1;
            let Some(entries) = wanted.remove(&(index - 1)) else { return Ok(ControlFlow::Continue(())) };
            let bytes = match read_limited(name, size, limit, reader) {
                Ok(Err(error)) => return Err(damaged(&self.path, &error)),
                Ok(Ok(bytes)) => Some(bytes),
                Err(_) => None,
            };
            let of = |entry: usize, bytes: Option<Vec<u8>>| {
                bytes.ok_or_else(|| Error::TooLarge { file: self.entries[entry].name.clone(), size, limit })
            };
            let Some((&last, others)) = entries.split_last() else { return Ok(ControlFlow::Continue(())) };
            for &entry in others {
                if each(entry, of(entry, bytes.clone())).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let flow = each(last, of(last, bytes));
            Ok(if wanted.is_empty() { ControlFlow::Break(()) } else { flow })
        })
    }

    /// Reads one entry.
    pub(crate) fn read_one(&self, entry: usize, limit: u64) -> Result<Vec<u8>, Error> {
        let mut result = None;
        self.read(&[entry], limit, &mut |_, bytes| {
            result = Some(bytes);
            ControlFlow::Break(())
        })?;
        result.unwrap_or_else(|| {
            Err(Error::Archive { path: self.path.clone(), what: "it changed while being read".into() })
        })
    }
}

fn visit(path: &Path, packed: &Packed, format: ArchiveFormat, each: archive::Visit) -> Result<(), Error> {
    match packed {
        Packed::File => {
            let file = File::open(path).map_err(Error::io("read", path))?;
            archive::visit(path, format, BufReader::with_capacity(1 << 17, file), each)
        }
        Packed::Memory(bytes) => archive::visit(path, format, Cursor::new(bytes), each),
    }
}

/// The file behind an entry of a folder.
fn path_of(root: &Path, odd: &HashMap<usize, PathBuf>, entry: usize, name: &str) -> PathBuf {
    odd.get(&entry).cloned().unwrap_or_else(|| root.join(name))
}

/// Reads a file that may have `limit` bytes, whatever size it declares. The outer error is that of the limit.
fn read_limited(
    name: &str,
    size: u64,
    limit: u64,
    reader: &mut dyn Read,
) -> Result<io::Result<Vec<u8>>, Error> {
    let too_large = |size| Error::TooLarge { file: name.to_string(), size, limit };
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity((size as usize).min(1 << 20));
    match reader.take(limit + 1).read_to_end(&mut bytes) {
        Ok(read) if read as u64 > limit => Err(too_large(read as u64)),
        Ok(read) if (read as u64) < size => Ok(Err(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(Ok(bytes)),
        Err(error) => Ok(Err(error)),
    }
}

/// The first bytes of a file.
fn head_of(path: &Path) -> Result<Vec<u8>, Error> {
    let mut room = [0; crate::file_kind::TELLING];
    let start = File::open(path).and_then(|mut file| Ok(start_of(&mut file, &mut room)?.to_vec()));
    start.map_err(Error::io("read", path))
}

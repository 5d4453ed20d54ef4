//! The files of a folder, or of a tar, tar.gz, tar.zst or zip archive: listed, then read one after the other.
//!
//! Nothing is unpacked to disk. The kind of an archive is told from its first bytes, never from its name.
pub(crate) mod archive;
mod folder;
mod names;

use crate::error::Error;
use archive::{ArchiveFormat, Visit, damaged};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How many bytes of a file's start are kept for telling its kind.
const HEAD: usize = 32;
/// An archive or a folder with more files is refused: their names alone would fill the memory.
const MAX_FILES: usize = 16_000_000;

/// One file of a source.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its path in the source, with `/` between the parts.
    pub name: String,
    /// Its bytes, as declared.
    pub size: u64,
    /// Its first bytes.
    pub head: Vec<u8>,
}

impl Entry {
    /// The last part of its path.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// The files of a folder or an archive.
pub(crate) struct Source {
    path: PathBuf,
    /// `None`: a folder, or a single file.
    archive: Option<ArchiveFormat>,
    /// Where the files of a folder are, in the order of `entries`.
    files: Vec<PathBuf>,
    /// All files but hidden ones. For an archive in its own order, for a folder sorted by name.
    pub entries: Vec<Entry>,
}

impl Source {
    /// Lists the files at `path`.
    pub fn open(path: &Path) -> Result<Source, Error> {
        let data = match fs::metadata(path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing(path.to_path_buf()));
            }
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let mut source = Source { path: path.to_path_buf(), archive: None, files: vec![], entries: vec![] };
        if data.is_dir() {
            source.files = folder::files(path)?;
        } else {
            source.archive = ArchiveFormat::recognize(&head_of(path, 512)?);
            source.files.push(path.to_path_buf());
        }
        source.entries =
            if source.archive.is_some() { source.list_archive()? } else { source.list_files()? };
        if source.entries.is_empty() {
            return Err(Error::Empty(path.to_path_buf()));
        }
        Ok(source)
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entries that are `wanted`, in the order of their names.
    pub fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.entries.len()).filter(|&at| wanted(&self.entries[at])).collect();
        found.sort_by(|&a, &b| self.entries[a].name.cmp(&self.entries[b].name));
        found
    }

    /// The file behind an entry, when it is not in an archive.
    pub fn file(&self, entry: usize) -> Option<&Path> {
        if self.archive.is_some() { None } else { Some(&self.files[entry]) }
    }

    /// Reads the entries at `wanted` in the order of the source. Files above `limit` bytes, and single files
    /// that the system refuses, are handed over as errors; a damaged archive ends the reading.
    pub fn read(
        &self,
        wanted: &[usize],
        limit: u64,
        each: &mut dyn FnMut(usize, Result<Vec<u8>, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let wanted: HashSet<usize> = wanted.iter().copied().collect();
        let mut left = wanted.len();
        let Some(format) = self.archive else {
            for (place, file) in self.files.iter().enumerate().filter(|(place, _)| wanted.contains(place)) {
                let bytes = File::open(file).map_err(Error::io("read", file)).and_then(|mut opened| {
                    let entry = &self.entries[place];
                    read_limited(&entry.name, entry.size, limit, &mut opened)?
                        .map_err(Error::io("read", file))
                });
                if each(place, bytes).is_break() {
                    break;
                }
            }
            return Ok(());
        };
        self.visit(format, &mut |place, name, size, reader| {
            if !wanted.contains(&place) {
                return Ok(ControlFlow::Continue(()));
            }
            left -= 1;
            let flow = match read_limited(name, size, limit, reader) {
                Ok(Ok(bytes)) => each(place, Ok(bytes)),
                Ok(Err(error)) => return Err(damaged(&self.path, &error)),
                Err(too_large) => each(place, Err(too_large)),
            };
            Ok(if left == 0 { ControlFlow::Break(()) } else { flow })
        })
    }

    /// Reads one entry.
    pub fn read_one(&self, entry: usize, limit: u64) -> Result<Vec<u8>, Error> {
        let mut result = None;
        self.read(&[entry], limit, &mut |_, bytes| {
            result = Some(bytes);
            ControlFlow::Break(())
        })?;
        result.unwrap_or_else(|| {
            Err(Error::Archive { path: self.path.clone(), what: "it changed while being read".into() })
        })
    }

    fn list_files(&self) -> Result<Vec<Entry>, Error> {
        let root = if self.path.is_dir() {
            self.path.as_path()
        } else {
            self.path.parent().unwrap_or(Path::new(""))
        };
        let mut entries = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
            let size = fs::metadata(file).map(|data| data.len()).unwrap_or(0);
            // A file that cannot be opened is reported when its turn to be read comes.
            let head = head_of(file, HEAD as u64).unwrap_or_default();
            entries.push(Entry { name, size, head });
        }
        Ok(entries)
    }

    fn list_archive(&self) -> Result<Vec<Entry>, Error> {
        let Some(format) = self.archive else { return Ok(vec![]) };
        let mut entries = Vec::new();
        self.visit(format, &mut |_, name, size, reader| {
            if entries.len() >= MAX_FILES {
                let what = format!("it holds more than {MAX_FILES} files");
                return Err(Error::Archive { path: self.path.clone(), what });
            }
            let mut head = Vec::with_capacity(HEAD);
            let read = reader.take(HEAD as u64).read_to_end(&mut head);
            read.map_err(|error| damaged(&self.path, &error))?;
            entries.push(Entry { name: name.to_string(), size, head });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(entries)
    }

    fn visit(&self, format: ArchiveFormat, each: Visit) -> Result<(), Error> {
        let file =
            BufReader::with_capacity(1 << 17, File::open(&self.path).map_err(Error::io("read", &self.path))?);
        archive::visit(&self.path, format, file, each)
    }
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
fn head_of(path: &Path, bytes: u64) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(bytes).read_to_end(&mut head).map_err(Error::io("read", path))?;
    Ok(head)
}

//! The files of a folder, or of a tar, tar.gz, tar.zst or zip archive: listed, then read one after the other.
//!
//! Nothing is unpacked to disk. The kind of an archive is told from its first bytes, never from its name.
use super::Error;
use flate2::read::MultiGzDecoder;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
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

/// What holds the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// A tar archive.
    Tar,
    /// A tar archive, compressed by gzip.
    TarGz,
    /// A tar archive, compressed by Zstandard.
    TarZst,
    /// A zip archive.
    Zip,
}

impl Container {
    /// Tells an archive by its first bytes (at least 262 for a plain tar).
    pub fn recognize(head: &[u8]) -> Option<Container> {
        match head {
            [0x1f, 0x8b, ..] => Some(Container::TarGz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Container::TarZst),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Container::Zip),
            _ if head.get(257..262) == Some(b"ustar") => Some(Container::Tar),
            _ => None,
        }
    }
}

/// What a visitor of files gets: the file's place in the list, its entry without the head, and its bytes.
type Visit<'v> = &'v mut dyn FnMut(usize, &str, u64, &mut dyn Read) -> Result<ControlFlow<()>, Error>;

/// The files of a folder or an archive.
pub(crate) struct Source {
    path: PathBuf,
    /// `None`: a folder, or a single file.
    container: Option<Container>,
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
        let mut source = Source { path: path.to_path_buf(), container: None, files: vec![], entries: vec![] };
        if data.is_dir() {
            let mut seen = HashSet::new();
            walk(path, &mut seen, &mut source.files)?;
            source.files.sort();
        } else {
            source.container = Container::recognize(&head_of(path, 512)?);
            source.files.push(path.to_path_buf());
        }
        source.entries =
            if source.container.is_some() { source.list_archive()? } else { source.list_files()? };
        if source.entries.is_empty() {
            return Err(Error::Empty(path.to_path_buf()));
        }
        Ok(source)
    }

    /// The path that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file behind an entry, when it is not in an archive.
    pub fn file(&self, entry: usize) -> Option<&Path> {
        if self.container.is_some() { None } else { Some(&self.files[entry]) }
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
        let Some(container) = self.container else {
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
        self.visit(container, &mut |place, name, size, reader| {
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
        let Some(container) = self.container else { return Ok(vec![]) };
        let mut entries = Vec::new();
        self.visit(container, &mut |_, name, size, reader| {
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

    fn visit(&self, container: Container, each: Visit) -> Result<(), Error> {
        let file =
            BufReader::with_capacity(1 << 17, File::open(&self.path).map_err(Error::io("read", &self.path))?);
        visit_archive(&self.path, container, file, each)
    }
}

/// Visits the files of an archive that are not hidden.
fn visit_archive<R: Read + Seek>(
    path: &Path,
    container: Container,
    file: R,
    each: Visit,
) -> Result<(), Error> {
    match container {
        Container::Tar => visit_tar(path, file, each),
        Container::TarGz => visit_tar(path, MultiGzDecoder::new(file), each),
        Container::TarZst => {
            let decoder = zstd::Decoder::new(file).map_err(|error| damaged(path, &error))?;
            visit_tar(path, decoder, each)
        }
        Container::Zip => visit_zip(path, file, each),
    }
}

fn visit_tar(path: &Path, reader: impl Read, each: Visit) -> Result<(), Error> {
    let mut archive = tar::Archive::new(reader);
    let mut place = 0;
    for entry in archive.entries().map_err(|error| damaged(path, &error))? {
        let mut entry = entry.map_err(|error| damaged(path, &error))?;
        let name = clean(&String::from_utf8_lossy(&entry.path_bytes()));
        if !entry.header().entry_type().is_file() || is_hidden(&name) {
            continue;
        }
        let size = entry.size();
        if each(place, &name, size, &mut entry)?.is_break() {
            break;
        }
        place += 1;
    }
    Ok(())
}

fn visit_zip<R: Read + Seek>(path: &Path, file: R, each: Visit) -> Result<(), Error> {
    let zip_error =
        |error: zip::result::ZipError| Error::Archive { path: path.to_path_buf(), what: error.to_string() };
    let mut archive = zip::ZipArchive::new(file).map_err(zip_error)?;
    let mut place = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(zip_error)?;
        let name = clean(&entry.name().replace('\\', "/"));
        if !entry.is_file() || is_hidden(&name) {
            continue;
        }
        let size = entry.size();
        if each(place, &name, size, &mut entry)?.is_break() {
            break;
        }
        place += 1;
    }
    Ok(())
}

/// Lists an archive held in memory, as far as it can be read: for fuzzing.
pub fn fuzz_archive(bytes: &[u8]) {
    if let Some(container) = Container::recognize(bytes) {
        let mut total = 0u64;
        let _ =
            visit_archive(Path::new("fuzz"), container, io::Cursor::new(bytes), &mut |_, _, _, reader| {
                total += io::copy(&mut reader.take(1 << 20), &mut io::sink()).unwrap_or(0);
                Ok(if total > 1 << 24 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
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

/// The error of an archive whose reading failed.
fn damaged(path: &Path, error: &io::Error) -> Error {
    let what = format!("it is damaged, truncated or no archive of files ({error}).\nFetch or pack it again.");
    Error::Archive { path: path.to_path_buf(), what }
}

/// A member's name without leading `./` and `/`.
fn clean(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// True for files of which a part of the path starts with a dot, and for what macOS adds to zip files.
fn is_hidden(name: &str) -> bool {
    name.is_empty()
        || name.split('/').any(|part| (part.starts_with('.') && part != "..") || part == "__MACOSX")
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

/// The first bytes of a file.
fn head_of(path: &Path, bytes: u64) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(bytes).read_to_end(&mut head).map_err(Error::io("read", path))?;
    Ok(head)
}

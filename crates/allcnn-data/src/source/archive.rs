//! Archives: a visit of their members in order. Nothing is unpacked to disk.
use crate::error::Error;
use crate::inflation::{Inflation, Refusal};
use crate::names::{clean, readable_bytes};
use crate::packing::ArchiveFormat;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

/// The bits of a Unix mode that distinguish files from links, as zip archives keep them; and their values.
const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SYMBOLIC_LINK: u32 = 0o120_000;
/// No path that a link names is longer.
const MAX_TARGET: u64 = 4096;

/// A member of an archive.
pub(crate) enum Member<'m> {
    /// A file: its size as declared, and its bytes.
    File(u64, &'m mut dyn Read),
    /// A symbolic link: what it names, seen from its own folder.
    Link(String),
    /// A hard link: the member that it names.
    HardLink(String),
    /// A pipe or a device.
    Special,
    /// A file that a later one of the same name replaces, where the archive's own directory leaves it out.
    Replaced,
}

/// What visits members: it is handed the name of each, and the member.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&str, Member) -> Result<ControlFlow<()>, Error>;

/// Visits the members of an archive that are no folders.
pub(crate) fn visit<R: BufRead + Seek>(
    path: &Path,
    format: ArchiveFormat,
    file: R,
    each: Visit,
) -> Result<(), Error> {
    match format {
        ArchiveFormat::Tar => visit_tar(path, file, each),
        ArchiveFormat::CompressedTar(compression) => {
            let decoder = compression.decoder(file).map_err(|error| damaged(path, &error))?;
            visit_tar(path, decoder, each)
        }
        ArchiveFormat::Zip => visit_zip(path, file, each),
    }
}

fn visit_tar(path: &Path, reader: impl Read, each: Visit) -> Result<(), Error> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|error| damaged(path, &error))? {
        let mut entry = entry.map_err(|error| damaged(path, &error))?;
        let name = clean(&readable_bytes(&entry.path_bytes()));
        let kind = entry.header().entry_type();
        let is_folder = entry.path_bytes().ends_with(b"/");
        let target = |entry: &tar::Entry<_>| {
            entry.link_name_bytes().map(|target| readable_bytes(&target).into_owned()).unwrap_or_default()
        };
        let size = entry.size();
        let member = if kind.is_hard_link() {
            Member::HardLink(target(&entry))
        } else if kind.is_symlink() {
            Member::Link(target(&entry))
        } else if kind.is_character_special() || kind.is_block_special() || kind.is_fifo() {
            Member::Special
        } else if (kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) && !is_folder {
            Member::File(size, &mut entry)
        } else {
            continue;
        };
        if !name.is_empty() && each(&name, member)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn visit_zip<R: BufRead + Seek>(path: &Path, file: R, each: Visit) -> Result<(), Error> {
    let zip_error =
        |error: zip::result::ZipError| Error::Archive { path: path.to_path_buf(), what: error.to_string() };
    let mut archive = zip::ZipArchive::new(file).map_err(zip_error)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(zip_error)?;
        // Most packers write UTF-8 without saying so; what is none is in the character set of old PCs.
        let name = std::str::from_utf8(entry.name_raw()).map_or_else(|_| entry.name().into(), Cow::Borrowed);
        let name = clean(&name.replace('\\', "/"));
        let (size, packed) = (entry.size(), entry.compressed_size());
        let mut unpacked;
        let member = match entry.unix_mode().unwrap_or(0) & FILE_TYPE {
            _ if entry.is_dir() || name.is_empty() => continue,
            SYMBOLIC_LINK => {
                let mut target = Vec::new();
                let read = (&mut entry).take(MAX_TARGET).read_to_end(&mut target);
                read.map_err(|error| damaged(path, &error))?;
                Member::Link(readable_bytes(&target).into_owned())
            }
            REGULAR | 0 => {
                unpacked = Inflation::of_size(&mut entry, packed);
                Member::File(size, &mut unpacked)
            }
            _ => Member::Special,
        };
        if each(&name, member)?.is_break() {
            return Ok(());
        }
    }
    let (directory, known) = (archive.central_directory_start(), archive.len());
    let mut names = zip_names(archive.into_inner(), directory).map_err(|error| damaged(path, &error))?;
    if names.len() > known {
        names.sort_unstable();
        for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
            if each(&clean(&readable_bytes(&pair[0])), Member::Replaced)?.is_break() {
                break;
            }
        }
    }
    Ok(())
}

/// All names in the directory of a zip archive; its reader keeps the last one of equal names.
fn zip_names<R: BufRead + Seek>(mut file: R, directory: u64) -> io::Result<Vec<Vec<u8>>> {
    file.seek(SeekFrom::Start(directory))?;
    let (mut names, mut head) = (Vec::new(), [0; 46]);
    while file.read_exact(&mut head).is_ok() && head.starts_with(b"PK\x01\x02") {
        let len = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let mut name = vec![0; usize::from(len(28))];
        file.read_exact(&mut name)?;
        io::copy(&mut file.by_ref().take(u64::from(len(30)) + u64::from(len(32))), &mut io::sink())?;
        names.push(name);
    }
    Ok(names)
}

/// Whether all members of a zip archive are array files of numpy; or it is damaged, which is reported where it is read.
pub(super) fn holds_only_arrays(path: &Path) -> bool {
    let archive =
        File::open(path).map_err(Into::into).and_then(|file| zip::ZipArchive::new(BufReader::new(file)));
    archive.map_or(true, |archive| archive.file_names().all(|name| name.ends_with(".npy")))
}

/// The error of an archive whose reading failed.
pub(super) fn damaged(path: &Path, error: &io::Error) -> Error {
    let what = match Refusal::behind(error) {
        Some(refusal) => refusal.to_string(),
        None => {
            format!("it is damaged, truncated or no archive of files ({error}).\nFetch or pack it again.")
        }
    };
    Error::Archive { path: path.to_path_buf(), what }
}

//! Archives: what they are told by, and a visit of their files in order. Nothing is unpacked to disk.
use super::names::{clean, is_hidden};
use crate::error::Error;
use flate2::read::MultiGzDecoder;
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveFormat {
    /// A tar archive.
    Tar,
    /// A tar archive, compressed by gzip.
    TarGz,
    /// A tar archive, compressed by Zstandard.
    TarZst,
    /// A zip archive.
    Zip,
}

impl ArchiveFormat {
    /// Tells an archive by its first bytes (at least 262 for a plain tar).
    pub fn recognize(head: &[u8]) -> Option<ArchiveFormat> {
        match head {
            [0x1f, 0x8b, ..] => Some(ArchiveFormat::TarGz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(ArchiveFormat::TarZst),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(ArchiveFormat::Zip),
            _ if head.get(257..262) == Some(b"ustar") => Some(ArchiveFormat::Tar),
            _ => None,
        }
    }
}

/// What a visitor of files gets: the file's place in the list, its name, its size as declared, and its bytes.
pub(crate) type Visit<'v> =
    &'v mut dyn FnMut(usize, &str, u64, &mut dyn Read) -> Result<ControlFlow<()>, Error>;

/// Visits the files of an archive that are not hidden.
pub(crate) fn visit<R: Read + Seek>(
    path: &Path,
    format: ArchiveFormat,
    file: R,
    each: Visit,
) -> Result<(), Error> {
    match format {
        ArchiveFormat::Tar => visit_tar(path, file, each),
        ArchiveFormat::TarGz => visit_tar(path, MultiGzDecoder::new(file), each),
        ArchiveFormat::TarZst => {
            let decoder = zstd::Decoder::new(file).map_err(|error| damaged(path, &error))?;
            visit_tar(path, decoder, each)
        }
        ArchiveFormat::Zip => visit_zip(path, file, each),
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

/// The error of an archive whose reading failed.
pub(super) fn damaged(path: &Path, error: &io::Error) -> Error {
    let what = format!("it is damaged, truncated or no archive of files ({error}).\nFetch or pack it again.");
    Error::Archive { path: path.to_path_buf(), what }
}

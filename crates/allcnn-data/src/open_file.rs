//! Files that a person names are opened here: only regular files, and none larger than its kind may be.
//!
//! To open a pipe waits for whoever writes into it, to read a device may never end: neither is opened at all. A size is
//! looked at before the first byte is read, and is not believed: no more than the limit is read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Most bytes of a file of settings: `run.toml`, a recipe, a network, a plan.
pub const SETTINGS: u64 = 4 << 20;
/// Most bytes of a text that grows with the work: names of classes, the figures of epochs, records.
pub const TEXT: u64 = 64 << 20;
/// Most bytes of a picture.
pub const PICTURE: u64 = 1 << 30;
/// Most bytes of a list with a line for each image.
pub const LIST: u64 = 4 << 30;
/// Most bytes of weights: ten times the largest network of the paper.
pub const WEIGHTS: u64 = 8 << 30;

/// Opens a regular file of at most `limit` bytes for reading.
///
/// # Errors
/// The system's; `IsADirectory`; `InvalidInput` for a pipe, a socket or a device; `FileTooLarge`.
pub fn open(path: &Path, limit: u64) -> io::Result<File> {
    check(&fs::metadata(path)?, limit)?;
    let file = OpenOptions::new().read(true).open(path)?;
    check(&file.metadata()?, limit)?; // it may have been replaced meanwhile
    Ok(file)
}

/// The contents of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open(path, limit)?, limit)
}

/// Reads a file as text.
///
/// # Errors
/// As [`open`]; `InvalidData` for bytes that are no UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let not_text = || io::Error::new(ErrorKind::InvalidData, "it is no UTF-8 text");
    String::from_utf8(read(path, limit)?).map_err(|_| not_text())
}

fn read_opened(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // So that it does not grow, and copy, on the way.
    let _ = bytes.try_reserve(file.metadata()?.len().min(limit) as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

fn check(data: &fs::Metadata, limit: u64) -> io::Result<()> {
    if data.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "a folder, expected a file"));
    }
    if !data.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a pipe, a socket or a device, expected a file"));
    }
    if data.len() > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: u64) -> io::Error {
    let limit = match limit {
        limit if limit >= 1 << 30 => format!("{} GiB", limit >> 30),
        limit if limit >= 1 << 20 => format!("{} MiB", limit >> 20),
        limit => format!("{limit} bytes"),
    };
    io::Error::new(
        ErrorKind::FileTooLarge,
        format!("larger than {limit}, which is more than such a file has"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "twelve bytes").unwrap();
        assert_eq!(read(&path, 12).unwrap(), b"twelve bytes");
        assert_eq!(read_text(&path, 100).unwrap(), "twelve bytes");
        let refused = read(&path, 11).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
        assert!(refused.to_string().contains("larger than 11 bytes"));
        assert!(
            matches!(read_opened(File::open(&path).unwrap(), 11), Err(error) if error.kind() == ErrorKind::FileTooLarge)
        );
        fs::write(&path, b"caf\xe9").unwrap();
        assert_eq!(read_text(&path, 100).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(read(&folder.path().join("b"), 1).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(read(folder.path(), 1).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_file_with_a_hole_of_many_gigabytes_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        if File::create(&path).unwrap().set_len(6 << 30).is_err() {
            eprintln!("skipped: no file of 6 GiB can be made here");
            return;
        }
        let refused = read(&path, PICTURE).unwrap_err().to_string();
        assert!(refused.contains("larger than 1 GiB"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, link) = (folder.path().join("socket"), folder.path().join("link"));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [socket.as_path(), &link, Path::new("/dev/zero"), Path::new("/dev/null")] {
            let refused = read(path, PICTURE).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{path:?}: {refused}");
        }
    }
}

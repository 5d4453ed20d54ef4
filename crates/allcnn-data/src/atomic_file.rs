//! Files that are either wholly there or not at all, whenever the program or the machine stops.
//!
//! The contents go to a temporary file in the same folder, are flushed to the disk, and take the final name by a
//! rename; then the folder itself is flushed, so that the rename survives a loss of power.
//!
//! A temporary file is called `.writing-XXXXXX`, or `.writing-OWNER-XXXXXX` where its folder has owners, by number
//! ([`Unpublished`]). A killed process leaves its own behind; [`sweep`] takes it away.
//!
//! `tempfile` makes and renames the files. What it leaves to its callers is here: to flush file and folder, the owner's
//! number in the name, and a file that is written but not yet renamed, so that its owner can look at its claim in between.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{Builder, NamedTempFile};

use crate::names::readable;

/// What the name of a temporary file begins with.
const PREFIX: &str = ".writing-";
/// A temporary file without an owner belongs to a process that is at work, or was killed; it writes no longer than this.
const LONGEST_WRITE: Duration = Duration::from_secs(3600);

/// Writes `contents` to `path`, replacing what is there. On an error the old file is untouched.
pub fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |file| file.write_all(contents))
}

/// Writes to `path` what `write` puts out (buffered), replacing what is there.
///
/// On an error, from `write` included, the old file is untouched and the temporary one is removed. The folder must
/// exist.
pub fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    publish(prepared(path, PREFIX, write)?, path)
}

/// Writes `contents` to `path` after `check` has looked at the file as it lies on the disk, under a temporary name. On an error, of
/// `check` or (by `failed`) of the system, what is at `path` is untouched.
///
/// # Errors
/// Those two.
pub fn write_checked<E>(
    path: &Path,
    contents: &[u8],
    failed: impl Fn(io::Error) -> E,
    check: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = prepared(path, PREFIX, |file| file.write_all(contents)).map_err(&failed)?;
    check(temporary.path())?;
    publish(temporary, path).map_err(failed)
}

/// A file that is written, but not yet under its name. Dropped, it vanishes.
#[derive(Debug)]
pub struct Unpublished {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl Unpublished {
    /// Writes `contents` beside `path`, for the owner of that number.
    ///
    /// # Errors
    /// The system's.
    pub fn new(path: &Path, owner: u32, contents: &[u8]) -> io::Result<Self> {
        let temporary = prepared(path, &format!("{PREFIX}{owner}-"), |file| file.write_all(contents))?;
        Ok(Self { temporary, path: path.into() })
    }

    /// Gives the file its name, replacing what is there.
    ///
    /// # Errors
    /// The system's; `NotFound` where a later owner has swept the file away.
    pub fn publish(self) -> io::Result<()> {
        publish(self.temporary, &self.path)
    }
}

/// Takes away the temporary files that earlier owners than number `owner` left in `folder`, wherever they stopped; of
/// files without an owner those that nobody has written to for an hour.
///
/// # Errors
/// The system's.
pub fn sweep(folder: &Path, owner: u32) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let is_left = match rest.split_once('-') {
            Some((number, _)) => number.parse::<u32>().is_ok_and(|number| number < owner),
            None => is_old(&entry),
        };
        if is_left {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_old(entry: &fs::DirEntry) -> bool {
    let written = entry.metadata().and_then(|data| data.modified());
    written.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > LONGEST_WRITE))
}

fn publish(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(folder_of(path))
}

/// Writes `contents` to `path` where nothing is, and says whether it did: of several processes that try, one does.
pub fn create_atomically(path: &Path, contents: &[u8]) -> io::Result<bool> {
    match prepared(path, PREFIX, |file| file.write_all(contents))?.persist_noclobber(path) {
        Ok(_) => sync_folder(folder_of(path)).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary file beside `path`, wholly on the disk.
fn prepared(
    path: &Path,
    prefix: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let mut temporary = made_in(folder_of(path), prefix)?;
    let mut buffered = BufWriter::with_capacity(1 << 18, temporary.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// An empty file of the owner of that number that has no final name yet, for what is locked before it is seen. Dropped, it
/// vanishes.
///
/// # Errors
/// The system's.
pub fn unnamed_in(folder: &Path, owner: u32) -> io::Result<NamedTempFile> {
    made_in(folder, &format!("{PREFIX}{owner}-"))
}

/// Refuses a `path` whose folder is not there.
///
/// # Errors
/// `NotFound` or `NotADirectory`, with the folder's name.
pub fn expect_folder(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is no folder", readable(folder.as_os_str())),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::Error::new(
            error.kind(),
            format!("the folder {} does not exist", readable(folder.as_os_str())),
        )),
        Err(error) => Err(error),
    }
}

/// The file is opened here, so that an error does not name the temporary file, of which nobody knows.
fn made_in(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let open = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
    let made = Builder::new().prefix(prefix).make_in(folder, open);
    made.map_err(|error| expect_folder(&folder.join(prefix)).err().unwrap_or(error))
}

/// Flushes a folder's list of names to the disk. Windows has no such call: there the rename is left to the system.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn writes_and_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, b"first").unwrap();
        write_atomically_with(&path, |file| write!(file, "second {}", 2)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second 2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_the_first_creates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        assert!(create_atomically(&path, b"first").unwrap());
        assert!(!create_atomically(&path, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, b"old").unwrap();
        let failed = write_atomically_with(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_what_earlier_owners_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let [earlier, own, later] = [1, 2, 10].map(|owner| Unpublished::new(&path, owner, b"x").unwrap());
        for name in [".writing-aB3dE6", ".writing-old", ".writing-x-aB3dE6", ".writing"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let long_ago = SystemTime::now() - 2 * LONGEST_WRITE;
        let old = File::options().write(true).open(folder.path().join(".writing-old")).unwrap();
        old.set_modified(long_ago).unwrap();
        sweep(folder.path(), 2).unwrap();
        assert_eq!(earlier.publish().unwrap_err().kind(), io::ErrorKind::NotFound);
        own.publish().unwrap();
        later.publish().unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".writing", ".writing-aB3dE6", ".writing-x-aB3dE6", "a.txt"]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none").join("a.txt");
        let error = write_atomically(&missing, b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("the folder {} does not exist", missing.parent().unwrap().display())
        );
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = write_atomically(&file.join("a.txt"), b"x").unwrap_err();
        assert!(error.to_string().ends_with("file is no folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_the_file_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("plain"), b"x").unwrap();
        write_atomically(&folder.path().join("atomic"), b"x").unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("atomic"), mode("plain"));
    }
}

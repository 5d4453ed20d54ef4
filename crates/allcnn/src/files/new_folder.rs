//! A folder that appears under its name whole, or not at all.

use std::fs;
use std::io;
use std::path::Path;

use tempfile::Builder;

use crate::atomic_file::expect_folder;

/// Makes the folder `path` of what `fill` writes into it under a temporary name, beside it. Returns `None` where something is already
/// there, but for an empty folder.
///
/// # Errors
/// That of `fill`, or (by `failed`) the system's; then nothing is left.
pub(crate) fn make<E>(
    path: &Path,
    failed: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Option<()>, E> {
    if !is_free(path) {
        return Ok(None);
    }
    expect_folder(path).map_err(&failed)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777)); // as any other, less the umask
    let temporary = builder.tempdir_in(parent).map_err(&failed)?;
    fill(temporary.path())?;
    if path.exists() {
        fs::remove_dir(path).map_err(&failed)?;
    }
    fs::rename(temporary.path(), path).map_err(failed)?;
    let _ = temporary.keep(); // it has another name now
    Ok(Some(()))
}

/// Whether nothing is there, or an empty folder.
fn is_free(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !path.exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(folder: &Path) -> io::Result<()> {
        fs::write(folder.join("a"), "x")
    }

    #[test]
    fn it_appears_whole_and_replaces_nothing_but_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let make = |fill: fn(&Path) -> io::Result<()>| make(&path, |error| error, fill);
        let half = |at: &Path| fs::write(at.join("a"), "x").and(Err(io::Error::other("full")));
        assert_eq!(make(half).unwrap_err().to_string(), "full");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::create_dir(&path).unwrap();
        assert_eq!(make(filled).unwrap(), Some(()));
        assert_eq!(fs::read(path.join("a")).unwrap(), b"x");
        assert_eq!(make(filled).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_its_place_and_a_missing_parent_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert_eq!(make(&file, |error| error, filled).unwrap(), None);
        let error = make(&folder.path().join("no/new"), |error| error, filled).unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}

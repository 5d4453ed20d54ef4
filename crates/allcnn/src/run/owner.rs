//! Exclusive ownership of a run folder for writing.
//!
//! An owner holds a claim ([`crate::files::claim`]) in the folder's `.claims`. An owner that lost the folder never
//! overwrites what a later owner wrote, wherever it was suspended and for however long, because
//!
//! - taking over a folder means: claim it, then delete the unfinished files of all earlier owners (the sweep),
//!   then read;
//! - writing a file means: create it as an unfinished file, then check that one's claim is still the newest, then
//!   rename.
//!
//! Proof: suppose that a former owner renames after the sweep. The sweep did not see its unfinished file, so the
//! file was created after the sweep began, hence after the later claim. Its check came after that, so it saw the
//! later claim and did not rename: a contradiction. And a rename before the sweep precedes everything the new
//! owner reads, as if the file had been written in time.
//!
//! One gap remains on network file systems: a rename that a machine has sent and that reaches the server more than
//! two minutes later.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::atomic_file::{Unpublished, sweep};
use crate::files::claim::{Claim, Claims, Holder};

/// The subfolder with the claims.
const CLAIMS: &str = ".claims";
/// The name of the claimed resource.
const OWNER: &str = "owner";

/// Why a folder cannot be owned, or no longer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Another process owns the folder.
    Held(Holder),
    /// Another process took the folder over.
    TakenOver,
    /// An I/O error.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whether a living process owns a folder; not if that cannot be told.
pub(super) fn is_held(folder: &Path) -> bool {
    Claims::new(folder.join(CLAIMS)).is_held(OWNER).unwrap_or(false)
}

/// This process as the owner of a run folder, until dropped. If it wrote nothing, the folder is then restored.
#[derive(Debug)]
pub(crate) struct Owner {
    folder: PathBuf,
    claim: Claim,
    /// The folders created for it, the innermost first.
    made: Vec<PathBuf>,
    wrote: AtomicBool,
}

impl Owner {
    /// Owns a folder, creating it if needed.
    pub(super) fn of(folder: &Path) -> Result<Self, Fault> {
        let made = missing(folder);
        fs::create_dir_all(folder).inspect_err(|_| remove(&made))?;
        Self::claim(folder, made)
    }

    /// Creates and owns a folder; returns `None` if it exists.
    pub(super) fn of_new(folder: &Path) -> Result<Option<Self>, Fault> {
        let made = missing(folder);
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error.into()),
            Ok(()) => Self::claim(folder, made).map(Some),
        }
    }

    fn claim(folder: &Path, made: Vec<PathBuf>) -> Result<Self, Fault> {
        let claims = Claims::new(folder.join(CLAIMS));
        let claim = claims.acquire(OWNER).inspect_err(|_| {
            let _ = fs::remove_dir(folder.join(CLAIMS));
            remove(&made);
        });
        let claim = claim?.map_err(Fault::Held)?;
        let owner = Self { folder: folder.into(), claim, made, wrote: AtomicBool::new(false) };
        sweep(folder, owner.claim.number())?;
        Ok(owner)
    }

    /// Writes a file of the folder atomically.
    pub(super) fn write(&self, path: &Path, contents: &[u8]) -> Result<(), Fault> {
        let file = self.prepare(path, contents)?;
        self.check()?;
        self.publish(file)
    }

    fn prepare(&self, path: &Path, contents: &[u8]) -> io::Result<Unpublished> {
        self.wrote.store(true, Ordering::Relaxed);
        Unpublished::new(path, self.claim.number(), contents)
    }

    fn check(&self) -> Result<(), Fault> {
        if self.claim.is_lost()? { Err(Fault::TakenOver) } else { Ok(()) }
    }

    fn publish(&self, file: Unpublished) -> Result<(), Fault> {
        file.publish().map_err(|error| match self.check() {
            Err(Fault::TakenOver) => Fault::TakenOver,
            _ => Fault::Io(error),
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.wrote.load(Ordering::Relaxed) {
            return;
        }
        self.claim.withdraw();
        let _ = fs::remove_dir(self.folder.join(CLAIMS));
        remove(&self.made);
    }
}

/// Removes the empty ones of these folders.
fn remove(folders: &[PathBuf]) {
    for folder in folders {
        let _ = fs::remove_dir(folder);
    }
}

/// The missing folders on the path to `folder`, the innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let named = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    named.map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another owner takes over, as if the first were suspended on another machine.
    fn take_over(folder: &Path) -> Owner {
        let newest = fs::read_dir(folder.join(CLAIMS)).unwrap().count();
        fs::write(folder.join(CLAIMS).join(format!("{OWNER}.{}", newest + 1)), "free\n").unwrap();
        Owner::of(folder).unwrap()
    }

    #[test]
    fn an_owner_stopped_anywhere_in_a_write_overwrites_nothing_once_it_lost_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        for stopped_after in 0..4 {
            let folder = parent.path().join(stopped_after.to_string());
            let file = folder.join("last.safetensors");
            let first = Owner::of(&folder).unwrap();
            first.write(&file, b"first").unwrap();
            // What the first owner had done when it was suspended ...
            let mut unpublished = (stopped_after >= 1).then(|| first.prepare(&file, b"too late").unwrap());
            if stopped_after >= 2 {
                first.check().unwrap();
            }
            if stopped_after >= 3 {
                first.publish(unpublished.take().unwrap()).unwrap();
            }
            // ... what the second one does in the meantime ...
            let second = take_over(&folder);
            let found = fs::read(&file).unwrap();
            assert_eq!(found, if stopped_after >= 3 { &b"too late"[..] } else { b"first" });
            second.write(&file, b"second").unwrap();
            // ... and the rest of what the first one does.
            if stopped_after < 3 {
                let rest = match unpublished {
                    None => first.write(&file, b"too late"),
                    Some(file) if stopped_after == 1 => first.check().and_then(|()| first.publish(file)),
                    Some(file) => first.publish(file),
                };
                assert!(matches!(rest, Err(Fault::TakenOver)), "{stopped_after}: {rest:?}");
            }
            assert_eq!(fs::read(&file).unwrap(), b"second", "{stopped_after}");
            assert!(matches!(first.write(&file, b"too late"), Err(Fault::TakenOver)));
            drop(first);
            assert!(matches!(Owner::of(&folder), Err(Fault::Held(_))), "the loser gives back nothing");
            second.write(&file, b"second again").unwrap();
        }
    }

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let first = Owner::of(&folder).unwrap();
        let Err(Fault::Held(holder)) = Owner::of(&folder) else { panic!("two owners") };
        assert!(holder.to_string().contains(&std::process::id().to_string()));
        first.write(&folder.join("x"), b"x").unwrap();
        drop(first);
        let second = Owner::of(&folder).unwrap();
        assert_eq!(second.claim.number(), 2);
    }

    #[test]
    fn an_owner_that_wrote_nothing_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        drop(Owner::of(&folder).unwrap());
        assert!(!parent.path().join("a").exists());
        fs::create_dir_all(&folder).unwrap();
        drop(Owner::of(&folder).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "what was there stays");
        assert!(Owner::of_new(&folder).unwrap().is_none());
        drop(Owner::of_new(&parent.path().join("c/d")).unwrap().unwrap());
        assert!(!parent.path().join("c").exists());
    }

    #[test]
    fn what_a_killed_owner_left_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        let first = Owner::of(parent.path()).unwrap();
        std::mem::forget(first.prepare(&parent.path().join("x"), b"half").unwrap());
        let left = || {
            let names = fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().starts_with(".writing-")).count()
        };
        assert_eq!(left(), 1);
        drop(first);
        let _second = Owner::of(parent.path()).unwrap();
        assert_eq!(left(), 0);
    }
}

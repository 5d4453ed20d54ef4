//! The one process that may write into a run folder.
//!
//! An owner holds a claim ([`crate::files::claim`]) in the folder's `.claims`. Nothing that one owner wrote is overwritten by
//! another that lost the folder meanwhile, wherever that one was stopped and for however long:
//!
//! - whoever takes a folder over first claims it, then sweeps the unfinished files of all earlier owners away, then reads;
//! - whoever writes first makes its unfinished file, then looks whether its claim is still the newest, then renames.
//!
//! Let the rename of one that lost the folder come after the sweep. Its unfinished file is then one that the sweep did not
//! see, so it was made after the sweep began, hence after the later claim, which the look at the claims came after: it was
//! seen, and there was no rename. A rename before the sweep is before the new owner's first look at the folder, as if the
//! file had been written in time.
//!
//! What remains is a window on network file systems: a rename that a machine has sent, and that reaches the server more
//! than two minutes later.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::atomic_file::{Unpublished, sweep};
use crate::files::claim::{Claim, Claims, Holder};

/// The folder of the claims in a run folder.
const CLAIMS: &str = ".claims";
/// What is claimed.
const OWNER: &str = "owner";

/// Why an owner cannot be or go on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Another process owns the folder.
    Held(Holder),
    /// Another process took the folder over.
    TakenOver,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// This process as the owner of a run folder, until it is dropped. Where it wrote nothing, the folder is then as before.
#[derive(Debug)]
pub(crate) struct Owner {
    folder: PathBuf,
    claim: Claim,
    /// The folders that were made for it, the innermost first.
    made: Vec<PathBuf>,
    wrote: AtomicBool,
}

impl Owner {
    /// Owns a folder, made where there is none.
    pub fn of(folder: &Path) -> Result<Self, Fault> {
        let made = missing(folder);
        fs::create_dir_all(folder).inspect_err(|_| remove(&made))?;
        Self::claim(folder, made)
    }

    /// Owns a folder that nobody has made before; nothing where there is one already.
    pub fn of_new(folder: &Path) -> Result<Option<Self>, Fault> {
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

    /// Writes a file of the folder: wholly or not at all.
    pub fn write(&self, path: &Path, contents: &[u8]) -> Result<(), Fault> {
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

/// Removes folders that hold nothing; the system keeps the others.
fn remove(folders: &[PathBuf]) {
    for folder in folders {
        let _ = fs::remove_dir(folder);
    }
}

/// The folders that have to be made for `folder`, the innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let named = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    named.map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another owner, as if the one before were asleep on another machine.
    fn take_over(folder: &Path) -> Owner {
        let newest = fs::read_dir(folder.join(CLAIMS)).unwrap().count();
        fs::write(folder.join(CLAIMS).join(format!("{OWNER}.{}", newest + 1)), "free\n").unwrap();
        Owner::of(folder).unwrap()
    }

    #[test]
    fn an_owner_stopped_anywhere_in_a_write_overwrites_nothing_once_it_lost_the_folder() {
        let place = tempfile::tempdir().unwrap();
        for stopped_after in 0..4 {
            let folder = place.path().join(stopped_after.to_string());
            let file = folder.join("last.safetensors");
            let first = Owner::of(&folder).unwrap();
            first.write(&file, b"first").unwrap();
            // What the first owner had done when it was stopped ...
            let mut unpublished = (stopped_after >= 1).then(|| first.prepare(&file, b"too late").unwrap());
            if stopped_after >= 2 {
                first.check().unwrap();
            }
            if stopped_after >= 3 {
                first.publish(unpublished.take().unwrap()).unwrap();
            }
            // ... what the second one does meanwhile ...
            let second = take_over(&folder);
            let found = fs::read(&file).unwrap();
            assert_eq!(found, if stopped_after >= 3 { &b"too late"[..] } else { b"first" });
            second.write(&file, b"second").unwrap();
            // ... and the rest of the first one's.
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
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
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
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        drop(Owner::of(&folder).unwrap());
        assert!(!place.path().join("a").exists());
        fs::create_dir_all(&folder).unwrap();
        drop(Owner::of(&folder).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "what was there stays");
        assert!(Owner::of_new(&folder).unwrap().is_none());
        drop(Owner::of_new(&place.path().join("c/d")).unwrap().unwrap());
        assert!(!place.path().join("c").exists());
    }

    #[test]
    fn what_a_killed_owner_left_is_swept() {
        let place = tempfile::tempdir().unwrap();
        let first = Owner::of(place.path()).unwrap();
        std::mem::forget(first.prepare(&place.path().join("x"), b"half").unwrap());
        let left = || {
            let names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().starts_with(".writing-")).count()
        };
        assert_eq!(left(), 1);
        drop(first);
        let _second = Owner::of(place.path()).unwrap();
        assert_eq!(left(), 0);
    }
}

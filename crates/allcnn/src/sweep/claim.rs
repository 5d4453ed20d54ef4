//! Who does what: claims on experiments, by files, so that any number of processes share a folder.
//!
//! The claims on an experiment are numbered: `NAME.1`, `NAME.2`, ... The one with the highest number counts. To claim
//! is to create the next number, which the system lets exactly one process do; no file is ever taken away, so no two
//! processes can hold an experiment by any order of events. A claim is free to be followed by the next when
//!
//! - its holder gave it back (the file says so), or
//! - its holder ran under the same kernel and is gone: then the lock that it held on the file is open, or
//! - the file was not written to for [`EXPIRY`]: the holder does that every [`HEARTBEAT`]. The times compared are both
//!   those of the file system, so clocks need not agree.
//!
//! A holder that was only asleep finds a higher number at its next heartbeat, and knows that it lost the experiment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, SystemTime};

/// How often a holder shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a holder on another machine may be silent.
pub(super) const EXPIRY: Duration = Duration::from_secs(120);
/// What stands in a claim that was given back.
const FREE: &str = "free\n";

/// The claims of a sweep: a folder.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    folder: PathBuf,
}

impl Claims {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a claim.
    pub(super) fn path(&self, name: &str, number: u32) -> PathBuf {
        self.folder.join(format!("{name}.{number}"))
    }

    /// Claims the experiment `name`, unless another process holds it.
    pub(super) fn acquire(&self, name: &str) -> io::Result<Option<Claim>> {
        let newest = self.newest(name);
        if newest > 0 && !self.is_abandoned(&self.path(name, newest))? {
            return Ok(None);
        }
        let path = self.path(name, newest + 1);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            opened => opened?,
        };
        // Without a lock, as on some network file systems, the heartbeat alone counts.
        let kernel = if file.try_lock().is_ok() { kernel() } else { None };
        let text = format!("{} {}\n", kernel.as_deref().unwrap_or("-"), std::process::id());
        file.write_all(text.as_bytes())?;
        Ok(Some(Claim { claims: self.clone(), name: name.into(), number: newest + 1, file, text }))
    }

    /// Whether a living process holds the experiment.
    pub(super) fn is_held(&self, name: &str) -> io::Result<bool> {
        let newest = self.newest(name);
        Ok(newest > 0 && !self.is_abandoned(&self.path(name, newest))?)
    }

    /// The highest number of a claim on `name`, 0 where there is none.
    fn newest(&self, name: &str) -> u32 {
        (1..).take_while(|&number| self.path(name, number).exists()).last().unwrap_or(0)
    }

    fn is_abandoned(&self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if text == FREE {
            return Ok(true);
        }
        if kernel().is_some_and(|kernel| text.split(' ').next() == Some(&kernel)) {
            return Ok(file.try_lock().is_ok());
        }
        let silent = self.now().duration_since(file.metadata()?.modified()?).unwrap_or_default();
        Ok(silent > EXPIRY)
    }

    /// The time of the file system; the system's own where a file cannot be made.
    fn now(&self) -> SystemTime {
        let fresh = tempfile::tempfile_in(&self.folder).and_then(|file| file.metadata()?.modified());
        fresh.unwrap_or_else(|_| SystemTime::now())
    }
}

/// The boot of the kernel that this process runs under, where the system tells: file locks hold among its processes.
fn kernel() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// A claim that this process holds. It is given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    name: String,
    number: u32,
    file: File,
    text: String,
}

impl Claim {
    /// Does `work`, and shows meanwhile that this process lives. Sets `lost` when another one took the experiment over.
    pub(super) fn hold<T>(&self, lost: &AtomicBool, work: impl FnOnce() -> T) -> T {
        let (done, ended) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                    if self.is_lost() {
                        lost.store(true, Ordering::Relaxed);
                        return;
                    }
                    let _ = self.write(&self.text); // where that failed, the next one may succeed
                }
            });
            let _ended_with_the_work = done;
            work()
        })
    }

    /// Whether another process took the experiment over.
    pub(super) fn is_lost(&self) -> bool {
        self.claims.path(&self.name, self.number + 1).exists()
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Where this fails, the open lock or the silence tells.
        let _ = self.file.set_len(0).and_then(|()| self.write(FREE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn claims() -> (tempfile::TempDir, Claims) {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::new(folder.path().into());
        (folder, claims)
    }

    #[test]
    fn a_claim_is_exclusive_until_it_is_given_back() {
        let (_folder, claims) = claims();
        let first = claims.acquire("a").unwrap().unwrap();
        assert!(claims.acquire("a").unwrap().is_none());
        assert!(claims.is_held("a").unwrap() && !claims.is_held("b").unwrap());
        assert!(claims.acquire("b").unwrap().is_some());
        drop(first);
        assert!(!claims.is_held("a").unwrap());
        assert_eq!(claims.acquire("a").unwrap().unwrap().number, 2);
    }

    #[test]
    fn of_many_at_once_one_gets_it() {
        let (_folder, claims) = claims();
        let got = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| got.lock().unwrap().extend(claims.acquire("a").unwrap()));
            }
        });
        assert_eq!(got.into_inner().unwrap().len(), 1);
    }

    #[test]
    fn a_dead_process_of_this_kernel_holds_nothing() {
        let (_folder, claims) = claims();
        let Some(kernel) = kernel() else { return };
        fs::write(claims.path("a", 1), format!("{kernel} 1\n")).unwrap(); // nobody has it locked
        assert!(claims.acquire("a").unwrap().is_some());
    }

    #[test]
    fn a_silent_process_elsewhere_loses_its_claim_and_notices() {
        let (_folder, claims) = claims();
        let asleep = claims.acquire("a").unwrap().unwrap();
        fs::write(claims.path("a", 1), "another-kernel 1\n").unwrap();
        assert!(claims.acquire("a").unwrap().is_none(), "it was heard of just now");
        asleep.file.set_modified(SystemTime::now() - EXPIRY - Duration::from_secs(10)).unwrap();
        assert!(!asleep.is_lost());
        let taken = claims.acquire("a").unwrap().unwrap();
        assert!(asleep.is_lost() && !taken.is_lost());
        drop(asleep);
        assert!(claims.acquire("a").unwrap().is_none(), "the loser does not give back what it lost");
    }
}

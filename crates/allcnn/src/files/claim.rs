//! Locks shared by processes and machines: claims, implemented as files in a shared folder.
//!
//! The claims on a name are numbered files: `NAME.1`, `NAME.2`, ... The one with the highest number counts. To
//! claim is to create the next number, in which exactly one process can succeed. The file appears locked and with
//! its holder written in it, so a process that is killed while claiming, or finds the disk full, holds nothing.
//! The next number may be claimed if
//!
//! - the holder released the claim (the file says so), or
//! - the holder ran under the same kernel and has died: then its lock on the file is released. A suspended process
//!   keeps its lock, so no process of its machine takes its claim; or
//! - locks give no answer, as the holder is on another machine or the file system has no locks, and the file was
//!   not written for [`EXPIRY`]. A holder writes every [`HEARTBEAT`]. Both times compared are the file system's,
//!   so clocks need not agree. A time as far in the future counts as old too: the clock was set back since.
//!
//! A holder that was suspended for longer finds a higher number when it continues, and so knows that it lost its
//! claim. [`crate::run::owner`] explains why its last write does no harm.
//!
//! Assumptions on the file system: if several processes create a name, one succeeds; and a folder listing contains
//! everything created before. Local file systems and NFS (since version 3) satisfy them. NFS may list a folder's
//! contents late (`acdirmax`, a minute); [`EXPIRY`] is longer.
//!
//! Implemented here, because crates for lock files offer only one of: a lock that is released when its process
//! dies (and is not seen on other machines), or a file that is created exclusively (and outlives its process).

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::atomic_file::{sweep, unnamed_in};
use crate::data::open_file;
use crate::text::date;
use crate::text::shown::escaped;

/// The interval at which a holder shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a holder on another machine may be silent.
pub(crate) const EXPIRY: Duration = Duration::from_secs(120);
/// The beginning of a released claim. It overwrites the contents, which needs no space on a full disk.
const FREE: &str = "free\n";
/// The most bytes of a claim, a single line.
const LONGEST: u64 = 1 << 12;

/// The claims in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    folder: PathBuf,
}

impl Claims {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The path of a claim's file.
    pub(crate) fn path(&self, name: &str, number: u32) -> PathBuf {
        self.folder.join(format!("{name}.{number}"))
    }

    /// Claims `name`, or returns its current holder. Creates the folder if needed.
    pub(crate) fn acquire(&self, name: &str) -> io::Result<Result<Claim, Holder>> {
        const TRIES: u32 = 10;
        for _ in 1..TRIES {
            match self.try_acquire(name) {
                // The folder was removed meanwhile, as after a training that failed to start.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => return done,
            }
        }
        self.try_acquire(name)
    }

    fn try_acquire(&self, name: &str) -> io::Result<Result<Claim, Holder>> {
        fs::create_dir_all(&self.folder)?;
        let newest = self.newest(name)?;
        if newest > 0
            && let Some(holder) = self.holder_of(&self.path(name, newest))?
        {
            return Ok(Err(holder));
        }
        let number = newest.checked_add(1).ok_or_else(|| {
            let file = format!("{name}.{newest}");
            io::Error::other(format!(
                "the claim {file} has the highest number that there is: remove the file"
            ))
        })?;
        let Some((file, text)) = self.create(name, number)? else { return Ok(Err(Holder::default())) };
        // Removes unnamed files of killed processes. A live process about to claim a lower number retries.
        let _ = sweep(&self.folder, number.saturating_add(1));
        if self.newest(name)? > number {
            // Another process was faster, and the numbers in between were released and removed.
            return Ok(Err(Holder::default()));
        }
        Claim::begin(self.clone(), name.into(), number, file, text).map(Ok)
    }

    /// Creates a claim's file and returns it with its contents, or `None` if another process was faster.
    fn create(&self, name: &str, number: u32) -> io::Result<Option<(File, String)>> {
        let (path, unnamed) = (&self.path(name, number), unnamed_in(&self.folder, number)?);
        let text = sign(unnamed.as_file())?;
        match unnamed.persist_noclobber(path) {
            Ok(file) => return Ok(Some((file, text))),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Err(error.error), // another process swept it
            Err(_) => {} // some file systems cannot name a file that way
        }
        let file = match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            opened => opened?,
        };
        match sign(&file) {
            Ok(text) => Ok(Some((file, text))),
            Err(error) => fs::remove_file(path).and(Err(error)),
        }
    }

    /// Whether a living process holds `name`.
    pub(crate) fn is_held(&self, name: &str) -> io::Result<bool> {
        let newest = self.newest(name)?;
        Ok(newest > 0 && self.holder_of(&self.path(name, newest))?.is_some())
    }

    /// The highest claim number on `name`, or 0 if there is none.
    fn newest(&self, name: &str) -> io::Result<u32> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut newest = 0;
        for entry in entries {
            let file = entry?.file_name();
            let number =
                file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
            newest = newest.max(number.unwrap_or(0));
        }
        Ok(newest)
    }

    /// The live holder of the claim in a file, if any.
    fn holder_of(&self, path: &Path) -> io::Result<Option<Holder>> {
        let file = open_file::open(path, LONGEST)?;
        let mut text = String::new();
        (&file).take(LONGEST).read_to_string(&mut text)?;
        if text.starts_with(FREE) {
            return Ok(None);
        }
        let (holder, its_kernel) = Holder::parse(&text);
        if its_kernel.is_some() && its_kernel == kernel().as_deref() {
            match file.try_lock_shared() {
                Ok(()) => return Ok(None),
                Err(TryLockError::WouldBlock) => return Ok(Some(Holder { is_local: true, ..holder })),
                Err(TryLockError::Error(_)) => {} // no locks here: the heartbeat decides
            }
        }
        let silent = self.now().duration_since(file.metadata()?.modified()?);
        let silent = silent.unwrap_or_else(|ahead| ahead.duration());
        Ok((silent <= EXPIRY).then_some(holder))
    }

    /// The current time of the file system; the local time if no file can be created.
    fn now(&self) -> SystemTime {
        let fresh = tempfile::tempfile_in(&self.folder).and_then(|file| file.metadata()?.modified());
        fresh.unwrap_or_else(|_| SystemTime::now())
    }
}

/// A process that holds a claim, as far as known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process ID.
    process: Option<u32>,
    /// Its host name.
    host: Option<String>,
    /// The start of the claim, in seconds since 1970.
    since: Option<u64>,
    /// Whether it runs under this kernel and is known to be alive.
    is_local: bool,
}

impl Holder {
    /// This process, from now on; `is_local` if it holds a lock.
    fn this(is_local: bool) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            process: Some(std::process::id()),
            host: host(),
            since: now.ok().map(|since| since.as_secs()),
            is_local,
        }
    }

    /// The contents of a claim: kernel, process, host, time.
    fn text(&self, kernel: Option<&str>) -> String {
        let word = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let [process, since] =
            [self.process.map(u64::from), self.since].map(|n| word(n.map(|n| n.to_string())));
        format!("{} {process} {} {since}\n", kernel.unwrap_or("-"), word(self.host.clone()))
    }

    /// Parses the holder and its kernel.
    pub(crate) fn parse(text: &str) -> (Self, Option<&str>) {
        let mut words = text.split_whitespace().map(|word| Some(word).filter(|word| *word != "-"));
        let mut next = || words.next().flatten();
        let (kernel, process, host, since) = (next(), next(), next(), next());
        let holder = Self {
            process: process.and_then(|number| number.parse().ok()),
            host: host.map(str::to_owned),
            since: since.and_then(|number| number.parse().ok()),
            is_local: false,
        };
        (holder, kernel)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(process) => write!(f, "process {process}")?,
            None => f.write_str("another process")?,
        }
        if let Some(host) = &self.host {
            write!(f, " on {}", escaped(host))?;
        }
        if let Some(since) = self.since {
            write!(f, " since {} UTC", date::readable(since))?;
        }
        Ok(())
    }
}

impl Holder {
    /// Advice for the user.
    pub fn advice(&self) -> String {
        if self.is_local {
            return "let it end, or end it (it may be stopped: then `kill -CONT` or `kill`)".into();
        }
        format!("let it end, or end it; one that died is followed after {} seconds", EXPIRY.as_secs())
    }
}

/// The boot ID of the kernel, if available: file locks work among its processes.
fn kernel() -> Option<String> {
    system_word("/proc/sys/kernel/random/boot_id")
}

/// The host name, if available.
fn host() -> Option<String> {
    system_word("/proc/sys/kernel/hostname").or_else(|| std::env::var("HOSTNAME").ok())
}

fn system_word(path: &str) -> Option<String> {
    let text = open_file::read_text(Path::new(path), LONGEST).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

/// A claim held by this process, released when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    claims: Claims,
    name: String,
    number: u32,
    file: Arc<File>,
    lost: Arc<AtomicBool>,
    heart: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Claim {
    /// Starts the heartbeat of a claim.
    fn begin(claims: Claims, name: String, number: u32, file: File, text: String) -> io::Result<Self> {
        let (file, lost) = (Arc::new(file), Arc::new(AtomicBool::new(false)));
        let mut claim = Self { claims, name, number, file, lost, heart: None };
        let (end, ended) = mpsc::channel::<()>();
        let (claims, name) = (claim.claims.clone(), claim.name.clone());
        let (file, lost) = (Arc::clone(&claim.file), Arc::clone(&claim.lost));
        let beat = move || {
            while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                if claims.newest(&name).is_ok_and(|newest| newest > number) {
                    lost.store(true, Ordering::Relaxed);
                    return;
                }
                let _ = write(&file, &text); // if it failed, the next one may succeed
            }
        };
        claim.heart = Some((end, thread::Builder::new().name("claim".into()).spawn(beat)?));
        Ok(claim)
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// A flag that is set soon after another process took over.
    pub(crate) fn lost(&self) -> &AtomicBool {
        &self.lost
    }

    /// Checks whether another process took over.
    pub(crate) fn is_lost(&self) -> io::Result<bool> {
        Ok(self.claims.newest(&self.name)? > self.number)
    }

    /// Removes the claim's file. Call it before dropping if nothing was done under the claim: then nobody needs
    /// its number.
    pub(crate) fn withdraw(&self) {
        let _ = fs::remove_file(self.claims.path(&self.name, self.number));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((end, beating)) = self.heart.take() {
            drop(end);
            let _ = beating.join();
        }
        // If this fails, the released lock or the silence has the same effect.
        let _ = write(&self.file, FREE).and_then(|()| self.file.set_len(FREE.len() as u64));
    }
}

/// Locks a new claim, writes this process into it as the holder, and returns what was written.
fn sign(file: &File) -> io::Result<String> {
    // Without locks, as on some network file systems, only the heartbeat counts.
    let kernel = kernel().filter(|_| file.try_lock().is_ok());
    let text = Holder::this(kernel.is_some()).text(kernel.as_deref());
    write(file, &text).map(|()| text)
}

fn write(mut file: &File, text: &str) -> io::Result<()> {
    file.rewind()?;
    file.write_all(text.as_bytes())
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
        assert!(claims.acquire("a").unwrap().is_err());
        assert!(claims.is_held("a").unwrap() && !claims.is_held("b").unwrap());
        assert!(claims.acquire("b").unwrap().is_ok());
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
                scope.spawn(|| got.lock().unwrap().extend(claims.acquire("a").unwrap().ok()));
            }
        });
        assert_eq!(got.into_inner().unwrap().len(), 1);
    }

    #[test]
    fn a_dead_process_of_this_kernel_holds_nothing() {
        let (_folder, claims) = claims();
        let Some(kernel) = kernel() else { return };
        fs::write(claims.path("a", 1), format!("{kernel} 1\n")).unwrap(); // not locked
        assert!(claims.acquire("a").unwrap().is_ok());
    }

    #[test]
    fn a_silent_process_elsewhere_loses_its_claim_and_notices() {
        let (_folder, claims) = claims();
        let asleep = claims.acquire("a").unwrap().unwrap();
        fs::write(claims.path("a", 1), "another-kernel 1\n").unwrap();
        assert!(claims.acquire("a").unwrap().is_err(), "it was heard of just now");
        asleep.file.set_modified(SystemTime::now() - EXPIRY - Duration::from_secs(10)).unwrap();
        assert!(!asleep.is_lost().unwrap());
        let taken = claims.acquire("a").unwrap().unwrap();
        assert!(asleep.is_lost().unwrap() && !taken.is_lost().unwrap());
        drop(asleep);
        assert!(claims.acquire("a").unwrap().is_err(), "the loser does not give back what it lost");
    }

    #[test]
    fn a_time_far_in_the_future_keeps_nobody_out() {
        let (_folder, claims) = claims();
        let asleep = claims.acquire("a").unwrap().unwrap();
        fs::write(claims.path("a", 1), "another-kernel 1\n").unwrap();
        asleep.file.set_modified(SystemTime::now() + EXPIRY / 2).unwrap();
        assert!(claims.acquire("a").unwrap().is_err());
        asleep.file.set_modified(SystemTime::now() + 10 * EXPIRY).unwrap();
        assert!(claims.acquire("a").unwrap().is_ok());
    }

    #[test]
    fn a_claim_appears_with_its_holder_or_not_at_all() {
        let (folder, claims) = claims();
        let path = claims.path("a", 1);
        let (file, text) = claims.create("a", 1).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(claims.create("a", 1).unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a claim without a name is left");
        drop(file);
        // A process killed before its claim had a name holds nothing.
        std::mem::forget(unnamed_in(folder.path(), 2).unwrap());
        assert!(!claims.is_held("a").unwrap());
        let second = claims.acquire("a").unwrap().unwrap();
        assert_eq!((second.number(), fs::read_dir(folder.path()).unwrap().count()), (2, 2), "it is swept");
    }

    #[test]
    fn a_claim_is_free_from_the_first_write_on_that_gives_it_back() {
        let (_folder, claims) = claims();
        let text = Holder::this(false).text(Some("another-kernel"));
        fs::write(claims.path("a", 1), &text).unwrap();
        assert!(claims.is_held("a").unwrap());
        write(&OpenOptions::new().write(true).open(claims.path("a", 1)).unwrap(), FREE).unwrap();
        assert!(!claims.is_held("a").unwrap());
        drop(claims.acquire("a").unwrap().unwrap());
        assert_eq!(fs::read_to_string(claims.path("a", 2)).unwrap(), FREE);
    }

    #[test]
    fn claims_of_before_are_understood_and_numbers_never_begin_anew() {
        let (_folder, claims) = claims();
        fs::write(claims.path("a", 1), "another-kernel 7\n").unwrap();
        let holder = claims.acquire("a").unwrap().unwrap_err();
        assert_eq!(holder.to_string(), "process 7");
        assert!(holder.advice().contains("120 seconds"));
        fs::write(claims.path("a", 9), FREE).unwrap();
        fs::write(claims.path("a.b", 20), FREE).unwrap();
        assert_eq!(claims.acquire("a").unwrap().unwrap().number(), 10);
    }

    #[test]
    fn a_number_that_none_can_follow_is_told() {
        let (folder, claims) = claims();
        fs::write(claims.path("a", u32::MAX), FREE).unwrap();
        assert!(claims.acquire("a").unwrap_err().to_string().contains("a.4294967295"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was claimed");
    }

    #[test]
    fn a_holder_is_told_with_its_machine_and_its_time() {
        let (_folder, claims) = claims();
        let _held = claims.acquire("a").unwrap().unwrap();
        let holder = claims.acquire("a").unwrap().unwrap_err().to_string();
        assert!(holder.starts_with(&format!("process {}", std::process::id())), "{holder}");
        assert!(holder.contains(" since 20") && holder.ends_with(" UTC"), "{holder}");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_no_claim() {
        let (_folder, claims) = claims();
        std::os::unix::fs::symlink("/dev/zero", claims.path("a", 1)).unwrap();
        assert!(claims.acquire("a").unwrap_err().to_string().contains("device"));
        std::os::unix::fs::symlink("/dev/zero", claims.path("b", 1)).unwrap();
        assert!(claims.is_held("b").is_err());
    }
}

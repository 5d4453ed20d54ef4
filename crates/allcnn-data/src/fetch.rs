//! Downloads CIFAR from its official address: resumed where it broke off, checked, put in place in one step.
use crate::atomic_file::sync_folder;
use crate::error::Error;
use crate::progress::{Progress, Stage};
use md5::{Digest, Md5};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The official address of the CIFAR archives.
pub const OFFICIAL_URL: &str = "https://www.cs.toronto.edu/~kriz";
/// How often a broken connection is taken up again.
const ATTEMPTS: usize = 4;
/// How long a server may send nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchTarget {
    /// `cifar-10-binary.tar.gz`, 170 MB.
    Cifar10,
    /// `cifar-100-binary.tar.gz`, 169 MB.
    Cifar100,
}

impl FetchTarget {
    /// The archive's name.
    pub fn file(self) -> &'static str {
        match self {
            FetchTarget::Cifar10 => "cifar-10-binary.tar.gz",
            FetchTarget::Cifar100 => "cifar-100-binary.tar.gz",
        }
    }

    /// The MD5 checksum on the official page.
    pub fn md5(self) -> &'static str {
        match self {
            FetchTarget::Cifar10 => "c32a1d4ab5d03f1284b67883e8d87530",
            FetchTarget::Cifar100 => "03b5dce01913d631647c71ecec9e9cb8",
        }
    }
}

impl FromStr for FetchTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cifar10" => Ok(FetchTarget::Cifar10),
            "cifar100" => Ok(FetchTarget::Cifar100),
            _ => Err(format!("'{text}' cannot be fetched: give cifar10 or cifar100")),
        }
    }
}

/// Where downloaded data sets are kept: `ALLCNN_DATA`, else `allcnn` in the user's cache (`XDG_CACHE_HOME` or
/// `~/.cache`).
pub fn data_folder() -> Result<PathBuf, Error> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("ALLCNN_DATA")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("allcnn")))
        .or_else(|| Some(folder("HOME")?.join(".cache/allcnn")))
        .ok_or(Error::NoDataFolder)
}

/// Downloads `target` into the folder `to` (made if need be) and returns the archive, which `open` reads as
/// it is. `base_url` replaces the official address (the program takes it from `ALLCNN_DATA_URL`).
///
/// # Errors
/// No network, an answer other than the file, a wrong checksum, a folder that cannot be written.
pub fn fetch(
    target: FetchTarget,
    to: &Path,
    base_url: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, Error> {
    let url = format!("{}/{}", base_url.unwrap_or(OFFICIAL_URL).trim_end_matches('/'), target.file());
    let file = to.join(target.file());
    download(&url, &file, target.md5(), progress)?;
    Ok(file)
}

/// Downloads `url` to `file`, whose MD5 checksum must be `md5`. A file that is there already and right is kept; what
/// arrived before a break is kept in `file` + `.part` and continued, also by a later call; by one at a time.
///
/// # Errors
/// As [`fetch`]; another process that downloads the same file.
pub fn download(url: &str, file: &Path, md5: &str, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    download_within(PATIENCE, url, file, md5, progress)
}

fn download_within(
    patience: Duration,
    url: &str,
    file: &Path,
    md5: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    if is_right(file, md5)? {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let Some(mut begun) = own(&part).map_err(Error::io("write", &part))? else {
        let what = "another process is downloading it.\nLet it end, or end it.".to_string();
        return Err(Error::Download { url: url.to_string(), what });
    };
    if is_right(file, md5)? {
        return fs::remove_file(&part).map_err(Error::io("remove", &part)); // another process was faster
    }
    let mut attempt = 1;
    while let Err(error) = continue_download(url, &mut begun, patience, progress) {
        if let (Broken::Retry(_), true) = (&error, attempt < ATTEMPTS) {
            std::thread::sleep(Duration::from_millis(200 << attempt));
            attempt += 1;
            continue;
        }
        if begun.metadata().is_ok_and(|data| data.len() == 0) {
            let _ = fs::remove_file(&part);
        }
        return Err(match error {
            Broken::Retry(what) | Broken::Stop(what) => Error::Download { url: url.to_string(), what },
            Broken::Disk(error) => Error::io("write", part)(error),
        });
    }
    let found = begun.rewind().and_then(|()| checksum(&mut begun)).map_err(Error::io("read", &part))?;
    if found != md5 {
        fs::remove_file(&part).map_err(Error::io("remove", &part))?;
        return Err(Error::Checksum { url: url.to_string(), found, expected: md5.to_string() });
    }
    fs::rename(&part, file).map_err(Error::io("rename", &part))?;
    sync_folder(folder).map_err(Error::io("write", folder))
}

/// Whether `file` is there and has that checksum.
fn is_right(file: &Path, md5: &str) -> Result<bool, Error> {
    if !file.exists() {
        return Ok(false);
    }
    let found = File::open(file).and_then(|mut file| checksum(&mut file)).map_err(Error::io("read", file))?;
    Ok(found == md5)
}

/// Opens what arrived of a file, for this process alone until it is closed; nothing where another one has it. File
/// systems without locks leave that to the checksum.
fn own(part: &Path) -> io::Result<Option<File>> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(part)?;
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(None);
        }
        if is_at(&file, part) {
            return Ok(Some(file));
        }
        // Its owner was done with it before it was locked, and renamed or removed it.
    }
}

/// Whether an open file still has this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file_id = |data: fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(named)) => file_id(file) == file_id(named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Why a download did not go on.
enum Broken {
    /// The network failed: it may work again.
    Retry(String),
    /// The server refused.
    Stop(String),
    /// The disk refused.
    Disk(io::Error),
}

/// Fetches what `part` lacks, which is open for appending.
fn continue_download(
    url: &str,
    part: &mut File,
    patience: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Broken> {
    let have = part.metadata().map_err(Broken::Disk)?.len();
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience))
        .build()
        .new_agent();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let advice = "Check the network, or fetch the file by other means and put it into the data folder.";
    let response = request.call().map_err(|error| Broken::Retry(format!("{error}.\n{advice}")))?;
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string);
    let continued = match response.status().as_u16() {
        200 => false,
        206 => header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {have}-"))),
        // Nothing lies beyond what we have: it is complete, which the checksum decides.
        416 if have > 0 => return Ok(()),
        status @ 500.. => {
            return Err(Broken::Retry(format!("the server answers {status}.\nTry again later.")));
        }
        status => {
            return Err(Broken::Stop(format!("the server answers {status}, expected the file.\n{advice}")));
        }
    };
    if response.status() == 206 && !continued {
        part.set_len(0).map_err(Broken::Disk)?;
        return Err(Broken::Retry("the server continues at another place than asked for".to_string()));
    }
    let start = if continued { have } else { 0 };
    let total =
        header("content-length").and_then(|length| length.parse::<u64>().ok()).map(|rest| start + rest);
    part.set_len(start).map_err(Broken::Disk)?;
    let done = copy(response.into_body().into_reader(), part, start, total, progress);
    part.sync_all().map_err(Broken::Disk)?;
    let done = done?;
    match total {
        Some(total) if done != total => {
            let what = format!(
                "the connection broke after {done} of {total} bytes.\nRun the command again to continue."
            );
            Err(Broken::Retry(what))
        }
        _ => Ok(()),
    }
}

/// Copies the answer into the file and returns how far the file then is.
fn copy(
    mut reader: impl Read,
    file: &mut File,
    mut done: u64,
    total: Option<u64>,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, Broken> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        progress(Progress { stage: Stage::Downloading, done, total });
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(count) => {
                file.write_all(&buffer[..count]).map_err(Broken::Disk)?;
                done += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let what = format!(
                    "the connection broke after {done} bytes ({error}).\nRun the command again to continue."
                );
                return Err(Broken::Retry(what));
            }
        }
    }
}

/// The MD5 checksum in hexadecimal of the rest of a file.
fn checksum(file: &mut File) -> io::Result<String> {
    let mut hash = Md5::new();
    io::copy(file, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{self, JoinHandle};

    const CONTENT: &[u8] = b"what the server has";

    /// A server that promises the file, sends 5 bytes of it, and waits for a word; then it sends the rest to whoever comes
    /// back.
    fn slow_server(word: Option<Receiver<()>>) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let head = |status: &str, more: &str, length| {
            format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n")
        };
        let serving = thread::spawn(move || {
            let (mut first, _) = listener.accept().unwrap();
            read_head(&first);
            first.write_all(head("200 OK", "", CONTENT.len()).as_bytes()).unwrap();
            first.write_all(&CONTENT[..5]).unwrap();
            if let Some(word) = word {
                word.recv().unwrap();
                return first.write_all(&CONTENT[5..]).unwrap();
            }
            let (mut second, _) = listener.accept().unwrap();
            assert!(read_head(&second).contains("bytes=5-"));
            let range = format!("Content-Range: bytes 5-{}/{}\r\n", CONTENT.len() - 1, CONTENT.len());
            second.write_all(head("206 Partial", &range, CONTENT.len() - 5).as_bytes()).unwrap();
            second.write_all(&CONTENT[5..]).unwrap();
            drop(first); // until now it was open and silent
        });
        (url, serving)
    }

    fn read_head(mut stream: &TcpStream) -> String {
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    fn md5() -> String {
        format!("{:x}", Md5::digest(CONTENT))
    }

    #[test]
    fn a_server_that_falls_silent_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let (url, serving) = slow_server(None);
        download_within(Duration::from_millis(300), &url, &file, &md5(), &mut |_| {}).unwrap();
        serving.join().unwrap();
        assert_eq!(fs::read(&file).unwrap(), CONTENT);
    }

    #[test]
    fn a_file_is_downloaded_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let (say, word) = channel();
        let (url, serving) = slow_server(Some(word));
        let mut refused = None;
        download(&url, &file, &md5(), &mut |at| {
            if at.done == 5 && refused.is_none() {
                refused = Some(download(&url, &file, &md5(), &mut |_| panic!("it was begun")));
                say.send(()).unwrap();
            }
        })
        .unwrap();
        serving.join().unwrap();
        let refused = refused.unwrap().unwrap_err().to_string();
        assert!(refused.contains("another process is downloading it"), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), CONTENT);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_another_process_finished_meanwhile_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let [part, file] = ["x.part", "x"].map(|name| folder.path().join(name));
        let first = own(&part).unwrap().unwrap();
        assert!(own(&part).unwrap().is_none());
        let late = File::open(&part).unwrap();
        fs::rename(&part, &file).unwrap();
        assert!(is_at(&first, &file) && !is_at(&late, &part));
        drop(first);
        assert!(is_at(&own(&part).unwrap().unwrap(), &part));
    }
}

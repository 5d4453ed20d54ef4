//! Downloads CIFAR from its official address: resumed where it broke off, checked, put in place in one step.
use crate::atomic_file::sync_folder;
use crate::error::Error;
use crate::progress::{Progress, Stage};
use md5::{Digest, Md5};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The official address of the CIFAR archives.
pub const OFFICIAL_URL: &str = "https://www.cs.toronto.edu/~kriz";
/// How often a broken connection is taken up again.
const ATTEMPTS: usize = 4;

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

    /// The MD5 checksum that the official page gives.
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
/// arrived before a break is kept in `file` + `.part` and continued, also by a later call.
///
/// # Errors
/// As [`fetch`].
pub fn download(url: &str, file: &Path, md5: &str, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    if file.exists() && checksum(file)? == md5 {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut attempt = 1;
    while let Err(error) = continue_download(url, &part, progress) {
        match error {
            Broken::Retry(_) if attempt < ATTEMPTS => {
                std::thread::sleep(Duration::from_millis(200 << attempt));
                attempt += 1;
            }
            Broken::Retry(what) | Broken::Stop(what) => {
                return Err(Error::Download { url: url.to_string(), what });
            }
            Broken::Disk(error) => return Err(Error::io("write", part)(error)),
        }
    }
    let found = checksum(&part)?;
    if found != md5 {
        fs::remove_file(&part).map_err(Error::io("remove", &part))?;
        return Err(Error::Checksum { url: url.to_string(), found, expected: md5.to_string() });
    }
    fs::rename(&part, file).map_err(Error::io("rename", &part))?;
    sync_folder(folder).map_err(Error::io("write", folder))
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

/// Fetches what `part` lacks.
fn continue_download(url: &str, part: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), Broken> {
    let have = fs::metadata(part).map_or(0, |data| data.len());
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
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
        fs::remove_file(part).map_err(Broken::Disk)?;
        return Err(Broken::Retry("the server continues at another place than asked for".to_string()));
    }
    let start = if continued { have } else { 0 };
    let total =
        header("content-length").and_then(|length| length.parse::<u64>().ok()).map(|rest| start + rest);
    let file = if continued { OpenOptions::new().append(true).open(part) } else { File::create(part) };
    let mut file = file.map_err(Broken::Disk)?;
    let done = copy(response.into_body().into_reader(), &mut file, start, total, progress);
    file.sync_all().map_err(Broken::Disk)?;
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

/// The MD5 checksum of a file in hexadecimal.
fn checksum(path: &Path) -> Result<String, Error> {
    let mut hash = Md5::new();
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    io::copy(&mut file, &mut hash).map_err(Error::io("read", path))?;
    Ok(format!("{:x}", hash.finalize()))
}

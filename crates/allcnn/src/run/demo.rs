//! The run that comes along with the program: All-CNN-C, trained on CIFAR-10 (`crates/allcnn/demo`).

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::atomic_file::write_atomically;
use crate::data::{Identity, data_folder, open_file};

/// What it is called wherever a run can be named.
pub(super) const NAME: &str = "demo";

macro_rules! files {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/", $name)) as &[u8])),*]
    };
}

/// The files of its folder.
const FILES: [(&str, &[u8]); 4] =
    files!("run.toml" "metrics.csv" "last.safetensors" "preprocess.safetensors");

/// Its folder in the user's cache, unpacked if it is not there, or not as it should be. Another version of the program has
/// another one.
pub(super) fn folder() -> io::Result<PathBuf> {
    let all: Vec<u8> = FILES.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes].concat()).collect();
    let mark = &Identity::of(&all).to_string()[..12];
    let folder = data_folder().map_err(io::Error::other)?.join(format!("{NAME}-{mark}"));
    for (name, bytes) in FILES {
        let path = folder.join(name);
        if !open_file::read(&path, open_file::WEIGHTS).is_ok_and(|there| there == bytes) {
            fs::create_dir_all(&folder)?;
            write_atomically(&path, bytes)?;
        }
    }
    Ok(folder)
}

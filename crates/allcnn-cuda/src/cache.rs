//! What the device keeps on disk between runs: compiled kernels, and the engines that were measured to be fastest. A folder
//! that cannot be used is no error: kernels are compiled and engines measured anew.

use std::env;
use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// The folder, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// `allcnn/cuda` in the user's cache.
    pub(crate) fn of_user() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        Self { folder: base.map(|base| base.join("allcnn").join("cuda")) }
    }

    #[cfg(test)]
    pub(crate) fn at(folder: &std::path::Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// The file of that name.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.as_ref()?.join(name)).ok()
    }

    /// Writes a file, whole or not at all; others may write the same at the same time.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let Some(folder) = &self.folder else { return };
        let temporary = folder.join(format!("{name}.{}", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, folder.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary); // most likely there is none
        }
    }
}

/// A file name (24 hexadecimal digits) for what depends on all of `parts`.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_and_a_missing_folder_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("not/yet"));
        assert_eq!(cache.read("x"), None);
        cache.write("x", b"abc");
        cache.write("x", b"abcd");
        assert_eq!(cache.read("x").as_deref(), Some(b"abcd".as_slice()));
        assert_eq!(
            fs::read_dir(folder.path().join("not/yet")).unwrap().count(),
            1,
            "no temporary file stays"
        );
        Cache::default().write("x", b"abc");
        assert_eq!(Cache::default().read("x"), None);
    }

    #[test]
    fn keys_depend_on_every_part_and_on_where_parts_end() {
        let keys = [key(&["ab", "c"]), key(&["a", "bc"]), key(&["ab", "c", ""]), key(&["ab", "d"])];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys[index + 1..].iter().all(|other| other != one), "{keys:?}");
            assert_eq!(one.len(), 24);
        }
    }
}

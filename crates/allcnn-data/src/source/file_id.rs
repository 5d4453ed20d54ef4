//! Which file of the system, or which member of an archive, a name leads to.
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// The same for all names of one file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId(u64);

impl FileId {
    /// Of a file that has no other name.
    pub(super) const UNKNOWN: FileId = FileId(0);

    /// Of a member of an archive.
    pub(super) fn member(index: usize) -> FileId {
        FileId(index as u64 + 1)
    }

    fn hashed(what: impl Hash) -> FileId {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        FileId(hasher.finish().max(1))
    }

    /// Of the file or folder at `path`, which `data` describes.
    #[cfg(unix)]
    pub(super) fn of(_: &Path, data: &Metadata) -> FileId {
        use std::os::unix::fs::MetadataExt;
        FileId::hashed((data.dev(), data.ino()))
    }

    /// Of the file or folder at `path`, which `data` describes.
    #[cfg(not(unix))]
    pub fn of(path: &Path, _: &Metadata) -> FileId {
        std::fs::canonicalize(path).map_or(FileId::UNKNOWN, FileId::hashed)
    }
}

/// Whether a file has hard links.
#[cfg(unix)]
pub(super) fn has_hard_links(data: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    data.nlink() > 1
}

/// Whether a file has hard links.
#[cfg(not(unix))]
pub(super) fn has_hard_links(_: &Metadata) -> bool {
    false
}

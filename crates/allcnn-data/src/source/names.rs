//! The names of files in a folder or an archive.

/// A name without leading `./` and `/`.
pub(super) fn clean(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// True for files of which a part of the path starts with a dot, and for what macOS adds to zip files.
pub(super) fn is_hidden(name: &str) -> bool {
    name.is_empty()
        || name.split('/').any(|part| (part.starts_with('.') && part != "..") || part == "__MACOSX")
}

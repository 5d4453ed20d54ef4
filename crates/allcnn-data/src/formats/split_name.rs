//! What the names of folders and files say of the split that they hold.
use crate::source::Entry;

/// A split, as data names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SplitName {
    Train,
    Test,
    Validation,
}

/// The split that a folder is named after.
pub(super) fn of_folder(folder: &str) -> Option<SplitName> {
    match folder.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(SplitName::Train),
        "test" | "testing" => Some(SplitName::Test),
        "val" | "valid" | "validation" => Some(SplitName::Validation),
        _ => None,
    }
}

/// The split of a file with many images: `test_batch.bin`, `test`, `test-00000-of-00001.parquet`.
pub(super) fn of_file(entry: &Entry) -> SplitName {
    let file = entry.file_name().to_ascii_lowercase();
    if file.starts_with("test") {
        SplitName::Test
    } else if file.starts_with("val") {
        SplitName::Validation
    } else {
        SplitName::Train
    }
}

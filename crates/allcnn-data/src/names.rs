//! The names of files in a folder or an archive: bytes, which need not be text.
use crate::ignored::Reason;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;

/// What systems and programs leave beside the files of a person: previews, waste baskets, caches. In lower case.
const LEFT_BEHIND: [&str; 21] = [
    "__macosx",
    "__pycache__",
    "icon\r",
    // Windows
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$recycle.bin",
    "recycler",
    "system volume information",
    // Linux
    "lost+found",
    // Network storage: Synology, QNAP, NetApp and others
    "@eadir",
    "@tmp",
    "@sharebin",
    "#recycle",
    "#snapshot",
    "@recycle",
    "@recently-snapshot",
    "@__thumb",
    "~snapshot",
    "network trash folder",
];

/// Why a file or folder of this name is none of the data; nothing where it may be.
pub(crate) fn hidden(part: &str) -> Option<Reason> {
    if part.starts_with('.') && part != ".." {
        return Some(Reason::Hidden);
    }
    let lower = part.to_ascii_lowercase();
    LEFT_BEHIND.contains(&lower.as_str()).then_some(Reason::LeftBehind)
}

/// The file that makes a folder a run of this program, and what else a training writes there. Its tables name images.
const OF_A_RUN: [&str; 10] = [
    "run.toml",
    "best.safetensors",
    "calibration.toml",
    "heldout.txt",
    "last.safetensors",
    "metrics.csv",
    "mistakes.csv",
    "preprocess.safetensors",
    "report.html",
    "trained.bin",
];

/// Which of the files of a folder, by their names, a training of this program wrote: none unless its settings are among them.
pub(crate) fn of_a_run<'n>(files: impl Iterator<Item = &'n OsStr> + Clone) -> &'static [&'static str] {
    if files.clone().any(|file| file == OF_A_RUN[0]) { &OF_A_RUN } else { &[] }
}

/// No system opens a file by a longer path. Those of archives could be of any length, and folders in them of any depth.
pub(crate) const LONGEST_PATH: usize = 4096;

/// Why a path is hidden: by its first part that is, or by its length.
pub(crate) fn hidden_path(name: &str) -> Option<Reason> {
    if name.len() > LONGEST_PATH { Some(Reason::LongName) } else { name.split('/').find_map(hidden) }
}

/// A path that fits in a line of an error, whatever its length.
pub(crate) fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST_PATH {
        return name.into();
    }
    format!("{}...", name.chars().take(60).collect::<String>()).into()
}

/// A path in an archive without leading `./` and `/`.
pub(crate) fn clean(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// A name as text, another one for every name. What is not UTF-8 becomes `\xNN`; a backslash is doubled there, and where
/// the name itself has what looks like that.
pub fn readable(name: &OsStr) -> Cow<'_, str> {
    readable_bytes(name.as_encoded_bytes())
}

/// The same of bytes.
pub(crate) fn readable_bytes(name: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(name) {
        Ok(text) if !looks_escaped(name) => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(name)),
    }
}

fn looks_escaped(name: &[u8]) -> bool {
    memchr::memmem::find_iter(name, b"\\x")
        .any(|at| matches!(name.get(at + 2..at + 4), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

fn escaped(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    for chunk in name.utf8_chunks() {
        text += &chunk.valid().replace('\\', "\\\\");
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}"); // writing to a text never fails
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn files_of_a_run_are_known_beside_its_settings() {
        let of = |files: &[&str]| of_a_run(files.iter().map(OsStr::new)).contains(&"metrics.csv");
        assert!(of(&["metrics.csv", "run.toml"]) && !of(&["metrics.csv", "train.toml"]) && !of(&[]));
    }

    #[test]
    fn what_is_hidden_or_left_behind_is_known() {
        for name in [".DS_Store", "._cat.jpg", ".git", ".ipynb_checkpoints", "..."] {
            assert_eq!(hidden(name), Some(Reason::Hidden), "{name}");
        }
        for name in ["__MACOSX", "@eaDir", "#recycle", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r"] {
            assert_eq!(hidden(name), Some(Reason::LeftBehind), "{name}");
        }
        for name in ["cat", "..", "thumbs", "a.b", "@home", "#1"] {
            assert_eq!(hidden(name), None, "{name}");
        }
        assert_eq!(hidden_path("a/@eaDir/b.png"), Some(Reason::LeftBehind));
        assert_eq!(hidden_path("../a/b.png"), None);
    }

    #[test]
    fn foreign_bytes_are_escaped_and_texts_stay() {
        assert_eq!(readable_bytes("café/ü.png".as_bytes()), "café/ü.png");
        assert_eq!(readable_bytes(b"a\\b\\xyz.png"), "a\\b\\xyz.png");
        assert_eq!(readable_bytes(b"caf\xe9\\1"), "caf\\xe9\\\\1");
        assert_eq!(readable_bytes(b"caf\\xe9"), "caf\\\\xe9");
    }

    proptest! {
        #[test]
        fn different_names_stay_different(names in prop::collection::hash_set(
            prop::collection::vec(prop::sample::select(b"\\x0e9\xe9\xc3\xa9".to_vec()), 0..9), 0..200,
        )) {
            let texts: HashSet<Cow<str>> = names.iter().map(|name| readable_bytes(name)).collect();
            prop_assert_eq!(texts.len(), names.len());
        }
    }
}

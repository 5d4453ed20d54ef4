//! What is left out of data, and why: every reason that there is, and how often it was found.
use crate::counted::counted;
use crate::foreign::Foreign;
use crate::split_names::SplitName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Files that were left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Why.
    pub reason: String,
    /// How many.
    pub files: usize,
    /// The first of them by name.
    pub example: String,
}

/// `6 files left out: HEIC, which cannot be read (bird/1.heic)`.
impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ignored { reason, files, example } = self;
        let more = if *files == 1 { "" } else { ", ..." };
        write!(f, "{} left out: {reason} ({example}{more})", counted(*files, "file"))
    }
}

impl Ignored {
    /// Files that were left out for a reason.
    pub(crate) fn new(reason: impl Into<String>, files: &[&str]) -> Self {
        let example = files.first().copied().unwrap_or_default().to_string();
        Self { reason: reason.into(), files: files.len(), example }
    }

    /// Images of a split that have no labels.
    pub(crate) fn unlabeled(split: SplitName, images: usize, first: impl Into<String>) -> Self {
        Self { reason: format!("unlabeled {} image", split.word()), files: images, example: first.into() }
    }

    /// One for each reason, with all of its files.
    pub fn by_reason(ignored: &[Ignored]) -> Vec<Ignored> {
        let mut merged: Vec<Ignored> = Vec::new();
        for one in ignored {
            match merged.iter_mut().find(|other| other.reason == one.reason) {
                Some(other) => other.files += one.files,
                None => merged.push(one.clone()),
            }
        }
        merged
    }
}

/// Why a file is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Its name, or that of a folder above it, begins with a dot.
    Hidden,
    /// A system or a program put it there.
    LeftBehind,
    /// A training of this program wrote it: beside its settings, `run.toml`.
    OfARun,
    /// A picture or a film of a kind that cannot be read.
    Foreign(Foreign),
    /// An archive within the data.
    Archive,
    /// No picture of any kind.
    NotAPicture,
    /// Such files are read, but these do not belong to the data that was found.
    OtherData,
    /// Its path is longer than any system takes.
    LongName,
    /// A member of an archive that has another one of its name behind it.
    Replaced,
    /// A link to nothing.
    BrokenLink,
    /// A link to a folder that holds the link.
    LinkLoop,
    /// A link in an archive to a file outside of it.
    OutsideLink,
    /// A pipe, a socket or a device.
    Special,
    /// The system refuses to open it.
    Unopened,
}

/// Its words; programs rely on them.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Hidden => "hidden",
            Reason::LeftBehind => "left behind by a system or a program",
            Reason::OfARun => "of a run of allcnn, not data",
            Reason::Foreign(kind) => return kind.fmt(f),
            Reason::Archive => "an archive within the data: unpack it",
            Reason::NotAPicture => "not a picture",
            Reason::OtherData => "not of the kind of data that was found",
            Reason::LongName => "its path is longer than 4096 bytes",
            Reason::Replaced => "replaced by a later member of the same name",
            Reason::BrokenLink => "a broken link",
            Reason::LinkLoop => "a link that leads in a circle",
            Reason::OutsideLink => "a link out of the archive",
            Reason::Special => "a pipe, a socket or a device",
            Reason::Unopened => "cannot be opened",
        })
    }
}

/// Counts files by reason; pictures of foreign kinds by folder too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(BTreeMap<(Reason, String), (usize, String)>);

impl Counts {
    /// Counts a file.
    pub(crate) fn add(&mut self, reason: Reason, file: &str) {
        let folder = match reason {
            Reason::Foreign(_) => file.rsplit_once('/').map_or("", |(folder, _)| folder),
            _ => "",
        };
        self.count((reason, folder.to_string()), 1, file);
    }

    fn count(&mut self, key: (Reason, String), files: usize, example: &str) {
        let (counted, first) = self.0.entry(key).or_insert_with(|| (0, example.to_string()));
        *counted += files;
        if example < first.as_str() {
            *first = example.to_string();
        }
    }

    /// Adds what others counted.
    pub(crate) fn append(&mut self, other: Counts) {
        for (key, (files, example)) in other.0 {
            self.count(key, files, &example);
        }
    }

    /// What was counted, in the order of the reasons and folders.
    pub(crate) fn list(self) -> Vec<Ignored> {
        let one = |((reason, _), (files, example)): ((Reason, _), _)| Ignored {
            reason: reason.to_string(),
            files,
            example,
        };
        self.0.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_reason_and_foreign_ones_by_folder() {
        let mut counts = Counts::default();
        counts.add(Reason::Foreign(Foreign::Heic), "bird/1.heic");
        counts.add(Reason::Hidden, "cat/.a");
        counts.add(Reason::Foreign(Foreign::Heic), "cat/1.heic");
        let mut more = Counts::default();
        more.add(Reason::Hidden, "dog/.b");
        more.add(Reason::Foreign(Foreign::Heic), "bird/2.heic");
        counts.append(more);
        let list = counts.list();
        let found: Vec<_> = list.iter().map(|one| (one.files, one.example.as_str())).collect();
        assert_eq!(found, [(2, "cat/.a"), (2, "bird/1.heic"), (1, "cat/1.heic")]);
        assert_eq!(list[0].to_string(), "2 files left out: hidden (cat/.a, ...)");
        let merged = Ignored::by_reason(&list);
        assert_eq!((merged.len(), merged[1].files), (2, 3));
    }
}

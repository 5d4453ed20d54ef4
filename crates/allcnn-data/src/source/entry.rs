//! One file of a source.
use crate::file_kind::FileKind;
use std::fmt;
use std::io::{self, Read};
use std::ops::Deref;

/// An archive or a folder with more files is refused: their names alone would fill the memory.
pub(super) const MAX_FILES: usize = 16_000_000;

/// How many bytes of a file's start are kept for telling its format.
const KEPT: usize = 32;

/// One file of a source.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its path in the source, with `/` between the parts; what is not UTF-8 is escaped ([`crate::names::readable`]).
    pub name: String,
    /// Its bytes, as declared.
    pub size: u64,
    /// Its first bytes.
    pub head: Head,
    /// What it is.
    pub kind: FileKind,
}

impl Entry {
    /// A file with these first bytes, of which as many are looked at as there are.
    pub(crate) fn new(name: String, size: u64, head: &[u8]) -> Self {
        let kind = FileKind::of(&name, head);
        Self { name, size, head: Head::new(head), kind }
    }

    /// A file that the system refuses to open.
    pub(crate) fn unopened(name: String) -> Self {
        let kind = FileKind::unopened(&name);
        Self { name, size: 0, head: Head::new(&[]), kind }
    }

    /// The same file by another name.
    pub(crate) fn named(&self, name: String) -> Self {
        let kind = match self.kind {
            FileKind::Picture | FileKind::Foreign(_) | FileKind::Archive | FileKind::Arrays => self.kind,
            FileKind::ClaimedPicture | FileKind::Other | FileKind::Unopened => {
                FileKind::of(&name, &self.head)
            }
        };
        Self { name, size: self.size, head: self.head, kind }
    }

    /// The last part of its path.
    pub(crate) fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Whether it is, or claims to be, a picture of a kind that is read.
    pub(crate) fn is_picture(&self) -> bool {
        self.kind.is_picture()
    }
}

/// The first bytes of a file, kept in place: a data set may have millions of files.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    bytes: [u8; KEPT],
    len: u8,
}

impl Head {
    fn new(head: &[u8]) -> Self {
        let (mut bytes, len) = ([0; KEPT], head.len().min(KEPT));
        bytes[..len].copy_from_slice(&head[..len]);
        Self { bytes, len: len as u8 }
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// Reads the first bytes, as many as `room` holds.
pub(super) fn start_of<'r>(reader: &mut dyn Read, room: &'r mut [u8]) -> io::Result<&'r [u8]> {
    let mut filled = 0;
    while filled < room.len() {
        match reader.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&room[..filled])
}

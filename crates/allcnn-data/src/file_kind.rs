//! What a file is, recognized by its first bytes, and by its name where these leave it open.
use crate::decode::{has_image_extension, is_picture};
use crate::foreign::Foreign;
use crate::ignored::Reason;
use crate::packing::ArchiveFormat;

/// Bytes of a file's start that are looked at to recognize what it is.
pub(crate) const TELLING: usize = 512;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A picture of a kind that is read.
    Picture,
    /// Named like a picture, without a picture's first bytes: a damaged one, or no picture at all.
    ClaimedPicture,
    /// A picture or a film of a kind that is not read.
    Foreign(Foreign),
    /// An archive.
    Archive,
    /// A file of numpy's arrays, which is an archive in itself.
    Arrays,
    /// Anything else: a list, a table, a batch.
    Other,
    /// The system refuses to open it.
    Unopened,
}

impl FileKind {
    /// What a file of that name with these first bytes is.
    pub(crate) fn of(name: &str, head: &[u8]) -> FileKind {
        if let Some(foreign) = Foreign::of(name, head) {
            FileKind::Foreign(foreign)
        } else if is_picture(head) {
            FileKind::Picture
        } else if holds_arrays(head) {
            FileKind::Arrays
        } else if has_image_extension(name) {
            FileKind::ClaimedPicture
        } else if is_archive(head) {
            FileKind::Archive
        } else {
            FileKind::Other
        }
    }

    /// What a file is that cannot be opened: a picture by its name is told when its turn comes.
    pub(crate) fn unopened(name: &str) -> FileKind {
        if has_image_extension(name) { FileKind::ClaimedPicture } else { FileKind::Unopened }
    }

    /// Whether it is, or claims to be, a picture of a kind that is read.
    pub(crate) fn is_picture(self) -> bool {
        matches!(self, FileKind::Picture | FileKind::ClaimedPicture)
    }

    /// Whether a folder of such files is meant to be a class: it holds pictures, though none can be read.
    pub(crate) fn may_be_a_class(self) -> bool {
        matches!(self, FileKind::Foreign(kind) if !matches!(kind, Foreign::Pdf | Foreign::PostScript | Foreign::Icon))
            || self == FileKind::Unopened
    }

    /// Why such a file is left out where no format reads it.
    pub(crate) fn reason(self) -> Reason {
        match self {
            FileKind::Picture | FileKind::ClaimedPicture | FileKind::Arrays => Reason::OtherData,
            FileKind::Foreign(foreign) => Reason::Foreign(foreign),
            FileKind::Archive => Reason::Archive,
            FileKind::Other => Reason::NotAPicture,
            FileKind::Unopened => Reason::Unopened,
        }
    }
}

/// True for a zip archive whose first member is an array file.
pub(crate) fn holds_arrays(head: &[u8]) -> bool {
    let name = |head: &[u8]| {
        let len = u16::from_le_bytes([*head.get(26)?, *head.get(27)?]);
        head.get(30..30 + usize::from(len)).map(<[u8]>::to_vec)
    };
    head.starts_with(b"PK\x03\x04") && name(head).is_some_and(|name| name.ends_with(b".npy"))
}

/// True for what the usual packers write.
fn is_archive(head: &[u8]) -> bool {
    let unread: [&[u8]; 3] = [b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x04\x22\x4d\x18"];
    ArchiveFormat::recognize(head).is_some() || unread.iter().any(|signature| head.starts_with(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_more_than_a_name() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF";
        for name in ["a", "a.dat", "a.jpg", "a.png"] {
            assert_eq!(FileKind::of(name, jpeg), FileKind::Picture, "{name}");
        }
        assert_eq!(FileKind::of("a.jpg", b"words"), FileKind::ClaimedPicture);
        assert_eq!(FileKind::of("a.jpg", b""), FileKind::ClaimedPicture);
        assert_eq!(FileKind::of("a.txt", b"words"), FileKind::Other);
        assert_eq!(FileKind::of("a.ppm", b"P6\n# drawn\n2 2\n255\n"), FileKind::Picture);
        assert_eq!(FileKind::of("notes", b"P3 of the paper"), FileKind::Other);
        assert_eq!(FileKind::of("cars.txt", b"BMW\nAudi\n"), FileKind::Other);
        assert_eq!(FileKind::of("a.npz", b"PK\x03\x04"), FileKind::Archive);
    }

    #[test]
    fn foreign_pictures_are_told_by_their_kind() {
        let kinds: [(&str, &[u8], Foreign); 15] = [
            ("a.HEIC", b"\0\0\0\x24ftypheic\0\0\0\0mif1heic", Foreign::Heic),
            ("a.jpg", b"\0\0\0\x24ftypheic\0\0\0\0mif1heic", Foreign::Heic),
            ("a", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", Foreign::Avif),
            ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0", Foreign::Avif),
            ("a.mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", Foreign::Video),
            ("a.mov", b"\0\0\0\x14ftypqt  ", Foreign::Video),
            ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\x01", Foreign::Raw),
            ("a.CR2", b"II*\0\x10\0\0\0CR\x02\0", Foreign::Raw),
            ("a.nef", b"MM\0*\0\0\0\x08", Foreign::Raw),
            ("a.svg", b"<?xml version=\"1.0\"?>\n<!-- long -->", Foreign::Svg),
            ("a", b"\xef\xbb\xbf <svg xmlns=", Foreign::Svg),
            ("a.pdf", b"%PDF-1.7", Foreign::Pdf),
            ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n", Foreign::Jpeg2000),
            ("a.avi", b"RIFF\0\0\0\0AVI LIST", Foreign::Video),
            ("a.ico", b"\0\0\x01\0\x01\0", Foreign::Icon),
        ];
        for (name, head, kind) in kinds {
            assert_eq!(FileKind::of(name, head), FileKind::Foreign(kind), "{name}");
        }
        assert_eq!(FileKind::of("a.tif", b"MM\0*\0\0\0\x08"), FileKind::Picture);
        assert_eq!(FileKind::of("page.html", b"<html><svg>"), FileKind::Other);
    }
}

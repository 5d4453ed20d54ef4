//! What a file is, told by its first bytes, and by its name where these leave it open.
use crate::decode::{has_image_extension, is_picture, recognize};
use crate::ignored::Reason;
use crate::packing::ArchiveFormat;
use image::ImageFormat;
use std::fmt;

/// So many bytes of a file's start tell what it is.
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
    pub fn of(name: &str, head: &[u8]) -> FileKind {
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
    pub fn unopened(name: &str) -> FileKind {
        if has_image_extension(name) { FileKind::ClaimedPicture } else { FileKind::Unopened }
    }

    /// Whether it is, or claims to be, a picture of a kind that is read.
    pub fn is_picture(self) -> bool {
        matches!(self, FileKind::Picture | FileKind::ClaimedPicture)
    }

    /// Whether a folder of such files is meant to be a class: it holds pictures, though none can be read.
    pub fn may_be_a_class(self) -> bool {
        matches!(self, FileKind::Foreign(kind) if !matches!(kind, Foreign::Pdf | Foreign::PostScript | Foreign::Icon))
            || self == FileKind::Unopened
    }

    /// Why such a file is left out where no format reads it.
    pub fn reason(self) -> Reason {
        match self {
            FileKind::Picture | FileKind::ClaimedPicture | FileKind::Arrays => Reason::OtherData,
            FileKind::Foreign(foreign) => Reason::Foreign(foreign),
            FileKind::Archive => Reason::Archive,
            FileKind::Other => Reason::NotAPicture,
            FileKind::Unopened => Reason::Unopened,
        }
    }
}

/// A kind of pictures or films that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Foreign {
    Heic,
    Avif,
    #[cfg(not(feature = "jxl"))]
    JpegXl,
    Jpeg2000,
    Raw,
    Svg,
    Pdf,
    PostScript,
    Photoshop,
    Icon,
    Exr,
    Hdr,
    Dds,
    Qoi,
    Farbfeld,
    Dicom,
    Video,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::Heic => "HEIC, which cannot be read: convert to JPEG or PNG",
            Foreign::Avif => "AVIF, which cannot be read: convert to JPEG or PNG",
            #[cfg(not(feature = "jxl"))]
            Foreign::JpegXl => "JPEG XL, which cannot be read: convert to JPEG or PNG",
            Foreign::Jpeg2000 => "JPEG 2000, which cannot be read: convert to JPEG or PNG",
            Foreign::Raw => "a camera's raw file, which cannot be read: develop to JPEG or PNG",
            Foreign::Svg => "SVG, which cannot be read: draw to PNG",
            Foreign::Pdf => "PDF, which cannot be read: draw its pages to PNG",
            Foreign::PostScript => "PostScript, which cannot be read: draw to PNG",
            Foreign::Photoshop => "Photoshop, which cannot be read: export to PNG",
            Foreign::Icon => "an icon, which cannot be read: convert to PNG",
            Foreign::Exr => "OpenEXR, which cannot be read: convert to PNG",
            Foreign::Hdr => "Radiance HDR, which cannot be read: convert to PNG",
            Foreign::Dds => "DDS, which cannot be read: convert to PNG",
            Foreign::Qoi => "QOI, which cannot be read: convert to PNG",
            Foreign::Farbfeld => "Farbfeld, which cannot be read: convert to PNG",
            Foreign::Dicom => "DICOM, which cannot be read: convert to PNG",
            Foreign::Video => "a film, which cannot be read: take pictures out of it",
        })
    }
}

/// First bytes that tell a kind by themselves.
const SIGNATURES: &[(&[u8], Foreign)] = &[
    #[cfg(not(feature = "jxl"))]
    (b"\xff\x0a", Foreign::JpegXl),
    #[cfg(not(feature = "jxl"))]
    (b"\0\0\0\x0cJXL \r\n\x87\n", Foreign::JpegXl),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Foreign::Jpeg2000),
    (b"\xff\x4f\xff\x51", Foreign::Jpeg2000),
    (b"IIRO", Foreign::Raw),
    (b"IIRS", Foreign::Raw),
    (b"MMOR", Foreign::Raw),
    (b"IIU\0", Foreign::Raw),
    (b"FUJIFILMCCD-RAW", Foreign::Raw),
    (b"%PDF-", Foreign::Pdf),
    (b"%!PS", Foreign::PostScript),
    (b"8BPS", Foreign::Photoshop),
    (b"\0\0\x01\0", Foreign::Icon),
    (b"\x76\x2f\x31\x01", Foreign::Exr),
    (b"#?RADIANCE", Foreign::Hdr),
    (b"#?RGBE", Foreign::Hdr),
    (b"DDS ", Foreign::Dds),
    (b"qoif", Foreign::Qoi),
    (b"farbfeld", Foreign::Farbfeld),
    (b"\x1a\x45\xdf\xa3", Foreign::Video),
    (b"FLV\x01", Foreign::Video),
    (b"\0\0\x01\xba", Foreign::Video),
    (b"\0\0\x01\xb3", Foreign::Video),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Foreign::Video),
];

/// What cameras call their raw files, most of which are TIFF within.
const RAW_EXTENSIONS: [&str; 21] = [
    "3fr", "arw", "cr2", "crw", "dcr", "dng", "erf", "iiq", "kdc", "mef", "mos", "mrw", "nef", "nrw", "orf",
    "pef", "raf", "rw2", "rwl", "sr2", "srw",
];

impl Foreign {
    fn of(name: &str, head: &[u8]) -> Option<Foreign> {
        if let Some((_, foreign)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
            return Some(*foreign);
        }
        match head {
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => return Some(by_brand(brands)),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => return Some(Foreign::Video),
            [b'I', b'I', b'*', 0, _, _, _, _, b'C', b'R', ..] => return Some(Foreign::Raw),
            _ if head.get(128..132) == Some(b"DICM") => return Some(Foreign::Dicom),
            _ => {}
        }
        let is_raw = |extension: &str| RAW_EXTENSIONS.iter().any(|raw| extension.eq_ignore_ascii_case(raw));
        if recognize(head) == Some(ImageFormat::Tiff) && extension(name).is_some_and(is_raw) {
            return Some(Foreign::Raw);
        }
        is_svg(name, head).then_some(Foreign::Svg)
    }
}

/// What a file of the MP4 family is, by its brands: the main one, a version, and those that it is compatible with.
fn by_brand(brands: &[u8]) -> Foreign {
    let (brands, _) = brands.get(..brands.len().min(24)).unwrap_or_default().as_chunks::<4>();
    let any = |wanted: &[&[u8; 4]]| brands.iter().any(|brand| wanted.contains(&brand));
    let Some(main) = brands.first() else { return Foreign::Video };
    if main == b"crx " {
        Foreign::Raw
    } else if any(&[b"avif", b"avis"]) {
        Foreign::Avif
    } else if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]) {
        Foreign::Heic
    } else {
        Foreign::Video
    }
}

/// A drawing in XML; one that begins with a prologue is told by its name where its first element is further away.
fn is_svg(name: &str, head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"<svg")
        || text.starts_with(b"<")
            && (memchr::memmem::find(text, b"<svg").is_some()
                && !text.starts_with(b"<!DOCTYPE html")
                && !text.starts_with(b"<html")
                || extension(name).is_some_and(|extension| extension.eq_ignore_ascii_case("svg")))
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
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

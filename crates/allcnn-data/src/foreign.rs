//! Pictures and films of kinds that are not read: how to recognize them, and what to do about them.
use crate::decode::recognize;
use image::ImageFormat;
use std::fmt;

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

/// First bytes that identify a kind by themselves.
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
    /// Recognizes it by the first bytes, and by the name where these leave it open.
    pub(crate) fn of(name: &str, head: &[u8]) -> Option<Foreign> {
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

/// A drawing in XML; one that begins with a prologue is recognized by its name where its first element is further away.
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

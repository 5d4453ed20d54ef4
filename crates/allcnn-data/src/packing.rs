//! How files are packed: how archives are recognized, and how compressed bytes are read.
use crate::inflation::{Inflation, Refusal};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Error as XzError, Stream};
use std::io::{self, BufRead, Read};

/// The most memory in MiB that unpacking an xz file may take; `xz -9` needs 65.
const XZ_MEMORY: u64 = 512;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveFormat {
    /// A tar archive.
    Tar,
    /// A tar archive that is compressed as a whole.
    CompressedTar(Compression),
    /// A zip archive.
    Zip,
}

impl ArchiveFormat {
    /// Recognizes an archive by its first bytes (at least 512 for a plain tar).
    pub(crate) fn recognize(head: &[u8]) -> Option<ArchiveFormat> {
        match head {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(ArchiveFormat::Zip),
            _ if is_tar(head) => Some(ArchiveFormat::Tar),
            _ => Compression::recognize(head).map(ArchiveFormat::CompressedTar),
        }
    }
}

/// How a stream of bytes is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    fn recognize(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            // Its level, and the first digits of pi or, with nothing in it, of the square root of pi.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, ..] => Some(Compression::Bzip2),
            _ => None,
        }
    }

    /// The unpacked bytes of all streams in a reader, as far as [`crate::inflation`] lets them out.
    pub(crate) fn decoder<'r>(self, reader: impl BufRead + 'r) -> io::Result<Box<dyn Read + 'r>> {
        Ok(match self {
            Compression::Gzip => {
                Box::new(Inflation::of_stream(reader, |counted| Ok(MultiGzDecoder::new(counted)))?)
            }
            Compression::Zstd => Box::new(Inflation::of_stream(reader, zstd::Decoder::with_buffer)?),
            Compression::Xz => Box::new(Inflation::of_stream(reader, Xz::new)?),
            Compression::Bzip2 => {
                Box::new(Inflation::of_stream(reader, |counted| Ok(MultiBzDecoder::new(counted)))?)
            }
        })
    }
}

/// Reads xz with bounded memory.
struct Xz<R>(XzDecoder<R>);

impl<R: BufRead> Xz<R> {
    fn new(reader: R) -> io::Result<Self> {
        let stream = Stream::new_stream_decoder(XZ_MEMORY << 20, CONCATENATED)?;
        Ok(Self(XzDecoder::new_stream(reader, stream)))
    }
}

impl<R: BufRead> Read for Xz<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room).map_err(|error| {
            match error.get_ref().and_then(|cause| cause.downcast_ref::<XzError>()) {
                Some(XzError::MemLimit) => Refusal::Memory(XZ_MEMORY).into(),
                _ => error,
            }
        })
    }
}

/// Whether a file begins with the header of a member: by its mark, which the oldest tars do not have, or by its checksum.
fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") || has_tar_checksum(head).unwrap_or(false)
}

/// Whether the sum of all bytes of a header, those of the sum as spaces, is the sum that it states in octal digits.
fn has_tar_checksum(head: &[u8]) -> Option<bool> {
    let header = head.get(..512)?;
    let field = str::from_utf8(&header[148..156]).ok()?;
    let told = u32::from_str_radix(field.trim_matches([' ', '\0']), 8).ok()?;
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let found = sum(&header[..148]) + 8 * u32::from(b' ') + sum(&header[156..]);
    Some(header[0] != 0 && told == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_without_a_mark_is_told_by_its_checksum() {
        let mut header = tar::Header::new_old();
        header.set_path("cat/1.png").unwrap();
        header.set_size(10);
        header.set_mode(0o644);
        header.set_cksum();
        let head = header.as_bytes().as_slice();
        assert_eq!(head[257..262], [0; 5]);
        assert_eq!(ArchiveFormat::recognize(head), Some(ArchiveFormat::Tar));
        assert_eq!(ArchiveFormat::recognize(&head[..511]), None);
        for position in [0, 100, 149, 300, 511] {
            let mut other = head.to_vec();
            other[position] ^= 1;
            assert_eq!(ArchiveFormat::recognize(&other), None, "{position}");
        }
        assert_eq!(ArchiveFormat::recognize(&[0; 512]), None);
        assert_eq!(ArchiveFormat::recognize(&[b'0'; 512]), None);
    }

    #[test]
    fn words_that_begin_like_an_archive_are_none() {
        assert_eq!(ArchiveFormat::recognize(b"BZh, the airport"), None);
        assert_eq!(ArchiveFormat::recognize(b"PK"), None);
    }
}

//! The head of an array file of numpy (`.npy`): what its values are and how they are stored. Objects are recognized and never read.
//!
//! Source: numpy's documentation of the format, `numpy.lib.format`. Read here, because the crates that do it bring a parser
//! of all of Python's literals, and arrays of their own.

use std::io::{self, Read};

/// No head of a plain array is longer.
const MAX_HEAD: usize = 1 << 16;

/// What an array file says of itself before its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub values: Values,
    /// Whether the first index, and not the last one, runs fastest.
    pub fortran: bool,
    pub shape: Vec<usize>,
    /// Bytes of the head itself.
    pub len: u64,
}

/// What the values of an array are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values {
    /// `u`, `i`, `f`, `b`, `U`, `S`, `O`, ...
    pub kind: char,
    /// Bytes of one.
    pub size: usize,
    pub big_endian: bool,
}

/// Why a head cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NpyError {
    #[error("it is no array of numpy")]
    Foreign,
    #[error("its head is damaged or of an unknown kind ({0})")]
    Head(String),
    #[error("it is truncated")]
    Truncated,
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for NpyError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

impl Head {
    /// Reads the head; the values follow.
    pub(super) fn read(reader: &mut impl Read) -> Result<Head, NpyError> {
        let mut magic = [0; 8];
        reader.read_exact(&mut magic)?;
        let [b'\x93', b'N', b'U', b'M', b'P', b'Y', version @ 1..=3, _] = magic else {
            return Err(NpyError::Foreign);
        };
        let (mut len, wide) = ([0; 4], version > 1);
        reader.read_exact(&mut len[..if wide { 4 } else { 2 }])?;
        let len = u32::from_le_bytes(len) as usize;
        if len > MAX_HEAD {
            return Err(NpyError::Head(format!("{len} bytes")));
        }
        let mut text = vec![0; len];
        reader.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let head = Self::parse(&text, (if wide { 12 } else { 10 }) + len as u64);
        head.ok_or_else(|| NpyError::Head(text.chars().take(100).collect::<String>().trim().to_string()))
    }

    /// Reads `{'descr': '<i8', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str, len: u64) -> Option<Head> {
        let fortran = match value(text, "fortran_order")? {
            order if order.starts_with("True") => true,
            order if order.starts_with("False") => false,
            _ => return None,
        };
        let (shape, _) = value(text, "shape")?.strip_prefix('(')?.split_once(')')?;
        let sides =
            shape.split(',').map(|side| side.trim().trim_end_matches('L')).filter(|side| !side.is_empty());
        let shape = sides.map(|side| side.parse().ok()).collect::<Option<Vec<usize>>>()?;
        Some(Head { values: Values::parse(value(text, "descr")?)?, fortran, shape, len })
    }

    /// Bytes of all values; nothing where no machine can count them.
    pub(super) fn bytes(&self) -> Option<u64> {
        let values = self.shape.iter().try_fold(1usize, |values, &side| values.checked_mul(side))?;
        u64::try_from(values.checked_mul(self.values.size)?).ok()
    }
}

/// What follows a key.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let offset = ['\'', '"'].iter().find_map(|quote| {
        let key = format!("{quote}{key}{quote}");
        Some(text.find(&key)? + key.len())
    })?;
    Some(text[offset..].trim_start().strip_prefix(':')?.trim_start())
}

impl Values {
    /// Reads `'<u2'`; anything but a text is a structure.
    fn parse(text: &str) -> Option<Values> {
        let Some(text) = text.strip_prefix(['\'', '"']) else {
            return text.starts_with('[').then_some(Values { kind: 'V', size: 0, big_endian: false });
        };
        let text = text.split(['\'', '"']).next()?;
        let plain = text.trim_start_matches(['<', '>', '=', '|']);
        let kind = plain.chars().next().filter(char::is_ascii)?;
        let digits: String = plain[1..].chars().take_while(char::is_ascii_digit).collect();
        let size = if digits.is_empty() { 0 } else { digits.parse::<usize>().ok()? };
        let (kind, size) = match kind {
            '?' => ('b', 1),
            'U' => ('U', size.checked_mul(4)?),
            'a' => ('S', size),
            kind => (kind, size),
        };
        Some(Values { kind, size, big_endian: text.starts_with('>') })
    }

    /// What numpy calls it.
    pub(super) fn name(&self) -> String {
        let bits = self.size * 8;
        match self.kind {
            'u' => format!("uint{bits}"),
            'i' => format!("int{bits}"),
            'f' => format!("float{bits}"),
            'c' => format!("complex{bits}"),
            'b' => "bool".to_string(),
            'U' => format!("texts of {} characters", self.size / 4),
            'S' => format!("texts of {} bytes", self.size),
            'O' => "Python objects".to_string(),
            'V' => "records".to_string(),
            kind => format!("'{kind}{}'", self.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u8, text: &str) -> Vec<u8> {
        let len = (text.len() as u32).to_le_bytes();
        let len = if version == 1 { &len[..2] } else { &len[..] };
        [b"\x93NUMPY".as_slice(), &[version, 0], len, text.as_bytes()].concat()
    }

    #[test]
    fn heads_of_all_versions_are_read() {
        let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 28, 28), }   \n";
        for (version, before) in [(1, 10), (2, 12), (3, 12)] {
            let read = Head::read(&mut head(version, text).as_slice()).unwrap();
            assert_eq!(
                (read.values.name().as_str(), read.fortran, read.shape.as_slice()),
                ("uint8", false, [5, 28, 28].as_slice())
            );
            assert_eq!((read.len, read.bytes()), (before + text.len() as u64, Some(5 * 28 * 28)));
        }
        for (descr, name, size, big_endian) in [
            ("'<i8'", "int64", 8, false),
            ("'>i2'", "int16", 2, true),
            ("'|b1'", "bool", 1, false),
            ("'<U7'", "texts of 7 characters", 28, false),
            ("\"|S3\"", "texts of 3 bytes", 3, false),
            ("'<f4'", "float32", 4, false),
            ("'|O'", "Python objects", 0, false),
            ("[('a', '<i4'), ('b', '<f4')]", "records", 0, false),
        ] {
            let text = format!("{{\"shape\": (2L,), 'fortran_order': True, 'descr': {descr}}}");
            let read = Head::read(&mut head(1, &text).as_slice()).unwrap();
            assert_eq!(
                (read.values.name().as_str(), read.values.size, read.values.big_endian),
                (name, size, big_endian)
            );
            assert!(read.fortran && read.shape == [2], "{descr}");
        }
        let none = head(1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}");
        assert_eq!(Head::read(&mut none.as_slice()).unwrap().bytes(), Some(8), "a single number");
    }

    #[test]
    fn damaged_heads_are_told() {
        let error = |bytes: &[u8]| Head::read(&mut &*bytes).unwrap_err().to_string();
        let good = head(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}");
        for cut in 0..good.len() {
            assert_eq!(error(&good[..cut]), "it is truncated", "{cut}");
        }
        assert_eq!(error(b"PK\x03\x04 and more"), "it is no array of numpy");
        for text in [
            "",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (5, -1)}",
            "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (5,)}",
            "{'descr': '', 'fortran_order': False, 'shape': (5,)}",
            "{'descr': '\u{e9}1', 'fortran_order': False, 'shape': (5,)}",
        ] {
            assert!(error(&head(1, text)).contains("damaged"), "{text}");
        }
        assert!(error(&[b"\x93NUMPY\x02\0".as_slice(), &[255; 4]].concat()).contains("4294967295 bytes"));
        let huge = head(1, "{'descr': '<u2', 'fortran_order': False, 'shape': (9223372036854775807, 9)}");
        assert_eq!(Head::read(&mut huge.as_slice()).unwrap().bytes(), None);
    }
}

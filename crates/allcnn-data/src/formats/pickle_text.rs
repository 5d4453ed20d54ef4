//! The lines in which the oldest pickle protocols, 0 and partly 1, write numbers and texts.
use super::pickle_error::{PickleError, Result};

/// A whole number in decimals, with an `L` where Python calls it long; nothing where it has more than 64 bits.
pub(super) fn decimal(line: &[u8]) -> Result<Option<i64>> {
    let line = line.trim_ascii();
    let digits = line.strip_suffix(b"L").unwrap_or(line);
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    match std::str::from_utf8(digits) {
        Ok(text) if !unsigned.is_empty() && unsigned.iter().all(u8::is_ascii_digit) => Ok(text.parse().ok()),
        _ => Err(PickleError::Damaged("a number that is none")),
    }
}

/// Bytes as Python 2 prints them, between quotes.
pub(super) fn quoted(line: &[u8]) -> Result<Vec<u8>> {
    let mut rest = match line.trim_ascii() {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(PickleError::Damaged("a text without quotes")),
    };
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'\\', [b'x', digits @ ..]) => hex(digits, 2).map(|(value, left)| (value as u8, left))?,
            (b'\\', [escape, left @ ..]) => (escaped(*escape)?, left),
            (byte, left) => (*byte, left),
        };
        bytes.push(byte);
        rest = left;
    }
    Ok(bytes)
}

/// What stands for a byte after a backslash.
fn escaped(escape: u8) -> Result<u8> {
    match escape {
        b'n' => Ok(b'\n'),
        b'r' => Ok(b'\r'),
        b't' => Ok(b'\t'),
        b'\\' | b'\'' | b'"' => Ok(escape),
        _ => Err(PickleError::Damaged("an unknown escape")),
    }
}

/// Text in which each byte is a character, but for `\u` and `\U` with the numbers of others.
pub(super) fn unicode(line: &[u8]) -> Result<String> {
    let (mut rest, mut text) = (line, String::with_capacity(line.len()));
    while let [first, after @ ..] = rest {
        let (code, left) = match (first, after) {
            (b'\\', [b'u', digits @ ..]) => hex(digits, 4)?,
            (b'\\', [b'U', digits @ ..]) => hex(digits, 8)?,
            (byte, left) => (u32::from(*byte), left),
        };
        text.push(char::from_u32(code).ok_or(PickleError::Damaged("a character that is none"))?);
        rest = left;
    }
    Ok(text)
}

/// The number in the first `digits` hexadecimal digits, and what follows them.
fn hex(text: &[u8], digits: usize) -> Result<(u32, &[u8])> {
    let damaged = || PickleError::Damaged("an escape that is no number");
    let (number, rest) = text.split_at_checked(digits).ok_or_else(damaged)?;
    let number = std::str::from_utf8(number).ok().filter(|text| !text.starts_with('+'));
    let number = number.and_then(|text| u32::from_str_radix(text, 16).ok());
    Ok((number.ok_or_else(damaged)?, rest))
}

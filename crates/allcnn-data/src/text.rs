//! Text of any system: lists of labels and classes, tables.

/// Bytes that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Neither encoding fits.
    #[error("it is neither UTF-8 nor UTF-16: save it as UTF-8")]
    Encoding,
    /// Zero bytes, which no text has.
    #[error("it holds zero bytes, which no text has: save it as UTF-8")]
    Zeros,
}

/// The text that the bytes are: UTF-8, or UTF-16 with a byte order mark or with the zero bytes that it has in most
/// languages. The mark is left out, and every line ends with `\n`.
///
/// # Errors
/// Another encoding, or no text at all.
pub fn decode(bytes: &[u8]) -> Result<String, TextError> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ if bytes.contains(&0) => unmarked_utf16(bytes).ok_or(TextError::Zeros),
        _ => utf8(bytes),
    }?;
    if text.contains('\0') {
        return Err(TextError::Zeros);
    }
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

fn utf8(bytes: &[u8]) -> Result<String, TextError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| TextError::Encoding)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let (pairs, rest) = bytes.as_chunks();
    let units: Vec<u16> = pairs.iter().map(|&pair| unit(pair)).collect();
    let text = String::from_utf16(&units).ok().filter(|_| rest.is_empty());
    text.ok_or(TextError::Encoding)
}

/// UTF-16 without a mark: the zero bytes lie where the upper halves of its units are.
fn unmarked_utf16(bytes: &[u8]) -> Option<String> {
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let unit = if zeros(1) > zeros(0) { u16::from_le_bytes } else { u16::from_be_bytes };
    utf16(bytes, unit).ok().filter(|text| !text.contains('\0'))
}

/// The lines that are not blank, without the blanks around them, each with its number, which counts from 1.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

/// A name without the blanks around it and the quotes around that.
pub fn unquoted(name: &str) -> &str {
    let name = name.trim();
    let between = |quote| name.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).map_or(name, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn text_of_any_system_is_read() {
        let (plain, windows, mac) = ("ant\nbée\n", "ant\r\nbée\r\n", "ant\rbée\r");
        for text in [plain, windows, mac] {
            let marked = format!("\u{feff}{text}");
            for bytes in [
                text.as_bytes().to_vec(),
                marked.as_bytes().to_vec(),
                utf16(text, u16::to_le_bytes),
                utf16(text, u16::to_be_bytes),
                utf16(&marked, u16::to_le_bytes),
                utf16(&marked, u16::to_be_bytes),
            ] {
                assert_eq!(decode(&bytes).as_deref(), Ok(plain), "{bytes:?}");
            }
        }
        assert_eq!(decode(&utf16("猫\n犬\n", u16::to_le_bytes)).as_deref(), Ok("猫\n犬\n"));
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(decode(b"caf\xe9\n"), Err(TextError::Encoding));
        assert_eq!(decode(b"\xff\xfea"), Err(TextError::Encoding));
        assert_eq!(decode(b"a\0\0\0"), Err(TextError::Zeros));
        assert_eq!(decode(b"ant\0bee"), Err(TextError::Zeros));
    }

    #[test]
    fn lines_and_names_are_without_what_surrounds_them() {
        let numbered: Vec<_> = lines(" a \n\n\t\nb c\n\n").collect();
        assert_eq!(numbered, [(1, "a"), (4, "b c")]);
        let names = [" cat ", "\"cat\"", "'cat' ", "\" cat \""];
        assert!(names.iter().all(|name| unquoted(name) == "cat"));
        assert_eq!((unquoted("dog's"), unquoted("\""), unquoted("\"a'")), ("dog's", "\"", "\"a'"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = decode(&bytes) {
                prop_assert!(!text.contains(['\0', '\r']));
            }
        }
    }
}

//! Safe display of names of files, classes and the like. Names come from outside and may contain anything: what a
//! terminal would interpret instead of displaying is escaped, and so are bytes that are not UTF-8.

use std::path::Path;

/// Whether a terminal interprets the character (escape and other controls) or reorders the text around it
/// (bidirectional marks) instead of displaying it.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes every hidden character as in Rust, `\n` or `\u{1b}`, for use in a sentence or table.
pub fn escaped(text: &str) -> String {
    escaped_except(text, &[])
}

/// Like [`escaped`], but leaves the characters in `kept` unchanged.
pub fn escaped_except(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) && !kept.contains(&character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Joins the first few texts with commas, and adds how many more there are.
pub fn first_of(texts: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = texts[..texts.len().min(SHOWN)].join(", ");
    match texts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} ... and {more} more"),
    }
}

/// Paths as text. Unlike with [`Path::display`], paths that differ in bytes that are not UTF-8 remain distinct.
pub trait PathText {
    /// The path for documents, which do their own escaping: bytes that are not UTF-8 are written as `\xe9`.
    fn text(&self) -> String;

    /// The path for messages: hidden characters are escaped too.
    fn shown(&self) -> String {
        escaped(&self.text())
    }
}

impl PathText for Path {
    fn text(&self) -> String {
        let mut text = String::new();
        for chunk in self.as_os_str().as_encoded_bytes().utf8_chunks() {
            text += chunk.valid();
            text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_nothing_else() {
        assert_eq!(escaped("a\u{1b}[31mb\u{9b}2J\r\n\t\u{7f}"), r"a\u{1b}[31mb\u{9b}2J\r\n\t\u{7f}");
        assert_eq!(escaped("gnp\u{202e}exe.\u{2066}"), r"gnp\u{202e}exe.\u{2066}");
        assert_eq!(escaped_except("one\ttwo\n\u{7}", &['\n', '\t']), "one\ttwo\n\\u{7}");
        let plain = r"Käse 猫 עברית 👩‍🔬 C:\photos\u{1b} 'x'";
        assert_eq!(escaped(plain), plain);
    }

    #[test]
    fn of_many_texts_the_first_are_shown() {
        let texts: Vec<String> = (1..=14).map(|number| number.to_string()).collect();
        assert_eq!(first_of(&texts[..2]), "1, 2");
        assert_eq!(first_of(&texts[..12]), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12");
        assert!(first_of(&texts).ends_with("11, 12 ... and 2 more"));
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_differ_are_shown_differently() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes| Path::new(OsStr::from_bytes(bytes));
        assert_eq!(path(b"caf\xe9.jpg").text(), r"caf\xe9.jpg");
        assert_eq!(path(b"caf\xe8\n\xff").text(), "caf\\xe8\n\\xff");
        assert_eq!(path(b"caf\xe8\n\xff").shown(), r"caf\xe8\n\xff");
        assert_eq!(path("café\u{1b}.jpg".as_bytes()).text(), "café\u{1b}.jpg");
    }
}

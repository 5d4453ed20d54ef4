//! Class names from a text file, one per line, with any line endings.

use std::path::Path;

use super::error::ImportError;
use super::note::counted;
use super::note::{Note, NoteKind};
use crate::data::open_file;
use crate::data::text::{decode, unquoted};

/// Reads the names of `count` classes. Trailing empty lines are ignored, quotes around names are removed.
pub(super) fn read(path: &Path, count: usize, notes: &mut Vec<Note>) -> Result<Vec<String>, ImportError> {
    let io = |source| ImportError::Io { path: path.into(), source };
    let wrong = |problem: String| ImportError::ClassFile { path: path.into(), problem };
    let bytes = open_file::read(path, open_file::TEXT).map_err(io)?;
    let (names, text_notes) = parse(&bytes).map_err(wrong)?;
    if names.len() != count {
        return Err(ImportError::ClassNames { path: path.into(), given: names.len(), expected: count });
    }
    notes.extend(text_notes.into_iter().map(|text| Note::new(NoteKind::Classes, text)));
    Ok(names)
}

/// Parses the names; also returns notes on decisions made.
pub(super) fn parse(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    names(&decode(bytes).map_err(|problem| problem.to_string())?)
}

fn names(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    let mut notes = Vec::new();
    if end < lines.len() {
        notes.push(format!(
            "left out {} at the end of the names of classes",
            counted(lines.len() - end, "blank line")
        ));
    }
    let mut names: Vec<String> = Vec::new();
    let mut quoted = 0;
    for (number, line) in lines[..end].iter().enumerate() {
        let name = unquoted(line);
        if name.is_empty() {
            return Err(format!("line {} names no class", number + 1));
        }
        quoted += usize::from(name.len() < line.len());
        names.push(name.into());
    }
    if quoted > 0 {
        notes.push(format!("left out the quotes around {} of classes", counted(quoted, "name")));
    }
    Ok((names, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
        Ok(parse(bytes)?.0)
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_list_of_any_system_is_read() {
        let expected = Ok(vec!["ant".to_owned(), "bée".to_owned()]);
        let windows = "\u{feff}\"ant\"\r\n 'bée' \t\r\n\r\n";
        assert_eq!(read("ant\nbée".as_bytes()), expected);
        assert_eq!(read("ant\nbée\n\n \n".as_bytes()), expected);
        assert_eq!(read(windows.as_bytes()), expected);
        assert_eq!(read(&utf16(windows, u16::to_le_bytes)), expected);
        assert_eq!(read(&utf16(windows, u16::to_be_bytes)), expected);
        assert_eq!(read(b""), Ok(vec![]));
        assert_eq!(names("dog's\n\"\n").unwrap().0, ["dog's", "\""]);
    }

    #[test]
    fn what_is_no_list_of_names_is_refused() {
        assert!(read(b"ant\n\nbee\n").unwrap_err().contains("line 2 names no class"));
        assert!(read(b"ant\n\"\"\n").unwrap_err().contains("line 2 names no class"));
        assert!(read(b"b\xe9e\n").unwrap_err().contains("save it as UTF-8"));
        assert!(read(b"\xff\xfea").unwrap_err().contains("save it as UTF-8"));
        assert!(read(b"ant\0bee").unwrap_err().contains("zero bytes"));
    }

    #[test]
    fn what_was_left_out_is_said() {
        let (_, notes) = names("\"a\"\nb\n\n").unwrap();
        assert_eq!(notes.len(), 2);
        assert!(names("a\nb\n").unwrap().1.is_empty());
    }
}

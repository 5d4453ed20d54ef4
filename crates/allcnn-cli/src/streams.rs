//! Everything that the program says passes here: results to standard output, messages to standard error.
//!
//! A message is never worth the work: where standard error takes none (it is full, or whoever read it went away) the
//! message is lost and the work goes on. A result that cannot be written is a failure. Characters that a terminal would
//! obey instead of showing are escaped: names of files and classes are whatever others made them. Of a message that would
//! fill more than a screen the middle is left out.

use std::io::{self, ErrorKind, Write};

use allcnn::text::shown::{escaped_except, is_hidden};

/// Tells people something: progress, a warning, an error. Its further lines are indented, so that no name which holds a
/// line end can pass for another message.
pub fn message(text: &str) {
    long_message(&on_a_screen(text));
}

/// The same, however long.
pub fn long_message(text: &str) {
    // In one piece, so that lines of several processes do not mix.
    let lines = format!("{}\n", visible(text).replace('\n', "\n  "));
    let _lost = io::stderr().lock().write_all(lines.as_bytes());
}

/// The text, or its beginning and its end.
fn on_a_screen(text: &str) -> String {
    const MOST: usize = 1600;
    const BEGINNING: usize = 1000;
    const END: usize = 400;
    let letters = text.chars().count();
    if letters <= MOST {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(BEGINNING).collect();
    let end: String = text.chars().skip(letters - END).collect();
    format!("{beginning} ... and {} more letters ... {end}", letters - BEGINNING - END)
}

/// Tells people that something is not as they may think.
pub fn warning(text: &str) {
    message(&format!("warning: {text}"));
}

/// Writes a result for people.
pub fn result(text: &str) -> io::Result<()> {
    write(&visible(text))
}

/// Writes a JSON document and a line end.
pub fn document(json: &str) -> io::Result<()> {
    // JSON escapes some of them by itself; the rest can only stand in its strings.
    let mut line = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        if is_hidden(character) {
            line += &format!("\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    write(&line)
}

/// Our texts have lines and tabs; everything else that is hidden is not ours.
fn visible(text: &str) -> String {
    escaped_except(text, &['\n', '\t'])
}

/// A reader that went away, as `head` does, wants no more: that is a good end.
fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_fills_more_than_a_screen() {
        let text = format!("error: {}\ngive another", "é".repeat(100_000));
        let shown = on_a_screen(&text);
        assert!(shown.starts_with("error: éé") && shown.ends_with("é\ngive another"));
        assert!(shown.contains("... and 98620 more letters ..."), "{shown}");
        assert!(shown.chars().count() <= 1600);
        assert_eq!(on_a_screen("error: short"), "error: short");
    }
}

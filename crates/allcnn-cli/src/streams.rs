//! All output of the program: results to standard output, messages to standard error.
//!
//! A message that cannot be written (the disk is full, the pipe is closed) is dropped and the work goes on. A result that
//! cannot be written is a failure. Control characters, which a terminal would execute, are escaped: names of files and
//! classes are untrusted. Messages longer than a screen are shortened in the middle.

use std::io::{self, ErrorKind, Write};

use allcnn::text::shown::{escaped_except, is_hidden};

/// Writes a message: progress, a warning, an error. All lines but the first are indented, so that a name with a line feed
/// cannot be mistaken for another message.
pub(crate) fn message(text: &str) {
    long_message(&on_a_screen(text));
}

/// [`message`] without a limit on its length.
pub(crate) fn long_message(text: &str) {
    // In one write, so that lines of several processes do not mix.
    let lines = format!("{}\n", visible(text).replace('\n', "\n  "));
    let _lost = io::stderr().lock().write_all(lines.as_bytes());
}

/// The text, shortened in the middle if it is too long.
fn on_a_screen(text: &str) -> String {
    const MAX: usize = 1600;
    const BEGINNING: usize = 1000;
    const END: usize = 400;
    let letters = text.chars().count();
    if letters <= MAX {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(BEGINNING).collect();
    let end: String = text.chars().skip(letters - END).collect();
    format!("{beginning} ... and {} more letters ... {end}", letters - BEGINNING - END)
}

/// Writes a warning.
pub(crate) fn warning(text: &str) {
    message(&format!("warning: {text}"));
}

/// Writes a result for people.
pub(crate) fn result(text: &str) -> io::Result<()> {
    write(&visible(text))
}

/// Writes a JSON document and a line feed.
pub(crate) fn document(json: &str) -> io::Result<()> {
    // JSON escapes C0 controls itself; the other hidden characters can only be in its strings.
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

/// Hidden characters other than line feed and tab, the only ones that the program itself prints.
fn visible(text: &str) -> String {
    escaped_except(text, &['\n', '\t'])
}

/// A closed pipe, as after `head`, is a success: the reader wants no more.
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

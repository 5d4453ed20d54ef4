//! Everything that the program says passes here: results to standard output, messages to standard error.
//!
//! A message is never worth the work: where standard error takes none (it is full, or whoever read it went away) the
//! message is lost and the work goes on. A result that cannot be written is a failure. Characters that a terminal would
//! obey instead of showing are escaped: names of files and classes are whatever others made them.

use std::io::{self, ErrorKind, Write};

use allcnn::shown::{escaped_except, is_hidden};

/// Tells people something: progress, a warning, an error. Its further lines are indented, so that no name which holds a
/// line end can pass for another message.
pub fn message(text: &str) {
    // In one piece, so that lines of several processes do not mix.
    let lines = format!("{}\n", visible(text).replace('\n', "\n  "));
    let _lost = io::stderr().lock().write_all(lines.as_bytes());
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

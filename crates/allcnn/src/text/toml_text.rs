//! TOML files written by users, with one-line error messages.

use serde::de::DeserializeOwned;

/// Parses a text; the error has the line and the mistake.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let message = error.message().trim().replace('\n', " ");
        match error.span() {
            Some(span) => format!("line {}: {message}", 1 + count_lines(text, span.start)),
            None => message,
        }
    })
}

/// The number of newlines before byte `position`.
fn count_lines(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mistake_is_told_with_its_line_alone() {
        let long = format!("a = 1\nb = \"{}\n", "x".repeat(100_000));
        let error = super::parse::<toml::Table>(&long).unwrap_err();
        assert!(error.starts_with("line 2: ") && error.len() < 200, "{error}");
        assert!(super::parse::<toml::Table>("a = 1").is_ok());
    }
}

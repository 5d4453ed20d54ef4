//! What was decided while weights were read: said, and kept in the run folder.

use serde::Serialize;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// The decision, in words.
    pub text: String,
}

impl Note {
    /// A note.
    pub(super) fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Which of the dictionaries of a file holds the weights.
    Dictionary,
    /// What of the file is no weight.
    LeftOut,
    /// What all names begin with.
    Prefix,
    /// Biases that the file does not have.
    MissingBias,
    /// Layers that are called otherwise than the network's.
    Matched,
    /// The names of the classes.
    Classes,
    /// What the network takes for a pixel.
    Preprocess,
    /// What of a picture the network takes.
    Framing,
}

/// The first of many names, and how many more there are.
pub(super) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<S> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len() {
        0 => "none".into(),
        count if count > SHOWN => format!("{} and {} more", shown.join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}

/// A number of things.
pub(super) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Refuses a name that no program gives and that would spoil a message.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    const LONGEST: usize = 200;
    if name.len() > LONGEST || name.chars().any(char::is_control) {
        let start: String = name.chars().take(40).collect();
        return Err(format!(
            "it calls something \"{}\"...; expected names of at most {LONGEST} letters, without control characters",
            start.escape_debug()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_cut_short_and_odd_ones_refused() {
        assert_eq!(list(["a", "b"]), "a, b");
        assert_eq!(list::<&str>([]), "none");
        assert!(list((0..15).map(|number| number.to_string())).ends_with("10, 11 and 3 more"));
        assert_eq!(check_name("features.0.weight"), Ok(()));
        assert!(check_name("a\nb").unwrap_err().contains("a\\nb"));
        assert!(check_name(&"long".repeat(1000)).unwrap_err().len() < 200);
    }
}

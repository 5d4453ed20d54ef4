//! Notes on decisions made while importing weights: reported, and stored in the run folder.

use serde::Serialize;

/// A decision made while importing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its subject.
    pub kind: NoteKind,
    /// A description of the decision.
    pub text: String,
}

impl Note {
    /// A note.
    pub(super) fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// The subject of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Which dictionary of the file contains the weights.
    Dictionary,
    /// Ignored entries of the file.
    LeftOut,
    /// The common prefix of all names.
    Prefix,
    /// Biases missing in the file.
    MissingBias,
    /// Layers named differently than in the network.
    Matched,
    /// The names of the classes.
    Classes,
    /// The preprocessing that the network expects.
    Preprocess,
    /// How images are fitted to the network's input.
    Framing,
}

/// Joins the first names, and adds how many more there are.
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

/// A count with a noun, in singular or plural.
pub(super) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Rejects a name that no program writes and that would garble messages.
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

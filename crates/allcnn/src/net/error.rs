//! What can be wrong with a network.

use std::io;
use std::path::PathBuf;

use crate::text::shown::PathText;

/// A network that cannot be, or a name that no network has.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No network has this name.
    #[error("unknown model \"{given}\"{}\nexpected one of {}, or a file NAME.toml", hint(.suggestion), .known.join(", "))]
    UnknownModel {
        /// What was asked for.
        given: String,
        /// The name that is nearest, where one is near.
        suggestion: Option<String>,
        /// Every name.
        known: Vec<String>,
    },
    /// A file that cannot be read.
    #[error("cannot read the model {path}: {source}\ngive a TOML file of layers, or a name that `allcnn models` lists", path = .path.shown())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The text is no TOML, or has a wrong key or value.
    #[error("line {line} of the network: {problem}")]
    Text {
        /// Where, counted from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// A layer that cannot be.
    #[error("layer {name}{}: {problem}", at(.line))]
    Layer {
        /// The layer.
        name: String,
        /// Where it stands, for a network read from text.
        line: Option<usize>,
        /// What was given and what was expected.
        problem: String,
    },
    /// The network as a whole does not fit together.
    #[error("network {name}: {problem}")]
    Network {
        /// The network.
        name: String,
        /// What was given and what was expected.
        problem: String,
    },
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(", did you mean \"{name}\"?")).unwrap_or_default()
}

fn at(line: &Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

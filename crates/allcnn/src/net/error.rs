//! Errors of networks.

use std::io;
use std::path::PathBuf;

use crate::text::shown::PathText;

/// An invalid network, or an unknown name.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No network has this name.
    #[error("unknown model \"{given}\"{}\nexpected one of {}, or a file NAME.toml", hint(.suggestion), .known.join(", "))]
    UnknownModel {
        /// The name given.
        given: String,
        /// The most similar name, if there is a similar one.
        suggestion: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// A file that cannot be read.
    #[error("cannot read the model {path}: {source}\ngive a TOML file of layers, or a name that `allcnn models` lists", path = .path.shown())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The text is not valid TOML, or has a wrong key or value.
    #[error("line {line} of the network: {problem}")]
    Text {
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },
    /// An invalid layer.
    #[error("layer {name}{}: {problem}", at(.line))]
    Layer {
        /// The layer.
        name: String,
        /// Its line, if the network was read from text.
        line: Option<usize>,
        /// What was given and what was expected.
        problem: String,
    },
    /// The layers as a whole are invalid.
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

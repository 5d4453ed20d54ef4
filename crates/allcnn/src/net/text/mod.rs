//! The text format of networks: a TOML list of layers, read with line numbers for errors and written back exactly.

mod layer;
mod read;
mod write;

pub(super) use write::activation_word;

//! Networks as text: a TOML list of layers, read with the line of every mistake and written back exactly.

mod layer;
mod read;
mod write;

pub(super) use write::activation_word;

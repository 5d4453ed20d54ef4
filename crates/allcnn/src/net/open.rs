//! Networks by name or from a file.

use std::path::Path;

use super::error::NetError;
use super::network::Network;
use crate::data::open_file;

impl Network {
    /// Opens the built-in network `model`, or the file `model` (`NAME.toml`), with `classes` classes and, if
    /// given, another input size (height, width).
    ///
    /// # Errors
    /// [`NetError::UnknownModel`]; [`NetError::File`] for a file that cannot be read; the errors of an invalid file
    /// or of layers that do not fit the size.
    pub fn open(model: &str, classes: usize, input: Option<(usize, usize)>) -> Result<Self, NetError> {
        let network = if model.ends_with(".toml") {
            let wrong = |source| NetError::File { path: model.into(), source };
            let text = open_file::read_text(Path::new(model), open_file::SETTINGS).map_err(wrong)?;
            Self::from_toml_for(&text, classes)?
        } else {
            Self::named(model, classes)?
        };
        match input {
            Some((height, width)) => network.planned_for(height, width),
            None => Ok(network),
        }
    }
}

//! The formats in which data is found: an ordered list, and the first format that recognizes a source loads it.

pub(crate) mod cifar;
pub(crate) mod cifar_binary;
pub(crate) mod cifar_python;
mod class_folders;
mod class_name;
mod format;
mod image_folder;
mod lists;
pub(crate) mod parquet;
pub(crate) mod pickle;
pub mod shapes;
mod split_files;
mod split_folders;
mod split_name;

use crate::error::Error;
use crate::options::Options;
use crate::progress::Progress;
use crate::source::Source;
use format::Format;
pub(crate) use format::Loaded;
pub(crate) use split_name::SplitName;

/// The surest first: images may lie beside lists and scripts of any kind, and a binary batch is told by its size only.
const FORMATS: [Format; 4] =
    [parquet::FORMAT, image_folder::FORMAT, cifar_python::FORMAT, cifar_binary::FORMAT];

/// Loads a source.
pub(crate) fn load(
    source: &Source,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, Error> {
    match FORMATS.iter().find(|format| (format.recognizes)(source)) {
        Some(format) => (format.load)(source, options, progress),
        None => Err(unknown(source)),
    }
}

/// No format recognizes the source: the error names its first files.
fn unknown(source: &Source) -> Error {
    let names: Vec<&str> = source.entries.iter().take(5).map(|entry| entry.name.as_str()).collect();
    let more = if source.entries.len() > names.len() { ", ..." } else { "" };
    let found = format!("{} files: {}{more}", source.entries.len(), names.join(", "));
    Error::UnknownKind { path: source.path().to_path_buf(), found }
}

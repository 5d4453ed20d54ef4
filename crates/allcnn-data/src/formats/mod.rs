//! The formats in which data is found: an ordered list, and the first format that recognizes a source loads it.

pub(crate) mod cifar;
pub(crate) mod cifar_binary;
pub(crate) mod cifar_python;
mod class_folders;
mod class_name;
mod format;
mod image_folder;
mod labelled_files;
mod labelling;
mod lists;
mod named_files;
mod npy;
mod npz;
pub(crate) mod parquet;
mod parquet_promises;
pub mod pickle;
mod pickle_error;
mod pickle_text;
pub mod shapes;
mod split_files;
mod split_folders;
mod split_name;
mod table;
mod table_columns;
mod table_rows;
mod tables;

use crate::error::Error;
use crate::file_kind::FileKind;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::Options;
use crate::progress::{Progress, Stage};
use crate::source::{Entry, Source};
pub(crate) use format::Loaded;
use format::{CLEAR, Format};

/// The most certain first: images may be beside lists and scripts of any kind, and a binary batch is recognized by its size
/// only.
const FORMATS: [Format; 6] = [
    parquet::FORMAT,
    npz::FORMAT,
    image_folder::FORMAT,
    tables::FORMAT,
    cifar_python::FORMAT,
    cifar_binary::FORMAT,
];

/// Loads a source.
pub(crate) fn load(
    source: &Source,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, Error> {
    let (format, beside) = choose(source, options)?;
    progress(Progress { stage: Stage::Reading, done: 0, total: None });
    let mut loaded = (format.load)(source, options, progress)?;
    let mut left_out = source.ignored.clone();
    // Where tables were read, they have counted the pictures.
    let of_tables = |entry: &Entry| {
        !loaded.tables.is_empty() && (entry.is_picture() || loaded.tables.contains(&entry.name))
    };
    left_out.append(source.left_out(|entry| (format.uses)(entry) || of_tables(entry)));
    loaded.ignored.extend(left_out.list());
    loaded.notes.extend(beside);
    Ok(loaded)
}

/// The format of a source. Where several recognize it, a stray file does not decide: it is the one with by far the most images,
/// and a note says what else there is.
fn choose(source: &Source, options: &Options) -> Result<(&'static Format, Option<Note>), Error> {
    let found: Vec<&Format> = FORMATS.iter().filter(|format| (format.recognizes)(source)).collect();
    if found.len() > 1 && parquet::name_images(source, options)? {
        return Ok((&parquet::FORMAT, None));
    }
    let (Some(first), true) = (found.first(), found.len() > 1) else {
        return found.first().map(|format| (*format, None)).ok_or_else(|| unknown(source));
    };
    let mut counted = Vec::new();
    for format in &found {
        counted.push(((format.images)(source, options)?, *format));
    }
    counted.retain(|(images, _)| *images > 0);
    counted.sort_by_key(|(images, _)| std::cmp::Reverse(*images));
    let words = |counted: &[(usize, &Format)]| {
        let forms = counted.iter().map(|(images, format)| format!("{} ({images} images)", format.name));
        forms.collect::<Vec<_>>().join(" and ")
    };
    match counted.as_slice() {
        [] => Ok((first, None)),
        [(_, only)] => Ok((only, None)),
        [(most, format), others @ ..] if *most >= CLEAR * others[0].0 => {
            Ok((format, Some(Note::OtherForm { what: words(others) })))
        }
        _ => Err(Error::Mixed { path: source.path().to_path_buf(), forms: words(&counted) }),
    }
}

/// No format recognizes the source: the error names its first files.
fn unknown(source: &Source) -> Error {
    let names: Vec<&str> = source.entries.iter().take(5).map(|entry| entry.name.as_str()).collect();
    let more = if source.entries.len() > names.len() { ", ..." } else { "" };
    let mut found = format!("{} files: {}{more}", source.entries.len(), names.join(", "));
    let foreign = source.left_out(|entry| !matches!(entry.kind, FileKind::Foreign(_))).list();
    for Ignored { reason, files, .. } in Ignored::by_reason(&foreign) {
        found += &format!("; {files} of them {reason}");
    }
    Error::UnknownKind { path: source.path().to_path_buf(), found }
}

//! Image folders: `train/CLASS/*.jpg` with `test/` or `val/`, or class folders alone; or images in any folders with a table of
//! their classes beside them. On disk or in an archive.
use super::class_folders;
use super::format::{Format, Loaded};
use super::labelled_files;
use super::lists::is_list;
use super::tables;
use crate::error::Error;
use crate::options::Options;
use crate::progress::Progress;
use crate::source::{Entry, Source};

pub(super) const FORMAT: Format = Format {
    name: "an image folder",
    recognizes: |source| source.entries.iter().any(Entry::is_picture),
    uses: |entry| entry.is_picture() || is_list(entry),
    images,
    load,
};

/// How many pictures lie in folders: those beside other data may be samples or drawings.
fn images(source: &Source, _: &Options) -> Result<usize, Error> {
    Ok(source.entries.iter().filter(|entry| entry.is_picture() && entry.name.contains('/')).count())
}

/// Reads images as their folders say, or as a table beside them does.
fn load(source: &Source, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let found = tables::beside_pictures(source);
    if tables::are_asked_for(&found, source, options) {
        return tables::load(source, tables::label(source, found, options)?, options, progress);
    }
    let folders = class_folders::lay_out(source, options);
    let chosen = options.reading.splits != Default::default();
    if found.is_empty() {
        return labelled_files::load(source, folders?, options, progress);
    }
    match (folders, tables::label(source, found, options)) {
        // A table of something else does not matter.
        (folders, Err(Error::NoImageColumn { .. })) => {
            labelled_files::load(source, folders?, options, progress)
        }
        (Ok(folders), Err(_)) if folders.classes.len() > 1 => {
            labelled_files::load(source, folders, options, progress)
        }
        (Ok(folders), Ok(labelling))
            if chosen
                || labelling.is_of_few(&folders)
                || folders.classes.len() > 1 && labelling.says_the_same_as(&folders) =>
        {
            labelled_files::load(source, folders, options, progress)
        }
        (Ok(folders), Ok(labelling)) if folders.classes.len() > 1 => Err(Error::Readings {
            path: source.path().to_path_buf(),
            first: format!(
                "by its class folders ({} classes; --splits train=. and the like)",
                folders.classes.len()
            ),
            second: labelling.words(),
        }),
        (_, Ok(labelling)) => tables::load(source, labelling, options, progress),
        (_, Err(error)) => Err(error),
    }
}

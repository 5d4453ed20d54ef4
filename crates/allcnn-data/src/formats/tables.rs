//! Tables that name image files and their classes, as Kaggle gives them: CSV and TSV, and parquet files with paths in the place
//! of images. Which tables count, and whether class folders beside them say the same.
use super::format::{Format, Loaded};
use super::labelled_files;
use super::labelling::Labelling;
use super::lists::is_list;
use super::split_files;
use super::split_name::{given, lies_in, locate, of_file, outer};
use super::table::{Table, is_table};
use super::table_rows::{Rows, SplitBy};
use crate::dataset::Kind;
use crate::error::Error;
use crate::options::Options;
use crate::progress::Progress;
use crate::source::{Entry, Source};

/// Tables without pictures beside them; those with pictures are the image folder's.
pub(super) const FORMAT: Format = Format {
    name: "tables of image files",
    recognizes: |source| source.entries.iter().any(is_table) && !source.entries.iter().any(Entry::is_picture),
    uses: |_| false,
    images: |_, _| Ok(0),
    load: |source, options, progress| {
        let tables = source.select(is_table);
        load(source, label(source, tables, options)?, options, progress)
    },
};

/// The tables that may say the classes of the pictures beside them; samples of what is to be handed in hold made up classes.
pub(super) fn beside_pictures(source: &Source) -> Vec<usize> {
    source.select(|entry| {
        let name = entry.file_name().to_ascii_lowercase();
        is_table(entry) && !is_list(entry) && !name.contains("submission")
    })
}

/// Whether a person names the columns of a table, or tables as splits.
pub(super) fn are_asked_for(tables: &[usize], source: &Source, options: &Options) -> bool {
    options.reading.names_columns() || options.groups_by_column() || are_splits(tables, source, options)
}

/// Whether a person names one of the tables as a split, by itself and not by a folder that holds it.
fn are_splits(tables: &[usize], source: &Source, options: &Options) -> bool {
    let names = || tables.iter().map(|&table| source.entries[table].name.as_str());
    let is_table = |given: &str| {
        let all = outer(source.entries.iter().map(|entry| entry.name.as_str()));
        let folder = locate(given, &all, names()).filter(|_| given != ".");
        folder.is_some_and(|folder| {
            names().any(|name| lies_in(name, &folder) && !name[folder.len()..].starts_with('/'))
        })
    };
    given(&options.reading.splits).into_iter().flatten().any(is_table)
}

/// Reads the files that tables name.
pub(super) fn load(
    source: &Source,
    labelling: Labelling,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, Error> {
    let Labelling { layout, files, tables, .. } = labelling;
    let loaded = labelled_files::load(files.as_ref().unwrap_or(source), layout, options, progress)?;
    Ok(Loaded { kind: Kind::Table, tables, ..loaded })
}

/// What the tables among the entries of a source say.
pub(super) fn label(source: &Source, tables: Vec<usize>, options: &Options) -> Result<Labelling, Error> {
    if tables.is_empty() {
        return Err(Error::NoTable(source.path().to_path_buf()));
    }
    let tables = tables.into_iter().map(|table| Ok((table, Table::read(source, table)?)));
    label_by(source, tables.collect::<Result<Vec<_>, Error>>()?, options)
}

/// What tables say, each of which is an entry of the source.
pub(super) fn label_by(
    source: &Source,
    tables: Vec<(usize, Table)>,
    options: &Options,
) -> Result<Labelling, Error> {
    let mut rows = Rows::new(source, options);
    let tables = rows.of_images(tables, options)?;
    let entries: Vec<usize> = tables.iter().map(|(entry, ..)| *entry).collect();
    if options.reading.splits != Default::default() && !are_splits(&entries, source, options) {
        for (_, table, columns) in &tables {
            rows.add(table, columns, SplitBy::Person)?;
        }
        return rows.finish(options);
    }
    let divided = split_files::divide(source, &entries, options)?;
    rows.leave_out(divided.ignored, divided.notes);
    for (entry, split) in divided.files {
        let Some((_, table, columns)) = tables.iter().find(|(table, ..)| *table == entry) else { continue };
        // A table whose name says no split leaves it to its rows.
        let told = options.reading.splits != Default::default() || of_file(&table.name).is_some();
        rows.add(table, columns, if told { SplitBy::Table(split) } else { SplitBy::Folder })?;
    }
    rows.finish(options)
}

//! The rows of tables that name image files: where each file is, and what its split and its class are.
//!
//! The split is that of the row's column of splits; else that of the table's name (`train.csv`); else that of the folder in the
//! image's path; or where a person names folders as splits, that of the folder.
use super::class_name::nfc;
use super::labelled_files::{ByClass, Layout, number_classes};
use super::labelling::Labelling;
use super::named_files::{NamedFiles, Unnamed};
use super::split_files::divide_names;
use super::split_name::{of_file, of_folder};
use super::table::Table;
use super::table_columns::{Columns, Named, class, find};
use crate::dataset::Skipped;
use crate::decode::has_image_extension;
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::Options;
use crate::source::{Entry, Source};
use crate::split_names::SplitName;
use csv::StringRecord;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

/// What decides the split of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum SplitBy {
    /// The table, where no column does.
    Table(SplitName),
    /// The folder of the file, where no column does.
    Folder,
    /// A person, by folders, when all files are known.
    Person,
}

/// The rows of all tables.
pub(super) struct Rows<'s> {
    source: &'s Source,
    files: NamedFiles<'s>,
    /// What is said of each file.
    found: HashMap<usize, Said>,
    /// What each split is called, in the order of [`SplitName`].
    splits: [Option<String>; 3],
    by_person: bool,
    missing: Vec<Skipped>,
    repeated: Vec<String>,
    ignored: Vec<Ignored>,
    notes: Vec<Note>,
    tables: Vec<String>,
    /// The first table with its column of classes.
    column: (String, String),
}

/// What a row says of a file.
struct Said {
    split: SplitName,
    label: Option<String>,
    group: Option<String>,
    /// Which table, and which of its rows, for people.
    row: (usize, usize),
}

/// A class, in the order of people: numbers by their size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ClassName(Option<i64>, String);

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl<'s> Rows<'s> {
    /// No rows yet, of files where the options say that they are.
    pub(super) fn new(source: &'s Source, options: &Options) -> Self {
        let alone = !source.entries.iter().any(Entry::is_picture);
        let files = match &options.reading.image_root {
            Some(root) => NamedFiles::in_folder(root, true),
            // The files lie beside a table that is all of the data.
            None if alone && source.path().is_file() => {
                let folder = source.path().parent().filter(|folder| !folder.as_os_str().is_empty());
                NamedFiles::in_folder(folder.unwrap_or(Path::new(".")), false)
            }
            None => NamedFiles::within(source),
        };
        let (found, splits, by_person) = Default::default();
        let (missing, repeated, ignored, notes, tables, column) = Default::default();
        Self { source, files, found, splits, by_person, missing, repeated, ignored, notes, tables, column }
    }

    /// The tables that name images, with their columns. Where none does, the first error counts.
    pub(super) fn of_images(
        &mut self,
        tables: Vec<(usize, Table)>,
        options: &Options,
    ) -> Result<Vec<(usize, Table, Columns)>, Error> {
        let (mut of_images, mut problem) = (Vec::new(), None);
        let group_by = options.fold.as_ref().and_then(|fold| fold.group_by.as_ref());
        for (entry, table) in tables {
            let (name, split) = (table.name.clone(), of_file(&table.name));
            let mut lookup = |field: &str| match self.files.find(&name, split, field) {
                Ok(index) => Named::File(index),
                // That it cannot be used is reported for its row.
                Err(Unnamed::Several(..) | Unnamed::Outside(_)) => Named::Path,
                Err(Unnamed::Missing) if has_image_extension(field) => Named::Path,
                Err(Unnamed::Missing) => Named::Nothing,
            };
            match find(table, &options.reading, group_by, &mut lookup) {
                Ok((table, columns)) => of_images.push((entry, table, columns)),
                // A table of something else lies beside those of the images.
                Err(error @ (Error::NoImageColumn { .. } | Error::NoColumn { .. })) => {
                    _ = problem.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match problem {
            Some(error) if of_images.is_empty() => Err(error),
            _ => Ok(of_images),
        }
    }

    /// Adds tables that were left out, and what was decided of them.
    pub(super) fn leave_out(&mut self, ignored: Vec<Ignored>, notes: Vec<Note>) {
        self.ignored.extend(ignored);
        self.notes.extend(notes);
    }

    /// Takes the rows of a table.
    pub(super) fn add(&mut self, table: &Table, columns: &Columns, by: SplitBy) -> Result<(), Error> {
        self.by_person |= matches!(by, SplitBy::Person);
        self.tables.push(table.name.clone());
        for (number, row) in table.rows.iter().enumerate() {
            let row_number = number + table.first;
            self.add_row(table, columns, by, (row, row_number)).map_err(|what| Error::List {
                file: table.name.clone(),
                what: format!("row {row_number}: {what}"),
            })?;
        }
        let Some(label) = columns.label else { return Ok(()) };
        let column = |index: usize| table.columns[index].clone();
        if self.column.0.is_empty() {
            self.column = (table.name.clone(), column(label));
        }
        self.notes.push(Note::Table {
            file: table.name.clone(),
            image: column(columns.image),
            label: column(label),
            split: columns.split.map(column),
        });
        Ok(())
    }

    /// Takes a row; the error says what is wrong with it.
    fn add_row(
        &mut self,
        table: &Table,
        columns: &Columns,
        by: SplitBy,
        (row, number): (&StringRecord, usize),
    ) -> Result<(), String> {
        let Some(given) = table.field(row, columns.image) else {
            return Err("no image is named: complete it, or remove the row".to_string());
        };
        let told = if let SplitBy::Table(split) = by { Some(split) } else { None };
        let index = match self.files.find(&table.name, told, given) {
            Ok(index) => index,
            Err(Unnamed::Missing) => {
                let reason = format!("no such file, which '{}' names", table.name);
                self.missing.push(Skipped { file: given.to_string(), reason });
                return Ok(());
            }
            Err(Unnamed::Outside(what)) => return Err(format!("'{given}' is {what}")),
            Err(Unnamed::Several(one, other)) => {
                return Err(format!("'{given}' may be '{one}' or '{other}': name it with its folders"));
            }
        };
        let column = columns.split.and_then(|column| table.field(row, column));
        let split = self.split_of(table, column, by, index).map_err(|what| format!("'{given}' {what}"))?;
        let label = columns.label.and_then(|column| table.field(row, column)).map(class).map(nfc);
        let label = label.filter(|label| label != "-1"); // as hidden labels are written
        let group = columns.group.and_then(|column| table.field(row, column)).map(str::to_string);
        let said = Said { split, label, group, row: (self.tables.len() - 1, number) };
        self.keep(index, said, given)
    }

    /// The split of a file; the error says what contradicts it.
    fn split_of(
        &mut self,
        table: &Table,
        column: Option<&str>,
        by: SplitBy,
        index: usize,
    ) -> Result<SplitName, String> {
        let above = self.files.name(index).rsplit_once('/').map(|(folder, _)| folder);
        let folder = above.and_then(|above| Some((of_file(above)?, above)));
        let by_column = column.and_then(|word| Some((of_folder(word)?, word)));
        let (split, name) = match by {
            SplitBy::Person => return Ok(SplitName::Train),
            SplitBy::Table(split) => by_column.unwrap_or((split, &table.name)),
            SplitBy::Folder => by_column.or(folder).unwrap_or((SplitName::Train, &table.name)),
        };
        if let Some((other, _)) = folder.filter(|(other, _)| *other != split) {
            let (other, split) = (other.word(), split.word());
            return Err(format!(
                "lies in a folder of {other} images, but is called a {split} image: correct one of them"
            ));
        }
        let called = &mut self.splits[split as usize];
        if called.is_none() {
            *called = Some(name.to_string());
        }
        Ok(split)
    }

    /// Keeps what is said of a file; an image that is named twice must be the same each time.
    fn keep(&mut self, index: usize, said: Said, given: &str) -> Result<(), String> {
        let Some(first) = self.found.get(&index) else {
            self.found.insert(index, said);
            return Ok(());
        };
        let (table, row) = first.row;
        let there = format!("row {row} of '{}'", self.tables[table]);
        if first.label != said.label {
            let word = |label: &Option<String>| label.clone().unwrap_or_else(|| "no class".to_string());
            let (label, other) = (word(&said.label), word(&first.label));
            return Err(format!("'{given}' is '{label}', but '{other}' in {there}: an image has one class"));
        }
        if first.split != said.split {
            let (split, other) = (said.split.word(), first.split.word());
            return Err(format!("'{given}' is a {split} image, but a {other} image in {there}"));
        }
        if first.group != said.group {
            let word = |group: &Option<String>| group.clone().unwrap_or_else(|| "no group".to_string());
            let (group, other) = (word(&said.group), word(&first.group));
            return Err(format!(
                "'{given}' is in '{group}', but in '{other}' in {there}: an image has one group"
            ));
        }
        self.repeated.push(given.to_string());
        Ok(())
    }

    /// What all rows say.
    pub(super) fn finish(mut self, options: &Options) -> Result<Labelling, Error> {
        self.check_missing()?;
        if self.by_person {
            self.divide_by_person(options)?;
        }
        let (mut by_class, unlabeled) = self.by_class()?;
        self.leave_unlabeled_out(&by_class, &unlabeled)?;
        let unnamed = self.count_unnamed();
        if let Some(first) = self.repeated.first() {
            let (files, example) = (self.repeated.len(), first.clone());
            self.ignored.push(Ignored { reason: "named in two rows".to_string(), files, example });
        }
        let found = by_class.each_ref().map(BTreeMap::len);
        let files = self.files.source();
        let (classes, splits) =
            number_classes(files.as_ref().unwrap_or(self.source), &mut by_class, options)?;
        if classes.iter().all(|class| class.0.is_some()) {
            self.notes.push(Note::NumberedClasses);
        }
        if found.iter().filter(|classes| **classes > 0).count() > 1 {
            self.notes.extend(Note::splits(self.splits, found));
        }
        let classes = classes.into_iter().map(|class| class.1).collect();
        let Self { found, missing, ignored, notes, tables, column, .. } = self;
        let groups = found.into_iter().filter_map(|(index, said)| Some((index, said.group?))).collect();
        let layout = Layout { classes, splits, groups, skipped: vec![], missing, ignored, notes };
        Ok(Labelling { layout, files, tables, column, unnamed })
    }

    /// A table none of whose files is there.
    fn check_missing(&self) -> Result<(), Error> {
        let Some(Skipped { file, .. }) = self.missing.first().filter(|_| self.found.is_empty()) else {
            return Ok(());
        };
        let rows = self.missing.len();
        Err(self.wrong(format!(
            "none of the {rows} files that it names is there, the first: '{file}'. Give their folder with --image-root"
        )))
    }

    /// Puts the files into the splits whose folders a person names.
    fn divide_by_person(&mut self, options: &Options) -> Result<(), Error> {
        let indices: Vec<usize> = self.found.keys().copied().collect();
        let names: Vec<&str> = indices.iter().map(|&index| self.files.name(index)).collect();
        let divided = divide_names(self.source.path(), &names, &indices, options)?;
        let splits: HashMap<usize, SplitName> = divided.files.into_iter().collect();
        self.found.retain(|index, _| splits.contains_key(index));
        self.found.iter_mut().for_each(|(index, said)| said.split = splits[index]);
        self.splits = divided.names;
        self.leave_out(divided.ignored, divided.notes);
        Ok(())
    }

    /// The files of each split by class, and those without one. Numbers that measure something are no classes.
    fn by_class(&self) -> Result<(ByClass<ClassName>, [Vec<usize>; 3]), Error> {
        let labels: BTreeSet<&str> = self.found.values().filter_map(|said| said.label.as_deref()).collect();
        let number = |label: &&str| label.parse::<f64>().ok().filter(|number| number.abs() < 1e9);
        let numbers: Option<Vec<f64>> = labels.iter().map(number).collect();
        let whole =
            numbers.as_ref().is_some_and(|numbers| numbers.iter().all(|number| number.fract() == 0.0));
        if numbers.is_some() && !whole && 2 * labels.len() > self.found.len() {
            let column = &self.column.1;
            return Err(self.wrong(format!(
                "column '{column}' holds measures, not classes: give another one with --label-column"
            )));
        }
        let class = |label: &String| {
            let number = label.parse::<f64>().ok().filter(|_| whole).map(|number| number as i64);
            ClassName(number, number.map_or_else(|| label.clone(), |number| number.to_string()))
        };
        let (mut by_class, mut unlabeled) = (ByClass::default(), <[Vec<usize>; 3]>::default());
        for (&index, Said { split, label, .. }) in &self.found {
            match label {
                Some(label) => {
                    by_class[*split as usize].entry(class(label)).or_insert_with(Vec::new).push(index);
                }
                None => unlabeled[*split as usize].push(index),
            }
        }
        Ok((by_class, unlabeled))
    }

    /// A held-out split may have no classes at all, and is left out; a part of a split may not lack them.
    fn leave_unlabeled_out(
        &mut self,
        by_class: &ByClass<ClassName>,
        unlabeled: &[Vec<usize>; 3],
    ) -> Result<(), Error> {
        for (split, indices) in SplitName::ALL.into_iter().zip(unlabeled) {
            let Some(first) = indices.iter().map(|&index| self.files.name(index)).min() else { continue };
            let (images, word) = (indices.len(), split.word());
            if split == SplitName::Train || !by_class[split as usize].is_empty() {
                return Err(self.wrong(format!(
                    "'{first}' has no class, and so have {images} of the {word} images: complete the rows, or remove them"
                )));
            }
            self.ignored.push(Ignored::unlabeled(split, images, first));
            self.notes.push(Note::Unlabeled { split: word, images });
        }
        Ok(())
    }

    /// Counts the pictures of the source that no table names.
    fn count_unnamed(&mut self) -> usize {
        if !matches!(self.files, NamedFiles::Within(_)) {
            return 0;
        }
        let named = |index: usize| self.found.contains_key(&index);
        let pictures = self.source.entries.iter().enumerate().filter(|(_, entry)| entry.is_picture());
        let names: Vec<&str> =
            pictures.filter(|(index, _)| !named(*index)).map(|(_, entry)| entry.name.as_str()).collect();
        if !names.is_empty() {
            self.ignored.push(Ignored::new("picture that no table names", &names));
        }
        names.len()
    }

    /// Something is wrong with the rows as a whole; they are called by their first table.
    fn wrong(&self, what: String) -> Error {
        Error::List { file: self.tables.first().cloned().unwrap_or_default(), what }
    }
}

//! Tables that name image files and their classes, as Kaggle gives them: CSV and TSV, and parquet files with paths in the place
//! of images.
//!
//! A row's split is that of its column of splits; else that of the table's name (`train.csv`); else that of the folder in the
//! image's path.
use super::class_name::nfc;
use super::format::{Format, Loaded};
use super::labelled_files::{self, ByClass, Layout, number_classes};
use super::named_files::{NamedFiles, Unnamed};
use super::split_files;
use super::split_name::{given, lies_in, locate, of_file, of_folder, outer};
use super::table::{Table, is_table};
use super::table_columns::{Columns, Named, class, find};
use crate::dataset::{Kind, Skipped};
use crate::decode::has_image_extension;
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::Options;
use crate::progress::Progress;
use crate::source::{Entry, Source};
use crate::split::SplitName;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

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

/// What tables say of image files.
pub(super) struct Labelling {
    layout: Layout,
    /// The source of the files, where it is not that of the tables.
    files: Option<Source>,
    /// The tables that were read.
    tables: Vec<String>,
    /// The first of them with its column of classes, for people.
    column: (String, String),
    /// Images, and pictures that no table names.
    images: usize,
    unnamed: usize,
}

/// The tables that may tell the classes of the pictures beside them; samples of what is to be handed in hold made up classes.
pub(super) fn beside_pictures(source: &Source) -> Vec<usize> {
    source.select(|entry| {
        let name = entry.file_name().to_ascii_lowercase();
        is_table(entry) && !super::lists::is_list(entry) && !name.contains("submission")
    })
}

/// Whether a person names the columns of a table, or tables as splits.
pub(super) fn are_asked_for(tables: &[usize], source: &Source, options: &Options) -> bool {
    let reading = &options.reading;
    let names = || tables.iter().map(|&table| source.entries[table].name.as_str());
    let all = outer(source.entries.iter().map(|entry| entry.name.as_str()));
    let is_table = |name: &str| {
        let place = locate(name, &all, names());
        name != "."
            && place.is_some_and(|place| {
                names().any(|name| !name.starts_with(&format!("{place}/")) && lies_in(name, &place))
            })
    };
    reading.names_columns() || given(&reading.splits).into_iter().flatten().any(is_table)
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
    let divided = split_files::divide(source, &entries, options)?;
    rows.notes.extend(divided.notes);
    rows.ignored.extend(divided.ignored);
    let by_name = options.reading.splits == Default::default();
    let of_entry: HashMap<usize, SplitName> = divided.files.into_iter().collect();
    for (entry, table, columns) in &tables {
        let Some(split) = of_entry.get(entry) else { continue };
        // A table whose name tells nothing leaves it to its rows.
        let told = !by_name || of_file(&table.name).is_some();
        rows.add(table, columns, told.then_some(*split))?;
    }
    rows.finish(options)
}

impl Labelling {
    /// Whether the tables are of fewer than half of the images in class folders, or of none of them.
    pub fn is_of_few(&self, folders: &Layout) -> bool {
        let (ours, theirs) = (places(&self.layout), places(folders));
        self.files.is_some()
            || 2 * ours.keys().filter(|entry| theirs.contains_key(entry)).count() < theirs.len()
    }

    /// Whether class folders say the same of the images, classes being called as they may.
    pub fn says_the_same_as(&self, folders: &Layout) -> bool {
        let (ours, theirs) = (places(&self.layout), places(folders));
        let both = || ours.iter().filter_map(|(entry, our)| Some((*our, *theirs.get(entry)?)));
        let pairs: BTreeSet<(u32, u32)> = both().map(|((_, our), (_, their))| (our, their)).collect();
        let alone =
            |of: fn(&(u32, u32)) -> u32| pairs.iter().map(of).collect::<BTreeSet<u32>>().len() == pairs.len();
        alone(|pair| pair.0) && alone(|pair| pair.1) && both().all(|((a, _), (b, _))| a == b)
    }

    /// What it is, for people, with the flag that chooses it.
    pub fn words(&self) -> String {
        let (table, column) = &self.column;
        format!(
            "by the table '{table}' ({} classes, {} images{}; --label-column {column})",
            self.layout.classes.len(),
            self.images,
            if self.unnamed > 0 { format!(", {} without a row", self.unnamed) } else { String::new() }
        )
    }
}

/// The split and the class of each entry.
fn places(layout: &Layout) -> BTreeMap<usize, (usize, u32)> {
    let of = |(split, items): (usize, &Vec<(usize, u32)>)| {
        items.iter().map(move |&(entry, label)| (entry, (split, label))).collect::<Vec<_>>()
    };
    layout.splits.iter().enumerate().flat_map(of).collect()
}

/// A class, in the order of people: numbers by their size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ClassName(Option<i64>, String);

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

/// The rows of all tables.
struct Rows<'s> {
    source: &'s Source,
    files: NamedFiles<'s>,
    /// The split and the class of each file, and where that was said.
    found: HashMap<usize, (SplitName, Option<String>, String)>,
    missing: Vec<Skipped>,
    repeated: Vec<String>,
    ignored: Vec<Ignored>,
    notes: Vec<Note>,
    tables: Vec<String>,
    column: (String, String),
}

impl<'s> Rows<'s> {
    fn new(source: &'s Source, options: &Options) -> Self {
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
        let (found, missing, repeated, ignored, notes, tables, column) = Default::default();
        Self { source, files, found, missing, repeated, ignored, notes, tables, column }
    }

    /// The tables that name images, with their columns. Where none does, or a person names columns, the first error counts.
    fn of_images(
        &mut self,
        tables: Vec<(usize, Table)>,
        options: &Options,
    ) -> Result<Vec<(usize, Table, Columns)>, Error> {
        let (mut of_images, mut problem) = (Vec::new(), None);
        for (entry, table) in tables {
            let (name, split) = (table.name.clone(), of_file(&table.name));
            let mut lookup = |field: &str| match self.files.find(&name, split, field) {
                Ok(place) => Named::File(place),
                // That it cannot be used is told of its row.
                Err(Unnamed::Several(..) | Unnamed::Outside(_)) => Named::Path,
                Err(Unnamed::Missing) if has_image_extension(field) => Named::Path,
                Err(Unnamed::Missing) => Named::Nothing,
            };
            match find(table, &options.reading, &mut lookup) {
                Ok((table, columns)) => of_images.push((entry, table, columns)),
                // A table of something else lies beside those of the images.
                Err(error @ (Error::NoImageColumn { .. } | Error::NoColumn { .. })) => {
                    _ = problem.get_or_insert(error)
                }
                Err(error) => return Err(error),
            }
        }
        match problem {
            Some(error) if of_images.is_empty() => Err(error),
            _ => Ok(of_images),
        }
    }

    /// Takes the rows of a table, whose name may have told its split.
    fn add(&mut self, table: &Table, columns: &Columns, told: Option<SplitName>) -> Result<(), Error> {
        let wrong = |row: usize, what: String| Error::List {
            file: table.name.clone(),
            what: format!("row {}: {what}", row + table.first),
        };
        for (number, row) in table.rows.iter().enumerate() {
            let Some(given) = table.field(row, columns.image) else {
                return Err(wrong(number, "no image is named: complete it, or remove the row".to_string()));
            };
            let place = match self.files.find(&table.name, told, given) {
                Ok(place) => place,
                Err(Unnamed::Missing) => {
                    let reason = format!("no such file, which '{}' names", table.name);
                    self.missing.push(Skipped { file: given.to_string(), reason });
                    continue;
                }
                Err(Unnamed::Outside(what)) => return Err(wrong(number, format!("'{given}' is {what}"))),
                Err(Unnamed::Several(one, other)) => {
                    return Err(wrong(
                        number,
                        format!("'{given}' may be '{one}' or '{other}': name it with its folders"),
                    ));
                }
            };
            let column = columns.split.and_then(|column| of_folder(table.field(row, column)?));
            let folder = self.files.name(place).rsplit_once('/').and_then(|(folder, _)| of_file(folder));
            let split = column.or(told).or(folder).unwrap_or(SplitName::Train);
            if let Some(other) = folder.filter(|other| *other != split) {
                return Err(wrong(
                    number,
                    format!(
                        "'{given}' lies in a folder of {} images, but is called a {} image: correct one of them",
                        other.word(),
                        split.word()
                    ),
                ));
            }
            let label = columns.label.and_then(|column| table.field(row, column)).map(class).map(nfc);
            let label = label.filter(|label| label != "-1"); // as hidden labels are written
            let place_of_row = format!("row {} of '{}'", number + table.first, table.name);
            match self.found.get(&place) {
                None => _ = self.found.insert(place, (split, label, place_of_row)),
                Some((_, other, first)) if *other != label => {
                    let word =
                        |label: &Option<String>| label.clone().unwrap_or_else(|| "no class".to_string());
                    let (label, other) = (word(&label), word(other));
                    return Err(wrong(
                        number,
                        format!("'{given}' is '{label}', but '{other}' in {first}: an image has one class"),
                    ));
                }
                Some((other, _, first)) if *other != split => {
                    let (split, other) = (split.word(), other.word());
                    return Err(wrong(
                        number,
                        format!("'{given}' is a {split} image, but a {other} image in {first}"),
                    ));
                }
                Some(_) => self.repeated.push(given.to_string()),
            }
        }
        self.tables.push(table.name.clone());
        if let Some(label) = columns.label {
            let column = |place: usize| table.columns[place].clone();
            if self.column.0.is_empty() {
                self.column = (table.name.clone(), column(label));
            }
            self.notes.push(Note::Table {
                file: table.name.clone(),
                image: column(columns.image),
                label: column(label),
                split: columns.split.map(column),
            });
        }
        Ok(())
    }

    fn finish(mut self, options: &Options) -> Result<Labelling, Error> {
        let (mut by_class, unlabeled) = self.by_class()?;
        self.check_unlabeled(&by_class, &unlabeled)?;
        let names = |files: &NamedFiles<'_>, places: &[usize]| -> Vec<String> {
            let mut names: Vec<String> = places.iter().map(|&place| files.name(place).to_string()).collect();
            names.sort();
            names
        };
        for (split, places) in SplitName::ALL.into_iter().zip(&unlabeled) {
            if !places.is_empty() {
                let images = names(&self.files, places);
                let images: Vec<&str> = images.iter().map(String::as_str).collect();
                self.ignored.push(Ignored::new(format!("unlabeled {} image", split.word()), &images));
                self.notes.push(Note::Unlabeled { split: split.word(), images: images.len() });
            }
        }
        let unnamed = self.count_unnamed();
        if let Some(first) = self.repeated.first() {
            let files = self.repeated.len();
            self.ignored.push(Ignored {
                reason: "named in two rows".to_string(),
                files,
                example: first.clone(),
            });
        }
        if let Some(Skipped { file, .. }) = self.missing.first().filter(|_| self.found.is_empty()) {
            let (table, rows) = (self.tables.first().cloned().unwrap_or_default(), self.missing.len());
            return Err(Error::List {
                file: table,
                what: format!(
                    "none of the {rows} files that it names is there, the first: '{file}'. Give their folder with --image-root"
                ),
            });
        }
        let sizes = by_class.each_ref().map(BTreeMap::len);
        let (tables, column, images) = (self.tables, self.column, self.found.len());
        let files = self.files.source();
        let (classes, splits) =
            number_classes(files.as_ref().unwrap_or(self.source), &mut by_class, options)?;
        if splits[0].is_empty() && options.holdout.is_none() && !options.whole {
            self.notes.push(Note::TestOnly);
        } else if classes.iter().all(|class| class.0.is_some()) {
            self.notes.push(Note::NumberedClasses);
        }
        let name = |split: SplitName| (sizes[split as usize] > 0).then(|| split.word().to_string());
        if by_class_divides(sizes) && tables.len() == 1 {
            self.notes.extend(Note::splits(SplitName::ALL.map(name), sizes));
        }
        let classes = classes.into_iter().map(|class| class.1).collect();
        let (missing, ignored, notes) = (self.missing, self.ignored, self.notes);
        let layout = Layout { classes, splits, skipped: vec![], missing, ignored, notes };
        Ok(Labelling { layout, files, tables, column, images, unnamed })
    }

    /// The files of each split by class, and those without one. Numbers that measure something are no classes.
    fn by_class(&self) -> Result<(ByClass<ClassName>, [Vec<usize>; 3]), Error> {
        let labels: BTreeSet<&str> =
            self.found.values().filter_map(|(_, label, _)| label.as_deref()).collect();
        let number = |label: &&str| label.parse::<f64>().ok().filter(|number| number.abs() < 1e9);
        let numbers: Option<Vec<f64>> = labels.iter().map(number).collect();
        let whole =
            numbers.as_ref().is_some_and(|numbers| numbers.iter().all(|number| number.fract() == 0.0));
        if numbers.is_some() && !whole && 2 * labels.len() > self.found.len() {
            let (file, column) = self.column.clone();
            let what = format!(
                "column '{column}' holds measures, not classes: give another one with --label-column"
            );
            return Err(Error::List { file, what });
        }
        let class = |label: &String| {
            let number = label.parse::<f64>().ok().filter(|_| whole).map(|number| number as i64);
            ClassName(number, number.map_or_else(|| label.clone(), |number| number.to_string()))
        };
        let (mut by_class, mut unlabeled) = (ByClass::default(), <[Vec<usize>; 3]>::default());
        for (&place, (split, label, _)) in &self.found {
            match label {
                Some(label) => {
                    by_class[*split as usize].entry(class(label)).or_insert_with(Vec::new).push(place)
                }
                None => unlabeled[*split as usize].push(place),
            }
        }
        Ok((by_class, unlabeled))
    }

    /// A held-out split may have no classes at all; a part of a split may not lack them.
    fn check_unlabeled(
        &self,
        by_class: &ByClass<ClassName>,
        unlabeled: &[Vec<usize>; 3],
    ) -> Result<(), Error> {
        for split in SplitName::ALL {
            let places = &unlabeled[split as usize];
            let Some(first) = places.iter().map(|&place| self.files.name(place)).min() else { continue };
            if split == SplitName::Train || !by_class[split as usize].is_empty() {
                let what = format!(
                    "'{first}' has no class, and so have {} of the {} images: complete the rows, or remove them",
                    places.len(),
                    split.word()
                );
                return Err(Error::List { file: self.tables.first().cloned().unwrap_or_default(), what });
            }
        }
        Ok(())
    }

    /// Counts the pictures of the source that no table names.
    fn count_unnamed(&mut self) -> usize {
        if !matches!(self.files, NamedFiles::Within(_)) {
            return 0;
        }
        let unnamed =
            |place: &usize| self.source.entries[*place].is_picture() && !self.found.contains_key(place);
        let places = (0..self.source.entries.len()).filter(unnamed);
        let names: Vec<&str> = places.map(|place| self.source.entries[place].name.as_str()).collect();
        if !names.is_empty() {
            self.ignored.push(Ignored::new("picture that no table names", &names));
        }
        names.len()
    }
}

/// Whether there is more than one split.
fn by_class_divides(sizes: [usize; 3]) -> bool {
    sizes.into_iter().filter(|size| *size > 0).count() > 1
}

//! Hugging Face parquet files: a column of images (`struct { bytes, path }`, plain bytes, or the paths of files) and one of
//! labels (numbers, texts, or true and false).
use super::class_name::nfc;
use super::format::{Format, Loaded, MAX_BATCH};
use super::parquet_promises;
use super::split_files::{self, SplitFiles};
use super::table::Table;
use super::tables;
use crate::collect::{Collector, Item};
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::reading::Reading;
use crate::source::{Entry, Source};
use crate::split_names::SplitName;
use bytes::Bytes;
use csv::StringRecord;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::{Field, Row};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) const FORMAT: Format = Format {
    name: "parquet files",
    recognizes: |source| source.entries.iter().any(is_parquet),
    uses: is_parquet,
    images,
    load,
};

/// What a column of images may be called.
const IMAGE_COLUMNS: [&str; 2] = ["image", "img"];
/// The column of the coarse labels of CIFAR-100.
const COARSE_COLUMN: &str = "coarse_label";

fn is_parquet(entry: &Entry) -> bool {
    entry.head.starts_with(b"PAR1")
}

/// A file on disk, or a member of an archive in memory: one kind of reader, so that the parquet library is compiled once.
pub(crate) enum ParquetFile {
    Disk(File),
    Memory(Bytes),
}

impl ParquetFile {
    fn open(source: &Source, entry: usize) -> Result<Self, Error> {
        match source.file(entry) {
            Some(path) => File::open(&path).map(Self::Disk).map_err(Error::io("read", path)),
            None => Ok(Self::Memory(source.read_one(entry, MAX_BATCH)?.into())),
        }
    }
}

impl ParquetFile {
    /// The same file once more.
    fn try_clone(&self) -> std::io::Result<Self> {
        Ok(match self {
            Self::Disk(file) => Self::Disk(file.try_clone()?),
            Self::Memory(bytes) => Self::Memory(bytes.clone()),
        })
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        match self {
            Self::Disk(file) => Length::len(file),
            Self::Memory(bytes) => Length::len(bytes),
        }
    }
}

impl ChunkReader for ParquetFile {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self {
            Self::Disk(file) => Box::new(file.get_read(start)?),
            Self::Memory(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            Self::Disk(file) => file.get_bytes(start, length),
            Self::Memory(bytes) => bytes.get_bytes(start, length),
        }
    }
}

/// The library's reader of a file that promises no more than it holds; the error says what is wrong with it.
fn reader(file: ParquetFile) -> Result<SerializedFileReader<ParquetFile>, String> {
    parquet_promises::footer(&file)?;
    let damaged = |error| format!("it is damaged or truncated ({error})");
    let again = file.try_clone().map_err(|error| error.to_string())?;
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    parquet_promises::pages(&again, reader.metadata())?;
    Ok(reader)
}

/// How many rows the files with a column of images have.
fn images(source: &Source, _: &Options) -> Result<usize, Error> {
    let mut images = 0;
    for table in source.select(is_parquet) {
        images += rows(ParquetFile::open(source, table)?);
    }
    Ok(images)
}

/// The rows of a file with a column of images; none of one that is damaged.
fn rows(file: ParquetFile) -> usize {
    let rows = || {
        let reader = reader(file).ok()?;
        let metadata = reader.metadata().file_metadata();
        let fields = metadata.schema_descr().root_schema().get_fields();
        let has_images = fields.iter().any(|field| IMAGE_COLUMNS.contains(&field.name()));
        has_images.then(|| usize::try_from(metadata.num_rows()).unwrap_or(0))
    };
    catch_unwind(AssertUnwindSafe(rows)).ok().flatten().unwrap_or(0)
}

fn load(source: &Source, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    if let Some(tables) = path_tables(source, options)? {
        let loaded = tables::load(source, tables::label_by(source, tables, options)?, options, progress)?;
        return Ok(Loaded { kind: Kind::Parquet, ..loaded });
    }
    let SplitFiles { files, mut ignored, mut notes, names } =
        split_files::divide(source, &source.select(is_parquet), options)?;
    let (mut rows, mut labels) = (Rows::default(), Labels::Fine);
    let mut collector = Collector::new(options.size, options.framing, None, progress);
    for &(table, split) in &files {
        let name = &source.entries[table].name;
        let mut each = |row: usize, file: Option<Vec<u8>>, label: Option<RowLabel>| {
            let Some(label) = label else {
                rows.unlabeled[split as usize].push(format!("{name}#{row:06}"));
                return Ok(());
            };
            // The label's index; the class itself is known when all have been seen.
            let item = Item {
                split,
                label: rows.labels.len() as u32,
                name: format!("{name}#{row:06}"),
                file: file.ok_or_else(|| "the row holds no image bytes".to_string()),
            };
            rows.labels.push(label);
            collector.push(item)
        };
        let held_out = split != SplitName::Train;
        let file = ParquetFile::open(source, table)?;
        let found = read(name, file, &Wanted::of(options), held_out, &mut each)?;
        rows.take_classes(name, found.classes)?;
        if found.is_coarse {
            labels = Labels::Coarse;
        }
    }
    collector.finish()?;
    let (bad, total) = (collector.skipped.len(), collector.done);
    let Collector { mut splits, skipped, sizes, .. } = collector;
    notes.extend(Note::splits(names, splits.each_ref().map(Images::len)));
    rows.check_unlabeled(&splits, &mut ignored, &mut notes)?;
    let (classes, numbers) = rows.number_classes(source)?;
    for label in splits.iter_mut().flat_map(|split| &mut split.labels) {
        *label = numbers[*label as usize];
    }
    let sizes = sizes.sizes();
    let whole = Loaded::whole(Kind::Parquet, classes, splits);
    Ok(Loaded { skipped, ignored, bad, total, notes, labels, sizes, ..whole })
}

/// What the rows of all files say of classes.
#[derive(Default)]
struct Rows {
    labels: Vec<RowLabel>,
    /// Rows without a label, by split.
    unlabeled: [Vec<String>; 3],
    /// The names of the classes, and the file that has them.
    classes: Option<(String, Vec<String>)>,
}

impl Rows {
    /// Adds the names of a file's classes, which must be those of the other files.
    fn take_classes(&mut self, file: &str, found: Option<Vec<String>>) -> Result<(), Error> {
        let Some(found) = found else { return Ok(()) };
        let Some((one, names)) = &self.classes else {
            self.classes = Some((file.to_string(), found));
            return Ok(());
        };
        if *names == found {
            return Ok(());
        }
        let index = names.iter().zip(&found).take_while(|(a, b)| a == b).count();
        let name = |names: &[String]| names.get(index).map_or("none".to_string(), |name| format!("'{name}'"));
        let what = format!("class {index} is {} and {}", name(names), name(&found));
        Err(Error::OtherClasses { one: one.clone(), other: file.to_string(), what })
    }

    /// A held-out split may have no labels at all; part of a split may not lack them.
    fn check_unlabeled(
        &self,
        splits: &[Images; 3],
        ignored: &mut Vec<Ignored>,
        notes: &mut Vec<Note>,
    ) -> Result<(), Error> {
        for (split, rows) in SplitName::ALL.into_iter().zip(&self.unlabeled) {
            let Some(first) = rows.first() else { continue };
            if split == SplitName::Train || !splits[split as usize].is_empty() {
                let (file, row) = first.rsplit_once('#').unwrap_or((first, "0"));
                let what = format!(
                    "row {row} has no label (-1 or null), and so have {} of the {} images: remove these rows",
                    rows.len(),
                    split.word()
                );
                return Err(Error::Parquet { file: file.to_string(), what });
            }
            ignored.push(Ignored::unlabeled(split, rows.len(), first));
            notes.push(Note::Unlabeled { split: split.word(), images: rows.len() });
        }
        Ok(())
    }

    /// The classes, and the number of the class of each label.
    fn number_classes(&self, source: &Source) -> Result<(Vec<String>, Vec<u32>), Error> {
        let highest = self.labels.iter().filter_map(RowLabel::number).max();
        let classes = match (&self.classes, highest) {
            (Some((_, listed)), _) => listed.clone(),
            (None, Some(highest)) => {
                (0..highest.clamp(0, 99_999) + 1).map(|class| class.to_string()).collect()
            }
            (None, None) => {
                let names = self.labels.iter().filter_map(RowLabel::name);
                names.collect::<BTreeSet<&str>>().into_iter().map(str::to_string).collect()
            }
        };
        let indices: HashMap<&str, usize> =
            classes.iter().enumerate().map(|(index, class)| (class.as_str(), index)).collect();
        let number = |(row, label): (usize, &RowLabel)| {
            let found = match label {
                RowLabel::Number(number) => {
                    usize::try_from(*number).ok().filter(|&number| number < classes.len())
                }
                RowLabel::Name(name) => indices.get(name.as_str()).copied(),
            };
            let label = label.number().unwrap_or(-1);
            let file = source.path().display().to_string();
            found.map(|n| n as u32).ok_or(Error::BadLabel { file, image: row, label, classes: classes.len() })
        };
        let numbers = self.labels.iter().enumerate().map(number).collect::<Result<Vec<u32>, Error>>()?;
        Ok((classes, numbers))
    }
}

/// The label of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowLabel {
    /// The index of the class in the file's list.
    Number(i64),
    /// The class itself.
    Name(String),
}

impl RowLabel {
    fn number(&self) -> Option<i64> {
        if let RowLabel::Number(number) = self { Some(*number) } else { None }
    }

    fn name(&self) -> Option<&str> {
        if let RowLabel::Name(name) = self { Some(name) } else { None }
    }
}

/// What visits the rows: the row's number, its image file and its label, where it has one.
pub(crate) type VisitRow<'v> =
    &'v mut dyn FnMut(usize, Option<Vec<u8>>, Option<RowLabel>) -> Result<(), Error>;

/// Which columns are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted<'o> {
    image: Option<&'o str>,
    label: Option<&'o str>,
    labels: Labels,
}

impl<'o> Wanted<'o> {
    /// What a person says.
    fn of(options: &'o Options) -> Self {
        let Reading { image_column, label_column, .. } = &options.reading;
        Self { image: image_column.as_deref(), label: label_column.as_deref(), labels: options.labels }
    }

    /// The indices of the columns of images and labels among all.
    fn find(&self, file: &str, columns: &[&str]) -> Result<(usize, Option<usize>), Error> {
        let index = |name: &str| columns.iter().position(|column| *column == name);
        let given = |name: &str| {
            index(name).ok_or_else(|| Error::NoColumn {
                file: file.to_string(),
                column: name.to_string(),
                columns: columns.join(", "),
            })
        };
        let image = match self.image {
            Some(name) => given(name)?,
            None => IMAGE_COLUMNS.into_iter().find_map(index).ok_or_else(|| {
                let all = columns.join(", ");
                let what = format!(
                    "it has no column 'image' or 'img' (its columns: {all}): name it with --image-column"
                );
                Error::Parquet { file: file.to_string(), what }
            })?,
        };
        let usual = match self.labels {
            Labels::Fine => ["label", "fine_label", "labels"],
            Labels::Coarse => [COARSE_COLUMN, "label", "labels"],
        };
        let label = match self.label {
            Some(name) => Some(given(name)?),
            None => usual.into_iter().find_map(index),
        };
        Ok((image, label))
    }
}

/// What a file says beside its rows.
#[derive(Debug)]
pub(crate) struct Found {
    /// The names of the classes, where the file has them.
    classes: Option<Vec<String>>,
    /// Whether its labels are CIFAR-100's coarse ones.
    is_coarse: bool,
}

/// Visits all rows of a file. One of held-out images may lack the column of labels.
pub(crate) fn read(
    name: &str,
    file: ParquetFile,
    wanted: &Wanted,
    may_lack_labels: bool,
    each: VisitRow,
) -> Result<Found, Error> {
    let wrong = |what: String| Error::Parquet { file: name.to_string(), what };
    // The parquet reader panics on some damaged files; that must not end the program.
    catch_unwind(AssertUnwindSafe(|| read_rows(name, file, wanted, may_lack_labels, each)))
        .unwrap_or_else(|_| Err(wrong("it is damaged (the reader failed)".to_string())))
}

fn read_rows(
    name: &str,
    file: ParquetFile,
    wanted: &Wanted,
    may_lack_labels: bool,
    each: VisitRow,
) -> Result<Found, Error> {
    let wrong = |what: String| Error::Parquet { file: name.to_string(), what };
    let reader = reader(file).map_err(wrong)?;
    let damaged =
        |error: parquet::errors::ParquetError| wrong(format!("it is damaged or truncated ({error})"));
    let columns = column_names(&reader);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let (image, label) = wanted.find(name, &columns)?;
    if label.is_none() && !may_lack_labels {
        let all = columns.join(", ");
        return Err(wrong(format!(
            "it has no column 'label' or 'labels' (its columns: {all}): name it with --label-column"
        )));
    }
    let classes = label.and_then(|label| class_names(&reader, columns[label]));
    let is_coarse = label.is_some_and(|label| columns[label] == COARSE_COLUMN);
    for (index, row) in reader.get_row_iter(None).map_err(damaged)?.enumerate() {
        let row = row.map_err(damaged)?;
        let label = label
            .map_or(Some(None), |label| row_label(&row, label))
            .ok_or_else(|| wrong(format!("row {index}: the label is neither a whole number nor a text")))?;
        each(index, row_image(row, image), label)?;
    }
    Ok(Found { classes, is_coarse })
}

fn column_names(reader: &SerializedFileReader<ParquetFile>) -> Vec<String> {
    let schema = reader.metadata().file_metadata().schema_descr().root_schema();
    schema.get_fields().iter().map(|field| field.name().to_string()).collect()
}

/// Whether the files name images instead of holding them: then pictures beside them are theirs.
pub(super) fn name_images(source: &Source, options: &Options) -> Result<bool, Error> {
    let Some(&first) = source.select(is_parquet).first() else { return Ok(false) };
    let file = ParquetFile::open(source, first)?;
    let name = &source.entries[first].name;
    let found = || Some(names_images(&reader(file).ok()?, name, &Wanted::of(options)));
    Ok(catch_unwind(AssertUnwindSafe(found)).ok().flatten().unwrap_or(false))
}

/// Whether the first row names an image and does not hold it.
fn names_images(reader: &SerializedFileReader<ParquetFile>, name: &str, wanted: &Wanted) -> bool {
    let columns = column_names(reader);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let first = || reader.get_row_iter(None).ok()?.next()?.ok();
    wanted
        .find(name, &columns)
        .is_ok_and(|(image, _)| first().is_some_and(|row| row_path(&row, image).is_some()))
}

/// The files as tables, where they name images instead of holding them.
fn path_tables(source: &Source, options: &Options) -> Result<Option<Vec<(usize, Table)>>, Error> {
    let mut tables = Vec::new();
    for file in source.select(is_parquet) {
        let name = &source.entries[file].name;
        let wanted = Wanted::of(options);
        let opened = ParquetFile::open(source, file)?;
        // What is wrong with a file is reported when its images are read.
        match catch_unwind(AssertUnwindSafe(|| path_table(name, opened, &wanted))).ok().flatten() {
            Some(table) => tables.push((file, table)),
            None => return Ok(None),
        }
    }
    Ok(Some(tables))
}

/// The paths and labels of a file that names images.
fn path_table(name: &str, file: ParquetFile, wanted: &Wanted) -> Option<Table> {
    let reader = reader(file).ok()?;
    let columns = column_names(&reader);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let (image, label) = wanted.find(name, &columns).ok().filter(|_| names_images(&reader, name, wanted))?;
    let classes = label.and_then(|label| class_names(&reader, columns[label])).unwrap_or_default();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).ok()? {
        let row = row.ok()?;
        let class = match label.map_or(Some(None), |label| row_label(&row, label))? {
            Some(RowLabel::Name(name)) => name,
            Some(RowLabel::Number(number)) => {
                let named = usize::try_from(number).ok().and_then(|number| classes.get(number).cloned());
                named.unwrap_or_else(|| number.to_string())
            }
            None => String::new(),
        };
        rows.push(StringRecord::from(vec![row_path(&row, image).unwrap_or_default(), class]));
    }
    let columns = vec![columns[image].to_string(), label.map_or("label", |label| columns[label]).to_string()];
    Some(Table { name: name.to_string(), columns, rows, first: 0 })
}

/// The path of an image that a row names and does not hold.
fn row_path(row: &Row, column: usize) -> Option<String> {
    match row.get_column_iter().nth(column)?.1 {
        Field::Str(path) => Some(path.clone()),
        Field::Group(group) => {
            let part = |wanted: &str| {
                group.get_column_iter().find(|(name, _)| *name == wanted).map(|(_, field)| field)
            };
            match (part("bytes"), part("path")) {
                (None | Some(Field::Null), Some(Field::Str(path))) => Some(path.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The image file in a row.
fn row_image(row: Row, column: usize) -> Option<Vec<u8>> {
    let bytes = |field: Field| match field {
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        _ => None,
    };
    match row.into_columns().into_iter().nth(column)?.1 {
        Field::Group(group) => {
            bytes(group.into_columns().into_iter().find(|(name, _)| name == "bytes").map(|(_, field)| field)?)
        }
        field => bytes(field),
    }
}

/// The label of a row, `None` within where it is null or hidden (-1); `None` where it is nothing of the kind.
fn row_label(row: &Row, column: usize) -> Option<Option<RowLabel>> {
    Some(
        Some(match row.get_column_iter().nth(column)?.1 {
            Field::Byte(value) => RowLabel::Number(i64::from(*value)),
            Field::Short(value) => RowLabel::Number(i64::from(*value)),
            Field::Int(value) => RowLabel::Number(i64::from(*value)),
            Field::Long(value) => RowLabel::Number(*value),
            Field::UByte(value) => RowLabel::Number(i64::from(*value)),
            Field::UShort(value) => RowLabel::Number(i64::from(*value)),
            Field::UInt(value) => RowLabel::Number(i64::from(*value)),
            Field::ULong(value) => RowLabel::Number(i64::try_from(*value).ok()?),
            Field::Str(text) => RowLabel::Name(nfc(text)),
            Field::Bytes(text) => RowLabel::Name(nfc(std::str::from_utf8(text.data()).ok()?)),
            Field::Bool(value) => RowLabel::Name(value.to_string()),
            Field::Null => return Some(None),
            _ => return None,
        })
        .filter(|label| *label != RowLabel::Number(-1)),
    )
}

/// The names that Hugging Face keeps in the file's metadata: `info.features.COLUMN.names`.
fn class_names(reader: &SerializedFileReader<ParquetFile>, column: &str) -> Option<Vec<String>> {
    let pairs = reader.metadata().file_metadata().key_value_metadata()?;
    let metadata = pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_deref()?;
    let json: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let names = json.pointer("/info/features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(nfc)).collect()
}

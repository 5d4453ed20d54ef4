//! Hugging Face parquet files: a column of images (`struct { bytes, path }`, or plain bytes) and one of labels.
use super::format::{Format, Loaded, MAX_BATCH};
use super::split_name::{SplitName, of_file};
use crate::collect::{Collector, Item};
use crate::dataset::Kind;
use crate::error::Error;
use crate::note::Note;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::source::{Entry, Source};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) const FORMAT: Format =
    Format { recognizes: |source| source.entries.iter().any(is_parquet), uses: is_parquet, load };

fn is_parquet(entry: &Entry) -> bool {
    entry.head.starts_with(b"PAR1")
}

fn load(source: &Source, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let tables = source.select(is_parquet);
    let has = |split| tables.iter().any(|&table| of_file(&source.entries[table]) == split);
    let mut notes = Vec::new();
    let skip_validation = has(SplitName::Test) && has(SplitName::Validation);
    if skip_validation {
        notes.push(Note::ValidationNotUsed);
    }
    if !has(SplitName::Train) && options.holdout.is_none() {
        notes.push(Note::TestOnly);
    }
    let mut labels = Vec::new();
    let mut classes: Option<Vec<String>> = None;
    let mut collector = Collector::new(options.size, options.framing, None, progress);
    for &table in &tables {
        let name = &source.entries[table].name;
        let split = of_file(&source.entries[table]);
        if skip_validation && split == SplitName::Validation {
            continue;
        }
        let split = usize::from(split != SplitName::Train);
        let mut each = |row: usize, file: Option<Vec<u8>>, label: RowLabel| {
            // The place of the label; the class itself is known when all have been seen.
            let item = Item {
                split,
                label: labels.len() as u32,
                name: format!("{name}#{row:06}"),
                file: file.ok_or_else(|| "the row holds no image bytes".to_string()),
            };
            labels.push(label);
            collector.push(item)
        };
        let found = match source.file(table) {
            Some(path) => {
                let file = std::fs::File::open(&path).map_err(Error::io("read", path))?;
                read(name, file, options.labels, &mut each)?
            }
            None => {
                let file = bytes::Bytes::from(source.read_one(table, MAX_BATCH)?);
                read(name, file, options.labels, &mut each)?
            }
        };
        classes = classes.or(found);
    }
    collector.finish()?;
    let (bad, total) = (collector.skipped.len(), collector.done);
    let Collector { splits: [mut train, mut test], skipped, .. } = collector;
    let (classes, numbers) = number_classes(source, classes, &labels)?;
    for label in train.labels.iter_mut().chain(&mut test.labels) {
        *label = numbers[*label as usize];
    }
    Ok(Loaded { skipped, bad, total, notes, ..Loaded::whole(Kind::Parquet, classes, [train, test]) })
}

/// The classes, and the number of the class of each label.
fn number_classes(
    source: &Source,
    listed: Option<Vec<String>>,
    labels: &[RowLabel],
) -> Result<(Vec<String>, Vec<u32>), Error> {
    let highest =
        labels.iter().filter_map(|label| if let RowLabel::Number(n) = label { Some(*n) } else { None }).max();
    let classes = match (listed, highest) {
        (Some(listed), _) => listed,
        (None, Some(highest)) => (0..highest.clamp(0, 99_999) + 1).map(|class| class.to_string()).collect(),
        (None, None) => {
            let names: BTreeSet<&RowLabel> = labels.iter().collect();
            let name =
                |label: &&RowLabel| if let RowLabel::Name(name) = label { Some(name.clone()) } else { None };
            names.iter().filter_map(name).collect()
        }
    };
    let number = |(row, label): (usize, &RowLabel)| {
        let found = match label {
            RowLabel::Number(number) => {
                usize::try_from(*number).ok().filter(|&number| number < classes.len())
            }
            RowLabel::Name(name) => classes.iter().position(|class| class == name),
        };
        let label = if let RowLabel::Number(number) = label { *number } else { -1 };
        let file = source.path().display().to_string();
        found.map(|n| n as u32).ok_or(Error::BadLabel { file, image: row, label, classes: classes.len() })
    };
    let numbers = labels.iter().enumerate().map(number).collect::<Result<Vec<u32>, Error>>()?;
    Ok((classes, numbers))
}

/// The label of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowLabel {
    /// The place of the class in the file's list.
    Number(i64),
    /// The class itself.
    Name(String),
}

/// What visits the rows: the row's number, its image file and its label.
pub(crate) type VisitRow<'v> = &'v mut dyn FnMut(usize, Option<Vec<u8>>, RowLabel) -> Result<(), Error>;

/// The names of the classes, where the file has them, after all rows have been visited.
pub(crate) fn read<R: ChunkReader + 'static>(
    name: &str,
    file: R,
    labels: Labels,
    each: VisitRow,
) -> Result<Option<Vec<String>>, Error> {
    let wrong = |what: String| Error::Parquet { file: name.to_string(), what };
    // The parquet reader panics on some damaged files; that must not end the program.
    catch_unwind(AssertUnwindSafe(|| read_rows(name, file, labels, each)))
        .unwrap_or_else(|_| Err(wrong("it is damaged (the reader failed)".to_string())))
}

fn read_rows<R: ChunkReader + 'static>(
    name: &str,
    file: R,
    labels: Labels,
    each: VisitRow,
) -> Result<Option<Vec<String>>, Error> {
    let wrong = |what: String| Error::Parquet { file: name.to_string(), what };
    let damaged =
        |error: parquet::errors::ParquetError| wrong(format!("it is damaged or truncated ({error})"));
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let metadata = reader.metadata().file_metadata();
    let columns: Vec<&str> =
        metadata.schema_descr().root_schema().get_fields().iter().map(|f| f.name()).collect();
    let find =
        |wanted: &[&str]| wanted.iter().find_map(|name| columns.iter().position(|column| column == name));
    let missing =
        |what: &str| wrong(format!("it has no column {what} (its columns: {})", columns.join(", ")));
    let image = find(&["image", "img"]).ok_or_else(|| missing("'image' or 'img'"))?;
    let wanted = match labels {
        Labels::Fine => ["label", "fine_label", "labels"],
        Labels::Coarse => ["coarse_label", "label", "labels"],
    };
    let label = find(&wanted).ok_or_else(|| missing(&format!("'{}'", wanted.join("', '"))))?;
    let classes = metadata
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == "huggingface"))
        .and_then(|pair| class_names(pair.value.as_deref()?, columns[label]));
    for (index, row) in reader.get_row_iter(None).map_err(damaged)?.enumerate() {
        let row = row.map_err(damaged)?;
        let label = row_label(&row, label)
            .ok_or_else(|| wrong(format!("row {index}: the label is neither a whole number nor a text")))?;
        each(index, row_image(row, image), label)?;
    }
    Ok(classes)
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

fn row_label(row: &Row, column: usize) -> Option<RowLabel> {
    Some(match row.get_column_iter().nth(column)?.1 {
        Field::Byte(value) => RowLabel::Number(i64::from(*value)),
        Field::Short(value) => RowLabel::Number(i64::from(*value)),
        Field::Int(value) => RowLabel::Number(i64::from(*value)),
        Field::Long(value) => RowLabel::Number(*value),
        Field::UByte(value) => RowLabel::Number(i64::from(*value)),
        Field::UShort(value) => RowLabel::Number(i64::from(*value)),
        Field::UInt(value) => RowLabel::Number(i64::from(*value)),
        Field::ULong(value) => RowLabel::Number(i64::try_from(*value).ok()?),
        Field::Str(text) => RowLabel::Name(text.clone()),
        _ => return None,
    })
}

/// The names that Hugging Face keeps in the file's metadata: `info.features.COLUMN.names`.
fn class_names(metadata: &str, column: &str) -> Option<Vec<String>> {
    let json: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let names = json.pointer("/info/features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_string)).collect()
}

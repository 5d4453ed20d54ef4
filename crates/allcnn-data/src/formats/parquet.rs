//! Hugging Face parquet files: a column of images (`struct { bytes, path }`, or plain bytes) and one of labels.
use super::class_name::nfc;
use super::format::{Format, Loaded, MAX_BATCH};
use super::split_files::{self, SplitFiles};
use crate::collect::{Collector, Item};
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::source::{Entry, Source};
use crate::split::SplitName;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use std::collections::{BTreeSet, HashMap};
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

fn is_parquet(entry: &Entry) -> bool {
    entry.head.starts_with(b"PAR1")
}

/// How many rows the files with a column of images have.
fn images(source: &Source, _: &Options) -> Result<usize, Error> {
    let mut images = 0;
    for table in source.select(is_parquet) {
        let rows = match source.file(table) {
            Some(path) => std::fs::File::open(&path).map_err(Error::io("read", path)).map(rows)?,
            None => rows(bytes::Bytes::from(source.read_one(table, MAX_BATCH)?)),
        };
        images += rows;
    }
    Ok(images)
}

/// The rows of a file with a column of images; none of one that is damaged.
fn rows<R: ChunkReader + 'static>(file: R) -> usize {
    let rows = || {
        let reader = SerializedFileReader::new(file).ok()?;
        let metadata = reader.metadata().file_metadata();
        let fields = metadata.schema_descr().root_schema().get_fields();
        let has_images = fields.iter().any(|field| IMAGE_COLUMNS.contains(&field.name()));
        has_images.then(|| usize::try_from(metadata.num_rows()).unwrap_or(0))
    };
    catch_unwind(AssertUnwindSafe(rows)).ok().flatten().unwrap_or(0)
}

fn load(source: &Source, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let SplitFiles { files, mut ignored, mut notes, names } =
        split_files::divide(source, &source.select(is_parquet), options)?;
    let mut rows = Rows::default();
    let mut collector = Collector::new(options.size, options.framing, None, progress);
    for &(table, split) in &files {
        let name = &source.entries[table].name;
        let mut each = |row: usize, file: Option<Vec<u8>>, label: Option<RowLabel>| {
            let Some(label) = label else {
                rows.unlabeled[split as usize].push(format!("{name}#{row:06}"));
                return Ok(());
            };
            // The place of the label; the class itself is known when all have been seen.
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
        let found = match source.file(table) {
            Some(path) => {
                let file = std::fs::File::open(&path).map_err(Error::io("read", path))?;
                read(name, file, options.labels, held_out, &mut each)?
            }
            None => {
                let file = bytes::Bytes::from(source.read_one(table, MAX_BATCH)?);
                read(name, file, options.labels, held_out, &mut each)?
            }
        };
        rows.take_classes(name, found)?;
    }
    collector.finish()?;
    let (bad, total) = (collector.skipped.len(), collector.done);
    let Collector { mut splits, skipped, .. } = collector;
    notes.extend(Note::splits(names, splits.each_ref().map(Images::len)));
    rows.check_unlabeled(&splits, &mut ignored, &mut notes)?;
    let (classes, numbers) = rows.number_classes(source)?;
    for label in splits.iter_mut().flat_map(|split| &mut split.labels) {
        *label = numbers[*label as usize];
    }
    if splits[0].is_empty() && options.holdout.is_none() && !options.whole {
        notes.push(Note::TestOnly);
    }
    Ok(Loaded { skipped, ignored, bad, total, notes, ..Loaded::whole(Kind::Parquet, classes, splits) })
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
        let place = names.iter().zip(&found).take_while(|(a, b)| a == b).count();
        let name = |names: &[String]| names.get(place).map_or("none".to_string(), |name| format!("'{name}'"));
        let what = format!("class {place} is {} and {}", name(names), name(&found));
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
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            ignored.push(Ignored::new(format!("unlabeled {} image", split.word()), &rows));
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
        let places: HashMap<&str, usize> =
            classes.iter().enumerate().map(|(place, class)| (class.as_str(), place)).collect();
        let number = |(row, label): (usize, &RowLabel)| {
            let found = match label {
                RowLabel::Number(number) => {
                    usize::try_from(*number).ok().filter(|&number| number < classes.len())
                }
                RowLabel::Name(name) => places.get(name.as_str()).copied(),
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
    /// The place of the class in the file's list.
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

/// The names of the classes, where the file has them, after all rows have been visited. A file of held-out images may lack the
/// column of labels.
pub(crate) fn read<R: ChunkReader + 'static>(
    name: &str,
    file: R,
    labels: Labels,
    may_lack_labels: bool,
    each: VisitRow,
) -> Result<Option<Vec<String>>, Error> {
    let wrong = |what: String| Error::Parquet { file: name.to_string(), what };
    // The parquet reader panics on some damaged files; that must not end the program.
    catch_unwind(AssertUnwindSafe(|| read_rows(name, file, labels, may_lack_labels, each)))
        .unwrap_or_else(|_| Err(wrong("it is damaged (the reader failed)".to_string())))
}

fn read_rows<R: ChunkReader + 'static>(
    name: &str,
    file: R,
    labels: Labels,
    may_lack_labels: bool,
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
    let image = find(&IMAGE_COLUMNS).ok_or_else(|| missing("'image' or 'img'"))?;
    let wanted = match labels {
        Labels::Fine => ["label", "fine_label", "labels"],
        Labels::Coarse => ["coarse_label", "label", "labels"],
    };
    let label = find(&wanted);
    if label.is_none() && !may_lack_labels {
        return Err(missing(&format!("'{}'", wanted.join("', '"))));
    }
    let classes = metadata
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == "huggingface"))
        .and_then(|pair| class_names(pair.value.as_deref()?, columns[label?]));
    for (index, row) in reader.get_row_iter(None).map_err(damaged)?.enumerate() {
        let row = row.map_err(damaged)?;
        let label = label
            .map_or(Some(None), |label| row_label(&row, label))
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
            Field::Null => return Some(None),
            _ => return None,
        })
        .filter(|label| *label != RowLabel::Number(-1)),
    )
}

/// The names that Hugging Face keeps in the file's metadata: `info.features.COLUMN.names`.
fn class_names(metadata: &str, column: &str) -> Option<Vec<String>> {
    let json: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let names = json.pointer("/info/features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(nfc)).collect()
}

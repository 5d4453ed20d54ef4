//! Hugging Face parquet files: a column of images (`struct { bytes, path }`, or plain bytes) and one of labels.
use super::{Error, Labels};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Reads a parquet file from bytes: for fuzzing.
pub fn fuzz_parquet(file: &[u8]) {
    let file = bytes::Bytes::copy_from_slice(file);
    let _ = read("fuzz", file, Labels::Fine, &mut |_, _, _| Ok(()));
}

/// The names that Hugging Face keeps in the file's metadata: `info.features.COLUMN.names`.
fn class_names(metadata: &str, column: &str) -> Option<Vec<String>> {
    let json: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let names = json.pointer("/info/features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_string)).collect()
}

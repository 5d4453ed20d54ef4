//! Tables as text: CSV and TSV, as spreadsheets and scripts write them.
use crate::error::Error;
use crate::source::{Entry, Source};
use crate::text;
use csv::{ReaderBuilder, StringRecord, Trim};

/// No table of file names is larger.
const MAX_TABLE: u64 = 1 << 30;
/// What may stand between the fields, the surest first.
const DELIMITERS: [u8; 3] = [b'\t', b';', b','];

/// Rows of fields; empty fields hold nothing.
pub(super) struct Table {
    /// The file in the source.
    pub name: String,
    /// The names of the columns; their numbers, from 1, where the table has no head.
    pub columns: Vec<String>,
    pub rows: Vec<StringRecord>,
    /// The number of the first row, for people.
    pub first: usize,
}

/// Whether a file is a table by its name.
pub(super) fn is_table(entry: &Entry) -> bool {
    let ending = entry.name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    !entry.is_picture() && matches!(ending.as_deref(), Some("csv" | "tsv" | "tab"))
}

impl Table {
    /// Reads an entry of a source.
    pub(super) fn read(source: &Source, entry: usize) -> Result<Table, Error> {
        let name = source.entries[entry].name.clone();
        let bytes = source.read_one(entry, MAX_TABLE)?;
        match text::decode(&bytes) {
            Ok(text) => Table::parse(name, &text),
            Err(error) => Err(Error::List { file: name, what: error.to_string() }),
        }
    }

    /// Reads the text of a table; its first row is taken for the head until [`Table::without_head`] says otherwise.
    pub(super) fn parse(name: String, text: &str) -> Result<Table, Error> {
        let wrong = |what: String| Error::List { file: name.clone(), what };
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let count = |delimiter: u8| first.bytes().filter(|byte| *byte == delimiter).count();
        let delimiter = DELIMITERS.into_iter().find(|&delimiter| count(delimiter) > 0).unwrap_or(b',');
        let mut reader = ReaderBuilder::new();
        reader.delimiter(delimiter).has_headers(false).flexible(true).trim(Trim::All);
        let records = reader.from_reader(text.as_bytes()).into_records();
        let mut rows = records.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
        let Some(head) = rows.first().cloned().filter(|_| !first.is_empty()) else {
            return Err(wrong("it is empty".to_string()));
        };
        if let Some(row) = rows.iter().find(|row| row.len() != head.len()) {
            let line = row.position().map_or(0, csv::Position::line);
            let (fields, expected) = (row.len(), head.len());
            return Err(wrong(format!(
                "line {line} has {fields} fields, the first one {expected}: put fields that hold commas into quotes, or \
                 complete it if it was cut off"
            )));
        }
        rows.remove(0);
        Ok(Table { name, columns: head.iter().map(str::to_string).collect(), rows, first: 2 })
    }

    /// The same table where the first row is one like the others.
    pub(super) fn without_head(mut self) -> Table {
        self.rows.insert(0, StringRecord::from(self.columns.clone()));
        self.columns = (1..=self.columns.len()).map(|number| number.to_string()).collect();
        self.first = 1;
        self
    }

    /// The first rows, enough to recognize what columns hold.
    pub(super) fn sample(&self) -> &[StringRecord] {
        const SAMPLED: usize = 24;
        &self.rows[..self.rows.len().min(SAMPLED)]
    }

    /// The field of a row; nothing where it is empty.
    pub(super) fn field<'t>(&self, row: &'t StringRecord, column: usize) -> Option<&'t str> {
        row.get(column).filter(|field| !field.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let table = Table::parse("a.csv".into(), text).unwrap();
        let rows = table.rows.iter().map(|row| row.iter().map(str::to_string).collect()).collect();
        (table.columns, rows)
    }

    #[test]
    fn fields_are_told_apart_as_they_are_written() {
        for text in [
            "id,breed\na, big dog\n\nb,\"x, y\"\n",
            "id\tbreed\na\tbig dog\nb\tx, y\n",
            "id;breed\na;big dog\nb;x, y\n",
        ] {
            let (columns, rows) = rows(text);
            assert_eq!(columns, ["id", "breed"]);
            assert_eq!(rows, [["a", "big dog"], ["b", "x, y"]], "{text}");
        }
        let error = Table::parse("a.csv".into(), "id,breed\na,b\nc").err().unwrap().to_string();
        assert!(error.contains("'a.csv': line 3 has 1 fields, the first one 2"), "{error}");
        assert!(Table::parse("a.csv".into(), "\n \n").is_err());
    }

    #[test]
    fn a_table_may_lack_a_head() {
        let table = Table::parse("a.csv".into(), "1.png,cat\n2.png,dog\n").unwrap().without_head();
        assert_eq!((table.columns.join(" "), table.rows.len(), table.first), ("1 2".into(), 2, 1));
        assert_eq!(table.field(&table.rows[0], 1), Some("cat"));
    }
}

//! Results on standard output: tables for people, exactly one JSON document for programs.

use allcnn::text::shown::escaped;
use anyhow::Context;
use serde::Serialize;

use crate::streams;

const UNWRITTEN: &str = "cannot write to standard output";

/// Writes text to standard output.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    streams::result(text).context(UNWRITTEN)
}

/// Writes one JSON document and a line feed.
pub(crate) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let document = serde_json::to_string(document).context("cannot write the JSON document")?;
    streams::document(&document).context(UNWRITTEN)
}

/// A confidence interval of an error, behind it.
pub(crate) fn interval([low, high]: [f64; 2]) -> String {
    format!(" (95 % interval {low:.2} to {high:.2} %)")
}

/// How a column of a table is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Left, for text.
    Left,
    /// Right, for numbers.
    Right,
}

/// A table with a heading, its columns two spaces apart.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            columns: columns.iter().map(|&(name, align)| (name.to_owned(), align)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row of one cell per column; line breaks in a cell are escaped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escaped(&cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let lines = || std::iter::once(&heading).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        for line in lines() {
            let mut text = String::new();
            for ((cell, &width), (_, align)) in line.iter().zip(&widths).zip(&self.columns) {
                text += &match align {
                    Align::Left => format!("{cell:<width$}  "),
                    Align::Right => format!("{cell:>width$}  "),
                };
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// An integer with commas between thousands.
pub(crate) fn thousands(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A count with its noun, whose plural takes an s: `1 image`, `1,200 images`.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[("name", Align::Left), ("count", Align::Right)]);
        table.row(["a".to_owned(), thousands(1_234_567)]);
        table.row(["long name".to_owned(), "1".to_owned()]);
        assert_eq!(table.to_string(), "name           count\na          1,234,567\nlong name          1\n");
        table.row(["two\nlines".to_owned(), "2".to_owned()]);
        assert_eq!(table.to_string().lines().nth(3), Some("two\\nlines          2"));
    }
}

//! CSV output.

/// Formats a header and rows as CSV, quoting fields where necessary.
pub(crate) fn write<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Records of equal length can always be written to memory.
    let _ = writer.write_record(head);
    for row in rows {
        let _ = writer.write_record(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let rows = [["plain", ""], ["a,\"b\"", "two\nlines"]].map(|row| row.map(str::to_owned));
        assert_eq!(super::write(["x", "y"], rows), "x,y\nplain,\n\"a,\"\"b\"\"\",\"two\nlines\"\n");
    }
}

//! What a parquet file promises, looked at before the parquet library believes it: that takes memory for as many things as the
//! file says there are, and goes as deep as its columns are nested, which ends the program where no error can be caught.
//!
//! Source: Thrift's compact protocol, in which the Apache Parquet format writes its `FileMetaData` and each `PageHeader`.
use crate::inflation;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

/// No footer of a data set of images is larger.
const MAX_FOOTER: u64 = 64 << 20;
/// No columns are nested deeper, nor what describes them.
const MAX_DEPTH: usize = 64;
/// A column, a row group or a part of one takes as many bytes at least.
const MIN_STRUCT: usize = 3;

/// An image takes a byte at least; of names that are alike, several lie in one.
const MAX_ROWS: u64 = 16;

/// Of `FileMetaData`, the list of columns; of a column, the number of those in it.
const SCHEMA: i64 = 2;
const CHILDREN: i64 = 5;
/// Of `PageHeader`, the bytes of the page unpacked and as they are, and the head of a dictionary; of that, how many values it has.
const UNPACKED: i64 = 2;
const PACKED: i64 = 3;
const DICTIONARY: i64 = 7;
const VALUES: i64 = 1;

/// Kinds of values.
const STRUCT: u8 = 12;

/// Checks the footer of a file. What is no footer at all is left to the library, which says it better.
pub(super) fn footer(file: &impl ChunkReader) -> Result<(), String> {
    let Some(end) = file.len().checked_sub(8) else { return Ok(()) };
    let Ok(tail) = file.get_bytes(end, 8) else { return Ok(()) };
    let (Some(&length), true) = (tail.first_chunk(), tail.ends_with(b"PAR1")) else { return Ok(()) };
    let length = u64::from(u32::from_le_bytes(length));
    if length > MAX_FOOTER {
        return Err(format!("it is damaged: its footer has {length} bytes, more than any has"));
    }
    let Some(start) = end.checked_sub(length) else { return Ok(()) };
    let Ok(bytes) = file.get_bytes(start, length as usize) else { return Ok(()) };
    let mut columns = Vec::new();
    let sound = Thrift { bytes: &bytes }.structure(0, &mut |thrift, field, kind| match (field, kind) {
        (SCHEMA, 9) => thrift.columns(&mut columns),
        _ => thrift.value(kind, 1),
    });
    match sound {
        Some(()) if is_tree(&columns) => Ok(()),
        _ => Err("it is damaged: its footer promises more than it holds".into()),
    }
}

/// Checks the rows and the pages of a file whose footer was read. What is no page is left to the library.
pub(super) fn pages(file: &impl ChunkReader, metadata: &ParquetMetaData) -> Result<(), String> {
    let rows = metadata.file_metadata().num_rows();
    if rows > 0 && rows as u64 > file.len().saturating_mul(MAX_ROWS) {
        return Err(format!("it is damaged: {rows} rows do not fit into its {} bytes", file.len()));
    }
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let (mut at, length) = column.byte_range();
        let end = at.saturating_add(length).min(file.len());
        while let Some((head, page)) = page_at(file, at, end) {
            inflation::check(page.unpacked, page.packed).map_err(|refusal| refusal.to_string())?;
            // A value takes a bit at least.
            if page.values > page.unpacked.saturating_mul(8) {
                return Err("it is damaged: a dictionary promises more values than it has bytes for".into());
            }
            at = at.saturating_add(head).saturating_add(page.packed);
        }
    }
    Ok(())
}

/// What the head of a page promises.
struct PageHead {
    unpacked: u64,
    packed: u64,
    /// Those of a dictionary.
    values: u64,
}

/// The header of the page at an offset, and its length.
fn page_at(file: &impl ChunkReader, at: u64, end: u64) -> Option<(u64, PageHead)> {
    // Most have some dozens of bytes, which statistics may make thousands.
    [1 << 9, MAX_FOOTER].into_iter().find_map(|most| {
        let bytes = file.get_bytes(at, end.checked_sub(at)?.min(most) as usize).ok()?;
        let mut thrift = Thrift { bytes: &bytes };
        let (mut unpacked, mut packed, mut values) = (None, None, 0);
        let number = |thrift: &mut Thrift<'_>| thrift.signed().and_then(|number| u64::try_from(number).ok());
        thrift.structure(0, &mut |thrift, field, kind| {
            match (field, kind) {
                (UNPACKED, 4..=6) => unpacked = Some(number(thrift)?),
                (PACKED, 4..=6) => packed = Some(number(thrift)?),
                (DICTIONARY, STRUCT) => thrift.structure(1, &mut |thrift, field, kind| {
                    match (field, kind) {
                        (VALUES, 4..=6) => values = number(thrift)?,
                        _ => thrift.value(kind, 2)?,
                    }
                    Some(())
                })?,
                _ => thrift.value(kind, 1)?,
            }
            Some(())
        })?;
        let head = (bytes.len() - thrift.bytes.len()) as u64;
        Some((head, PageHead { unpacked: unpacked?, packed: packed?, values }))
    })
}

/// What takes the value of a field: its number and its kind.
type TakeField<'f, 'b> = &'f mut dyn FnMut(&mut Thrift<'b>, i64, u8) -> Option<()>;

/// What is left to read.
struct Thrift<'b> {
    bytes: &'b [u8],
}

impl<'b> Thrift<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(byte)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.bytes = self.bytes.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    /// A number of seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number whose lowest bit is its sign.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// The fields of a structure.
    fn structure(&mut self, depth: usize, take: TakeField<'_, 'b>) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut field = 0i64;
        loop {
            let head = self.byte()?;
            let (step, kind) = (head >> 4, head & 0xf);
            if kind == 0 {
                return Some(());
            }
            field = if step == 0 { self.signed()? } else { field.checked_add(step.into())? };
            take(self, field, kind)?;
        }
    }

    /// A value of any kind, which is not looked at.
    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => Some(()), // true, false
            3 => self.skip(1),
            4..=6 => self.number().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.number()?;
                self.skip(length)
            }
            9 | 10 => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.item(kind, depth + 1))
            }
            11 => {
                let pairs = self.count(1)?;
                let kinds = if pairs == 0 { 0 } else { self.byte()? };
                (0..pairs).try_for_each(|_| {
                    self.item(kinds >> 4, depth + 1)?;
                    self.item(kinds & 0xf, depth + 1)
                })
            }
            STRUCT => self.structure(depth, &mut |thrift, _, kind| thrift.value(kind, depth + 1)),
            _ => None,
        }
    }

    /// A value in a list, where true and false take a byte.
    fn item(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        if matches!(kind, 1 | 2) { self.skip(1) } else { self.value(kind, depth) }
    }

    /// How many values of which kind a list has.
    fn list(&mut self) -> Option<(usize, u8)> {
        let head = self.byte()?;
        let least = if head & 0xf == STRUCT { MIN_STRUCT } else { 1 };
        let count = match head >> 4 {
            15 => self.count(least)?,
            count => count.into(),
        };
        Some((count, head & 0xf))
    }

    /// A number of things of at least `least` bytes each, which must be there.
    fn count(&mut self, least: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|&count| count <= self.bytes.len() / least)
    }

    /// How many columns are in each of the columns.
    fn columns(&mut self, columns: &mut Vec<i64>) -> Option<()> {
        let (count, kind) = self.list()?;
        if kind != STRUCT {
            return None;
        }
        for _ in 0..count {
            let mut children = 0;
            self.structure(1, &mut |thrift, field, kind| match (field, kind) {
                (CHILDREN, 4..=6) => {
                    children = thrift.signed()?;
                    Some(())
                }
                _ => thrift.value(kind, 2),
            })?;
            columns.push(children);
        }
        Some(())
    }
}

/// Whether the columns, each with the number of those that follow as its own, are one tree that is not too deep.
fn is_tree(columns: &[i64]) -> bool {
    let mut open = vec![1i64];
    for &children in columns {
        while open.last() == Some(&0) {
            open.pop();
        }
        let Some(left) = open.last_mut() else { return false };
        *left -= 1;
        if !(0..=columns.len() as i64).contains(&children) || open.len() > MAX_DEPTH {
            return false;
        }
        open.push(children);
    }
    open.iter().all(|&left| left == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn file(footer: &[u8]) -> Bytes {
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1".as_slice(), footer, &length, b"PAR1"].concat().into()
    }

    /// A column: its name is `a`, and it has `children` children.
    fn column(children: u8) -> Vec<u8> {
        // Field 4, a text; field 5, a number whose lowest bit is its sign.
        vec![0x48, 1, b'a', 0x15, 2 * children, 0]
    }

    /// A footer with the version 1 and these columns.
    fn footer(columns: &[Vec<u8>]) -> Vec<u8> {
        let part = |part: usize| (columns.len() >> (7 * part) & 0x7f) as u8 | if part < 4 { 0x80 } else { 0 };
        let count = (0..5).map(part).collect();
        [vec![0x15, 2, 0x19, 0xfc], count, columns.concat(), vec![0]].concat()
    }

    #[test]
    fn what_promises_more_than_it_holds_is_refused() {
        let sound = footer(&[column(2), column(0), column(1), column(0)]);
        assert_eq!(super::footer(&file(&sound)), Ok(()));
        // 2,147,483,647 columns, and as many row groups.
        let many = [0xff, 0xff, 0xff, 0xff, 0x07];
        let columns = [&[0x15, 2, 0x19, 0xfc][..], &many, &column(0), &[0]].concat();
        let groups = [&sound[..sound.len() - 1], &[0x29, 0xfc], &many, &[0, 0]].concat();
        let text = [0x48, 0xff, 0xff, 0xff, 0x7f, 0].to_vec();
        for (what, footer) in [
            ("columns", columns),
            ("row groups", groups),
            ("a text", text),
            ("a column of more than there are", footer(&[column(3), column(0)])),
            ("columns of none", footer(&[column(0), column(0)])),
            ("deep columns", footer(&vec![column(1); 100_000])),
            ("deep structures", [0x1c].repeat(100_000)),
            ("deep lists", [vec![0x19], [0x19].repeat(100_000)].concat()),
            ("nothing", vec![]),
        ] {
            assert!(super::footer(&file(&footer)).is_err_and(|error| error.contains("promises")), "{what}");
        }
        let mut large = file(&sound).to_vec();
        let offset = large.len() - 8;
        large[offset..offset + 4].fill(0xff);
        assert!(super::footer(&Bytes::from(large)).unwrap_err().contains("4294967295 bytes"));
    }

    #[test]
    fn the_head_of_a_page_is_found_whatever_its_length() {
        // A dictionary of 3 values, 40 bytes unpacked and 30 as they are; statistics of many bytes.
        let head = |statistics: usize| {
            let text =
                [vec![0x28, 0x80 | (statistics & 0x7f) as u8, (statistics >> 7) as u8], vec![7; statistics]]
                    .concat();
            [vec![0x15, 4, 0x15, 80, 0x15, 60, 0x1c], text, vec![0, 0x3c, 0x15, 6, 0x15, 0, 0, 0]].concat()
        };
        for statistics in [1, 400, 2000] {
            let head = head(statistics);
            let bytes = Bytes::from([&[9; 5][..], &head, &[9; 30]].concat());
            let (length, page) = page_at(&bytes, 5, bytes.len() as u64).unwrap();
            assert_eq!(length, head.len() as u64);
            assert_eq!((page.unpacked, page.packed, page.values), (40, 30, 3));
            assert!(page_at(&bytes, 5, 5 + length - 1).is_none(), "it is cut");
        }
        assert!(page_at(&Bytes::new(), 0, 0).is_none() && page_at(&Bytes::new(), 7, 3).is_none());
    }

    #[test]
    fn what_is_no_footer_is_left_to_the_library() {
        for bytes in [b"".as_slice(), b"PAR1", b"PAR1 and no end of any kind"] {
            assert_eq!(super::footer(&Bytes::copy_from_slice(bytes)), Ok(()));
        }
    }
}

//! The records of the zip archive. Values are borrowed from the file, not copied.

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

/// The largest accepted pickle; a larger one lists more tensors than any network has.
const MAX_PICKLE: usize = 4 << 20;

/// The parts needed of an archive.
pub(super) struct Archive<'a> {
    pub pickle: &'a [u8],
    /// The storages by their keys in the pickle.
    pub records: HashMap<String, &'a [u8]>,
}

/// A zip archive and the bytes of its file.
struct Zip<'a> {
    bytes: &'a [u8],
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// The byte ranges of the records read.
    taken: Vec<Range<usize>>,
}

impl<'a> Archive<'a> {
    /// Finds the records and checks that they are intact.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        let mut zip = Zip { bytes, archive, taken: vec![] };
        let root = zip.root()?;
        if let Some(index) = zip.archive.index_for_name(&format!("{root}byteorder"))
            && zip.record(index)? != b"little"
        {
            return Err(
                "its values are in the byte order of another kind of machine; load it in PyTorch here, and \
                        save it again"
                    .into(),
            );
        }
        let index = zip.archive.index_for_name(&format!("{root}data.pkl")).unwrap_or_default();
        let pickle = zip.record(index)?;
        if pickle.len() > MAX_PICKLE {
            return Err(format!("its pickle is larger than {} MiB", MAX_PICKLE >> 20));
        }
        let storages = format!("{root}data/");
        let mut records = HashMap::new();
        for index in 0..zip.archive.len() {
            let name = zip.archive.name_for_index(index).and_then(|name| name.strip_prefix(&storages));
            if let Some(name) = name.map(ToOwned::to_owned) {
                records.insert(name, zip.record(index)?);
            }
        }
        zip.refuse_overlaps()?;
        Ok(Self { pickle, records })
    }
}

impl<'a> Zip<'a> {
    /// The folder that contains everything, with its slash.
    fn root(&self) -> Result<String, String> {
        let names = self.archive.file_names().filter_map(|name| name.strip_suffix("data.pkl"));
        let roots: Vec<&str> =
            names.filter(|root| root.find('/').is_some_and(|end| end + 1 == root.len())).collect();
        match roots.as_slice() {
            [root] => Ok((*root).to_owned()),
            [] => Err("it is a zip archive, but not one of PyTorch: it has no data.pkl".into()),
            _ => Err(format!("it has {} files data.pkl; expected one", roots.len())),
        }
    }

    /// Returns the bytes of record number `index`, after verifying the checksum.
    fn record(&mut self, index: usize) -> Result<&'a [u8], String> {
        let record = self.archive.by_index_raw(index).map_err(damaged)?;
        let name = record.name().escape_debug().to_string();
        if record.encrypted() || record.compression() != CompressionMethod::Stored {
            return Err(format!(
                "its record {name} is compressed or encrypted, which PyTorch never does; unpack it and save it with \
                 PyTorch again"
            ));
        }
        let range = usize::try_from(record.data_start()).ok().and_then(|start| {
            let len =
                usize::try_from(record.size()).ok().filter(|_| record.size() == record.compressed_size())?;
            Some(start..start.checked_add(len)?)
        });
        drop(record);
        let lies = range.and_then(|range| Some((self.bytes.get(range.clone())?, range)));
        let (bytes, range) =
            lies.ok_or_else(|| format!("its record {name} reaches beyond the file's end"))?;
        self.taken.push(range);
        let mut record = self.archive.by_index(index).map_err(damaged)?;
        io::copy(&mut record, &mut io::sink()).map_err(|error| {
            format!(
                "its record {name} is damaged ({error}), or was saved without a checksum \
                 (torch.serialization.set_crc32_options)"
            )
        })?;
        Ok(bytes)
    }

    /// Rejects records that overlap: no program writes that, and it lets a small file pose as a large one.
    fn refuse_overlaps(mut self) -> Result<(), String> {
        self.taken.sort_by_key(|range| (range.start, range.end));
        if self.taken.windows(2).any(|pair| pair[1].start < pair[0].end) {
            return Err("its records lie over one another".into());
        }
        Ok(())
    }
}

fn damaged(error: zip::result::ZipError) -> String {
    format!("its zip archive is damaged or cut short ({error})")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(records: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes, method) in records {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn stored(records: &[(&str, &[u8])]) -> Vec<u8> {
        let records: Vec<_> =
            records.iter().map(|&(name, bytes)| (name, bytes, CompressionMethod::Stored)).collect();
        archive(&records)
    }

    fn refused(bytes: &[u8]) -> String {
        Archive::open(bytes).map(|_| ()).unwrap_err()
    }

    /// Overwrites a two-byte field of an entry, at an offset behind the signature, in the central directory and in
    /// the local header.
    fn with_field(mut bytes: Vec<u8>, record: usize, offset: usize, value: u16) -> Vec<u8> {
        for (signature, offset) in [(b"PK\x01\x02", offset + 2), (b"PK\x03\x04", offset)] {
            let mut positions = memchr::memmem::find_iter(&bytes, signature);
            let position = positions.nth(record).unwrap() + offset;
            drop(positions);
            bytes[position..position + 2].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn records_are_found_by_their_keys() {
        let bytes = stored(&[
            ("a/data.pkl", b"P"),
            ("a/data/0", b"zero"),
            ("a/byteorder", b"little"),
            ("a/version", b"3\n"),
        ]);
        let archive = Archive::open(&bytes).unwrap();
        assert_eq!(
            (archive.pickle, archive.records.len(), archive.records["0"]),
            (&b"P"[..], 1, &b"zero"[..])
        );
    }

    #[test]
    fn other_archives_are_told_apart() {
        assert!(refused(&stored(&[("a/b.npy", b"")])).contains("no data.pkl"));
        assert!(refused(&stored(&[("data.pkl", b""), ("a/b/data.pkl", b"")])).contains("no data.pkl"));
        assert!(refused(&stored(&[("a/data.pkl", b""), ("b/data.pkl", b"")])).contains("2 files data.pkl"));
        assert!(refused(&stored(&[("a/data.pkl", b""), ("a/byteorder", b"big")])).contains("byte order"));
        assert!(refused(b"PK\x03\x04").contains("damaged"));
    }

    #[test]
    fn records_that_pytorch_does_not_write_are_refused() {
        let deflated = archive(&[
            ("a/data.pkl", b"P", CompressionMethod::Stored),
            ("a/data/0", &[0; 900], CompressionMethod::Deflated),
        ]);
        assert!(refused(&deflated).contains("a/data/0 is compressed or encrypted"));
        let two = stored(&[("a/data.pkl", b"P"), ("a/data/0", b"zero")]);
        assert!(refused(&with_field(two.clone(), 1, 6, 1)).contains("a/data/0 is compressed or encrypted"));
        let long = with_field(with_field(two.clone(), 1, 18, 60_000), 1, 22, 60_000);
        assert!(refused(&long).contains("beyond the file's end"), "{}", refused(&long));
        let huge = vec![b'N'; MAX_PICKLE + 1];
        assert!(refused(&stored(&[("a/data.pkl", &huge)])).contains("larger than 4 MiB"));
    }

    #[test]
    fn records_over_one_another_are_refused() {
        // The second directory entry is redirected to the first record, which has the same length and checksum.
        let mut bytes = stored(&[("a/data.pkl", b"P"), ("a/data/0", b"same"), ("a/data/1", b"same")]);
        let entries: Vec<usize> = memchr::memmem::find_iter(&bytes, b"PK\x01\x02").collect();
        let offset: Vec<u8> = bytes[entries[1] + 42..entries[1] + 46].into();
        bytes[entries[2] + 42..entries[2] + 46].copy_from_slice(&offset);
        assert!(refused(&bytes).contains("over one another"), "{}", refused(&bytes));
    }
}

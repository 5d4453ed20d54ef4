//! One file of arrays: a zip archive, each of whose members is an array file.
use crate::error::Error;
use crate::formats::format::MAX_BATCH;
use crate::formats::npy::{Head, NpyError};
use crate::inflation::{self, Inflation, Refusal};
use crate::names::clean;
use crate::source::Source;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use zip::ZipArchive;

/// A file, or one in memory.
trait Bytes: Read + Seek {}
impl<B: Read + Seek> Bytes for B {}

/// A file of arrays.
pub(super) struct ArrayFile {
    pub name: String,
    pub arrays: Vec<Array>,
    /// Members that are no arrays.
    pub others: Vec<String>,
    archive: ZipArchive<Box<dyn Bytes>>,
}

/// An array in a file.
#[derive(Clone)]
pub(super) struct Array {
    pub name: String,
    /// Its file and its name.
    pub title: String,
    pub head: Head,
    /// Its index in the file.
    index: usize,
}

impl Array {
    /// `'x_train' (uint8 [60000, 28, 28])`.
    pub(super) fn described(&self) -> String {
        format!("'{}' ({} {:?})", self.name, self.head.values.name(), self.head.shape)
    }

    /// The error that something is wrong with it.
    pub(super) fn wrong(&self, what: String) -> Error {
        Error::Arrays { file: self.title.clone(), what }
    }
}

impl ArrayFile {
    /// Reads the heads of all arrays.
    pub(super) fn open(source: &Source, entry: usize) -> Result<Self, Error> {
        let name = source.entries[entry].name.clone();
        let reader: Box<dyn Bytes> = match source.file(entry) {
            Some(path) => Box::new(BufReader::new(File::open(&path).map_err(Error::io("read", path))?)),
            None => Box::new(Cursor::new(source.read_one(entry, MAX_BATCH)?)),
        };
        let archive = ZipArchive::new(reader).map_err(|error| damaged(&name, &error.into()))?;
        let mut file = Self { name, arrays: vec![], others: vec![], archive };
        for index in 0..file.archive.len() {
            file.look(index, source.entries[entry].size)?;
        }
        file.arrays.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(file)
    }

    /// Reads the head of a member of a file of `size` bytes.
    fn look(&mut self, index: usize, size: u64) -> Result<(), Error> {
        let mut member = self.archive.by_index(index).map_err(|error| damaged(&self.name, &error.into()))?;
        let member_name = clean(member.name());
        let title = format!("{}/{}", self.name, member_name.trim_end_matches(".npy"));
        if !member_name.ends_with(".npy") {
            self.others.extend((!member.is_dir()).then_some(title));
            return Ok(());
        }
        let wrong = |what: String| Error::Arrays { file: title.clone(), what };
        let head = Head::read(&mut member).map_err(|error| match error {
            NpyError::Io(error) => damaged(&title, &error),
            error => wrong(format!("{error}.\nSave it again by np.savez.")),
        })?;
        let (bytes, packed) = (member.size(), member.compressed_size());
        inflation::check(bytes, packed).map_err(|refusal| damaged(&title, &refusal.into()))?;
        let promised = head.bytes().and_then(|values| values.checked_add(head.len));
        if !matches!(head.values.kind, 'O' | 'V') && promised != Some(bytes) || packed > size {
            let (shape, values) = (&head.shape, head.values.name());
            return Err(wrong(format!(
                "its head tells of {values} {shape:?}, but it has {bytes} bytes: it is damaged or truncated.\nSave it again by np.savez."
            )));
        }
        let name = member_name.trim_end_matches(".npy").to_string();
        self.arrays.push(Array { name, title, head, index });
        Ok(())
    }

    /// Has the values of an array read, to their end, where their checksum is compared.
    pub(super) fn read<T>(
        &mut self,
        array: &Array,
        values: impl FnOnce(&mut Inflation<&mut dyn Read>) -> io::Result<T>,
    ) -> Result<T, Error> {
        let wrong = |error: io::Error| damaged(&array.title, &error);
        let mut member = self.archive.by_index(array.index).map_err(|error| wrong(error.into()))?;
        let packed = member.compressed_size();
        let mut reader = Inflation::of_size(&mut member as &mut dyn Read, packed);
        io::copy(&mut (&mut reader).take(array.head.len), &mut io::sink()).map_err(wrong)?;
        let read = values(&mut reader).map_err(wrong)?;
        io::copy(&mut reader, &mut io::sink()).map_err(wrong)?;
        Ok(read)
    }
}

/// The error of a file whose reading failed.
fn damaged(file: &str, error: &io::Error) -> Error {
    let what = match Refusal::behind(error) {
        Some(refusal) => refusal.to_string(),
        None if error.kind() == io::ErrorKind::OutOfMemory => {
            "it does not fit into memory: use --limit, or a smaller input size".into()
        }
        None => {
            format!("it is damaged, truncated or of an unknown kind ({error}).\nSave it again by np.savez.")
        }
    };
    Error::Arrays { file: file.to_string(), what }
}

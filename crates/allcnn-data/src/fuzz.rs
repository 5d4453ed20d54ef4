//! Entry points for fuzzing: each takes any bytes and must neither panic nor use much memory.
use crate::error::Error;
use crate::formats::cifar::Variant;
use crate::formats::pickle::PickleError;
use crate::formats::{cifar_binary, cifar_python, parquet};
use crate::options::Labels;
use crate::packing::ArchiveFormat;
use crate::source::archive::{Member, visit};
use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;
use std::path::Path;

/// Lists an archive held in memory, as far as it can be read.
pub fn archive(bytes: &[u8]) {
    let Some(format) = ArchiveFormat::recognize(bytes) else { return };
    let mut total = 0u64;
    let _ = visit(Path::new("fuzz"), format, Cursor::new(bytes), &mut |_, member| {
        let Member::File(_, reader) = member else { return Ok(ControlFlow::Continue(())) };
        total += io::copy(&mut reader.take(1 << 20), &mut io::sink()).unwrap_or(0);
        Ok(if total > 1 << 24 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
}

/// Reads CIFAR batches of both forms.
pub fn cifar(file: &[u8]) {
    for labels in [Labels::Fine, Labels::Coarse] {
        for variant in [Variant::Cifar10, Variant::Cifar100] {
            let _ = cifar_binary::read("fuzz", file, variant, labels);
        }
        pickle(file, labels);
    }
}

/// Reads a pickle. True when it was refused as malicious.
pub fn pickle(file: &[u8], labels: Labels) -> bool {
    let read = cifar_python::read("fuzz", file, labels);
    matches!(read, Err(Error::Pickle { source: PickleError::Refused(_), .. }))
}

/// Reads a parquet file.
pub fn parquet(file: &[u8]) {
    let file = parquet::ParquetFile::Memory(bytes::Bytes::copy_from_slice(file));
    let _ = parquet::read("fuzz", file, &parquet::Wanted::default(), true, &mut |_, _, _| Ok(()));
}

//! Data in every form, made from generated pictures.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used)]
use allcnn_data::{DataSet, Error, Options, Reading, open};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture whose pixels tell its seed, `[side, side, 3]`.
pub(crate) fn picture(seed: usize, side: usize) -> Vec<u8> {
    (0..side * side * 3).map(|place| (place * 3 + seed * 37 + place / 96 * seed) as u8).collect()
}

/// The picture as a PNG file.
pub(crate) fn png(seed: usize, side: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    encoder.write_image(&picture(seed, side), side as u32, side as u32, ExtendedColorType::Rgb8).unwrap();
    file
}

/// The picture as a JPEG file.
pub(crate) fn jpeg(seed: usize, side: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new(&mut file);
    encoder.write_image(&picture(seed, side), side as u32, side as u32, ExtendedColorType::Rgb8).unwrap();
    file
}

/// One CIFAR binary record: the labels, then the planes of the picture.
pub(crate) fn record(labels: &[u8], seed: usize) -> Vec<u8> {
    let pixels = picture(seed, 32);
    let mut record = labels.to_vec();
    for channel in 0..3 {
        record.extend(pixels.iter().skip(channel).step_by(3));
    }
    record
}

/// A file of the test's own folder.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)).unwrap()
}

/// Writes files below `folder`.
pub(crate) fn write_folder(folder: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The files as a tar archive.
pub(crate) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Compressed by gzip.
pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The files as a zip archive.
pub(crate) fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Two classes with `per_class` PNG images each below `prefix`.
pub(crate) fn class_folders(prefix: &str, per_class: usize) -> Vec<(String, Vec<u8>)> {
    let file = |class: &str, number: usize, seed| (format!("{prefix}{class}/{number:03}.png"), png(seed, 32));
    let cats = (0..per_class).map(|number| file("cat", number, number));
    cats.chain((0..per_class).map(|number| file("dog", number, 100 + number))).collect()
}

/// A parquet file as Hugging Face's `datasets` lays it out.
pub(crate) fn parquet_file(images: &[(Vec<u8>, i64)], names: Option<&str>) -> Vec<u8> {
    let schema = "message schema { optional group image { optional binary bytes; optional binary path (UTF8); } \
                  optional int64 label; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let metadata = names.map(|names| vec![KeyValue::new("huggingface".to_string(), names.to_string())]);
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata)
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let bytes: Vec<ByteArray> = images.iter().map(|(file, _)| ByteArray::from(file.clone())).collect();
    let paths: Vec<ByteArray> = images.iter().map(|_| ByteArray::from("x.png")).collect();
    for values in [bytes, paths] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, Some(&vec![2; values.len()]), None).unwrap();
        column.close().unwrap();
    }
    let labels: Vec<i64> = images.iter().map(|(_, label)| *label).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; labels.len()]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// A parquet file of pictures of the classes 0 and 1, in turn, with the names cat and dog.
pub(crate) fn pets(images: usize, seed: usize) -> Vec<u8> {
    let rows: Vec<_> = (0..images).map(|n| (png(seed + n, 16), (n % 2) as i64)).collect();
    parquet_file(&rows, Some(&names_of("\"cat\", \"dog\"")))
}

/// What Hugging Face notes of the names of classes.
pub(crate) fn names_of(names: &str) -> String {
    format!(r#"{{"info": {{"features": {{"label": {{"names": [{names}]}}}}}}}}"#)
}

/// What `--splits` says.
pub(crate) fn reading(splits: &str) -> Reading {
    Reading { splits: splits.parse().unwrap(), ..Reading::default() }
}

/// What `--label-column` says.
pub(crate) fn label_column(name: &str) -> Options {
    let reading = Reading { label_column: Some(name.to_string()), ..Reading::default() };
    Options { reading, ..Options::default() }
}

/// A parquet file of paths in the place of images, and labels that are true or false.
pub(crate) fn parquet_of_paths(rows: &[(&str, bool)]) -> Vec<u8> {
    let schema = "message schema { required binary photo (UTF8); required boolean ripe; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let paths: Vec<ByteArray> = rows.iter().map(|(path, _)| ByteArray::from(*path)).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&paths, None, None).unwrap();
    column.close().unwrap();
    let labels: Vec<bool> = rows.iter().map(|(_, label)| *label).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&labels, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// Opens with the default options.
pub(crate) fn open_path(path: &Path) -> Result<DataSet, Error> {
    open_with(path, &Options::default())
}

/// Opens a path.
pub(crate) fn open_with(path: &Path, options: &Options) -> Result<DataSet, Error> {
    open(path.to_str().unwrap(), options, &mut |_| {})
}

/// The message of the error that opening `path` must give.
pub(crate) fn error_of(path: &Path) -> String {
    open_path(path).map(|set| set.kind).unwrap_err().to_string()
}

/// Data that is shared between checkouts, if it is there.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ALLCNN_SHARED_DATA").map(PathBuf::from);
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.unwrap_or(default).join(file);
    if !path.exists() {
        eprintln!("skipped: {} is not there (set ALLCNN_SHARED_DATA)", path.display());
        return None;
    }
    Some(path)
}

/// A folder with these files.
pub(crate) fn folder_of(files: Vec<(String, Vec<u8>)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &files);
    folder
}

/// The images of each split, validation in the middle, and the classes.
pub(crate) fn sizes(set: &DataSet) -> ([usize; 3], String) {
    ([set.train.len(), set.validation.len(), set.test.len()], set.classes.join(" "))
}

/// The kinds of its notes.
pub(crate) fn kinds(set: &DataSet) -> Vec<&'static str> {
    set.notes.iter().map(allcnn_data::Note::kind).collect()
}

/// An array file of numpy.
pub(crate) fn npy(descr: &str, fortran: bool, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let (fortran, shape) = (
        if fortran { "True" } else { "False" },
        shape.iter().map(|side| format!("{side}, ")).collect::<String>(),
    );
    let head = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\0".as_slice(), &(head.len() as u16).to_le_bytes(), head.as_bytes(), bytes].concat()
}

/// An array of pictures that tell their seeds, [images, side, side, 3].
pub(crate) fn picture_array(seed: usize, images: usize, side: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..images).flat_map(|image| picture(seed + image, side)).collect();
    npy("'|u1'", false, &[images, side, side, 3], &pixels)
}

/// An array of labels, 0 and 1 in turn.
pub(crate) fn label_array(images: usize) -> Vec<u8> {
    npy(
        "'<i8'",
        false,
        &[images],
        &(0..images).flat_map(|image| (image as i64 % 2).to_le_bytes()).collect::<Vec<u8>>(),
    )
}

/// A file of arrays.
pub(crate) fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    zip(&arrays.iter().map(|(name, array)| (format!("{name}.npy"), array.clone())).collect::<Vec<_>>())
}

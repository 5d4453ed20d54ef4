//! Data in every form, made from generated pictures.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used)]
use allcnn_data::{DataSet, Error, Options, open};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A picture whose pixels tell its seed, `[side, side, 3]`.
pub fn picture(seed: usize, side: usize) -> Vec<u8> {
    (0..side * side * 3).map(|place| (place * 3 + seed * 37 + place / 96 * seed) as u8).collect()
}

/// The picture as a PNG file.
pub fn png(seed: usize, side: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    encoder.write_image(&picture(seed, side), side as u32, side as u32, ExtendedColorType::Rgb8).unwrap();
    file
}

/// The picture as a JPEG file.
pub fn jpeg(seed: usize, side: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new(&mut file);
    encoder.write_image(&picture(seed, side), side as u32, side as u32, ExtendedColorType::Rgb8).unwrap();
    file
}

/// One CIFAR binary record: the labels, then the planes of the picture.
pub fn record(labels: &[u8], seed: usize) -> Vec<u8> {
    let pixels = picture(seed, 32);
    let mut record = labels.to_vec();
    for channel in 0..3 {
        record.extend(pixels.iter().skip(channel).step_by(3));
    }
    record
}

/// A file of the test's own folder.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)).unwrap()
}

/// Writes files below `folder`.
pub fn write_folder(folder: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The files as a tar archive.
pub fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
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
pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The files as a zip archive.
pub fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Two classes with `per_class` PNG images each below `prefix`.
pub fn class_folders(prefix: &str, per_class: usize) -> Vec<(String, Vec<u8>)> {
    let file = |class: &str, number: usize, seed| (format!("{prefix}{class}/{number:03}.png"), png(seed, 32));
    let cats = (0..per_class).map(|number| file("cat", number, number));
    cats.chain((0..per_class).map(|number| file("dog", number, 100 + number))).collect()
}

/// Opens with the default options.
pub fn open_path(path: &Path) -> Result<DataSet, Error> {
    open_with(path, &Options::default())
}

/// Opens a path.
pub fn open_with(path: &Path, options: &Options) -> Result<DataSet, Error> {
    open(path.to_str().unwrap(), options, &mut |_| {})
}

/// The message of the error that opening `path` must give.
pub fn error_of(path: &Path) -> String {
    open_path(path).map(|set| set.kind).unwrap_err().to_string()
}

/// Data that is shared between checkouts, if it is there.
pub fn shared(file: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ALLCNN_SHARED_DATA").map(PathBuf::from);
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = folder.unwrap_or(default).join(file);
    if !path.exists() {
        eprintln!("skipped: {} is not there (set ALLCNN_SHARED_DATA)", path.display());
        return None;
    }
    Some(path)
}

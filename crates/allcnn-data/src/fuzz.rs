//! Entry points for fuzzing: each takes any bytes as what it is named after, must neither panic nor use much memory or time,
//! and says whether it made anything of them.
use crate::dataset::{DataSet, cut_photo};
use crate::decode::{decode, decode_for, has_image_extension};
use crate::formats::cifar::Variant;
use crate::formats::{cifar_binary, cifar_python};
use crate::open::open_bytes;
use crate::options::{Labels, Options};
use crate::picture::{Crop, cut, fitted, resize};
use crate::reading::Reading;
use crate::text;

/// An entry point and its name.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("archive", archive),
    ("cifar", cifar),
    ("folder", folder),
    ("jxl", picture),
    ("lists", lists),
    ("npz", npz),
    ("parquet", parquet),
    ("pickle", pickle),
    ("picture", picture),
    ("table", table),
];

/// A picture of one pixel, as a PGM file.
const PIXEL: &[u8] = b"P5 1 1 255\n\x80";

/// Opens an archive, whatever data it holds.
pub fn archive(bytes: &[u8]) -> bool {
    opens(bytes.to_vec())
}

/// Reads CIFAR batches of both forms.
pub fn cifar(file: &[u8]) -> bool {
    let binary = |(variant, labels)| cifar_binary::read("fuzz", file, variant, labels).is_ok();
    let known = [
        (Variant::Cifar10, Labels::Fine),
        (Variant::Cifar100, Labels::Fine),
        (Variant::Cifar100, Labels::Coarse),
    ];
    known.map(binary).contains(&true) | pickle(file)
}

/// Reads a pickle of a CIFAR batch.
pub fn pickle(file: &[u8]) -> bool {
    [Labels::Fine, Labels::Coarse]
        .map(|labels| cifar_python::read("fuzz", file, labels).is_ok())
        .contains(&true)
}

/// Opens a parquet file.
pub fn parquet(file: &[u8]) -> bool {
    opens(packed(&[("train.parquet", file)]))
}

/// Opens a file of numpy's arrays.
pub fn npz(file: &[u8]) -> bool {
    opens(packed(&[("a.npz", file)]))
}

/// Decodes a picture, at a part of its size too, and gives it another one in every way.
pub fn picture(file: &[u8]) -> bool {
    // The sizes and the place of the part that is cut out are drawn from the bytes that many forms do not look at.
    let byte = |back: usize| file.len().checked_sub(back).map_or(0, |position| usize::from(file[position]));
    let (height, width) = (1 + byte(1) % 40, 1 + byte(2) % 40);
    let crop = Crop { down: byte(3) as f32 / 255.0, right: byte(4) as f32 / 255.0 };
    let Ok(whole) = decode(file) else { return false };
    assert_eq!(whole.pixels.len(), whole.height * whole.width * 3);
    let part = decode_for(file, height, width);
    let photo = cut_photo(file, crop, height, width);
    let made = [part.and_then(|part| resize(part, height, width)), cut(whole.clone(), crop, height, width)];
    for picture in made.into_iter().flatten() {
        assert_eq!((picture.height, picture.width), (height, width));
        assert_eq!(picture.pixels.len(), height * width * 3);
    }
    photo.is_ok() && fitted(whole, height).is_ok()
}

/// Opens a folder with the files whose names stand in the lines. A line that begins with a blank belongs to the text of the file
/// above it.
pub fn folder(lines: &[u8]) -> bool {
    let Ok(text) = text::decode(lines) else { return false };
    let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(' '), files.last_mut()) {
            (Some(line), Some((_, text))) => text.extend([line.as_bytes(), b"\n"].concat()),
            _ => files.push((line, Vec::new())),
        }
    }
    opens(packed(&files))
}

/// Opens folders of pictures beside a text in the place of each of the lists.
pub fn lists(list: &[u8]) -> bool {
    let opens = |(name, pictures): (&str, &[&str])| {
        let files: Vec<(&str, &[u8])> = pictures.iter().map(|picture| (*picture, PIXEL)).collect();
        opens(packed(&[files, vec![(name, list)]].concat()))
    };
    let held_out = ["train/n01/1.png", "train/n02/2.png", "val/a.png", "val/b 1.png"];
    let folders = ["n01/1.png", "n01/2.png", "n02/3.png", "n02/4.png"];
    let labels = ["val.txt", "val_labels.txt", "LOC_val_solution.csv", "val_annotations.txt"];
    let names = ["synset_words.txt", "LOC_synset_mapping.txt", "wnids.txt", "words.txt"];
    let all = labels.map(|name| opens((name, &held_out))).into_iter();
    all.chain(names.map(|name| opens((name, &folders)))).fold(false, |any, read| any | read)
}

/// Opens pictures beside a table of them.
pub fn table(table: &[u8]) -> bool {
    let pictures = ["1.png", "2.png", "3.png", "train/4.png", "test/5.png"];
    let files = pictures.map(|picture| (picture, PIXEL));
    ["train.csv", "labels.tsv"]
        .map(|name| opens(packed(&[&files[..], &[(name, table)]].concat())))
        .contains(&true)
}

/// The files as an archive. Those without contents that are called like pictures are pictures, names that no archive holds are
/// left out.
fn packed<B: AsRef<[u8]>>(files: &[(&str, B)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let bytes = match bytes.as_ref() {
            [] if has_image_extension(name) => PIXEL,
            bytes => bytes,
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        let _ = archive.append_data(&mut header, name, bytes);
    }
    archive.into_inner().unwrap_or_default()
}

/// Opens an archive in several ways.
fn opens(archive: Vec<u8>) -> bool {
    let archive = bytes::Bytes::from(archive);
    let columns = Reading {
        image_column: Some("image".into()),
        label_column: Some("label".into()),
        ..Reading::default()
    };
    let ways = [
        Options { one_class: true, ..Options::default() },
        Options { whole: true, size: Some((3, 2)), ..Options::default() },
        Options { reading: columns, max_bad_percent: 100.0, ..Options::default() },
    ];
    let opened = ways.map(|options| open_bytes(archive.clone(), &options).is_ok_and(is_sound));
    opened.contains(&true)
}

/// True, or a panic where the parts of a data set do not fit.
fn is_sound(set: DataSet) -> bool {
    for images in [&set.train, &set.validation, &set.test] {
        assert_eq!(images.pixels.len(), images.len() * images.image_len());
        assert_eq!(images.names.len(), images.len());
        assert!(images.labels.iter().all(|&label| (label as usize) < set.classes.len()));
    }
    true
}

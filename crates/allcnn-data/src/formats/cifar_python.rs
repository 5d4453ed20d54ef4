//! The python batches of CIFAR: pickled dictionaries with `data` (`[images, 3072]`, each `[3, 32, 32]`) and `labels`, or
//! `coarse_labels` and `fine_labels`.
use super::cifar::{BYTES, Batches, SIDE, Variant, check_one_folder, push_planar};
use super::class_name::nfc;
use super::format::{Format, Loaded, MAX_BATCH};
use super::pickle::Pickle;
use super::split_files;
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::source::{Entry, Source};
use crate::split_names::SplitName;
use std::collections::HashMap;

pub(super) const FORMAT: Format = Format {
    name: "CIFAR python batches",
    recognizes: |source| source.entries.iter().any(is_pickle),
    uses: is_pickle,
    images,
    load,
};

/// True for what starts like a pickle; the oldest protocols have no mark, but begin with a dictionary.
fn is_pickle(entry: &Entry) -> bool {
    matches!(
        entry.head.as_slice(),
        [0x80, 2..=5, ..] | [b'(', b'd', b'p', b'0'..=b'9', ..] | [b'}', b'q', 0..=1, ..]
    )
}

/// How many images the batches hold.
fn images(source: &Source, options: &Options) -> Result<usize, Error> {
    let mut images = 0;
    for pickle in source.select(is_pickle) {
        let file = source.read_one(pickle, MAX_BATCH)?;
        if let Ok(PythonFile::Batch(batch, _)) = read(&source.entries[pickle].name, &file, options.labels) {
            images += batch.len();
        }
    }
    Ok(images)
}

fn load(source: &Source, options: &Options, _: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let pickles = source.select(is_pickle);
    check_one_folder(source, &pickles)?;
    let (mut names, mut variant, mut batches) = (None, None, Vec::new());
    for &pickle in &pickles {
        let entry = &source.entries[pickle];
        let file = source.read_one(pickle, MAX_BATCH)?;
        match read(&entry.name, &file, options.labels)? {
            PythonFile::Names(list) => names = Some((entry.name.clone(), list)),
            PythonFile::Other => {}
            PythonFile::Batch(batch, found) => {
                batches.push((pickle, batch));
                variant = Some(found);
            }
        }
    }
    let Some(variant) = variant else {
        let found = format!("{} pickles without image data", pickles.len());
        return Err(Error::UnknownKind { path: source.path().to_path_buf(), found });
    };
    let files: Vec<usize> = batches.iter().map(|(file, _)| *file).collect();
    let files = split_files::divide(source, &files, options)?;
    let splits: HashMap<usize, SplitName> = files.files.iter().copied().collect();
    let mut images = Batches::new();
    for (file, batch) in batches {
        if let Some(split) = splits.get(&file) {
            images.0[*split as usize].append(batch);
        }
    }
    images.loaded(Kind::CifarPython, names, variant, options.labels, files)
}

/// What a python file holds.
pub(crate) enum PythonFile {
    /// Images. CIFAR-100 is recognized by its `fine_labels`.
    Batch(Images, Variant),
    /// Only the names of the classes.
    Names(Vec<String>),
    /// A pickle of something else.
    Other,
}

/// Reads a python batch, or the file with the names of the classes.
pub(crate) fn read(name: &str, file: &[u8], labels: Labels) -> Result<PythonFile, Error> {
    let pickle = Pickle::read(file).map_err(|source| Error::Pickle { file: name.to_string(), source })?;
    let wrong = |what: &str| Error::Batch { file: name.to_string(), what: what.to_string() };
    let names_key = if labels == Labels::Coarse { "coarse_label_names" } else { "fine_label_names" };
    if let Some(names) = pickle.get("label_names").or_else(|| pickle.get(names_key)) {
        let names = pickle.texts(names).ok_or_else(|| wrong("its class names are no list of texts"))?;
        return Ok(PythonFile::Names(names.iter().map(|name| nfc(name)).collect()));
    }
    let Some(data) = pickle.get("data") else { return Ok(PythonFile::Other) };
    let array = pickle.byte_array(data).filter(|array| matches!(array.shape, [_, BYTES]));
    let array =
        array.ok_or_else(|| wrong("expected 'data' to be an array of unsigned bytes, [images, 3072]"))?;
    let (variant, key) = match (pickle.get("fine_labels"), labels) {
        (None, _) => (Variant::Cifar10, "labels"),
        (Some(_), Labels::Fine) => (Variant::Cifar100, "fine_labels"),
        (Some(_), Labels::Coarse) => (Variant::Cifar100, "coarse_labels"),
    };
    let values = pickle.get(key).and_then(|list| pickle.integers(list));
    let values = values.ok_or_else(|| wrong(&format!("expected '{key}' to be a list of whole numbers")))?;
    if values.len() != array.shape[0] {
        let (labels, images) = (values.len(), array.shape[0]);
        return Err(wrong(&format!("it has {labels} labels for {images} images, expected as many")));
    }
    let mut images = Images::new(SIDE, SIDE);
    images.pixels = Images::reserve(values.len(), SIDE, SIDE)?;
    for (index, (planes, &label)) in array.data.chunks_exact(BYTES).zip(&values).enumerate() {
        let label =
            u32::try_from(label).map_err(|_| wrong(&format!("image {index} has the label {label}")))?;
        push_planar(&mut images, planes, label, name, index);
    }
    Ok(PythonFile::Batch(images, variant))
}

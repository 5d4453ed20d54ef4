//! The binary batches of CIFAR. A record is the label (CIFAR-100: the coarse, then the fine one) and 3,072 bytes,
//! `[3, 32, 32]`.
use super::cifar::{BYTES, Batches, Names, SIDE, Variant, check_one_folder, push_planar};
use super::class_name::nfc;
use super::format::{Format, Loaded, MAX_BATCH};
use super::split_files;
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::source::{Entry, Source};
use crate::text;

/// The most bytes of a list of class names.
const MAX_LIST: u64 = 1 << 20;

pub(super) const FORMAT: Format = Format {
    name: "CIFAR binary batches",
    recognizes: |source| source.entries.iter().any(is_batch),
    uses: is_used,
    images,
    load,
};

/// The lists of class names, where the official archives have them.
const LISTS: [&str; 3] = ["batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt"];

fn is_used(entry: &Entry) -> bool {
    is_batch(entry) || LISTS.contains(&entry.file_name())
}

/// True for what may be a CIFAR binary batch: its size and first label fit, or it is named like one.
fn is_batch(entry: &Entry) -> bool {
    let label = entry.head.first().copied().unwrap_or(u8::MAX);
    let fits = |variant: Variant, labels: u8| {
        entry.size > 0 && entry.size.is_multiple_of(variant.record() as u64) && label < labels
    };
    let named = entry.name.to_ascii_lowercase().ends_with(".bin");
    named || fits(Variant::Cifar10, 10) || fits(Variant::Cifar100, 20)
}

/// How many images the whole batches hold.
fn images(source: &Source, _: &Options) -> Result<usize, Error> {
    let records = |entry: &Entry| {
        let record = guess_variant(entry).record() as u64;
        if entry.size.is_multiple_of(record) { (entry.size / record) as usize } else { 0 }
    };
    Ok(source.entries.iter().filter(|entry| is_batch(entry)).map(records).sum())
}

fn load(source: &Source, options: &Options, _: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let batches = source.select(is_batch);
    check_one_folder(source, &batches)?;
    let variant = variant(source, &batches);
    let files = split_files::divide(source, &batches, options)?;
    let mut images = Batches::new();
    for &(batch, split) in &files.files {
        let file = source.read_one(batch, MAX_BATCH)?;
        let batch = read(&source.entries[batch].name, &file, variant, options.labels)?;
        images.0[split as usize].append(batch);
    }
    let names = class_names(source, variant, options.labels)?;
    images.loaded(Kind::CifarBinary, names, variant, options.labels, files)
}

/// The set of all batches: a truncated one takes the variant of a whole one.
fn variant(source: &Source, batches: &[usize]) -> Variant {
    let guess = |&batch: &usize| {
        let entry = &source.entries[batch];
        let variant = guess_variant(entry);
        (entry.size.is_multiple_of(variant.record() as u64), variant)
    };
    let guesses: Vec<(bool, Variant)> = batches.iter().map(guess).collect();
    guesses.iter().find(|(whole, _)| *whole).unwrap_or(&guesses[0]).1
}

/// The names of the classes, where they are listed beside the batches.
fn class_names(source: &Source, variant: Variant, labels: Labels) -> Result<Names, Error> {
    let listed = match (variant, labels) {
        (Variant::Cifar10, _) => "batches.meta.txt",
        (Variant::Cifar100, Labels::Fine) => "fine_label_names.txt",
        (Variant::Cifar100, Labels::Coarse) => "coarse_label_names.txt",
    };
    let Some(list) = source.entries.iter().position(|entry| entry.file_name() == listed) else {
        return Ok(None);
    };
    let file = source.entries[list].name.clone();
    let text = match text::decode(&source.read_one(list, MAX_LIST)?) {
        Ok(text) => text,
        Err(error) => return Err(Error::List { file, what: error.to_string() }),
    };
    let names: Vec<String> = text::lines(&text).map(|(_, name)| nfc(text::unquoted(name))).collect();
    Ok((!names.is_empty()).then_some((file, names)))
}

/// Guesses the set of a batch by its size; a size that fits neither is taken by its name.
fn guess_variant(entry: &Entry) -> Variant {
    let fits = |variant: Variant| entry.size > 0 && entry.size.is_multiple_of(variant.record() as u64);
    if fits(Variant::Cifar10) || (!fits(Variant::Cifar100) && entry.file_name().contains("batch")) {
        Variant::Cifar10
    } else {
        Variant::Cifar100
    }
}

/// Reads a batch; `name` is for messages and the names of the images.
pub(crate) fn read(name: &str, file: &[u8], variant: Variant, labels: Labels) -> Result<Images, Error> {
    let record = variant.record();
    if file.is_empty() || !file.len().is_multiple_of(record) {
        let size = file.len() as u64;
        return Err(Error::TruncatedBatch { file: name.to_string(), size, record: record as u64 });
    }
    let mut images = Images::new(SIDE, SIDE);
    images.pixels = Images::reserve(file.len() / record, SIDE, SIDE)?;
    let label_at = usize::from(variant == Variant::Cifar100 && labels == Labels::Fine);
    for (index, record_bytes) in file.chunks_exact(record).enumerate() {
        let label = u32::from(record_bytes[label_at]);
        push_planar(&mut images, &record_bytes[record - BYTES..], label, name, index);
    }
    Ok(images)
}

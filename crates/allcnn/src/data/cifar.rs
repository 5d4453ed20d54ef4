//! CIFAR-10 and CIFAR-100: the binary batches and the python batches.
//!
//! A binary record is the label (CIFAR-100: the coarse, then the fine one) and 3,072 bytes, `[3, 32, 32]`. A python
//! batch is a pickled dictionary with `data` (`[images, 3072]`, each `[3, 32, 32]`) and `labels`, or
//! `coarse_labels` and `fine_labels`. Source: Krizhevsky, "Learning multiple layers of features from tiny images".
use super::pickle::{Pickle, PickleError};
use super::{Error, Images, Labels};

/// Rows and columns.
pub const SIDE: usize = 32;
/// Bytes of one image.
const BYTES: usize = SIDE * SIDE * 3;

/// Which of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Ten classes, one label byte.
    Cifar10,
    /// A hundred fine classes in twenty coarse ones, two label bytes.
    Cifar100,
}

impl Variant {
    /// Bytes of one binary record.
    pub fn record(self) -> usize {
        match self {
            Variant::Cifar10 => BYTES + 1,
            Variant::Cifar100 => BYTES + 2,
        }
    }

    /// The built-in names of the classes.
    pub fn classes(self, labels: Labels) -> Vec<String> {
        let names: &[&str] = match (self, labels) {
            (Variant::Cifar10, _) => &CLASSES_10,
            (Variant::Cifar100, Labels::Fine) => &FINE_100,
            (Variant::Cifar100, Labels::Coarse) => &COARSE_100,
        };
        names.iter().map(|name| name.to_string()).collect()
    }
}

/// Guesses the set of a binary batch by its size; a size that fits neither is taken by its name.
pub(crate) fn variant_of_binary(name: &str, size: u64) -> Variant {
    let fits = |variant: Variant| size > 0 && size.is_multiple_of(variant.record() as u64);
    let file = name.rsplit('/').next().unwrap_or(name);
    if fits(Variant::Cifar10) || (!fits(Variant::Cifar100) && file.contains("batch")) {
        Variant::Cifar10
    } else {
        Variant::Cifar100
    }
}

/// Reads a binary batch; `name` is for messages and the names of the images.
pub(crate) fn read_binary(
    name: &str,
    file: &[u8],
    variant: Variant,
    labels: Labels,
) -> Result<Images, Error> {
    let record = variant.record();
    if file.is_empty() || !file.len().is_multiple_of(record) {
        let size = file.len() as u64;
        return Err(Error::TruncatedBatch { file: name.to_string(), size, record: record as u64 });
    }
    let classes = variant.classes(labels).len();
    let mut images = Images::new(SIDE, SIDE);
    images.pixels = Images::reserve(file.len() / record, SIDE, SIDE)?;
    let label_at = usize::from(variant == Variant::Cifar100 && labels == Labels::Fine);
    for (index, record_bytes) in file.chunks_exact(record).enumerate() {
        let label = check_label(name, index, i64::from(record_bytes[label_at]), classes)?;
        push_planar(&mut images, &record_bytes[record - BYTES..], label, name, index);
    }
    Ok(images)
}

/// What a python file holds.
pub(crate) enum PythonFile {
    /// Images. CIFAR-100 is told by its `fine_labels`.
    Batch(Images, Variant),
    /// Only the names of the classes.
    Names(Vec<String>),
    /// A pickle of something else.
    Other,
}

/// Reads a python batch, or the file with the names of the classes.
pub(crate) fn read_python(name: &str, file: &[u8], labels: Labels) -> Result<PythonFile, Error> {
    let pickle = Pickle::read(file).map_err(|source| Error::Pickle { file: name.to_string(), source })?;
    let wrong = |what: &str| Error::Batch { file: name.to_string(), what: what.to_string() };
    let names_key = if labels == Labels::Coarse { "coarse_label_names" } else { "fine_label_names" };
    if let Some(names) = pickle.get("label_names").or_else(|| pickle.get(names_key)) {
        return Ok(PythonFile::Names(
            pickle.texts(names).ok_or_else(|| wrong("its class names are no list of texts"))?,
        ));
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
    let classes = variant.classes(labels).len();
    let mut images = Images::new(SIDE, SIDE);
    images.pixels = Images::reserve(values.len(), SIDE, SIDE)?;
    for (index, (planes, &label)) in array.data.chunks_exact(BYTES).zip(&values).enumerate() {
        let label = check_label(name, index, label, classes)?;
        push_planar(&mut images, planes, label, name, index);
    }
    Ok(PythonFile::Batch(images, variant))
}

/// Reads both forms from bytes: for fuzzing.
pub fn fuzz_cifar(file: &[u8]) {
    for labels in [Labels::Fine, Labels::Coarse] {
        for variant in [Variant::Cifar10, Variant::Cifar100] {
            let _ = read_binary("fuzz", file, variant, labels);
        }
        fuzz_pickle(file, labels);
    }
}

/// Reads a pickle from bytes: for fuzzing. True when it was refused as malicious.
pub fn fuzz_pickle(file: &[u8], labels: Labels) -> bool {
    matches!(read_python("fuzz", file, labels), Err(Error::Pickle { source: PickleError::Refused(_), .. }))
}

fn check_label(file: &str, image: usize, label: i64, classes: usize) -> Result<u32, Error> {
    match usize::try_from(label) {
        Ok(value) if value < classes => Ok(value as u32),
        _ => Err(Error::BadLabel { file: file.to_string(), image, label, classes }),
    }
}

/// Adds an image given as `[3, 32, 32]`.
fn push_planar(images: &mut Images, planes: &[u8], label: u32, file: &str, index: usize) {
    let plane = SIDE * SIDE;
    let start = images.pixels.len();
    images.pixels.resize(start + BYTES, 0);
    for (place, pixel) in images.pixels[start..].chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&[planes[place], planes[plane + place], planes[2 * plane + place]]);
    }
    images.labels.push(label);
    images.names.push(format!("{file}#{index:05}"));
}

const CLASSES_10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const COARSE_100: [&str; 20] = [
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
];

#[rustfmt::skip]
const FINE_100: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

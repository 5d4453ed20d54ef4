//! CIFAR-10 and CIFAR-100: what their binary and their python batches share.
//!
//! Source: Krizhevsky, "Learning multiple layers of features from tiny images".
use super::format::Loaded;
use super::split_name::{SplitName, of_file};
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::options::Labels;
use crate::source::{Entry, Source};
use std::collections::BTreeSet;

/// Rows and columns.
pub(crate) const SIDE: usize = 32;
/// Bytes of one image.
pub(super) const BYTES: usize = SIDE * SIDE * 3;

/// Which of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
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

/// The training and the test images of the batches of a source.
pub(super) struct Batches(pub [Images; 2]);

impl Batches {
    /// None yet.
    pub fn new() -> Self {
        Self([Images::new(SIDE, SIDE), Images::new(SIDE, SIDE)])
    }

    /// Adds the images of a batch to the split that its name tells.
    pub fn add(&mut self, entry: &Entry, images: Images) {
        self.0[usize::from(of_file(entry) != SplitName::Train)].append(images);
    }

    /// What they are with class names that were listed beside them, which count when they are as many as the variant has.
    pub fn loaded(self, kind: Kind, names: Vec<String>, variant: Variant, labels: Labels) -> Loaded {
        let built_in = variant.classes(labels);
        let classes = if names.len() == built_in.len() { names } else { built_in };
        Loaded::whole(kind, classes, self.0)
    }
}

/// One folder must hold all batches, else two data sets would be mixed.
pub(super) fn check_one_folder(source: &Source, batches: &[usize]) -> Result<(), Error> {
    let folder =
        |&entry: &usize| source.entries[entry].name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folders: BTreeSet<&str> = batches.iter().map(folder).collect();
    if folders.len() < 2 {
        return Ok(());
    }
    let folders = folders.into_iter().collect::<Vec<_>>().join("', '");
    Err(Error::Several { path: source.path().to_path_buf(), folders })
}

/// The label as a number of a class.
pub(super) fn check_label(file: &str, image: usize, label: i64, classes: usize) -> Result<u32, Error> {
    match usize::try_from(label) {
        Ok(value) if value < classes => Ok(value as u32),
        _ => Err(Error::BadLabel { file: file.to_string(), image, label, classes }),
    }
}

/// Adds an image given as `[3, 32, 32]`.
pub(super) fn push_planar(images: &mut Images, planes: &[u8], label: u32, file: &str, index: usize) {
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

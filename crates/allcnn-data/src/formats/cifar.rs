//! CIFAR-10 and CIFAR-100: what their binary and their python batches share.
//!
//! Source: Krizhevsky, "Learning multiple layers of features from tiny images".
use super::format::Loaded;
use super::split_files::SplitFiles;
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::note::Note;
use crate::options::Labels;
use crate::source::Source;
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
    pub(crate) fn record(self) -> usize {
        match self {
            Variant::Cifar10 => BYTES + 1,
            Variant::Cifar100 => BYTES + 2,
        }
    }

    /// Its name for people.
    fn name(self) -> &'static str {
        match self {
            Variant::Cifar10 => "CIFAR-10",
            Variant::Cifar100 => "CIFAR-100",
        }
    }

    /// The built-in names of the classes.
    pub(crate) fn classes(self, labels: Labels) -> Vec<String> {
        let names: &[&str] = match (self, labels) {
            (Variant::Cifar10, _) => &CLASSES_10,
            (Variant::Cifar100, Labels::Fine) => &FINE_100,
            (Variant::Cifar100, Labels::Coarse) => &COARSE_100,
        };
        names.iter().map(|name| name.to_string()).collect()
    }
}

/// The images of the batches of a source, by split.
pub(super) struct Batches(pub [Images; 3]);

/// Names of classes, and the file that has them.
pub(super) type Names = Option<(String, Vec<String>)>;

impl Batches {
    /// None yet.
    pub(super) fn new() -> Self {
        Self([0; 3].map(|_| Images::new(SIDE, SIDE)))
    }

    /// What they are with the names of classes that were listed beside them.
    pub(super) fn loaded(
        self,
        kind: Kind,
        listed: Names,
        variant: Variant,
        labels: Labels,
        files: SplitFiles,
    ) -> Result<Loaded, Error> {
        let SplitFiles { ignored, mut notes, names, .. } = files;
        notes.extend(Note::splits(names, self.0.each_ref().map(Images::len)));
        let (classes, note) = self.classes(listed, variant, labels)?;
        notes.push(note);
        let labels = if variant == Variant::Cifar100 { labels } else { Labels::Fine };
        Ok(Loaded { ignored, notes, labels, ..Loaded::whole(kind, classes, self.0) })
    }

    /// The classes, and where their names are from. A list beside the batches must name all labels. CIFAR's own names are
    /// those of data that has all of CIFAR's labels.
    fn classes(&self, listed: Names, variant: Variant, labels: Labels) -> Result<(Vec<String>, Note), Error> {
        let all = || self.0.iter().flat_map(|split| split.labels.iter().zip(&split.names));
        let built_in = variant.classes(labels);
        let most = listed.as_ref().map_or(built_in.len(), |(_, names)| names.len());
        if let Some((&label, name)) = all().find(|(label, _)| **label as usize >= most) {
            let (file, image) = name.rsplit_once('#').unwrap_or((name, "0"));
            let (file, image) = (file.to_string(), image.parse().unwrap_or_default());
            return Err(Error::BadLabel { file, image, label: i64::from(label), classes: most });
        }
        if let Some((file, names)) = listed {
            return Ok((names, Note::ClassNames { file }));
        }
        let found: BTreeSet<u32> = all().map(|(label, _)| *label).collect();
        if found.len() == built_in.len() {
            return Ok((built_in, Note::CifarNames { set: variant.name() }));
        }
        let highest = found.last().copied().unwrap_or_default();
        Ok(((0..=highest).map(|class| class.to_string()).collect(), Note::NumberedClasses))
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

/// Adds an image given as `[3, 32, 32]`.
pub(super) fn push_planar(images: &mut Images, planes: &[u8], label: u32, file: &str, index: usize) {
    let plane = SIDE * SIDE;
    let start = images.pixels.len();
    images.pixels.resize(start + BYTES, 0);
    for (offset, pixel) in images.pixels[start..].chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&[planes[offset], planes[plane + offset], planes[2 * plane + offset]]);
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

/// The coarse class of each fine one.
#[rustfmt::skip]
const COARSE_OF_FINE: [usize; 100] = [
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11,
    6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5,
    5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17,
    10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13,
    16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
];

/// The coarse class of CIFAR-100 that the fine class of this name belongs to.
pub fn coarse_class(fine: &str) -> Option<&'static str> {
    let index = FINE_100.iter().position(|&name| name == fine)?;
    Some(COARSE_100[COARSE_OF_FINE[index]])
}

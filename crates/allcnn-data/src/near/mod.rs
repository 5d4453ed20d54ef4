//! Images that are nearly the same, in a split and between splits: compressed again, brightened, scaled, moved by a little.
//!
//! A perceptual hash finds pairs that may be, a correlation of small blurred pictures decides ([`find`]). Pairs are joined to
//! groups: what is near one of a group belongs to it.
mod groups;
mod print;

use crate::dataset::{DataSet, Images, read_whole};
use crate::picture::Picture;
use crate::progress::{Progress, Stage};
use crate::split_names::SplitName;
pub use groups::{Group, groups};
use print::{MAX_BITS, Print, Printer, SIDE};
use rayon::prelude::*;
use serde::Serialize;

/// From this similarity on, two pictures are nearly the same.
pub const MIN_SIMILARITY: f32 = 0.97;
/// Images that are read between two reports of progress.
const BLOCK: usize = 1024;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compared {
    /// The pictures themselves.
    Pictures,
    /// What a network makes of them.
    Features,
}

/// The images of a data set that are nearly the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    /// What was compared.
    pub compared: Compared,
    /// How many images.
    pub images: usize,
    /// Images that could not be read.
    pub left_out: usize,
    /// From which similarity on two are near.
    pub least_similarity: f32,
    /// Test images in a group with training images.
    pub test_images_near_train: usize,
    /// Validation images in a group with training images.
    pub validation_images_near_train: usize,
    /// Test images in a group with validation images.
    pub test_images_near_validation: usize,
    /// Groups with images of several splits.
    pub groups_across_splits: usize,
    /// Groups with images of one split.
    pub groups_within_split: usize,
    /// Groups of either kind whose images have different classes.
    pub groups_with_different_labels: usize,
    /// The groups: those across splits first, of these those with different labels, of these the most alike.
    pub groups: Vec<NearGroup>,
}

/// Images that are nearly the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NearGroup {
    /// That of the weakest pair by which they were joined, at most 1.
    pub similarity: f32,
    /// Whether they are in several splits.
    pub across_splits: bool,
    /// Whether they have different classes.
    pub labels_differ: bool,
    /// The images: of training, of validation, of test.
    pub images: Vec<NearImage>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NearImage {
    /// Where it came from.
    pub file: String,
    /// Its split.
    pub split: &'static str,
    /// Its class.
    pub class: String,
    /// Its position in the data set.
    #[serde(skip)]
    pub location: Location,
}

impl NearGroup {
    /// At most `most` of its images, of each split as many as of the others where it has them.
    pub fn some(&self, most: usize) -> Vec<&NearImage> {
        let mut first = 0; // of the split; the images are in the order of their splits
        let ranked = self.images.iter().enumerate().map(|(index, image)| {
            if image.split != self.images[first].split {
                first = index;
            }
            (index - first, index)
        });
        let mut indices: Vec<(usize, usize)> = ranked.collect();
        indices.sort_unstable();
        indices.truncate(most);
        indices.sort_unstable_by_key(|(_, index)| *index);
        indices.into_iter().map(|(_, index)| &self.images[index]).collect()
    }
}

/// The position of an image in a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    split: SplitName,
    index: usize,
}

impl Location {
    /// The positions of all images: of training, of validation, of test.
    pub fn all(set: &DataSet) -> Vec<Location> {
        let of = |split: SplitName| (0..images(set, split).len()).map(move |index| Location { split, index });
        SplitName::ALL.into_iter().flat_map(of).collect()
    }

    /// The images of its split, and its index among them.
    pub fn of(self, set: &DataSet) -> (&Images, usize) {
        (images(set, self.split), self.index)
    }
}

fn images(set: &DataSet, split: SplitName) -> &Images {
    match split {
        SplitName::Train => &set.train,
        SplitName::Validation => &set.validation,
        SplitName::Test => &set.test,
    }
}

/// Finds the pictures whose [similarity](MIN_SIMILARITY) is at least `least`. Images on disk are decoded one by one, at a
/// part of their size, and the whole of them compared; those that cannot be read are left out and counted.
pub fn find(set: &DataSet, least: f32, progress: &mut dyn FnMut(Progress)) -> Near {
    let all = Location::all(set);
    let total = Some(all.len() as u64);
    let (mut locations, mut prints) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for block in all.chunks(BLOCK) {
        let print = |printer: &mut Printer, location: &Location| print_of(printer, location.of(set)).ok();
        let made: Vec<Option<Print>> = block.par_iter().map_init(Printer::new, print).collect();
        for (location, print) in block.iter().zip(made) {
            if let Some(print) = print {
                locations.push(*location);
                prints.push(print);
            }
        }
        progress(Progress { stage: Stage::Reading, done: locations.len() as u64, total });
    }
    let hashes: Vec<[u64; 1]> = prints.iter().map(|print| [print.hash]).collect();
    let similarity = |one: usize, other: usize| {
        Some(prints[one].similarity(&prints[other])).filter(|similarity| *similarity >= least)
    };
    let mut done = |done: usize| progress(Progress { stage: Stage::Comparing, done: done as u64, total });
    let groups = groups(&hashes, MAX_BITS, similarity, &mut done);
    let left_out = all.len() - locations.len();
    Near { left_out, ..Near::of(set, Compared::Pictures, least, &locations, groups) }
}

fn print_of(printer: &Printer, (images, index): (&Images, usize)) -> Result<Print, String> {
    printer.print(match images.files.get(index) {
        Some(file) => read_whole(file, 2 * SIDE)?,
        None => {
            let (height, width) = (images.height, images.width);
            Picture { height, width, pixels: images.image(index).to_vec() }
        }
    })
}

impl Near {
    /// Names and counts what the groups of the images at `locations` are. Panics when a group has a member that is none of them.
    pub fn of(
        set: &DataSet,
        compared: Compared,
        least: f32,
        locations: &[Location],
        groups: Vec<Group>,
    ) -> Near {
        let image = |&member: &usize| {
            let location = locations[member];
            let (images, index) = location.of(set);
            NearImage {
                file: images.names[index].clone(),
                split: match location.split {
                    SplitName::Validation => "validation",
                    split => split.flag(),
                },
                class: set.classes[images.labels[index] as usize].clone(),
                location,
            }
        };
        let group = |group: Group| {
            let images: Vec<NearImage> = group.members.iter().map(image).collect();
            NearGroup {
                similarity: group.similarity.min(1.0),
                across_splits: images.iter().any(|image| image.split != images[0].split),
                labels_differ: images.iter().any(|image| image.class != images[0].class),
                images,
            }
        };
        let mut groups: Vec<NearGroup> = groups.into_iter().map(group).collect();
        let order = |group: &NearGroup| (!group.across_splits, !group.labels_differ);
        groups.sort_by(|a, b| order(a).cmp(&order(b)).then(b.similarity.total_cmp(&a.similarity)));
        let near = |split: SplitName, other: SplitName| {
            let count = |group: &NearGroup| {
                let of =
                    |split| group.images.iter().filter(move |image| image.location.split == split).count();
                if of(other) > 0 { of(split) } else { 0 }
            };
            groups.iter().map(count).sum()
        };
        let across = groups.iter().filter(|group| group.across_splits).count();
        Near {
            compared,
            images: locations.len(),
            left_out: 0,
            least_similarity: least,
            test_images_near_train: near(SplitName::Test, SplitName::Train),
            validation_images_near_train: near(SplitName::Validation, SplitName::Train),
            test_images_near_validation: near(SplitName::Test, SplitName::Validation),
            groups_across_splits: across,
            groups_within_split: groups.len() - across,
            groups_with_different_labels: groups.iter().filter(|group| group.labels_differ).count(),
            groups,
        }
    }
}

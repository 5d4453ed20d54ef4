//! Files of numpy's arrays (`.npz`): images and labels, in the splits that their names say. Nothing that is pickled is read.
mod file;
mod labels;
mod pixels;
mod roles;

use super::format::{Format, Loaded};
use super::split_files::{SplitFiles, divide_names};
use crate::dataset::{Images, Kind};
use crate::error::Error;
use crate::file_kind::FileKind;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::Options;
use crate::progress::{Progress, Stage};
use crate::sizes::Sizes;
use crate::source::{Entry, Source};
use crate::split_names::SplitName;
use file::{Array, ArrayFile};
use labels::Labels;
use pixels::Layout;
use roles::Role;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) const FORMAT: Format = Format {
    name: "numpy arrays",
    recognizes: |source| source.entries.iter().any(is_arrays),
    uses: is_arrays,
    images,
    load,
};

/// Numbers of classes above are no labels.
const MAX_CLASSES: i64 = 100_000;

fn is_arrays(entry: &Entry) -> bool {
    entry.kind == FileKind::Arrays
}

/// How many images the arrays hold that are images by name and shape; none in a file that is damaged.
fn images(source: &Source, _: &Options) -> Result<usize, Error> {
    let mut images = 0usize;
    for entry in source.select(is_arrays) {
        let file = match ArrayFile::open(source, entry) {
            Err(Error::Arrays { .. }) => continue,
            file => file?,
        };
        let named = file.arrays.iter().filter(|array| roles::of_array(&array.name).1 == Some(Role::Images));
        for layout in named.filter_map(|array| Layout::of(&array.head).ok()) {
            images = images.saturating_add(layout.images);
        }
    }
    Ok(images)
}

fn load(source: &Source, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let mut files = Vec::new();
    for entry in source.select(is_arrays) {
        files.push(ArrayFile::open(source, entry)?);
    }
    let (sets, unused) = Set::find(&files);
    if sets.is_empty() {
        return Err(no_images(&files));
    }
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    let SplitFiles { files: chosen, mut ignored, mut notes, names } =
        divide_names(source.path(), &names, &(0..sets.len()).collect::<Vec<_>>(), options)?;
    if let Some(first) = unused.first() {
        let example = first.clone();
        ignored.push(Ignored {
            reason: "an array that is neither images nor labels".into(),
            files: unused.len(),
            example,
        });
    }
    let mut parts = Vec::new();
    for (set, split) in chosen {
        parts.push((split, Part::check(&files, &sets[set])?));
    }
    check_sizes(&parts)?;
    for (_, part) in parts.iter().filter(|(_, part)| part.layout.channels_first) {
        notes.push(Note::ChannelsFirst {
            array: part.images.title.clone(),
            shape: format!("{:?}", part.images.head.shape),
        });
    }
    let listed = class_names(&mut files)?;
    let mut read = Gathered::new(options, &parts, progress)?;
    for &(split, ref part) in &parts {
        read.part(&mut files[part.file], split, part)?;
    }
    let Gathered { mut splits, labels, unlabeled, .. } = read;
    notes.extend(Note::splits(names, splits.each_ref().map(Images::len)));
    for (split, (images, first)) in unlabeled {
        ignored.push(Ignored::unlabeled(split, images, first));
        notes.push(Note::Unlabeled { split: split.word(), images });
    }
    let classes = labels.number(listed, &mut splits, &mut notes)?;
    let images = splits.iter().map(Images::len).sum();
    let own = parts.first().map(|(_, part)| [part.layout.height, part.layout.width]);
    let sizes = own.and_then(|own| Sizes::all_alike(images, own));
    Ok(Loaded { ignored, notes, sizes, ..Loaded::whole(Kind::Npz, classes, splits) })
}

/// Arrays that belong together: of one file, and of one split where their names say it.
struct Set {
    file: usize,
    /// The file, with the split.
    name: String,
    /// The indices of arrays of images.
    images: Vec<usize>,
    /// The indices of arrays of labels.
    labels: Vec<usize>,
}

impl Set {
    /// The sets with images, and the arrays that are not used.
    fn find(files: &[ArrayFile]) -> (Vec<Set>, Vec<String>) {
        let (mut sets, mut unused) = (Vec::new(), Vec::new());
        for (index, file) in files.iter().enumerate() {
            let mut by_split: BTreeMap<Option<SplitName>, Set> = BTreeMap::new();
            for (array, Array { name, title, .. }) in file.arrays.iter().enumerate() {
                let (split, role) = roles::of_array(name);
                let name = split.map_or(file.name.clone(), |split| format!("{}/{}", file.name, split.flag()));
                let set = || Set { file: index, name, images: vec![], labels: vec![] };
                match role {
                    Some(Role::Images) => by_split.entry(split).or_insert_with(set).images.push(array),
                    Some(Role::Labels) => by_split.entry(split).or_insert_with(set).labels.push(array),
                    Some(Role::ClassNames) => {}
                    None => unused.push(title.clone()),
                }
            }
            for set in by_split.into_values() {
                match set.images.is_empty() {
                    true => unused.extend(set.labels.iter().map(|&array| file.arrays[array].title.clone())),
                    false => sets.push(set),
                }
            }
            unused.extend(file.others.iter().cloned());
        }
        (sets, unused)
    }
}

/// No array is named like images.
fn no_images(files: &[ArrayFile]) -> Error {
    let arrays = files.iter().flat_map(|file| &file.arrays).take(8).map(Array::described);
    let found = arrays.collect::<Vec<_>>().join(", ");
    let what = format!(
        "no array in it is named like images (found {}).\nName arrays by what they hold: np.savez(file, x_train=..., y_train=..., x_test=..., y_test=...), or images and labels.",
        if found.is_empty() { "none" } else { &found }
    );
    Error::Arrays { file: files.first().map(|file| file.name.clone()).unwrap_or_default(), what }
}

/// Images and their labels.
struct Part {
    file: usize,
    images: Array,
    layout: Layout,
    labels: Option<Array>,
}

impl Part {
    /// Checks that the arrays of a set are images and as many labels.
    fn check(files: &[ArrayFile], set: &Set) -> Result<Part, Error> {
        let file = &files[set.file];
        let one = |arrays: &[usize], what: &str| match arrays {
            [] => Ok(None),
            [one] => Ok(Some(file.arrays[*one].clone())),
            several => {
                let found = several
                    .iter()
                    .map(|&array| file.arrays[array].described())
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(Error::Arrays {
                    file: set.name.clone(),
                    what: format!(
                        "several arrays are named like {what} ({found}): keep one of them, or rename the others"
                    ),
                })
            }
        };
        let (images, labels) = (one(&set.images, "images")?, one(&set.labels, "labels")?);
        let Some(images) = images else { return Err(no_images(files)) };
        let layout = Layout::of(&images.head).map_err(|what| images.wrong(what))?;
        if let Some(labels) = &labels {
            let count = labels::count(&labels.head).map_err(|what| labels.wrong(what))?;
            if count != layout.images {
                let (images, labels) = (images.described(), labels.described());
                return Err(Error::Arrays {
                    file: file.name.clone(),
                    what: format!(
                        "{images} holds {} images, {labels} holds {count} labels: expected one label an image",
                        layout.images
                    ),
                });
            }
        }
        Ok(Part { file: set.file, images, layout, labels })
    }
}

/// All arrays of images must have pictures of one size.
fn check_sizes(parts: &[(SplitName, Part)]) -> Result<(), Error> {
    let Some(((_, one), others)) = parts.split_first() else { return Ok(()) };
    match others.iter().find(|(_, other)| other.layout.picture() != one.layout.picture()) {
        None => Ok(()),
        Some((_, other)) => Err(one.images.wrong(format!(
            "its shape is {:?}, that of '{}' is {:?}: all pictures of a data set in arrays must have one size and as many channels",
            one.images.head.shape, other.images.title, other.images.head.shape
        ))),
    }
}

/// The names of the classes, which must be the same in all files that have them.
fn class_names(files: &mut [ArrayFile]) -> Result<Option<(String, Vec<String>)>, Error> {
    let mut listed: Option<(String, Vec<String>)> = None;
    for file in files {
        let lists =
            file.arrays.iter().filter(|array| roles::of_array(&array.name).1 == Some(Role::ClassNames));
        for array in lists.cloned().collect::<Vec<_>>() {
            let count = labels::count(&array.head).map_err(|what| array.wrong(what))?;
            let Labels::Names(names, indices) =
                file.read(&array, |reader| labels::read(&array.head, count, reader))?
            else {
                return Err(array.wrong(format!(
                    "its values are {}, expected the names of the classes",
                    array.head.values.name()
                )));
            };
            let names: Vec<String> = indices.iter().map(|&index| names[index as usize].clone()).collect();
            match &listed {
                Some((one, others)) if *others != names => {
                    let what = format!("{} and {}", others.join(", "), names.join(", "));
                    return Err(Error::OtherClasses { one: one.clone(), other: array.title, what });
                }
                _ => listed = Some((array.title, names)),
            }
        }
    }
    Ok(listed)
}

/// What is read, part by part.
struct Gathered<'p> {
    splits: [Images; 3],
    labels: AllLabels,
    /// Held-out images without labels, and the first of them.
    unlabeled: BTreeMap<SplitName, (usize, String)>,
    options: &'p Options,
    done: usize,
    total: usize,
    progress: &'p mut dyn FnMut(Progress),
}

impl<'p> Gathered<'p> {
    /// With memory for all images that have labels.
    fn new(
        options: &'p Options,
        parts: &[(SplitName, Part)],
        progress: &'p mut dyn FnMut(Progress),
    ) -> Result<Self, Error> {
        let own = parts.first().map_or((1, 1), |(_, part)| (part.layout.height, part.layout.width));
        let (height, width) = options.size.unwrap_or(own);
        let mut splits = [0; 3].map(|_| Images::new(height, width));
        for (index, split) in SplitName::ALL.iter().enumerate() {
            let of = parts.iter().filter(|(other, part)| other == split && part.labels.is_some());
            let images = of.map(|(_, part)| part.layout.images).fold(0, usize::saturating_add);
            splits[index].pixels = Images::reserve(images, height, width)?;
        }
        let total = parts.iter().map(|(_, part)| part.layout.images).fold(0, usize::saturating_add);
        let (labels, unlabeled) = Default::default();
        Ok(Self { splits, labels, unlabeled, options, done: 0, total, progress })
    }

    /// Reads the labels and pixels of a part. A held-out one may have no labels at all.
    fn part(&mut self, file: &mut ArrayFile, split: SplitName, part: &Part) -> Result<(), Error> {
        let Part { images: array, layout, .. } = part;
        let labels = match &part.labels {
            Some(labels) => {
                Some((labels, file.read(labels, |reader| labels::read(&labels.head, layout.images, reader))?))
            }
            None => None,
        };
        let hidden = |labels: &Labels| matches!(labels, Labels::Numbers(numbers) if numbers.iter().all(|&number| number == -1));
        let labels = labels.filter(|(_, labels)| split == SplitName::Train || !hidden(labels));
        let Some((label_array, labels)) = labels else {
            if split == SplitName::Train {
                return Err(array.wrong(
                    "no array holds its labels: name it y, y_train or train_labels as the images are named"
                        .into(),
                ));
            }
            let (images, _) = self.unlabeled.entry(split).or_insert_with(|| (0, image_name(array, 0)));
            *images += layout.images;
            return Ok(());
        };
        let images = &mut self.splits[split as usize];
        let (framing, total) = (self.options.framing, Some(self.total as u64));
        let mut done = |images| {
            self.done += images;
            (self.progress)(Progress { stage: Stage::Reading, done: self.done as u64, total });
        };
        file.read(array, |reader| layout.read(reader, framing, images, &mut done))?;
        images.labels.extend(self.labels.add(label_array, labels)?);
        images.names.extend((0..layout.images).map(|index| image_name(array, index)));
        Ok(())
    }
}

fn image_name(array: &Array, index: usize) -> String {
    format!("{}#{index:06}", array.title)
}

/// The labels of all splits: numbers, or indices into a list of names, all of one kind.
#[derive(Default)]
struct AllLabels {
    /// The array with the highest number, which image has it, and the number.
    highest: Option<(String, usize, i64)>,
    names: Vec<String>,
    indices: HashMap<String, u32>,
    /// The first array.
    first: Option<String>,
}

impl AllLabels {
    /// Adds the labels of an array, and returns them as numbers for now.
    fn add(&mut self, array: &Array, labels: Labels) -> Result<Vec<u32>, Error> {
        let first = self.first.get_or_insert_with(|| array.title.clone());
        match labels {
            Labels::Numbers(numbers) => {
                if !self.names.is_empty() {
                    return Err(array.wrong(format!(
                        "its values are numbers, those of '{first}' are names: save both alike"
                    )));
                }
                let found = numbers.iter().position(|number| !(0..MAX_CLASSES).contains(number));
                let highest = numbers.iter().enumerate().rev().max_by_key(|(_, number)| **number);
                if let Some((image, &label)) = found.map(|image| (image, &numbers[image])) {
                    return Err(Error::BadLabel {
                        file: array.title.clone(),
                        image,
                        label,
                        classes: MAX_CLASSES as usize,
                    });
                }
                if let Some((image, &number)) = highest
                    .filter(|(_, number)| self.highest.as_ref().is_none_or(|(_, _, most)| *number > most))
                {
                    self.highest = Some((array.title.clone(), image, number));
                }
                Ok(numbers.into_iter().map(|number| number as u32).collect())
            }
            Labels::Names(names, labels) => {
                if self.highest.is_some() {
                    return Err(array.wrong(format!(
                        "its values are names, those of '{first}' are numbers: save both alike"
                    )));
                }
                let mut index = |name: String| {
                    *self.indices.entry(name).or_insert_with_key(|name| {
                        self.names.push(name.clone());
                        self.names.len() as u32 - 1
                    })
                };
                let indices: Vec<u32> = names.into_iter().map(&mut index).collect();
                Ok(labels.into_iter().map(|label| indices[label as usize]).collect())
            }
        }
    }

    /// The classes; the labels of the images become their numbers.
    fn number(
        self,
        listed: Option<(String, Vec<String>)>,
        splits: &mut [Images; 3],
        notes: &mut Vec<Note>,
    ) -> Result<Vec<String>, Error> {
        if let Some((file, image, number)) = self.highest {
            let Some((list, names)) = listed else {
                notes.push(Note::NumberedClasses);
                return Ok((0..=number).map(|class| class.to_string()).collect());
            };
            if number >= names.len() as i64 {
                return Err(Error::BadLabel { file, image, label: number, classes: names.len() });
            }
            notes.push(Note::ClassNames { file: list });
            return Ok(names);
        }
        let sorted = || self.names.iter().cloned().collect::<BTreeSet<String>>().into_iter().collect();
        let classes: Vec<String> = listed.as_ref().map_or_else(sorted, |(_, names)| names.clone());
        let indices: HashMap<&str, u32> =
            classes.iter().zip(0..).map(|(class, index)| (class.as_str(), index)).collect();
        let mut numbers = Vec::new();
        for name in &self.names {
            numbers.push(*indices.get(name.as_str()).ok_or_else(|| Error::Arrays {
                file: listed.as_ref().map(|(file, _)| file.clone()).unwrap_or_default(),
                what: format!("class '{name}', which images have, is not in it"),
            })?);
        }
        splits
            .iter_mut()
            .flat_map(|split| &mut split.labels)
            .for_each(|label| *label = numbers[*label as usize]);
        Ok(classes)
    }
}

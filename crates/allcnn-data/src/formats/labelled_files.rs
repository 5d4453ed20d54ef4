//! Image files whose splits and classes are known: chosen, decoded and gathered, or left on disk.
use super::format::Loaded;
use crate::collect::{Collector, Item};
use crate::dataset::{Images, Kind, Skipped};
use crate::decode::decode;
use crate::error::Error;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::{Labels, Options};
use crate::progress::Progress;
use crate::source::Source;
use crate::split::{Found, Part, divide};
use crate::split_names::SplitName;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// The most bytes of a single image file.
const MAX_IMAGE_FILE: u64 = 256 << 20;

/// For each split the entries with their labels.
type Splits = [Vec<(usize, u32)>; 3];

/// Where image files belong.
pub(super) struct Layout {
    pub classes: Vec<String>,
    /// For each split, in the order of [`SplitName`], the entries with their labels, sorted by name. Where the data has one
    /// held-out split, it is the test split.
    pub splits: Splits,
    /// The groups of entries, where groups are asked for.
    pub groups: HashMap<usize, String>,
    /// Images that have no class.
    pub skipped: Vec<Skipped>,
    /// Files that should be there and are not.
    pub missing: Vec<Skipped>,
    /// Images that belong to no split.
    pub ignored: Vec<Ignored>,
    pub notes: Vec<Note>,
}

/// The entries of each class, by split, in the order of [`SplitName`].
pub(super) type ByClass<C> = [BTreeMap<C, Vec<usize>>; 3];

/// The classes, which are those of the training images where there are any, and the entries of each split with the places of their
/// classes. The only held-out split is the test split.
pub(super) fn number_classes<C: Ord + Clone + ToString>(
    source: &Source,
    by_class: &mut ByClass<C>,
    options: &Options,
) -> Result<(Vec<C>, Splits), Error> {
    let path = || source.path().to_path_buf();
    let [train, validation, test] = by_class;
    if test.is_empty() {
        std::mem::swap(validation, test);
    }
    let named_by = [&*train, &*test, &*validation].into_iter().find(|split| !split.is_empty());
    let Some(named_by) = named_by else { return Err(Error::NoClasses(path())) };
    for (split, word) in [(&*test, "test"), (&*validation, "validation")] {
        if let Some(class) = split.keys().find(|class| !named_by.contains_key(*class)) {
            return Err(Error::UnknownClass { path: path(), class: class.to_string(), split: word });
        }
    }
    let classes: Vec<C> = named_by.keys().cloned().collect();
    if let [class] = classes.as_slice()
        && !options.whole
        && !options.one_class
    {
        return Err(Error::OneClass { path: path(), class: class.to_string() });
    }
    let list = |split: &BTreeMap<C, Vec<usize>>| {
        let mut items = Vec::new();
        for (label, class) in classes.iter().enumerate() {
            items.extend(split.get(class).into_iter().flatten().map(|&entry| (entry, label as u32)));
        }
        items.sort_by_key(|&(entry, _)| source.entries[entry].name.as_str());
        items
    };
    let splits = by_class.each_ref().map(list);
    Ok((classes, splits))
}

/// Reads the files of a layout, which are entries of the source.
pub(super) fn load(
    source: &Source,
    mut layout: Layout,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, Error> {
    let found_bad = layout.missing.len();
    let splits_of = choose(&mut layout, options)?;
    let total = found_bad + splits_of.iter().map(Vec::len).sum::<usize>();
    let size = match options.size {
        Some(size) if options.on_disk => return on_disk(source, layout, &splits_of, size),
        Some(size) => Some(size),
        None => first_size(source, &splits_of)?,
    };
    let mut belongs = BTreeMap::new();
    for (split, entries) in SplitName::ALL.into_iter().zip(&splits_of) {
        belongs.extend(entries.iter().map(|&(entry, label)| (entry, (split, label))));
    }
    let wanted: Vec<usize> = belongs.keys().copied().collect();
    let mut collector = Collector::new(size, options.framing, Some(total as u64), progress);
    if let Some((height, width)) = size {
        for (images, splits_of) in collector.splits.iter_mut().zip(&splits_of) {
            images.pixels = Images::reserve(splits_of.len(), height, width)?;
        }
    }
    let mut failure = None;
    source.read(&wanted, MAX_IMAGE_FILE, &mut |entry, file| {
        let (split, label) = belongs[&entry];
        let (name, file) = (source.entries[entry].name.clone(), file.map_err(|error| error.to_string()));
        match collector.push(Item { split, label, name, file }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failure.map_or(Ok(()), Err)?;
    collector.finish()?;
    if options.size.is_none() && collector.resized > 0 {
        let Images { height, width, .. } = collector.splits[0];
        layout.notes.push(Note::Resized { images: collector.resized, height, width });
    }
    let bad = found_bad + collector.skipped.len();
    if options.max_bad_percent < 100.0 {
        check_lost_classes(source, &layout, &splits_of[0], &collector.splits[0])?;
    }
    let Collector { splits: [train, validation, test], skipped, sizes, .. } = collector;
    layout.skipped.append(&mut layout.missing);
    layout.skipped.extend(skipped);
    let [train, validation, test] = [train, validation, test].map(sorted);
    let (mut train, mut validation, mut test) = (train?, validation?, test?);
    let groups = layout.groups.iter().map(|(&entry, group)| (source.entries[entry].name.as_str(), group));
    let groups: HashMap<&str, &String> = groups.collect();
    if !groups.is_empty() {
        for images in [&mut train, &mut validation, &mut test] {
            let group = |name: &String| groups.get(name.as_str()).map(|group| group.to_string());
            images.groups = images.names.iter().map(group).collect();
        }
    }
    layout.notes.extend(source.shared_images(&[&train, &validation, &test]));
    Ok(Loaded {
        kind: Kind::ImageFolder,
        classes: layout.classes,
        train,
        validation,
        test,
        tables: vec![],
        skipped: layout.skipped,
        ignored: layout.ignored,
        bad,
        total,
        notes: layout.notes,
        divided: true,
        labels: Labels::Fine,
        sizes: sizes.sizes(),
    })
}

/// The images as files to be read later, in the order of their names.
fn on_disk(
    source: &Source,
    layout: Layout,
    splits_of: &Splits,
    (height, width): (usize, usize),
) -> Result<Loaded, Error> {
    let mut splits = [0; 3].map(|_| Images::new(height, width));
    for (images, splits_of) in splits.iter_mut().zip(splits_of) {
        for &(entry, label) in splits_of {
            let file = source.file(entry).ok_or_else(|| Error::NotOnDisk(source.path().to_path_buf()))?;
            images.files.push(file);
            images.labels.push(label);
            images.names.push(source.entries[entry].name.clone());
            if !layout.groups.is_empty() {
                images.groups.push(layout.groups.get(&entry).cloned());
            }
        }
    }
    let Layout { classes, mut skipped, mut missing, ignored, mut notes, .. } = layout;
    let bad = missing.len();
    skipped.append(&mut missing);
    notes.extend(source.shared_images(&splits.each_ref()));
    let whole = Loaded::whole(Kind::ImageFolder, classes, splits);
    Ok(Loaded { skipped, ignored, notes, bad, total: whole.total + bad, divided: true, ..whole })
}

/// The chosen entries of each split: holdout and limit need only names, so nothing is decoded in vain.
fn choose(layout: &mut Layout, options: &Options) -> Result<Splits, Error> {
    let [train, validation, test] = std::mem::take(&mut layout.splits);
    let found = [train, test];
    let labels = found.each_ref().map(|items| items.iter().map(|item| item.1).collect::<Vec<u32>>());
    let group = |item: &(usize, u32)| layout.groups.get(&item.0).map(String::as_str);
    let groups = found.each_ref().map(|items| items.iter().map(group).collect::<Vec<_>>());
    let of = |split: usize| Found { labels: &labels[split], groups: &groups[split] };
    let (parts, decided) = divide([of(0), of(1)], &layout.classes, options)?;
    layout.notes.extend(decided);
    let [train, test] = parts.map(|Part { of, indices }| match indices {
        None => found[of].clone(),
        Some(indices) => indices.into_iter().map(|index| found[of][index]).collect(),
    });
    Ok([train, validation, test])
}

/// A class of which there were images to train on, and none can be read.
fn check_lost_classes(
    source: &Source,
    layout: &Layout,
    wanted: &[(usize, u32)],
    train: &Images,
) -> Result<(), Error> {
    let read = train.class_counts(layout.classes.len());
    let Some(&(first, label)) = wanted.iter().find(|(_, label)| read[*label as usize] == 0) else {
        return Ok(());
    };
    let files = wanted.iter().filter(|item| item.1 == label).count();
    let (path, class) = (source.path().to_path_buf(), layout.classes[label as usize].clone());
    Err(Error::LostClass { path, class, files, example: source.entries[first].name.clone() })
}

/// The size of the first image by name that can be read, among the first few of what is trained or tested on.
fn first_size(source: &Source, [train, validation, test]: &Splits) -> Result<Option<(usize, usize)>, Error> {
    let first: Vec<usize> =
        [train, test, validation].into_iter().flatten().take(16).map(|item| item.0).collect();
    let mut sizes = BTreeMap::new();
    source.read(&first, MAX_IMAGE_FILE, &mut |entry, file| {
        if let Some(picture) = file.ok().and_then(|file| decode(&file).ok()) {
            sizes.insert(first.iter().position(|&index| index == entry), (picture.height, picture.width));
        }
        ControlFlow::Continue(())
    })?;
    Ok(sizes.into_values().next())
}

/// The images in the order of their names.
fn sorted(images: Images) -> Result<Images, Error> {
    if images.names.is_sorted() {
        return Ok(images);
    }
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by(|&a, &b| images.names[a].cmp(&images.names[b]));
    images.select(&order)
}

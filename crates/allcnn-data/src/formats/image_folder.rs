//! Image folders: `train/CLASS/*.jpg` with `test/` or `val/`, or class folders alone; on disk or in an archive.
use super::format::{Format, Loaded};
use super::imagenet::{LABEL_FILES, Lists, is_list};
use super::split_name::{SplitName, of_folder};
use crate::collect::{Collector, Item};
use crate::dataset::{Images, Kind, Skipped};
use crate::decode::decode;
use crate::error::Error;
use crate::note::Note;
use crate::options::Options;
use crate::progress::Progress;
use crate::source::{Entry, Source};
use crate::split;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A single image file has at most so many bytes.
const MAX_IMAGE_FILE: u64 = 256 << 20;

pub(super) const FORMAT: Format = Format {
    recognizes: |source| source.entries.iter().any(Entry::is_picture),
    uses: |entry| entry.is_picture() || is_list(entry),
    load,
};

/// Where the images of a folder belong.
struct Layout {
    classes: Vec<String>,
    /// For each split the entries with their labels, sorted by name.
    splits: [Vec<(usize, u32)>; 2],
    /// Images in no class folder.
    skipped: Vec<Skipped>,
    notes: Vec<Note>,
}

/// Reads an image folder.
fn load(source: &Source, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Loaded, Error> {
    let mut layout = layout(source, options.holdout.is_some())?;
    if options.holdout.is_some() && layout.splits.iter().all(|split| !split.is_empty()) {
        layout.notes.push(Note::HoldoutReplacesTest);
    }
    let places = choose(&layout, options)?;
    let total = places[0].len() + places[1].len();
    let size = match options.size {
        Some(size) if options.on_disk => return on_disk(source, layout, &places, size),
        Some(size) => Some(size),
        None => first_size(source, &places)?,
    };
    let mut belongs = BTreeMap::new();
    for (split, entries) in places.iter().enumerate() {
        belongs.extend(entries.iter().map(|&(entry, label)| (entry, (split, label))));
    }
    let wanted: Vec<usize> = belongs.keys().copied().collect();
    let mut collector = Collector::new(size, options.framing, Some(total as u64), progress);
    if let Some((height, width)) = size {
        for (images, places) in collector.splits.iter_mut().zip(&places) {
            images.pixels = Images::reserve(places.len(), height, width)?;
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
    let bad = collector.skipped.len();
    let Collector { splits: [train, test], skipped, .. } = collector;
    layout.skipped.extend(skipped);
    Ok(Loaded {
        kind: Kind::ImageFolder,
        classes: layout.classes,
        train: sorted(train),
        validation: Images::default(),
        test: sorted(test),
        skipped: layout.skipped,
        ignored: vec![],
        bad,
        total,
        notes: layout.notes,
        divided: true,
    })
}

/// The images as files to be read later, in the order of their names.
fn on_disk(
    source: &Source,
    layout: Layout,
    places: &[Vec<(usize, u32)>; 2],
    (height, width): (usize, usize),
) -> Result<Loaded, Error> {
    let mut splits = [Images::new(height, width), Images::new(height, width)];
    for (images, places) in splits.iter_mut().zip(places) {
        for &(entry, label) in places {
            let file = source.file(entry).ok_or_else(|| Error::NotOnDisk(source.path().to_path_buf()))?;
            images.files.push(file);
            images.labels.push(label);
            images.names.push(source.entries[entry].name.clone());
        }
    }
    let [train, test] = splits;
    let total = train.len() + test.len();
    let Layout { classes, skipped, notes, .. } = layout;
    let kind = Kind::ImageFolder;
    Ok(Loaded { skipped, total, notes, divided: true, ..Loaded::whole(kind, classes, [train, test]) })
}

/// The chosen entries of both splits: holdout and limit need only names, so nothing is decoded in vain.
fn choose(layout: &Layout, options: &Options) -> Result<[Vec<(usize, u32)>; 2], Error> {
    let [mut train, mut test] = layout.splits.clone();
    let pick = |items: &[(usize, u32)], places: &[usize]| {
        places.iter().map(|&place| items[place]).collect::<Vec<_>>()
    };
    let labels = |items: &[(usize, u32)]| items.iter().map(|item| item.1).collect::<Vec<u32>>();
    if options.holdout.is_some() && train.is_empty() {
        (train, test) = (test, train);
    }
    if test.is_empty() || options.holdout.is_some() {
        let (kept, held) = options.holdout.unwrap_or_default().split(&labels(&train), &layout.classes)?;
        (train, test) = (pick(&train, &kept), pick(&train, &held));
    }
    if let Some(limit) = options.limit {
        train = pick(&train, &split::limit(&labels(&train), layout.classes.len(), limit));
    }
    Ok([train, test])
}

/// The size of the first image by name that can be read, among the first few.
fn first_size(source: &Source, places: &[Vec<(usize, u32)>; 2]) -> Result<Option<(usize, usize)>, Error> {
    let first: Vec<usize> = places.iter().flatten().take(16).map(|item| item.0).collect();
    let mut sizes = BTreeMap::new();
    source.read(&first, MAX_IMAGE_FILE, &mut |entry, file| {
        if let Some(picture) = file.ok().and_then(|file| decode(&file).ok()) {
            sizes.insert(first.iter().position(|&place| place == entry), (picture.height, picture.width));
        }
        ControlFlow::Continue(())
    })?;
    Ok(sizes.into_values().next())
}

/// The images in the order of their names.
fn sorted(images: Images) -> Images {
    if images.names.is_sorted() {
        return images;
    }
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by(|&a, &b| images.names[a].cmp(&images.names[b]));
    images.select(&order)
}

/// Finds classes and splits in the names of the images.
fn layout(source: &Source, holdout: bool) -> Result<Layout, Error> {
    let mut images: Vec<(usize, Vec<&str>)> = source
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.is_picture())
        .map(|(index, entry)| (index, entry.name.split('/').collect()))
        .collect();
    images.sort_by(|a, b| a.1.cmp(&b.1));
    let lists = Lists::read(source)?;
    let mut depth = 0;
    // Step into folders that hold everything else: `name-of-the-archive/...`.
    loop {
        let folders: BTreeSet<&str> = images
            .iter()
            .filter(|(_, parts)| parts.len() > depth + 1)
            .map(|(_, parts)| parts[depth])
            .collect();
        let deeper = images.iter().any(|(_, parts)| parts.len() > depth + 2);
        let splits = !folders.is_empty() && folders.iter().all(|folder| of_folder(folder).is_some());
        match folders.iter().next() {
            Some(_) if splits => return divided(source, &images, depth, holdout, lists),
            Some(_) if folders.len() == 1 && deeper => depth += 1,
            _ => break,
        }
    }
    let mut found = Found::default();
    for (entry, parts) in &images {
        found.add(source, *entry, parts.get(depth..).unwrap_or_default(), 0);
    }
    found.layout(source, vec![], holdout, &lists)
}

/// The layout of folders that are all named after splits.
fn divided(
    source: &Source,
    images: &[(usize, Vec<&str>)],
    depth: usize,
    holdout: bool,
    mut lists: Lists,
) -> Result<Layout, Error> {
    let of = |parts: &[&str]| {
        parts.get(depth).filter(|_| parts.len() > depth + 1).and_then(|folder| of_folder(folder))
    };
    // Images straight in the test split's folder have no class: the unlabeled ones of competitions. Those straight in
    // the validation split's have one in ImageNet's list.
    let any = |split, deeper: bool| {
        images.iter().any(|(_, parts)| of(parts) == Some(split) && (parts.len() > depth + 2) == deeper)
    };
    let flat = any(SplitName::Validation, false);
    let labeled = |split| any(split, true) || split == SplitName::Validation && flat && lists.have_labels();
    let test = if labeled(SplitName::Test) { SplitName::Test } else { SplitName::Validation };
    let mut notes = Vec::new();
    if test == SplitName::Test && labeled(SplitName::Validation) {
        notes.push(Note::ValidationNotUsed);
    }
    if flat && !labeled(SplitName::Test) && !labeled(SplitName::Validation) && !holdout {
        let (path, expected) = (source.path().to_path_buf(), LABEL_FILES.join(" or "));
        return Err(Error::NoLabels { path, folder: "val".into(), expected });
    }
    let in_class = images.iter().filter(|(_, parts)| parts.len() > depth + 2);
    lists.resolve(&in_class.map(|(_, parts)| parts[depth + 1]).collect())?;
    let mut found = Found::default();
    for (entry, parts) in images {
        match of(parts) {
            Some(SplitName::Validation) if test == SplitName::Validation && parts.len() == depth + 2 => {
                let file = parts[depth + 1];
                let class = lists.class_of(file)?;
                found.add(source, *entry, &class.map_or(vec![file], |class| vec![class, file]), 1);
            }
            Some(SplitName::Train) => found.add(source, *entry, &parts[depth + 1..], 0),
            Some(SplitName::Validation) if test == SplitName::Test => {}
            Some(_) => found.add(source, *entry, &parts[depth + 1..], 1),
            None => found.add(source, *entry, &[], 0),
        }
    }
    found.layout(source, notes, holdout, &lists)
}

/// Images by split and class.
#[derive(Default)]
struct Found {
    splits: [BTreeMap<String, Vec<usize>>; 2],
    skipped: Vec<Skipped>,
}

impl Found {
    /// Adds an image whose path below its split is `parts`.
    fn add(&mut self, source: &Source, entry: usize, parts: &[&str], split: usize) {
        match parts {
            [class, _, ..] => self.splits[split].entry(class.to_string()).or_default().push(entry),
            _ => {
                let (file, reason) = (source.entries[entry].name.clone(), "in no class folder".to_string());
                self.skipped.push(Skipped { file, reason });
            }
        }
    }

    fn layout(
        self,
        source: &Source,
        mut notes: Vec<Note>,
        holdout: bool,
        lists: &Lists,
    ) -> Result<Layout, Error> {
        let path = source.path().to_path_buf();
        let [train, test] = &self.splits;
        let named_by = if train.is_empty() { test } else { train };
        let classes: Vec<String> = named_by.keys().cloned().collect();
        if let Some(class) = test.keys().find(|class| !named_by.contains_key(*class)) {
            return Err(Error::UnknownTestClass { path, class: class.clone() });
        }
        match classes.as_slice() {
            [] => return Err(Error::NoClasses(path)),
            [class] => return Err(Error::OneClass { path, class: class.clone() }),
            _ => {}
        }
        if train.is_empty() && !holdout {
            notes.push(Note::TestOnly);
        }
        let list = |split: &BTreeMap<String, Vec<usize>>| {
            let mut items = Vec::new();
            for (label, class) in classes.iter().enumerate() {
                items.extend(split.get(class).into_iter().flatten().map(|&entry| (entry, label as u32)));
            }
            items.sort_by(|a, b| source.entries[a.0].name.cmp(&source.entries[b.0].name));
            items
        };
        let splits = [list(train), list(test)];
        Ok(Layout { splits, skipped: self.skipped, notes, classes: lists.names(classes)? })
    }
}

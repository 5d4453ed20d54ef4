//! Which images of an image folder belong to which split and class.
use super::class_name::nfc;
use super::labelled_files::{ByClass, Layout, number_classes};
use super::lists::Lists;
use super::split_folders::{Belongs, Folders, Image};
use super::split_name::is_no_class;
use crate::dataset::Skipped;
use crate::error::Error;
use crate::group_by::GroupBy;
use crate::ignored::Ignored;
use crate::note::Note;
use crate::options::Options;
use crate::source::{Entry, Source};
use crate::split_names::SplitName;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Finds splits and classes in the names of the images, in the lists beside them, and in what the options say.
pub(super) fn lay_out(source: &Source, options: &Options) -> Result<Layout, Error> {
    let mut images: Vec<Image> = source
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.is_picture())
        .map(|(index, entry)| (index, entry.name.split('/').collect()))
        .collect();
    images.sort_by(|a, b| a.1.cmp(&b.1));
    let folders = Folders::find(source.path(), &images, &options.reading.splits)?;
    let by_folder = options.fold.as_ref().is_some_and(|fold| fold.group_by == Some(GroupBy::Folder));
    let group = |(entry, parts): &Image| Some((*entry, folders.group(parts)?.to_string()));
    let groups = images.iter().filter(|_| by_folder).filter_map(group).collect();
    let mut found = Found::new(source, folders, Lists::read(source)?);
    found.add_all(&images, options)?;
    found.check_lost_classes()?;
    Ok(Layout { groups, ..found.layout(options)? })
}

/// Images by split and class.
struct Found<'s> {
    source: &'s Source,
    folders: Folders<'s>,
    lists: Lists,
    /// The entries of each class, by the class's name in NFC.
    splits: ByClass<String>,
    /// The folders of each class.
    spellings: BTreeMap<String, BTreeSet<&'s str>>,
    skipped: Vec<Skipped>,
    unlabeled: [Vec<usize>; 3],
    elsewhere: BTreeMap<&'s str, Vec<usize>>,
    copied: Vec<usize>,
    /// Whether the classes of the validation images are those of a list.
    by_list: bool,
    notes: Vec<Note>,
}

impl<'s> Found<'s> {
    fn new(source: &'s Source, mut folders: Folders<'s>, lists: Lists) -> Self {
        let notes = std::mem::take(&mut folders.notes);
        let (splits, spellings, unlabeled, elsewhere) = Default::default();
        let (skipped, copied, by_list) = (vec![], vec![], false);
        Self {
            source,
            folders,
            lists,
            splits,
            spellings,
            skipped,
            unlabeled,
            elsewhere,
            copied,
            by_list,
            notes,
        }
    }

    /// Gives each image its split and class.
    fn add_all(&mut self, images: &[Image<'s>], options: &Options) -> Result<(), Error> {
        let mut assigned: Vec<Belongs> = images.iter().map(|(_, parts)| self.folders.assign(parts)).collect();
        self.open_unlabeled_folders(&mut assigned);
        let named: BTreeSet<String> = assigned
            .iter()
            .filter_map(
                |belongs| if let Belongs::Class(_, class) = belongs { Some(nfc(class)) } else { None },
            )
            .collect();
        let labeled =
            |split| assigned.iter().any(|belongs| matches!(belongs, Belongs::Class(of, _) if *of == split));
        let straight = assigned.contains(&Belongs::Straight(SplitName::Validation));
        let by_list = straight && self.lists.have_labels();
        let held = labeled(SplitName::Test) || labeled(SplitName::Validation) || by_list;
        if straight && !held && !options.takes_test_images() && !options.whole {
            let [_, folder, _] = self.folders.names();
            return Err(Error::NoLabels {
                path: self.source.path().to_path_buf(),
                folder: folder.unwrap_or_default(),
                expected: Lists::expected(),
            });
        }
        if by_list {
            self.lists.resolve(&named)?;
        }
        self.by_list = by_list;
        let mixed = labeled(SplitName::Validation);
        for (&(entry, ref parts), belongs) in images.iter().zip(assigned) {
            let file = parts.last().copied().unwrap_or_default();
            match belongs {
                Belongs::Class(split, class) => self.add(entry, split, class),
                Belongs::Straight(SplitName::Validation) if by_list => {
                    let class = nfc(self.lists.class_of(file)?);
                    self.splits[SplitName::Validation as usize].entry(class).or_default().push(entry);
                }
                Belongs::Straight(SplitName::Validation) if !mixed => {
                    self.unlabeled[SplitName::Validation as usize].push(entry);
                }
                Belongs::Straight(SplitName::Test) => self.unlabeled[SplitName::Test as usize].push(entry),
                Belongs::Copy => self.copied.push(entry),
                Belongs::Elsewhere(Some(folder)) => self.elsewhere.entry(folder).or_default().push(entry),
                Belongs::Straight(_) | Belongs::Elsewhere(None) => {
                    self.skipped.push(Skipped::without_class(self.name(entry).to_string()));
                }
            }
        }
        Ok(())
    }

    /// Images of a held-out split that all lie in a folder like `images`, which is no class of the training images, lie
    /// straight in the split's folder.
    fn open_unlabeled_folders(&self, assigned: &mut [Belongs<'s>]) {
        let classes = |assigned: &[Belongs<'s>], split| -> BTreeSet<&'s str> {
            let class = |belongs: &Belongs<'s>| match belongs {
                Belongs::Class(of, class) if *of == split => Some(*class),
                _ => None,
            };
            assigned.iter().filter_map(class).collect()
        };
        let trained = classes(assigned, SplitName::Train);
        for split in [SplitName::Validation, SplitName::Test] {
            let held = classes(assigned, split);
            let open = held.iter().all(|class| is_no_class(class) && !trained.contains(class));
            if open && !trained.is_empty() {
                for belongs in assigned
                    .iter_mut()
                    .filter(|belongs| matches!(belongs, Belongs::Class(of, _) if *of == split))
                {
                    *belongs = Belongs::Straight(split);
                }
            }
        }
    }

    fn add(&mut self, entry: usize, split: SplitName, class: &'s str) {
        let name = nfc(class);
        self.spellings.entry(name.clone()).or_default().insert(class);
        self.splits[split as usize].entry(name).or_default().push(entry);
    }

    fn name(&self, entry: usize) -> &'s str {
        &self.source.entries[entry].name
    }

    /// A folder in the place of a class folder whose files are no images that can be read.
    fn check_lost_classes(&mut self) -> Result<(), Error> {
        let mut lost: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
        for entry in self.source.entries.iter().filter(|entry| !entry.is_picture()) {
            let parts: Vec<&str> = entry.name.split('/').collect();
            if let Belongs::Class(_, class) = self.folders.assign(&parts)
                && !self.splits.iter().any(|split| split.contains_key(&nfc(class)))
            {
                lost.entry(nfc(class)).or_default().push(entry);
            }
        }
        for folder in &self.source.empty_folders {
            let parts: Vec<&str> = folder.split('/').chain([""]).collect();
            if let Belongs::Class(_, class) = self.folders.assign(&parts)
                && !self.splits.iter().any(|split| split.contains_key(&nfc(class)))
            {
                lost.entry(nfc(class)).or_default();
            }
        }
        for (class, files) in lost {
            if let Some(picture) = files.iter().find(|entry| entry.kind.may_be_a_class()) {
                let example = format!("{} ({})", picture.name, picture.kind.reason());
                let path = self.source.path().to_path_buf();
                return Err(Error::LostClass { path, class, files: files.len(), example });
            }
            self.notes.push(Note::FolderWithoutImages { folder: class, files: files.len() });
        }
        Ok(())
    }

    fn layout(mut self, options: &Options) -> Result<Layout, Error> {
        if self.folders.divided {
            let sizes = self.splits.each_ref().map(BTreeMap::len);
            self.notes.extend(Note::splits(self.folders.names(), sizes));
        }
        let (classes, splits) = number_classes(self.source, &mut self.splits, options)?;
        self.note_decisions();
        let ignored = self.ignored();
        let (classes, named_by) = self.lists.names(classes)?;
        self.notes.extend(named_by.map(|file| Note::ClassNames { file }));
        let Self { skipped, notes, .. } = self;
        let (groups, missing) = (HashMap::new(), vec![]);
        Ok(Layout { classes, splits, groups, skipped, missing, ignored, notes })
    }

    fn note_decisions(&mut self) {
        for (class, _) in self.spellings.iter().filter(|(_, folders)| folders.len() > 1) {
            self.notes.push(Note::UnicodeForms { class: class.clone() });
        }
        if self.by_list
            && let Some(file) = self.lists.label_file()
        {
            self.notes.push(Note::LabelsOfList { file: file.to_string() });
        }
        for split in [SplitName::Validation, SplitName::Test] {
            let images = self.unlabeled[split as usize].len();
            if images > 0 {
                self.notes.push(Note::Unlabeled { split: split.word(), images });
            }
        }
        if !self.elsewhere.is_empty() {
            let folders = self.elsewhere.keys().map(|folder| folder.to_string()).collect();
            let images = self.elsewhere.values().map(Vec::len).sum();
            self.notes.push(Note::OtherFolders { folders, images });
        }
    }

    fn ignored(&self) -> Vec<Ignored> {
        let names = |entries: &[usize]| entries.iter().map(|&entry| self.name(entry)).collect::<Vec<_>>();
        let mut ignored = Vec::new();
        for split in [SplitName::Validation, SplitName::Test] {
            let images = &self.unlabeled[split as usize];
            ignored.extend(
                images.first().map(|&first| Ignored::unlabeled(split, images.len(), self.name(first))),
            );
        }
        let elsewhere: Vec<usize> = self.elsewhere.values().flatten().copied().collect();
        if !elsewhere.is_empty() {
            ignored.push(Ignored::new("image in a folder that belongs to no split", &names(&elsewhere)));
        }
        if !self.copied.is_empty() {
            ignored.push(Ignored::new("image in a copy of the data in itself", &names(&self.copied)));
        }
        ignored
    }
}

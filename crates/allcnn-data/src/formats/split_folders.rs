//! Which folders of an image folder are its splits, and below which of them the class folders lie.
//!
//! The split folders are the splits, whatever lies beside them. Where the names allow two readings that differ in what is
//! trained or tested on, nothing is guessed: [`Error::Readings`] shows both, and `--splits` chooses.
use super::format::CLEAR;
use super::split_name::{given, in_name, locate, of_folder};
use crate::error::Error;
use crate::note::Note;
use crate::split_names::SplitName;
use crate::split_names::SplitNames;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An image: its index in the source and the parts of its name.
pub(super) type Image<'s> = (usize, Vec<&'s str>);

/// A folder that holds a split.
struct Root<'s> {
    split: SplitName,
    folder: Vec<&'s str>,
    /// Further folders that hold all of its class folders.
    wrapper: Vec<&'s str>,
}

/// Where the splits of an image folder are.
pub(super) struct Folders<'s> {
    roots: Vec<Root<'s>>,
    /// The folders that hold everything.
    outer: Vec<&'s str>,
    /// Every class folder has its own split folders: `cat/train/1.png`.
    classes_first: bool,
    /// Copies of the data set in itself.
    copies: Vec<Vec<&'s str>>,
    /// Whether folders were found to be splits.
    pub divided: bool,
    /// What was decided.
    pub notes: Vec<Note>,
}

/// Where a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs<'s> {
    /// In a class folder of a split.
    Class(SplitName, &'s str),
    /// Straight in the folder of a split.
    Straight(SplitName),
    /// In a copy of the data in itself.
    Copy,
    /// In another folder, or straight beside the splits.
    Elsewhere(Option<&'s str>),
}

/// What a folder holds of images.
#[derive(Default)]
struct Child {
    images: usize,
    /// Images in folders below it.
    deeper: usize,
}

impl<'s> Folders<'s> {
    /// Finds the splits that a person names, or those that the names of the folders say.
    pub(super) fn find(path: &Path, images: &[Image<'s>], names: &SplitNames) -> Result<Self, Error> {
        let by_words = *names == SplitNames::default();
        let mut found =
            if by_words { Self::by_words(path, images)? } else { Self::by_names(path, images, names)? };
        found.wrap(images);
        if by_words {
            found.leave_copies_out(images);
        }
        Ok(found)
    }

    /// Where a file belongs.
    pub(super) fn assign(&self, parts: &[&'s str]) -> Belongs<'s> {
        let below = |folder: &[&str]| parts.len() > folder.len() && parts.starts_with(folder);
        let elsewhere = || {
            // The outermost folder that holds not everything.
            let shared = parts.iter().zip(&self.outer).take_while(|(part, outer)| part == outer).count();
            Belongs::Elsewhere(parts.get(shared).filter(|_| parts.len() > shared + 1).copied())
        };
        if self.copies.iter().any(|copy| below(copy)) {
            return Belongs::Copy;
        }
        if self.classes_first {
            let depth = self.outer.len();
            return match parts.get(depth + 1).and_then(|folder| of_folder(folder)) {
                Some(split) if parts.len() > depth + 2 => Belongs::Class(split, parts[depth]),
                _ => elsewhere(),
            };
        }
        let Some(root) = self.root(parts) else { return elsewhere() };
        let rest = &parts[root.folder.len()..];
        match rest.strip_prefix(root.wrapper.as_slice()).unwrap_or_default() {
            [class, _, ..] => Belongs::Class(root.split, class),
            _ => Belongs::Straight(root.split),
        }
    }

    /// The folder straight below the class folder, in which a file lies.
    pub(super) fn group(&self, parts: &[&'s str]) -> Option<&'s str> {
        let Belongs::Class(..) = self.assign(parts) else { return None };
        let below = match self.root(parts) {
            Some(root) if !self.classes_first => root.folder.len() + root.wrapper.len() + 1,
            _ => self.outer.len() + 2,
        };
        parts.get(below).filter(|_| parts.len() > below + 1).copied()
    }

    /// The folder of the split that a file lies in, the innermost: `--splits train=.,test=test`.
    fn root(&self, parts: &[&str]) -> Option<&Root<'s>> {
        let holds = |root: &&Root| parts.len() > root.folder.len() && parts.starts_with(&root.folder);
        self.roots.iter().filter(holds).max_by_key(|root| root.folder.len())
    }

    /// The folder of each split, in the order of [`SplitName`].
    pub(super) fn names(&self) -> [Option<String>; 3] {
        SplitName::ALL.map(|split| {
            let root = self.roots.iter().find(|root| root.split == split)?;
            Some(if root.folder.is_empty() { ".".to_string() } else { root.folder.join("/") })
        })
    }

    /// One folder of class folders.
    fn undivided(outer: Vec<&'s str>) -> Self {
        let root = Root { split: SplitName::Train, folder: outer.clone(), wrapper: vec![] };
        let (copies, notes) = (vec![], vec![]);
        Self { roots: vec![root], outer, classes_first: false, copies, divided: false, notes }
    }

    fn by_names(path: &Path, images: &[Image<'s>], names: &SplitNames) -> Result<Self, Error> {
        let outer = common(images);
        let all: Vec<String> = images.iter().map(|(_, parts)| parts.join("/")).collect();
        let mut roots = Vec::new();
        for (split, name) in SplitName::ALL.into_iter().zip(given(names)) {
            let Some(name) = name else { continue };
            let folder = locate(name, &outer, all.iter().map(String::as_str)).ok_or_else(|| {
                let folders = children(images, &outer).into_keys();
                Error::no_split(path, name, folders)
            })?;
            let depth = if folder.is_empty() { 0 } else { folder.matches('/').count() + 1 };
            let first = all.iter().position(|name| {
                name.strip_prefix(folder.as_str()).is_some_and(|rest| depth == 0 || rest.starts_with('/'))
            });
            let Some(first) = first else {
                return Err(Error::no_split(path, name, children(images, &outer).into_keys()));
            };
            roots.push(Root { split, folder: images[first].1[..depth].to_vec(), wrapper: vec![] });
        }
        let (copies, notes) = (vec![], vec![]);
        Ok(Self { roots, outer, classes_first: false, copies, divided: true, notes })
    }

    fn by_words(path: &Path, images: &[Image<'s>]) -> Result<Self, Error> {
        let (mut outer, mut notes) = (Vec::new(), Vec::new());
        // Step into folders that hold everything else: `name-of-the-archive/...`.
        loop {
            let children = children(images, &outer);
            let words = split_words(path, &children)?;
            if let [(_, only)] = words.as_slice()
                && children.len() == 1
                && steps_over(images, &outer, only, &children[only])
            {
                outer.push(only);
                continue;
            }
            if !words.is_empty() {
                if read_words(path, &children, &words)? {
                    return Ok(Self::of_words(outer, words, notes));
                }
                let folders = words.iter().map(|(_, name)| name.to_string()).collect();
                notes.push(Note::ClassesNamedLikeSplits { folders });
                return Ok(Self { notes, ..Self::undivided(outer) });
            }
            let next = match children.first_key_value() {
                Some((only, child)) if children.len() == 1 => Some(*only).filter(|_| child.deeper > 0),
                _ => the_set_inside(path, images, &outer, &children)?,
            };
            match next {
                Some(folder) => outer.push(folder),
                None if classes_first(images, &outer, &children) => {
                    notes.push(Note::SplitsInClasses);
                    let (roots, copies) = (vec![], vec![]);
                    return Ok(Self { roots, outer, classes_first: true, copies, divided: true, notes });
                }
                None => return Ok(Self::undivided(outer)),
            }
        }
    }

    fn of_words(outer: Vec<&'s str>, words: Vec<(SplitName, &'s str)>, notes: Vec<Note>) -> Self {
        let root = |(split, name): (SplitName, &'s str)| {
            let folder = [outer.as_slice(), &[name]].concat();
            Root { split, folder, wrapper: vec![] }
        };
        let roots = words.into_iter().map(root).collect();
        Self { roots, outer, classes_first: false, copies: vec![], divided: true, notes }
    }

    /// Steps into a folder that holds all class folders of its split, if every split with class folders has one:
    /// `seg_train/seg_train/cat/1.png`.
    fn wrap(&mut self, images: &[Image<'s>]) {
        if !self.divided {
            return;
        }
        let wrapper = |root: &Root<'s>| {
            let children = children(images, &root.folder);
            if children.values().all(|child| child.images == 0) {
                return Some(None); // no class folders
            }
            let (name, child) = children.first_key_value().filter(|_| children.len() == 1)?;
            let below = [root.folder.as_slice(), &[*name]].concat();
            let named = root.folder.last() == Some(name);
            let holds = child.deeper == child.images && self::children(images, &below).len() > 1;
            (named || holds).then_some(Some(*name))
        };
        let wrappers: Option<Vec<Option<&str>>> = self.roots.iter().map(wrapper).collect();
        for (root, name) in self.roots.iter_mut().zip(wrappers.unwrap_or_default()) {
            root.wrapper.extend(name);
        }
    }

    /// Leaves out class folders that hold folders of the names of all other class folders.
    fn leave_copies_out(&mut self, images: &[Image<'s>]) {
        for root in &self.roots {
            let base = [root.folder.as_slice(), &root.wrapper].concat();
            let classes = children(images, &base);
            for (name, child) in classes.iter().filter(|(_, child)| child.deeper == child.images) {
                let copy = [base.as_slice(), &[*name]].concat();
                let inside: BTreeSet<&str> = children(images, &copy).into_keys().collect();
                let others = || classes.keys().filter(|other| *other != name);
                if others().count() > 1 && others().all(|other| inside.contains(other)) {
                    self.notes.push(Note::Copy { folder: copy.join("/"), images: child.images });
                    self.copies.push(copy);
                }
            }
        }
    }
}

/// The folders straight below a folder that hold images.
fn children<'s>(images: &[Image<'s>], folder: &[&str]) -> BTreeMap<&'s str, Child> {
    let mut children: BTreeMap<&str, Child> = BTreeMap::new();
    let depth = folder.len();
    // They are sorted, so those of a folder are neighbors.
    let start = images.partition_point(|(_, parts)| parts.as_slice() < folder);
    let below = images[start..].iter().take_while(|(_, parts)| parts.starts_with(folder));
    for (_, parts) in below.filter(|(_, parts)| parts.len() > depth + 1) {
        let child = children.entry(parts[depth]).or_default();
        child.images += 1;
        child.deeper += usize::from(parts.len() > depth + 2);
    }
    children
}

/// The folders that hold all images that are in folders.
fn common<'s>(images: &[Image<'s>]) -> Vec<&'s str> {
    let mut outer = Vec::new();
    loop {
        let children = children(images, &outer);
        match children.first_key_value() {
            Some((name, child)) if children.len() == 1 && child.deeper > 0 => outer.push(*name),
            _ => return outer,
        }
    }
}

/// Those of the folders that are named after splits: by the word alone, or else by the word in names that are otherwise the
/// same (`pets_train`, `pets_test`).
fn split_words<'s>(
    path: &Path,
    children: &BTreeMap<&'s str, Child>,
) -> Result<Vec<(SplitName, &'s str)>, Error> {
    let plain: Vec<_> = children.keys().filter_map(|name| Some((of_folder(name)?, *name))).collect();
    if !plain.is_empty() {
        return Ok(plain);
    }
    let mut alike: BTreeMap<Vec<String>, Vec<(SplitName, &str)>> = BTreeMap::new();
    for name in children.keys() {
        if let Some((split, rest)) = in_name(name) {
            alike.entry(rest).or_default().push((split, name));
        }
    }
    alike.retain(|_, names| {
        let train = names.iter().any(|(split, _)| *split == SplitName::Train);
        train && names.iter().any(|(split, _)| *split != SplitName::Train)
    });
    if alike.len() > 1 {
        let names = alike.values().flatten().map(|(_, name)| format!("'{name}'")).collect::<Vec<_>>();
        return Err(Error::Readings {
            path: path.to_path_buf(),
            first: format!("{} hold splits of several data sets or classes", names.join(", ")),
            second: format!("each of the {} folders is a class (--splits train=.)", children.len()),
        });
    }
    Ok(alike.into_values().next().unwrap_or_default())
}

/// Whether the only folder, though it is named after a split, is to be stepped into: it holds splits itself, or its word is no
/// usual one and its class folders are divided as all are.
fn steps_over(images: &[Image], outer: &[&str], only: &str, child: &Child) -> bool {
    let usual = ["train", "training", "test", "testing", "val", "valid", "validation"];
    let usual = usual.iter().any(|word| only.eq_ignore_ascii_case(word));
    child.deeper > 0 && (!usual || holds_splits(&children(images, &[outer, &[only]].concat())))
}

/// Whether there are class folders to train on, and something held out.
fn holds_splits(children: &BTreeMap<&str, Child>) -> bool {
    let any = |wanted: fn(SplitName) -> bool, deeper: bool| {
        children
            .iter()
            .any(|(name, child)| of_folder(name).is_some_and(wanted) && (!deeper || child.deeper > 0))
    };
    any(|split| split == SplitName::Train, true) && any(|split| split != SplitName::Train, false)
}

/// Whether folders named after splits are the splits. If not, all folders are classes.
fn read_words(
    path: &Path,
    children: &BTreeMap<&str, Child>,
    words: &[(SplitName, &str)],
) -> Result<bool, Error> {
    let of = |split| words.iter().filter(move |(named, _)| *named == split).map(|(_, name)| *name);
    let classes =
        || format!("{} class folders ({}), --splits train=.", children.len(), listed(children.keys()));
    let flags = |words: &[(SplitName, &str)]| {
        let flags: Vec<String> =
            words.iter().map(|(split, name)| format!("{}={name}", split.flag())).collect();
        flags.join(",")
    };
    for split in SplitName::ALL {
        if let [first, second, ..] = of(split).collect::<Vec<_>>().as_slice() {
            let (word, flag) = (split.word(), split.flag());
            return Err(Error::Readings {
                path: path.to_path_buf(),
                first: format!("'{first}' holds its {word} images, --splits {flag}={first},..."),
                second: format!("'{second}' does, --splits {flag}={second},..."),
            });
        }
    }
    let others = children.len() - words.len();
    let train = of(SplitName::Train).next();
    let trains = train.is_some_and(|train| children[train].deeper > 0);
    if others == 0 || trains && words.len() > 1 {
        return Ok(true);
    }
    // A class may be called train or valid. Unlabeled images in a folder called test are as likely as such a class.
    if words.iter().all(|(split, name)| *split != SplitName::Test && children[name].deeper == 0) {
        return Ok(false);
    }
    let first = if trains {
        let left = children.keys().filter(|name| of_folder(name).is_none());
        format!("a training split beside other folders ({}), --splits {}", listed(left), flags(words))
    } else {
        format!("class folders to train on and splits beside them, --splits train=.,{}", flags(words))
    };
    Err(Error::Readings { path: path.to_path_buf(), first, second: classes() })
}

/// The first few names.
fn listed<'n>(names: impl Iterator<Item = &'n &'n str>) -> String {
    let mut names: Vec<&str> = names.copied().collect();
    let more = if names.len() > 5 { ", ..." } else { "" };
    names.truncate(5);
    format!("{}{more}", names.join(", "))
}

/// The one of several folders that holds the data set, where one holds splits.
fn the_set_inside<'s>(
    path: &Path,
    images: &[Image<'s>],
    outer: &[&str],
    children: &BTreeMap<&'s str, Child>,
) -> Result<Option<&'s str>, Error> {
    let inside = |name: &str| self::children(images, &[outer, &[name]].concat());
    let sets: Vec<&str> = children
        .iter()
        .filter(|(name, child)| child.deeper > 0 && holds_splits(&inside(name)))
        .map(|(name, _)| *name)
        .collect();
    let [set] = sets.as_slice() else {
        let folders =
            sets.iter().map(|set| [outer, &[*set]].concat().join("/")).collect::<Vec<_>>().join("', '");
        let several = || Error::Several { path: path.to_path_buf(), folders };
        return if sets.is_empty() { Ok(None) } else { Err(several()) };
    };
    let others: usize = children.values().map(|child| child.images).sum::<usize>() - children[set].images;
    if children[set].images >= CLEAR * others {
        return Ok(Some(set));
    }
    let splits = inside(set);
    let flags: Vec<String> =
        splits.keys().filter_map(|name| Some(format!("{}={set}/{name}", of_folder(name)?.flag()))).collect();
    Err(Error::Readings {
        path: path.to_path_buf(),
        first: format!("the data set in '{set}', --splits {}", flags.join(",")),
        second: format!("{} class folders ({}), --splits train=.", children.len(), listed(children.keys())),
    })
}

/// Whether every folder is a class that has its own split folders, and nothing else.
fn classes_first(images: &[Image], outer: &[&str], children: &BTreeMap<&str, Child>) -> bool {
    let split = |name: &str, child: &Child| {
        let splits = self::children(images, &[outer, &[name]].concat());
        let words: Vec<_> = splits.keys().filter_map(|name| of_folder(name)).collect();
        let held = words.iter().any(|split| *split != SplitName::Train);
        let all = words.len() == splits.len() && child.deeper == child.images;
        (words.contains(&SplitName::Train) && held && all, all && !words.is_empty())
    };
    let found: Vec<(bool, bool)> = children.iter().map(|(name, child)| split(name, child)).collect();
    found.len() > 1 && found.iter().any(|(divided, _)| *divided) && found.iter().all(|(_, all)| *all)
}

//! The lists beside the images of ILSVRC-2012: the class of each validation image, where these lie in one folder, and
//! the names of the classes, whose folders are called after WordNet's numbers (`n01440764`).
use crate::error::Error;
use crate::source::{Entry, Source};
use crate::text;
use std::collections::{BTreeSet, HashMap};

/// Labels, a line an image: `ILSVRC2012_val_00000001.JPEG 65`, or with the class's folder in the place of the number,
/// which counts from 0. The last one is Kaggle's: after a head, `ILSVRC2012_val_00000001,n01751748 111 108 421 480`.
pub(super) const LABEL_FILES: [&str; 3] = ["val.txt", "val_labels.txt", "LOC_val_solution.csv"];
/// Classes in the order of their numbers: `n01440764 tench, Tinca tinca`.
pub(super) const CLASS_FILES: [&str; 2] = ["synset_words.txt", "LOC_synset_mapping.txt"];
/// Neither list of any data set is larger.
const MAX_LIST: u64 = 256 << 20;

/// What the lists of a source say.
#[derive(Default)]
pub(super) struct Lists {
    labels: Option<LabelList>,
    classes: Option<ClassList>,
}

/// The class of each image, by the image's name without folder and extension.
struct LabelList {
    file: String,
    class_of: HashMap<String, String>,
}

/// The folder and the name of each class.
struct ClassList {
    file: String,
    names: Vec<(String, String)>,
}

impl Lists {
    /// Reads the lists that a source has.
    pub fn read(source: &Source) -> Result<Lists, Error> {
        let labels = find(source, &LABEL_FILES)?.map(|(file, text)| LabelList::parse(file, &text));
        let classes = find(source, &CLASS_FILES)?.map(|(file, text)| ClassList::parse(file, &text));
        Ok(Lists { labels, classes })
    }

    /// Whether there are labels.
    pub fn have_labels(&self) -> bool {
        self.labels.is_some()
    }

    /// Puts class folders in the place of the numbers of classes: those of the class list, else the sorted `folders`
    /// of the training images.
    pub fn resolve(&mut self, folders: &BTreeSet<&str>) -> Result<(), Error> {
        let Some(LabelList { file, class_of }) = &mut self.labels else { return Ok(()) };
        let order: Vec<&str> = match &self.classes {
            Some(list) => list.names.iter().map(|(folder, _)| folder.as_str()).collect(),
            None => folders.iter().copied().collect(),
        };
        for class in class_of.values_mut() {
            let Ok(number) = class.parse::<usize>() else { continue };
            if order.is_empty() {
                return Err(Error::NoClassList { file: file.clone(), expected: CLASS_FILES.join(" or ") });
            }
            let folder = order.get(number).ok_or_else(|| {
                let what = format!("class {number} is not below the number of classes, {}", order.len());
                Error::List { file: file.clone(), what }
            })?;
            *class = folder.to_string();
        }
        Ok(())
    }

    /// The class folder of an image that lies in none; nothing where there are no labels.
    pub fn class_of(&self, image: &str) -> Result<Option<&str>, Error> {
        let Some(LabelList { file, class_of }) = &self.labels else { return Ok(None) };
        let class = class_of.get(stem(image)).ok_or_else(|| Error::List {
            file: file.clone(),
            what: format!("it has no line for the image '{image}': complete it, or remove the image"),
        })?;
        Ok(Some(class))
    }

    /// The names of class folders, `tench (n01440764)`; the folders themselves without a class list.
    pub fn names(&self, folders: Vec<String>) -> Result<Vec<String>, Error> {
        let Some(ClassList { file, names }) = &self.classes else { return Ok(folders) };
        let names: HashMap<&str, &str> =
            names.iter().map(|(folder, name)| (folder.as_str(), name.as_str())).collect();
        let name = |folder: String| match names.get(folder.as_str()) {
            Some(name) => Ok(format!("{name} ({folder})")),
            None => {
                let what = format!("it has no line for the class '{folder}': complete it, or remove it");
                Err(Error::List { file: file.clone(), what })
            }
        };
        folders.into_iter().map(name).collect()
    }
}

impl LabelList {
    fn parse(file: String, text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split([' ', '\t', ',']).filter(|word| !word.is_empty());
            let image = words.next().filter(|&word| word != "ImageId")?; // the head of Kaggle's list
            Some((stem(image).to_string(), words.next()?.to_string()))
        };
        Self { file, class_of: text.lines().map(str::trim).filter_map(line).collect() }
    }
}

impl ClassList {
    fn parse(file: String, text: &str) -> Self {
        let line = |line: &str| {
            let (folder, names) = line.trim().split_once([' ', '\t'])?;
            let first = names.split(',').next().unwrap_or(names);
            Some((folder.to_string(), first.trim().to_string()))
        };
        Self { file, names: text.lines().filter_map(line).collect() }
    }
}

/// The first file of a source with one of these names: its name and its text.
fn find(source: &Source, names: &[&str]) -> Result<Option<(String, String)>, Error> {
    let is_named = |entry: &Entry| names.contains(&entry.file_name());
    let Some(place) = source.entries.iter().position(is_named) else { return Ok(None) };
    let file = source.entries[place].name.clone();
    match text::decode(&source.read_one(place, MAX_LIST)?) {
        Ok(text) => Ok(Some((file, text))),
        Err(error) => Err(Error::List { file, what: error.to_string() }),
    }
}

/// Whether a file is one of the lists.
pub(super) fn is_list(entry: &Entry) -> bool {
    let name = entry.file_name();
    LABEL_FILES.contains(&name) || CLASS_FILES.contains(&name)
}

/// A file's name without folder and extension.
fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

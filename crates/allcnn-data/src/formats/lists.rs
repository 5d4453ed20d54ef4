//! Lists beside the images of a folder, as ILSVRC-2012, Tiny ImageNet and Kaggle have them: the class of each validation image,
//! where these lie in one folder, and the names of the classes, whose folders are called after WordNet's numbers
//! (`n01440764`).
use crate::error::Error;
use crate::source::{Entry, Source};
use crate::text;
use csv::StringRecord;
use std::collections::{BTreeSet, HashMap};

/// Labels, a line an image: `ILSVRC2012_val_00000001.JPEG 65`, or with the class's folder in the place of the number, which
/// counts from 0. The third one is Kaggle's: after a head, `ILSVRC2012_val_00000001,n01751748 111 108 421 480`; the last one
/// Tiny ImageNet's, with tabs: `val_0.JPEG`, the class, a box.
const LABEL_FILES: [&str; 4] = ["val.txt", "val_labels.txt", "LOC_val_solution.csv", "val_annotations.txt"];
/// Classes in the order of their numbers: `n01440764 tench, Tinca tinca`.
const CLASS_FILES: [&str; 2] = ["synset_words.txt", "LOC_synset_mapping.txt"];
/// Only the folders of the classes, in the order of their numbers.
const FOLDER_FILES: [&str; 1] = ["wnids.txt"];
/// Names of more classes than there are: `n00001740`, a tab, `entity`.
const NAME_FILES: [&str; 1] = ["words.txt"];
/// Neither list of any data set is larger.
const MAX_LIST: u64 = 256 << 20;
/// Heads of a column of files, and of one of classes.
const FILE_HEADS: [&str; 9] =
    ["imageid", "image_id", "image", "img", "file", "filename", "file_name", "path", "id"];
const CLASS_HEADS: [&str; 8] =
    ["label", "labels", "class", "class_name", "category", "target", "synset", "predictionstring"];

/// What the lists of a source say.
pub(super) struct Lists {
    labels: Option<LabelList>,
    classes: Option<ClassList>,
    order: Option<FolderList>,
    /// Names of many classes, which need not be all.
    names: Option<ClassList>,
}

/// The class of each image, by the image's name without folder and extension.
struct LabelList {
    file: String,
    class_of: HashMap<String, String>,
}

/// The folder and the name of each class.
struct ClassList {
    file: String,
    names: Vec<ClassLine>,
}

/// A line of such a list.
struct ClassLine {
    /// Its number, from 1.
    line: usize,
    folder: String,
    name: String,
}

/// The folders of the classes in the order of their numbers.
struct FolderList {
    file: String,
    /// Each with the number of its line, from 1.
    folders: Vec<(usize, String)>,
}

/// What a line of a list of labels says.
struct Labelled {
    /// Its number, from 1.
    line: u64,
    image: String,
    class: String,
}

impl Lists {
    /// Reads the lists that a source has.
    pub(super) fn read(source: &Source) -> Result<Lists, Error> {
        let labels =
            find(source, &LABEL_FILES)?.map(|(file, text)| LabelList::parse(file, &text)).transpose()?;
        let list = |names: &[&str], is_whole| {
            find(source, names)?.map(|(file, text)| ClassList::parse(file, &text, is_whole)).transpose()
        };
        let (classes, names) = (list(&CLASS_FILES, true)?, list(&NAME_FILES, false)?);
        let order = find(source, &FOLDER_FILES)?.map(|(file, text)| FolderList::parse(file, &text));
        Ok(Lists { labels, classes, order, names })
    }

    /// The names that a list of labels may have.
    pub(super) fn expected() -> String {
        LABEL_FILES[..3].join(" or ")
    }

    /// Whether there are labels.
    pub(super) fn have_labels(&self) -> bool {
        self.labels.is_some()
    }

    /// Puts class folders in the place of the numbers of classes: those of the class list, else the sorted `folders` of the
    /// images. A class that is called by its folder keeps it, also where that is a number.
    pub(super) fn resolve(&mut self, folders: &BTreeSet<String>) -> Result<(), Error> {
        let Some(LabelList { file, class_of }) = &mut self.labels else { return Ok(()) };
        let (listed, order): (Option<&str>, Vec<(usize, &str)>) = match (&self.classes, &self.order) {
            (Some(list), _) => {
                (Some(&list.file), list.names.iter().map(|of| (of.line, of.folder.as_str())).collect())
            }
            (None, Some(list)) => {
                (Some(&list.file), list.folders.iter().map(|(line, of)| (*line, of.as_str())).collect())
            }
            (None, None) => (None, folders.iter().map(|folder| (0, folder.as_str())).collect()),
        };
        let mut checked = false;
        for class in class_of.values_mut().filter(|class| !folders.contains(*class)) {
            let Ok(number) = class.parse::<usize>() else { continue };
            if let Some(list) = listed.filter(|_| !checked) {
                expect_once(list, &order)?;
                checked = true;
            }
            if order.is_empty() {
                return Err(Error::NoClassList { file: file.clone(), expected: CLASS_FILES.join(" or ") });
            }
            let (_, folder) = order.get(number).ok_or_else(|| {
                let what = format!("class {number} is not below the number of classes, {}", order.len());
                Error::List { file: file.clone(), what }
            })?;
            *class = folder.to_string();
        }
        Ok(())
    }

    /// The class folder of an image that lies in none.
    pub(super) fn class_of(&self, image: &str) -> Result<&str, Error> {
        let class = self.labels.as_ref().and_then(|list| list.class_of.get(stem(image)));
        class.map(String::as_str).ok_or_else(|| Error::List {
            file: self.label_file().unwrap_or_default().to_string(),
            what: format!("it has no line for the image '{image}': complete it, or remove the image"),
        })
    }

    /// The list of labels.
    pub(super) fn label_file(&self) -> Option<&str> {
        self.labels.as_ref().map(|list| list.file.as_str())
    }

    /// The names of class folders, `tench (n01440764)`, and the list that has them; the folders themselves without one.
    pub(super) fn names(&self, folders: Vec<String>) -> Result<(Vec<String>, Option<String>), Error> {
        let lists = [&self.classes, &self.names];
        let Some((index, list)) =
            lists.iter().enumerate().find_map(|(index, list)| Some((index, list.as_ref()?)))
        else {
            return Ok((folders, None));
        };
        let names: HashMap<&str, &str> =
            list.names.iter().map(|of| (of.folder.as_str(), of.name.as_str())).collect();
        if let Some(folder) = folders.iter().find(|folder| !names.contains_key(folder.as_str())) {
            if index > 0 {
                return Ok((folders, None)); // a list of something else
            }
            let what = format!("it has no line for the class '{folder}': complete it, or remove it");
            return Err(Error::List { file: list.file.clone(), what });
        }
        let name = |folder: String| format!("{} ({folder})", names[folder.as_str()]);
        Ok((folders.into_iter().map(name).collect(), Some(list.file.clone())))
    }
}

impl LabelList {
    fn parse(file: String, text: &str) -> Result<Self, Error> {
        let all_have = |separator| text::lines(text).all(|(_, line)| line.contains(separator));
        let labelled = if all_have('\t') {
            separated(&file, text, b'\t')?
        } else if all_have(',') {
            separated(&file, text, b',')?
        } else {
            text::lines(text).filter_map(last_word).collect()
        };
        let mut first: HashMap<&str, &Labelled> = HashMap::new();
        for label in &labelled {
            let earlier = *first.entry(stem(&label.image)).or_insert(label);
            if earlier.class != label.class {
                let what = format!(
                    "'{}' is there twice, in line {} as '{}' and in line {} as '{}': remove one of the lines",
                    label.image, earlier.line, earlier.class, label.line, label.class
                );
                return Err(Error::List { file, what });
            }
        }
        let class_of = first.into_iter().map(|(image, of)| (image.to_string(), of.class.clone())).collect();
        Ok(Self { file, class_of })
    }
}

/// The image and the class of a line whose last word is the class; the image's name may have spaces and quotes.
fn last_word((line, text): (usize, &str)) -> Option<Labelled> {
    let (image, class) = text.rsplit_once([' ', '\t'])?;
    let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_string();
    let (image, class) = (plain(image), plain(class));
    let is_head = FILE_HEADS.contains(&image.to_ascii_lowercase().as_str());
    (!is_head).then_some(Labelled { line: line as u64, image, class })
}

/// The image and the class of each record of a table, whose columns a head may name; else they are the first two. Of the class's
/// field the first word counts where boxes follow.
fn separated(file: &str, text: &str, delimiter: u8) -> Result<Vec<Labelled>, Error> {
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(delimiter).has_headers(false).flexible(true).trim(csv::Trim::All);
    let records = reader.from_reader(text.as_bytes()).into_records();
    let records: Result<Vec<StringRecord>, csv::Error> = records.collect();
    let records = records.map_err(|error| Error::List { file: file.to_string(), what: error.to_string() })?;
    let head = |names: &[&str]| {
        let is_named = |field: &str| names.contains(&field.to_ascii_lowercase().as_str());
        records.first().and_then(|first| first.iter().position(is_named))
    };
    let (image, class) = (head(&FILE_HEADS), head(&CLASS_HEADS));
    let has_head = image.is_some();
    let image = image.unwrap_or(0);
    let class = class.filter(|_| has_head).unwrap_or(usize::from(image == 0));
    let pair = |record: &StringRecord| {
        let class = record.get(class)?;
        let boxed = class.split(' ').skip(1).count() >= 4;
        let class = if boxed { class.split(' ').next()? } else { class };
        // The position is that of the blank lines before the record.
        let at = record.position()?;
        let blank = text[at.byte() as usize..].bytes().take_while(|byte| *byte == b'\n').count();
        let line = at.line() + blank as u64;
        Some(Labelled { line, image: record.get(image)?.to_string(), class: class.to_string() })
    };
    Ok(records.iter().skip(usize::from(has_head)).filter_map(pair).collect())
}

/// Refuses a list in which a folder stands twice, where the places of its lines are the numbers of the classes.
fn expect_once(file: &str, order: &[(usize, &str)]) -> Result<(), Error> {
    let mut indices = HashMap::new();
    for (index, &(line, folder)) in order.iter().enumerate() {
        if let Some((earlier, earlier_line)) = indices.insert(folder, (index, line)) {
            let what = format!(
                "the class '{folder}' is there twice, in lines {earlier_line} and {line}, so that its number is {earlier} \
                 and {index}: remove one of the lines"
            );
            return Err(Error::List { file: file.to_string(), what });
        }
    }
    Ok(())
}

impl FolderList {
    fn parse(file: String, text: &str) -> Self {
        Self { file, folders: text::lines(text).map(|(line, folder)| (line, folder.to_string())).collect() }
    }
}

impl ClassList {
    /// Reads a list. The lines of one that `is_whole` count the classes, so that none of them may be left out.
    fn parse(file: String, text: &str, is_whole: bool) -> Result<Self, Error> {
        let mut names: Vec<ClassLine> = Vec::new();
        for (line, text) in text::lines(text) {
            let (folder, words) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            let name = words.split(',').next().unwrap_or(words).trim();
            if !name.is_empty() {
                names.push(ClassLine { line, folder: folder.to_string(), name: name.to_string() });
            } else if is_whole {
                let what = format!(
                    "line {line} has no name behind '{folder}': complete it (FOLDER NAME), or remove it where that is no \
                     class"
                );
                return Err(Error::List { file, what });
            }
        }
        let mut first: HashMap<&str, &ClassLine> = HashMap::new();
        for class in &names {
            let earlier = *first.entry(&class.folder).or_insert(class);
            if earlier.name != class.name {
                let what = format!(
                    "the class '{}' is there twice, in line {} as '{}' and in line {} as '{}': remove one of the lines",
                    class.folder, earlier.line, earlier.name, class.line, class.name
                );
                return Err(Error::List { file, what });
            }
        }
        Ok(Self { file, names })
    }
}

/// The first file of a source with one of these names: its name and its text.
fn find(source: &Source, names: &[&str]) -> Result<Option<(String, String)>, Error> {
    let is_named = |entry: &Entry| names.contains(&entry.file_name());
    let Some(index) = source.entries.iter().position(is_named) else { return Ok(None) };
    let file = source.entries[index].name.clone();
    match text::decode(&source.read_one(index, MAX_LIST)?) {
        Ok(text) => Ok(Some((file, text))),
        Err(error) => Err(Error::List { file, what: error.to_string() }),
    }
}

/// Whether a file is one of the lists.
pub(super) fn is_list(entry: &Entry) -> bool {
    let lists = [&LABEL_FILES[..], &CLASS_FILES, &FOLDER_FILES, &NAME_FILES];
    lists.iter().any(|names| names.contains(&entry.file_name()))
}

/// An image's name without folder and extension.
fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.rsplit_once('.').filter(|_| crate::decode::has_image_extension(file)).map_or(file, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn parsed(text: &str) -> BTreeMap<String, String> {
        LabelList::parse("val.txt".into(), text).unwrap().class_of.into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(image, class)| (image.to_string(), class.to_string())).collect()
    }

    #[test]
    fn labels_stand_in_lines_of_many_forms() {
        for (text, expected) in [
            ("a 1.png 0\nb.png 12\n\n", pairs(&[("a 1", "0"), ("b", "12")])),
            ("\"a 1.png\" 0\r\n'b.png'   cat\r\n", pairs(&[("a 1", "0"), ("b", "cat")])),
            (
                "val/x/a.JPEG\tn01\t0\t0\t62\t62\nb.JPEG\tn02\t1\t2\t3\t4",
                pairs(&[("a", "n01"), ("b", "n02")]),
            ),
            ("ImageId,PredictionString\nv_1,n01 1 2 3 4 n01 5 6 7 8\n", pairs(&[("v_1", "n01")])),
            ("label,file\n\"big cat\",\"a,b.png\"\n", pairs(&[("a,b", "big cat")])),
            ("a.1 0\na.2 1\n", pairs(&[("a.1", "0"), ("a.2", "1")])),
            ("file label\na.png 0\n", pairs(&[("a", "0")])),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_class_with_two_names_or_two_numbers_is_an_error() {
        let parse = |text: &str| ClassList::parse("synset_words.txt".into(), text, true);
        let error = parse("n01 ant\nn02 bee\nn01 cat, puss\n").err().unwrap().to_string();
        assert!(
            error.contains("'synset_words.txt'")
                && error.contains("in line 1 as 'ant' and in line 3 as 'cat'"),
            "{error}"
        );
        let lists = |list: &str, folders: &str| Lists {
            labels: Some(LabelList::parse("val.txt".into(), "a.png 1\n").unwrap()),
            classes: Some(parse(list).unwrap()).filter(|list| !list.names.is_empty()),
            order: Some(FolderList::parse("wnids.txt".into(), folders)),
            names: None,
        };
        let found = BTreeSet::from(["n01".to_string(), "n02".to_string()]);
        let resolved =
            |mut lists: Lists| lists.resolve(&found).map(|()| lists.class_of("a.png").unwrap().to_string());
        assert_eq!(resolved(lists("n01 ant\nn02 bee\n", "")).unwrap(), "n02");
        assert_eq!(resolved(lists("", "n01\nn02\n")).unwrap(), "n02");
        // The same line twice, which only numbers mind.
        let error = resolved(lists("n01 ant\nn01 ant\nn02 bee\n", "")).unwrap_err().to_string();
        assert!(error.contains("'synset_words.txt'") && error.contains("its number is 0 and 1"), "{error}");
        let error = resolved(lists("", "n01\nn02\n\nn01\n")).unwrap_err().to_string();
        assert!(error.contains("'wnids.txt'") && error.contains("its number is 0 and 2"), "{error}");
        assert!(error.contains("in lines 1 and 4"), "{error}");
    }

    #[test]
    fn a_class_without_a_name_is_an_error_where_lines_count_the_classes() {
        for text in ["n01 ant\nn02\nn03 cat\n", "n01 ant\nn02 ,\n"] {
            let error = ClassList::parse("synset_words.txt".into(), text, true).err().unwrap().to_string();
            assert!(error.contains("line 2 has no name behind 'n02'"), "{error}");
            let some = ClassList::parse("words.txt".into(), text, false).unwrap();
            assert!(some.names.iter().all(|class| class.folder != "n02"));
        }
    }

    #[test]
    fn an_image_with_two_classes_is_an_error() {
        assert_eq!(parsed("a.png 0\na.png 0\n"), pairs(&[("a", "0")]));
        let error = LabelList::parse("val.txt".into(), "a.png 0\nx/a.png 1\n").err().unwrap().to_string();
        assert!(
            error.contains("'val.txt'") && error.contains("in line 1 as '0' and in line 2 as '1'"),
            "{error}"
        );
        let error =
            LabelList::parse("val.txt".into(), "image,label\na,0\n\na,1\n").err().unwrap().to_string();
        assert!(error.contains("in line 2 as '0' and in line 4 as '1'"), "{error}");
    }
}

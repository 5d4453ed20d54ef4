//! What a person should know about how data was read.
use crate::counted::{counted, verb};
use crate::sizes::Sizes;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;

/// A decision that was made while data was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A holdout was given for data that has a test split.
    HoldoutReplacesTest,
    /// Training images were taken for validation.
    ValidationTaken {
        /// How many.
        images: usize,
    },
    /// Validation images were to be taken from data that has such a split.
    OwnValidation,
    /// Folds were asked for of data that has a test split.
    FoldsReplaceTest,
    /// Images are in no group, where groups are kept together.
    Ungrouped {
        /// How many.
        images: usize,
    },
    /// Folders of one name are in several classes, where folders are groups.
    SharedGroups {
        /// How many names.
        groups: usize,
        /// The first of them.
        example: String,
    },
    /// There is a held-out split, and none to train on.
    TestOnly,
    /// There is one class.
    OneClass {
        /// The class.
        class: String,
    },
    /// Which folders or files hold the data's own splits.
    Splits {
        /// The training images.
        train: Option<String>,
        /// The validation images.
        validation: Option<String>,
        /// The test images.
        test: Option<String>,
    },
    /// The splits are folders in each class folder.
    SplitsInClasses,
    /// Folders that are named like splits are classes.
    ClassesNamedLikeSplits {
        /// The folders.
        folders: Vec<String>,
    },
    /// Folders with images that belong to no split.
    OtherFolders {
        /// The folders.
        folders: Vec<String>,
        /// Their images.
        images: usize,
    },
    /// Files with images that belong to no split.
    OtherFiles {
        /// How many.
        files: usize,
        /// The first of them.
        example: String,
    },
    /// Data of another form lies beside it.
    OtherForm {
        /// The form, with its number of images.
        what: String,
    },
    /// A class folder that is a copy of all of them.
    Copy {
        /// The folder.
        folder: String,
        /// Its images.
        images: usize,
    },
    /// A folder in the place of a class holds no image.
    FolderWithoutImages {
        /// The folder.
        folder: String,
        /// Its files.
        files: usize,
    },
    /// Images of a split that have no labels.
    Unlabeled {
        /// The split.
        split: &'static str,
        /// The images.
        images: usize,
    },
    /// The classes of the images of a split stand in a list.
    LabelsOfList {
        /// The list.
        file: String,
    },
    /// A table says the classes of images.
    Table {
        /// The table.
        file: String,
        /// The column of the images.
        image: String,
        /// The column of the classes.
        label: String,
        /// The column of the splits.
        split: Option<String>,
    },
    /// The names of the classes stand in a file.
    ClassNames {
        /// The file.
        file: String,
    },
    /// The classes have the names of CIFAR's, which no file beside them has.
    CifarNames {
        /// Which of them.
        set: &'static str,
    },
    /// No file has names of the classes.
    NumberedClasses,
    /// The channels of the pictures in an array come before their rows.
    ChannelsFirst {
        /// The array.
        array: String,
        /// Its shape.
        shape: String,
    },
    /// Folders whose names differ in their Unicode form only are one class.
    UnicodeForms {
        /// The class.
        class: String,
    },
    /// Images of one split are files of another one too, by links.
    SharedImages {
        /// How many.
        images: usize,
        /// The first of them, in the one split ...
        earlier: String,
        /// ... and in the other.
        later: String,
    },
    /// Held-out images are of classes that no training image has.
    UntrainedClasses {
        /// The classes.
        classes: Vec<String>,
    },
    /// The coarse labels of CIFAR-100 were asked for, of other data.
    NoCoarseLabels,
    /// Images are much larger than what is made of them for a network of small pictures.
    Shrunk {
        /// Their own sizes.
        sizes: Sizes,
        /// Rows that all have now.
        height: usize,
        /// Columns that all have now.
        width: usize,
    },
    /// Images of several sizes, and no wanted size.
    Resized {
        /// Images of other sizes.
        images: usize,
        /// Rows that all have now.
        height: usize,
        /// Columns that all have now.
        width: usize,
    },
}

impl Note {
    /// What the folders or files of each split are called, in the order training, validation, test, of which so many were found;
    /// nothing where there are no held-out ones.
    pub(crate) fn splits(names: [Option<String>; 3], found: [usize; 3]) -> Option<Note> {
        let [train, validation, test] = names;
        let (train, mut validation, mut test) = (
            train.filter(|_| found[0] > 0),
            validation.filter(|_| found[1] > 0),
            test.filter(|_| found[2] > 0),
        );
        if test.is_none() {
            std::mem::swap(&mut validation, &mut test); // the only held-out split is the test split
        }
        test.is_some().then_some(Note::Splits { train, validation, test })
    }

    /// Whether it is about something that a person may not have wanted, not only about how things are.
    pub fn is_warning(&self) -> bool {
        !matches!(
            self,
            Note::Splits { .. }
                | Note::SplitsInClasses
                | Note::ValidationTaken { .. }
                | Note::LabelsOfList { .. }
                | Note::Table { .. }
                | Note::ClassNames { .. }
                | Note::CifarNames { .. }
                | Note::ChannelsFirst { .. }
                | Note::Shrunk { .. }
        )
    }

    /// Whether it matters only where there is something to be trained.
    pub fn is_of_training(&self) -> bool {
        matches!(
            self,
            Note::TestOnly
                | Note::OneClass { .. }
                | Note::SharedImages { .. }
                | Note::HoldoutReplacesTest
                | Note::ValidationTaken { .. }
                | Note::OwnValidation
                | Note::FoldsReplaceTest
                | Note::Ungrouped { .. }
                | Note::SharedGroups { .. }
                | Note::UntrainedClasses { .. }
                | Note::NoCoarseLabels
                | Note::Shrunk { .. }
        )
    }

    /// Its name for programs; it never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Note::HoldoutReplacesTest => "holdout-replaces-test",
            Note::ValidationTaken { .. } => "validation-taken",
            Note::OwnValidation => "own-validation",
            Note::FoldsReplaceTest => "folds-replace-test",
            Note::Ungrouped { .. } => "ungrouped",
            Note::SharedGroups { .. } => "shared-groups",
            Note::TestOnly => "test-only",
            Note::OneClass { .. } => "one-class",
            Note::Splits { .. } => "splits",
            Note::SplitsInClasses => "splits-in-classes",
            Note::ClassesNamedLikeSplits { .. } => "classes-named-like-splits",
            Note::OtherFolders { .. } => "other-folders",
            Note::OtherFiles { .. } => "other-files",
            Note::OtherForm { .. } => "other-form",
            Note::Copy { .. } => "copy",
            Note::FolderWithoutImages { .. } => "folder-without-images",
            Note::Unlabeled { .. } => "unlabeled",
            Note::LabelsOfList { .. } => "labels-of-list",
            Note::Table { .. } => "table",
            Note::ClassNames { .. } => "class-names",
            Note::CifarNames { .. } => "cifar-names",
            Note::NumberedClasses => "numbered-classes",
            Note::ChannelsFirst { .. } => "channels-first",
            Note::UnicodeForms { .. } => "unicode-forms",
            Note::SharedImages { .. } => "shared-images",
            Note::UntrainedClasses { .. } => "untrained-classes",
            Note::NoCoarseLabels => "no-coarse-labels",
            Note::Shrunk { .. } => "shrunk",
            Note::Resized { .. } => "resized",
        }
    }
}

/// Its words for people.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::HoldoutReplacesTest => {
                f.write_str("a holdout was given: the data's own test split was not used")
            }
            Note::ValidationTaken { images } => {
                let are = verb(*images, ["is", "are"]);
                write!(
                    f,
                    "{}, the last of each class, {are} kept for validation",
                    counted(*images, "training image")
                )
            }
            Note::OwnValidation => f.write_str(
                "the data has validation images of its own: none were taken from the training images",
            ),
            Note::FoldsReplaceTest => {
                f.write_str("the folds are of the training images: the data's own test split was not used")
            }
            Note::Ungrouped { images } => {
                let are = verb(*images, ["is in no group and is", "are in no group and each is"]);
                write!(f, "{} {are} dealt alone", counted(*images, "image"))
            }
            Note::SharedGroups { groups, example } => {
                let are = verb(*groups, ["is", "are each"]);
                let groups = counted(*groups, "folder name");
                write!(f, "{groups} in several classes {are} taken for one group, the first: '{example}'")
            }
            Note::TestOnly => f.write_str("there is a test split only: nothing to train on"),
            Note::OneClass { class } => {
                write!(f, "'{class}' is the only class: nothing to train a classifier on")
            }
            Note::Splits { train, validation, test } => {
                let splits = [("training", train), ("validation", validation), ("test", test)];
                let splits = splits.into_iter().filter_map(|(split, name)| Some((split, name.as_ref()?)));
                let words: Vec<String> = splits.map(|(split, name)| format!("{split} is '{name}'")).collect();
                write!(f, "splits of the data's own: {}", words.join(", "))
            }
            Note::SplitsInClasses => f.write_str("each class folder has its own split folders"),
            Note::ClassesNamedLikeSplits { folders } => {
                write!(
                    f,
                    "folders named like splits, but among class folders, are classes: {}",
                    quoted(folders)
                )
            }
            Note::OtherFolders { folders, images } => {
                let belong = verb(*images, ["belongs to no split and is", "belong to no split and are"]);
                let (images, folders) = (counted(*images, "image"), quoted(folders));
                write!(f, "{images} in {folders} {belong} left out")
            }
            Note::OtherFiles { files, example } => {
                let belong = verb(*files, ["belongs to no split and is", "belong to no split and are"]);
                write!(f, "{} {belong} left out, the first: {example}", counted(*files, "file"))
            }
            Note::OtherForm { what } => write!(f, "{what} beside it are left out"),
            Note::Copy { folder, images } => {
                let images = counted(*images, "image");
                write!(f, "'{folder}' ({images}) holds the class folders once more and is left out")
            }
            Note::FolderWithoutImages { folder, files } => {
                let files = counted(*files, "file");
                write!(f, "the folder '{folder}' ({files}) holds no image and is no class")
            }
            Note::Unlabeled { split, images } => {
                let have = verb(*images, ["has no labels and is", "have no labels and are"]);
                write!(f, "{} {have} left out", counted(*images, &format!("{split} image")))
            }
            Note::LabelsOfList { file } => write!(f, "the validation images have the classes of '{file}'"),
            Note::Table { file, image, label, split } => {
                write!(f, "table '{file}': images are column '{image}', classes column '{label}'")?;
                split.iter().try_for_each(|split| write!(f, ", splits column '{split}'"))
            }
            Note::ClassNames { file } => write!(f, "the classes have the names of '{file}'"),
            Note::CifarNames { set } => {
                write!(f, "no file names the classes: they have the names of {set}, whose form this is")
            }
            Note::NumberedClasses => {
                f.write_str("no file names the classes: they are called by their numbers")
            }
            Note::ChannelsFirst { array, shape } => {
                write!(f, "'{array}' of shape {shape} was read with its channels before rows and columns")
            }
            Note::UnicodeForms { class } => {
                write!(f, "folders '{class}' whose names differ in their Unicode form only are one class")
            }
            Note::SharedImages { images, earlier, later } => {
                let are = if *images == 1 {
                    "image is the same file as one"
                } else {
                    "images are the same files as some"
                };
                write!(f, "{images} {are} of another split, by links ({later} = {earlier})")
            }
            Note::UntrainedClasses { classes } => {
                write!(f, "held-out images are of classes without a training image: {}", quoted(classes))
            }
            Note::NoCoarseLabels => {
                f.write_str("--labels coarse is for CIFAR-100; this data has its own classes")
            }
            Note::Shrunk { sizes, height, width } => {
                write!(f, "images of {sizes} are shrunk to {height}x{width}")
            }
            Note::Resized { images, height, width } => {
                let (images, were) = match images {
                    1 => ("1 image of another size".into(), "was"),
                    images => (format!("{images} images of other sizes"), "were"),
                };
                write!(f, "{images} {were} resized to {height}x{width}")
            }
        }
    }
}

/// The first few names.
fn quoted(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(5).map(|name| format!("'{name}'")).collect();
    let more = if names.len() > 5 { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}

/// `{"kind", "text"}`.
impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut note = serializer.serialize_struct("Note", 2)?;
        note.serialize_field("kind", self.kind())?;
        note.serialize_field("text", &self.to_string())?;
        note.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_told_in_the_singular() {
        for (note, words) in [
            (Note::Resized { images: 1, height: 2, width: 3 }, "1 image of another size was resized to 2x3"),
            (Note::Unlabeled { split: "test", images: 1 }, "1 test image has no labels and is left out"),
            (
                Note::OtherFiles { files: 1, example: "a.bin".into() },
                "1 file belongs to no split and is left out, the first: a.bin",
            ),
            (
                Note::OtherFolders { folders: vec!["runs".into()], images: 2 },
                "2 images in 'runs' belong to no split and are left out",
            ),
        ] {
            assert_eq!(note.to_string(), words);
        }
    }

    #[test]
    fn a_note_is_written_with_its_kind_and_its_words() {
        let note = Note::Resized { images: 31, height: 24, width: 32 };
        let text = "31 images of other sizes were resized to 24x32";
        assert_eq!(
            serde_json::to_value(&note).unwrap(),
            serde_json::json!({ "kind": "resized", "text": text })
        );
    }
}

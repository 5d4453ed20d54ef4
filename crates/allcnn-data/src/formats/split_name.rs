//! What the names of folders and files say of the split that they hold, in one place for every format.
use crate::split_names::{SplitName, SplitNames};

/// The split that one lower-case word names.
fn of_word(word: &str) -> Option<SplitName> {
    match word {
        "train" | "training" | "trn" | "trainset" | "trainingset" | "traindata" => Some(SplitName::Train),
        "val" | "valid" | "validation" | "dev" | "devel" | "eval" | "evaluation" | "valset" | "validset"
        | "validationset" | "devset" | "evalset" | "valdata" => Some(SplitName::Validation),
        "test" | "testing" | "tst" | "testset" | "testingset" | "testdata" => Some(SplitName::Test),
        _ => None,
    }
}

/// Whether a word says only that there are images: `images` in `train_images`, a year.
fn is_neutral(word: &str) -> bool {
    let neutral = [
        "set",
        "sets",
        "data",
        "dataset",
        "split",
        "folder",
        "files",
        "samples",
        "image",
        "images",
        "img",
        "imgs",
        "jpegimages",
        "picture",
        "pictures",
        "photo",
        "photos",
        "all",
        "classes",
        "unlabeled",
        "unlabelled",
        "unknown",
    ];
    neutral.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a name in lower case: they end where letters or digits do, between both, and before a capital.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let border = letter.is_uppercase() && before.is_lowercase()
            || letter.is_numeric() != before.is_numeric()
            || !letter.is_alphanumeric();
        if border {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.iter_mut().last().into_iter().for_each(|word| word.extend(letter.to_lowercase()));
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The split that stands in a longer name at word borders, and the other words: `pets_test`, `test-00000-of-00001`.
/// Nothing where there are two.
pub(super) fn in_name(name: &str) -> Option<(SplitName, Vec<String>)> {
    let (named, rest): (Vec<String>, Vec<String>) =
        words(name).into_iter().partition(|word| of_word(word).is_some());
    let mut splits: Vec<SplitName> = named.iter().filter_map(|word| of_word(word)).collect();
    splits.dedup();
    match splits.as_slice() {
        [split] => Some((*split, rest)),
        _ => None,
    }
}

/// The split that a folder is named after: `train`, `Training`, `test_set`, `val2017`.
pub(super) fn of_folder(folder: &str) -> Option<SplitName> {
    in_name(folder).filter(|(_, rest)| rest.iter().all(|word| is_neutral(word))).map(|(split, _)| split)
}

/// Whether a folder of unlabeled images may have this name: `test/images/1.png`, `test/test/1.png`.
pub(super) fn is_no_class(folder: &str) -> bool {
    let words = words(folder);
    let letters = words.iter().any(|word| !word.bytes().all(|byte| byte.is_ascii_digit()));
    letters && words.iter().all(|word| is_neutral(word) || of_word(word).is_some())
}

/// The split of a file with many images: its own name counts before those of its folders, the nearest first.
/// `test_batch.bin`, `pets_test.parquet`, `default/test/0000.parquet`.
pub(super) fn of_file(name: &str) -> Option<SplitName> {
    name.rsplit('/').find_map(|part| in_name(part).map(|(split, _)| split))
}

/// What a person calls each split, in the order of [`SplitName`].
pub(super) fn given(splits: &SplitNames) -> [Option<&str>; 3] {
    [&splits.train, &splits.validation, &splits.test].map(|name| name.as_deref())
}

/// The path below a source, without a `/` at its end, of what a person calls `given`: with or without the `outer` folders
/// that hold everything. `.` is the whole of it. Nothing where no name of the source lies there.
pub(super) fn locate<'n>(
    given: &str,
    outer: &[&str],
    names: impl Iterator<Item = &'n str> + Clone,
) -> Option<String> {
    if given == "." {
        return Some(outer.join("/"));
    }
    let given = given.trim_start_matches("./").trim_matches('/');
    (0..=outer.len())
        .map(|kept| [&outer[..kept], &[given]].concat().join("/"))
        .find(|folder| names.clone().any(|name| lies_in(name, folder)))
}

/// Whether a file lies in a folder, or is that file, with or without its ending or the numbers of its parts
/// (`train-00000-of-00002.parquet` is in `train`).
pub(super) fn lies_in(name: &str, folder: &str) -> bool {
    if folder.is_empty() {
        return true;
    }
    let Some(rest) = name.strip_prefix(folder) else { return false };
    let part = |rest: &str| {
        let number =
            rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        !rest.contains('/') && (number || rest.starts_with('.'))
    };
    rest.is_empty() || rest.starts_with('/') || part(rest)
}

/// The folders that hold all of the names, outermost first.
pub(super) fn outer<'n>(mut names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let folders = |name: &'n str| -> Vec<&'n str> {
        name.rsplit_once('/').map_or(vec![], |(folder, _)| folder.split('/').collect())
    };
    let Some(mut common) = names.next().map(folders) else { return vec![] };
    for name in names {
        let same = common.iter().zip(name.split('/')).take_while(|(a, b)| *a == b).count();
        // The file itself is no folder.
        common.truncate(same.min(name.matches('/').count()));
        if common.is_empty() {
            break;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_after_splits_in_many_words() {
        for (names, split) in [
            (
                "train Training TRAIN training_set training-set train_set trainset train2017 train_images trainData",
                SplitName::Train,
            ),
            (
                "val Valid validation dev eval Evaluation val_set valset validation-data",
                SplitName::Validation,
            ),
            ("test Testing test_set testset TEST test-images", SplitName::Test),
        ] {
            for name in names.split(' ') {
                assert_eq!(of_folder(name), Some(split), "{name}");
            }
        }
        for name in [
            "cat",
            "trains",
            "test-multiple_fruits",
            "runs",
            "images",
            "2017",
            "contest",
            "train_test",
            "device",
        ] {
            assert_eq!(of_folder(name), None, "{name}");
        }
    }

    #[test]
    fn files_are_named_after_splits_at_word_borders() {
        for (name, split) in [
            ("pets_test.parquet", Some(SplitName::Test)),
            ("default/test/0000.parquet", Some(SplitName::Test)),
            ("test/train-00000-of-00001.parquet", Some(SplitName::Train)),
            ("petsTest.parquet", Some(SplitName::Test)),
            ("test_batch", Some(SplitName::Test)),
            ("data_batch_1.bin", None),
            ("values.parquet", None),
            ("latest.parquet", None),
            ("train_test.parquet", None),
            ("partial-validation/0000.parquet", Some(SplitName::Validation)),
        ] {
            assert_eq!(of_file(name), split, "{name}");
        }
    }

    #[test]
    fn a_person_names_places_with_or_without_the_outer_folder() {
        let names = ["set/a/cat/1.png", "set/b/cat/2.png", "set/part-00000-of-00002.parquet"];
        let outer = outer(names.into_iter());
        assert_eq!(outer, ["set"]);
        let at = |given| locate(given, &outer, names.into_iter());
        assert_eq!(
            (at("a"), at("set/a/"), at("./b")),
            (Some("set/a".into()), Some("set/a".into()), Some("set/b".into()))
        );
        assert_eq!((at("."), at("c"), at("part")), (Some("set".into()), None, Some("set/part".into())));
        assert!(!lies_in("set/ab/1.png", "set/a") && lies_in("x/y.png", ""));
    }
}

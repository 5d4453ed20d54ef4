//! Which images belong to which split: the words that name splits, three splits, a stray folder, `--splits`.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Holdout, Options, has_test_split};
use std::path::Path;
use support::*;

/// Class folders below each of the prefixes, with so many images a class.
fn class_sets(sets: &[(&str, usize)]) -> Vec<(String, Vec<u8>)> {
    sets.iter().flat_map(|(prefix, images)| class_folders(prefix, *images)).collect()
}

fn opened(sets: &[(&str, usize)]) -> ([usize; 3], String) {
    sizes(&open_path(folder_of(class_sets(sets)).path()).unwrap())
}

fn with_splits(splits: &str) -> Options {
    Options { reading: reading(splits), ..Options::default() }
}

fn refused(folder: &Path, words: &[&str]) {
    let error = error_of(folder);
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn many_words_name_the_splits() {
    let pairs = [
        ("train", "test"),
        ("Training", "Test"),
        ("training_set", "test_set"),
        ("training-set", "val"),
        ("train_images", "dev"),
        ("TRAIN", "Valid"),
        ("train2017", "val2017"),
        ("train", "evaluation"),
        ("pets_train", "pets_test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
    ];
    for (train, test) in pairs {
        let sets = [(format!("{train}/"), 5), (format!("{test}/"), 2)];
        let sets: Vec<(&str, usize)> = sets.iter().map(|(name, images)| (name.as_str(), *images)).collect();
        assert_eq!(opened(&sets), ([10, 0, 4], "cat dog".into()), "{train} {test}");
    }
}

#[test]
fn three_splits_are_three() {
    let sets = [("set/train/", 5), ("set/dev/", 3), ("set/test/", 2)];
    let folder = folder_of(class_sets(&sets));
    let set = open_path(folder.path()).unwrap();
    assert_eq!(sizes(&set), ([10, 6, 4], "cat dog".into()));
    assert_eq!(set.validation.names[0], "set/dev/cat/000.png");
    let note = set.notes[0].to_string();
    assert!(note.contains("validation is 'set/dev'") && note.contains("test is 'set/test'"), "{note}");
    // A holdout replaces the test images only.
    let options = Options { holdout: Some(Holdout::PerClass(1)), ..Options::default() };
    let set = open_with(folder.path(), &options).unwrap();
    assert_eq!(sizes(&set).0, [8, 6, 2]);
    assert!(kinds(&set).contains(&"holdout-replaces-test"));
    // What is held out alone is the test split.
    let set = open_path(folder_of(class_sets(&[("train/", 5), ("val/", 2)])).path()).unwrap();
    assert_eq!(sizes(&set).0, [10, 0, 4]);
    assert!(set.notes[0].to_string().contains("test is 'val'"));
    // Nothing to train on.
    let set = open_path(folder_of(class_sets(&[("val/", 3), ("test/", 2)])).path()).unwrap();
    assert_eq!((sizes(&set).0, kinds(&set).contains(&"test-only")), ([0, 6, 4], true));
}

#[test]
fn a_stray_folder_never_decides() {
    for stray in ["runs/classify/batch0.png", "test-multiple_fruits/1.png", "extra/cat/1.png"] {
        let mut files = class_sets(&[("train/", 5), ("val/", 2)]);
        files.push((stray.into(), png(7, 16)));
        let set = open_path(folder_of(files).path()).unwrap();
        assert_eq!(sizes(&set), ([10, 0, 4], "cat dog".into()), "{stray}");
        assert!(kinds(&set).contains(&"other-folders"), "{:?}", set.notes);
        assert!(set.ignored.iter().any(|one| one.files == 1 && one.example == stray), "{:?}", set.ignored);
    }
    // Beside the folder that holds the splits too, where it is small.
    let mut files = class_sets(&[("set/train/", 15), ("set/val/", 2)]);
    files.push(("plots/curve.png".into(), png(7, 16)));
    assert_eq!(sizes(&open_path(folder_of(files).path()).unwrap()).0, [30, 0, 4]);
}

#[test]
fn a_copy_of_the_set_in_itself_is_left_out() {
    let sets = [("x/train/", 3), ("x/test/", 2), ("x/x/train/", 3), ("x/x/test/", 2)];
    let set = open_path(folder_of(class_sets(&sets)).path()).unwrap();
    assert_eq!((sizes(&set).0, set.ignored[0].files), ([6, 0, 4], 10));
    let set = open_path(folder_of(class_sets(&[("", 10), ("copy/", 10)])).path()).unwrap();
    assert_eq!(sizes(&set), ([18, 0, 2], "cat dog".into()));
    assert!(kinds(&set).contains(&"copy") && set.ignored[0].files == 20, "{:?}", set.ignored);
}

#[test]
fn two_readings_are_an_error_that_shows_both() {
    let class_beside_test = folder_of(class_sets(&[("", 4), ("test/", 2)]));
    refused(class_beside_test.path(), &["in two ways", "--splits train=.,test=test", "cat, dog, test"]);
    let set = open_with(class_beside_test.path(), &with_splits("train=.,test=test")).unwrap();
    assert_eq!(sizes(&set), ([8, 0, 4], "cat dog".into()));
    let set = open_with(class_beside_test.path(), &with_splits("train=.")).unwrap();
    assert_eq!(set.classes, ["cat", "dog", "test"]);

    let train_beside_runs = folder_of(class_sets(&[("train/", 20), ("runs/", 2)]));
    refused(train_beside_runs.path(), &["in two ways", "--splits train=train", "runs, train"]);
    assert_eq!(
        sizes(&open_with(train_beside_runs.path(), &with_splits("train=train")).unwrap()).0,
        [36, 0, 4]
    );

    let two_tests = folder_of(class_sets(&[("train/", 4), ("test/", 2), ("testing/", 3)]));
    refused(two_tests.path(), &["in two ways", "'test'", "'testing'", "--splits"]);
    let set = open_with(two_tests.path(), &with_splits("train=train,val=test,test=testing")).unwrap();
    assert_eq!(sizes(&set).0, [8, 4, 6]);

    let several = folder_of(class_sets(&[("a/train/", 4), ("a/test/", 2), ("b/train/", 4), ("b/test/", 2)]));
    refused(several.path(), &["several data sets", "a', 'b"]);
    assert_eq!(
        sizes(&open_with(several.path(), &with_splits("train=a/train,test=b/test")).unwrap()).0,
        [8, 0, 4]
    );

    let by_class = folder_of(class_sets(&[("train_", 4), ("test_", 2)]));
    refused(by_class.path(), &["in two ways", "'train_cat'"]);
}

#[test]
fn class_folders_named_like_splits_are_classes() {
    for name in ["train", "valid"] {
        let mut files = class_sets(&[("", 10)]);
        files.extend((0..10).map(|n| (format!("{name}/{n}.png"), png(200 + n, 32))));
        let set = open_path(folder_of(files).path()).unwrap();
        assert_eq!((set.classes.len(), kinds(&set).contains(&"classes-named-like-splits")), (3, true));
    }
    // An outer folder is no split for its name's sake.
    assert_eq!(opened(&[("test-images/", 10)]).0, [18, 0, 2]);
    assert_eq!(opened(&[("test/train/", 5), ("test/test/", 2)]).0, [10, 0, 4]);
}

#[test]
fn splits_within_each_class_are_found() {
    let files = ["cat", "dog"].iter().flat_map(|class| {
        let file =
            move |split: &str, n: usize| (format!("{class}/{split}/{n}.png"), png(n + class.len(), 32));
        (0..5).map(move |n| file("train", n)).chain((5..7).map(move |n| file("test", n)))
    });
    let set = open_path(folder_of(files.collect()).path()).unwrap();
    assert_eq!((sizes(&set), kinds(&set)), (([10, 0, 4], "cat dog".into()), vec!["splits-in-classes"]));
}

#[test]
fn places_are_given_with_or_without_the_outer_folder() {
    let folder = folder_of(class_sets(&[("set/a/", 4), ("set/b/", 3), ("set/c/", 2)]));
    for splits in ["train=a,val=b,test=c", "train=set/a,val=set/b/,test=./c"] {
        let set = open_with(folder.path(), &with_splits(splits)).unwrap();
        assert_eq!(sizes(&set), ([8, 6, 4], "cat dog".into()), "{splits}");
    }
    let error = open_with(folder.path(), &with_splits("train=a,test=missing")).unwrap_err().to_string();
    assert!(error.contains("'missing'") && error.contains("a, b, c"), "{error}");
    let archive = folder.path().join("x.tar");
    std::fs::write(&archive, tar(&class_sets(&[("set/a/", 4), ("set/b/", 3)]))).unwrap();
    assert_eq!(sizes(&open_with(&archive, &with_splits("train=a,test=b")).unwrap()).0, [8, 0, 6]);
    let names = reading("train=a,test=b");
    assert!(has_test_split(&archive, &names, &mut |_| {}).unwrap());
}

#[test]
fn parquet_files_are_divided_by_names_and_folders() {
    for (train, test) in [
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("pets_train.parquet", "pets_test.parquet"),
        ("train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"),
        ("pets.parquet", "petsTest.parquet"),
        ("test_data/train.parquet", "test_data/eval.parquet"),
    ] {
        let folder = folder_of(vec![(train.into(), pets(8, 0)), (test.into(), pets(4, 50))]);
        assert_eq!(sizes(&open_path(folder.path()).unwrap()), ([8, 0, 4], "cat dog".into()), "{test}");
    }
    let stray = vec![
        ("train.parquet".into(), pets(8, 0)),
        ("dev.parquet".into(), pets(4, 50)),
        ("test.parquet".into(), pets(2, 90)),
        ("sample.parquet".into(), pets(2, 0)),
    ];
    let folder = folder_of(stray);
    let set = open_path(folder.path()).unwrap();
    assert_eq!((sizes(&set).0, kinds(&set).contains(&"other-files")), ([8, 4, 2], true));
    assert_eq!((set.ignored[0].files, set.ignored[0].example.as_str()), (1, "sample.parquet"));
    let set = open_with(folder.path(), &with_splits("train=sample,test=test.parquet")).unwrap();
    assert_eq!(sizes(&set).0, [2, 0, 2]);
    let error = open_with(folder.path(), &with_splits("train=x")).unwrap_err().to_string();
    assert!(error.contains("'x'") && error.contains("sample.parquet"), "{error}");
}

#[test]
fn unlabeled_test_images_are_counted_and_validation_is_the_test_split() {
    let mut files = class_sets(&[("train/", 5), ("val/", 2)]);
    files.extend((0..3).map(|n| (format!("test/{n}.png"), png(n, 32))));
    for inside in ["", "images/"] {
        let files = files
            .iter()
            .map(|(name, bytes)| (name.replace("test/", &format!("test/{inside}")), bytes.clone()));
        let set = open_path(folder_of(files.collect()).path()).unwrap();
        assert_eq!((sizes(&set).0, set.skipped.len()), ([10, 0, 4], 0));
        assert_eq!((set.ignored[0].files, set.ignored[0].reason.as_str()), (3, "unlabeled test image"));
    }
    let hidden = parquet_file(&[(png(1, 16), -1), (png(2, 16), -1)], Some(&names_of("\"cat\", \"dog\"")));
    let mut files = vec![
        ("train.parquet".to_string(), pets(8, 0)),
        ("validation.parquet".to_string(), pets(4, 50)),
        ("test.parquet".to_string(), hidden.clone()),
    ];
    let set = open_path(folder_of(files.clone()).path()).unwrap();
    assert_eq!((sizes(&set).0, set.ignored[0].files), ([8, 0, 4], 2));
    assert!(set.notes.iter().any(|note| note.to_string() == "2 test images have no labels and are left out"));
    // What is trained on must have labels.
    files[0].1 = hidden;
    refused(folder_of(files).path(), &["train.parquet", "no label"]);
}

#[test]
fn what_is_measured_is_taken_whole() {
    let whole = Options { whole: true, ..Options::default() };
    let measured =
        |sets: &[(&str, usize)]| sizes(&open_with(folder_of(class_sets(sets)).path(), &whole).unwrap()).0;
    assert_eq!(measured(&[("", 4)]), [0, 0, 8]);
    assert_eq!(measured(&[("train/", 4)]), [0, 0, 8]);
    assert_eq!(measured(&[("train/", 4), ("val/", 3)]), [8, 0, 6]);
    assert_eq!(measured(&[("train/", 4), ("val/", 3), ("test/", 2)]), [8, 6, 4]);
    let one = folder_of(vec![("cat/1.png".into(), png(1, 32)), ("cat/2.png".into(), png(2, 32))]);
    assert_eq!(sizes(&open_with(one.path(), &whole).unwrap()), ([0, 0, 2], "cat".into()));
    let looked_at = open_with(one.path(), &Options { one_class: true, ..Options::default() }).unwrap();
    assert_eq!((sizes(&looked_at).0, kinds(&looked_at)), ([1, 0, 1], vec!["one-class"]));
    assert!(error_of(one.path()).contains("one class only"));
}

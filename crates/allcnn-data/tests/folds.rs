//! Folds of a cross-validation: each training image is held out once, groups stay together.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{DataSet, Fold, GroupBy, Note, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support::*;

fn options(number: usize, of: usize, group_by: Option<&str>) -> Options {
    let group_by = group_by.map(|by| GroupBy::from(by.to_string()));
    Options { fold: Some(Fold { number, of, group_by }), ..Options::default() }
}

/// Each fold of what is at `path`.
fn folds(path: &Path, of: usize, group_by: Option<&str>) -> Vec<DataSet> {
    (1..=of).map(|number| open_with(path, &options(number, of, group_by)).unwrap()).collect()
}

fn refused(path: &Path, options: &Options, words: &[&str]) {
    let error = open_with(path, options).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[track_caller]
fn held_out_once(folds: &[DataSet], images: usize) {
    let held: Vec<&String> = folds.iter().flat_map(|set| &set.test.names).collect();
    assert_eq!((held.len(), held.iter().collect::<BTreeSet<_>>().len()), (images, images));
    for set in folds {
        assert_eq!(set.train.len() + set.test.len(), images);
        let train: BTreeSet<&String> = set.train.names.iter().collect();
        assert!(set.test.names.iter().all(|name| !train.contains(name)));
    }
}

#[test]
fn each_image_of_class_folders_is_held_out_once() {
    let folder = folder_of(class_folders("", 7));
    let sets = folds(folder.path(), 3, None);
    held_out_once(&sets, 14);
    for set in &sets {
        let counts = set.test.class_counts(2);
        assert!(counts.iter().all(|&count| (2..=3).contains(&count)), "{counts:?}");
        assert!(set.test.groups.is_empty());
    }
    let fingerprints: BTreeSet<&String> = sets.iter().map(|set| &set.fingerprint).collect();
    assert_eq!(fingerprints.len(), 3);
    // The same images in an archive come into the same folds.
    let archive = folder.path().join("packed.tar");
    std::fs::write(&archive, tar(&class_folders("", 7))).unwrap();
    let packed = open_with(&archive, &options(2, 3, None)).unwrap();
    assert_eq!(packed.fingerprint, sets[1].fingerprint);
    let many = options(1, 8, None);
    refused(folder.path(), &many, &["8 folds need at least 8 images of each class", "has 7"]);
}

#[test]
fn a_test_split_of_the_datas_own_is_left_aside_and_said() {
    let files = [class_folders("train/", 6), class_folders("val/", 2), class_folders("test/", 2)].concat();
    let folder = folder_of(files);
    let sets = folds(folder.path(), 2, None);
    held_out_once(&sets, 12);
    assert!(sets.iter().all(|set| set.validation.len() == 4 && set.notes.contains(&Note::FoldsReplaceTest)));
    let limited = Options { limit: Some(4), ..options(1, 2, None) };
    let limited = open_with(folder.path(), &limited).unwrap();
    assert_eq!((limited.train.len(), limited.test.len()), (4, 6));
}

#[test]
fn cifar_batches_have_folds() {
    let batch = |images: usize| -> Vec<u8> {
        (0..images).flat_map(|image| record(&[(image % 10) as u8], image)).collect()
    };
    let names: String = (0..10).map(|class| format!("class{class}\n")).collect();
    let files = [
        ("cifar/data_batch_1.bin", batch(40)),
        ("cifar/test_batch.bin", batch(10)),
        ("cifar/batches.meta.txt", names.into_bytes()),
    ];
    let folder = folder_of(files.into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect());
    let sets = folds(folder.path(), 4, None);
    held_out_once(&sets, 40);
    assert!(sets.iter().all(|set| set.test.class_counts(10) == [1; 10]));
    refused(folder.path(), &options(1, 4, Some("folder")), &["no image is in a group by --group-by folder"]);
    refused(folder.path(), &options(1, 4, Some("camera")), &["camera"]);
}

#[test]
fn folders_below_class_folders_are_groups() {
    let mut files = vec![];
    for class in ["cat", "dog"] {
        for (number, animal) in ["tom", "lea", "max", "old", "red", "sly"].into_iter().enumerate() {
            let name = |image: usize| format!("train/{class}/{class}-{animal}/{image}.png");
            files.extend((0..2).map(|image| (name(image), png(number * 2 + image, 32))));
        }
        files.push((format!("train/{class}/alone.png"), png(99, 32)));
    }
    files.push(("train/dog/cat-tom/1.png".into(), png(3, 32)));
    let folder = folder_of(files);
    let sets = folds(folder.path(), 3, Some("folder"));
    held_out_once(&sets, 27);
    let mut fold_of = BTreeMap::new();
    for (fold, set) in sets.iter().enumerate() {
        assert_eq!(set.test.groups.len(), set.test.len());
        for (name, group) in set.test.names.iter().zip(&set.test.groups) {
            let expected = name.split('/').nth(2).filter(|part| !part.ends_with(".png"));
            assert_eq!(group.as_deref(), expected, "{name}");
            if let Some(group) = group {
                assert_eq!(*fold_of.entry(group.clone()).or_insert(fold), fold, "{group}");
            }
        }
        let said =
            [Note::Ungrouped { images: 2 }, Note::SharedGroups { groups: 1, example: "cat-tom".into() }];
        assert!(said.iter().all(|note| set.notes.contains(note)), "{:?}", set.notes);
    }
    assert_eq!(fold_of.len(), 12);
    let on_disk = Options { size: Some((32, 32)), on_disk: true, ..options(2, 3, Some("folder")) };
    let on_disk = open_with(folder.path(), &on_disk).unwrap();
    assert_eq!((&on_disk.test.names, &on_disk.test.groups), (&sets[1].test.names, &sets[1].test.groups));
    refused(
        folder.path(),
        &options(1, 9, Some("folder")),
        &["9 groups of each class, but class 'cat' has 7"],
    );
    refused(folder.path(), &options(1, 3, Some("animal")), &["no table", "--group-by COLUMN"]);
}

#[test]
fn a_column_of_the_table_keeps_images_together() {
    let mut files: Vec<_> = (0..16).map(|image| (format!("{image:02}.png"), png(image, 32))).collect();
    let row = |image: usize| format!("{image:02}.png,{},p{}\n", ["ill", "well"][image % 2], image / 4);
    let table: String = (0..16).map(row).collect();
    files.push(("labels.csv".into(), format!("file,label,patient\n{table}").into_bytes()));
    let folder = folder_of(files);
    let sets = folds(folder.path(), 2, Some("patient"));
    held_out_once(&sets, 16);
    for set in &sets {
        let patients: BTreeSet<&Option<String>> = set.test.groups.iter().collect();
        assert_eq!((patients.len(), set.test.class_counts(2)), (2, vec![4, 4]));
        // Patients of both classes are nothing to be told of, unlike folders.
        assert!(!set.notes.iter().any(|note| matches!(note, Note::SharedGroups { .. })));
    }
    let words = ["table 'labels.csv' has no column 'person'", "file, label, patient"];
    refused(folder.path(), &options(1, 2, Some("person")), &words);
    refused(folder.path(), &options(1, 2, Some("folder")), &["no column 'folder'"]);
    refused(
        folder.path(),
        &options(1, 5, Some("patient")),
        &["5 groups of each class, but class 'ill' has 4"],
    );
}

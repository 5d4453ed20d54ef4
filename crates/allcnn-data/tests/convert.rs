//! What is converted reads back the same; what is verified is found.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Kind, Options, convert::convert, open, shapes, verify::verify};
use support::*;
use tempfile::tempdir;

#[test]
fn every_form_reads_back_the_same() {
    let set = shapes::draw(1, 4, 2);
    let folder = tempdir().unwrap();
    for name in [
        "a.tar",
        "a.tar.gz",
        "a.tgz",
        "a.tar.zst",
        "a.zip",
        "a.cifar.tar",
        "a.cifar.tar.gz",
        "a.cifar.tar.zst",
    ] {
        let path = folder.path().join(name);
        let mut done = 0;
        convert(&set, &path, &mut |progress| done = progress.done).unwrap();
        let read = open_path(&path).unwrap();
        assert_eq!((read.fingerprint, done), (set.fingerprint.clone(), 60), "{name}");
        let kind = if name.contains("cifar") { Kind::CifarBinary } else { Kind::ImageFolder };
        assert_eq!((read.kind, read.classes), (kind, set.classes.clone()));
        let first = std::fs::read(&path).unwrap();
        convert(&set, &path, &mut |_| {}).unwrap();
        assert!(std::fs::read(&path).unwrap() == first, "{name} differs when written again");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 8, "nothing else is left");
}

#[test]
fn impossible_conversions_are_explained() {
    let folder = tempdir().unwrap();
    let set =
        open("shapes", &Options { size: Some((16, 16)), limit: Some(10), ..Options::default() }, &mut |_| {})
            .unwrap();
    let error = |name: &str| convert(&set, &folder.path().join(name), &mut |_| {}).unwrap_err().to_string();
    assert!(error("x.rar").contains(".tar.zst"));
    assert!(error("x.cifar.tar").contains("16x16"));
    assert!(error("no/such/folder/x.tar").contains("cannot write"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn equal_images_and_contradictions_are_found() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("train/", 5);
    files.push(("train/cat/again.png".into(), png(2, 32)));
    files.push(("test/cat/new.png".into(), png(50, 32)));
    files.push(("test/cat/leak.png".into(), png(3, 32)));
    files.push(("test/dog/wrong.png".into(), png(4, 32)));
    files.push(("test/dog/broken.png".into(), b"x".to_vec()));
    write_folder(folder.path(), &files);
    let set = open_with(folder.path(), &Options { max_bad_percent: 100.0, ..Options::default() }).unwrap();
    let found = verify(&set);
    assert_eq!((found.test_images_in_train, found.repeated_in_train, found.contradicting_labels), (2, 1, 1));
    assert!(!found.clean && found.equal.contains(&("train/cat/003.png".into(), "test/cat/leak.png".into())));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json["classes"][0],
        serde_json::json!({"name": "cat", "train": 6, "validation": 0, "test": 2})
    );
    assert_eq!(
        (&json["skipped"][0]["file"], &json["kind"]),
        (&"test/dog/broken.png".into(), &"image-folder".into())
    );
    assert!(verify(&shapes::draw(0, 20, 20)).clean);
}

#[test]
fn held_out_images_are_compared_across_splits() {
    let mut files: Vec<(String, Vec<u8>)> = class_folders("train/", 4);
    files.push(("val/cat/seen.png".into(), png(1, 32)));
    files.push(("val/cat/new.png".into(), png(60, 32)));
    files.push(("val/dog/new.png".into(), png(61, 32)));
    files.push(("test/cat/chosen_by.png".into(), png(60, 32)));
    files.push(("test/dog/own.png".into(), png(62, 32)));
    let folder = folder_of(files);
    let found = verify(&open_path(folder.path()).unwrap());
    let counts =
        (found.validation_images_in_train, found.test_images_in_validation, found.test_images_in_train);
    assert_eq!((counts, found.clean), ((1, 1, 0), false));
}

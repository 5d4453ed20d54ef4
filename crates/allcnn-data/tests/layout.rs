//! What data is, where files of several forms lie together, and classes that must not be lost.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Kind, Options};
use support::*;

#[test]
fn a_stray_file_never_decides_what_the_data_is() {
    let images = class_folders("", 20);
    let strays: [(&str, Vec<u8>); 5] = [
        ("index.parquet", pets(2, 0)),
        ("broken.parquet", b"PAR1 but nothing more PAR1".to_vec()),
        ("labels.pkl", b"\x80\x02}q\x01.".to_vec()),
        ("evil", b"\x80\x02cos\nsystem\nU\x02ls\x85R.".to_vec()),
        ("cat/batch.bin", record(&[1], 1)),
    ];
    for (name, bytes) in strays {
        let mut files = images.clone();
        files.push((name.into(), bytes));
        let set = open_path(folder_of(files).path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((set.kind, sizes(&set)), (Kind::ImageFolder, ([36, 0, 4], "cat dog".into())), "{name}");
        assert!(set.ignored.iter().any(|one| one.example == name), "{name}: {:?}", set.ignored);
    }
    // Pictures beside other data are no class folders.
    let files = vec![
        ("train.parquet".to_string(), pets(40, 0)),
        ("preview.png".to_string(), png(1, 16)),
        ("docs/figure.png".to_string(), png(2, 16)),
    ];
    assert_eq!(open_path(folder_of(files).path()).unwrap().kind, Kind::Parquet);
    let batch: Vec<u8> = (0..40).flat_map(|seed| record(&[(seed % 10) as u8], seed)).collect();
    let files = vec![("data_batch_1.bin".to_string(), batch), ("preview.png".to_string(), png(1, 16))];
    assert_eq!(open_path(folder_of(files).path()).unwrap().kind, Kind::CifarBinary);
}

#[test]
fn two_forms_of_data_are_an_error() {
    let mut files = class_folders("", 5);
    files.push(("train.parquet".into(), pets(8, 0)));
    let error = error_of(folder_of(files).path());
    assert!(error.contains("an image folder (10 images) and parquet files (8 images)"), "{error}");
}

#[test]
fn a_class_is_never_lost() {
    let mut heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    heic.resize(200, 0);
    let mut files = class_folders("", 10);
    files.extend((0..3).map(|n| (format!("bird/{n}.HEIC"), heic.clone())));
    for options in [Options::default(), Options { max_bad_percent: 100.0, ..Options::default() }] {
        let error = open_with(folder_of(files.clone()).path(), &options).unwrap_err().to_string();
        assert!(error.contains("'bird'") && error.contains("3 files") && error.contains("HEIC"), "{error}");
    }
    // One of many.
    let mut files = class_folders("", 40);
    files.extend((0..2).map(|n| (format!("bird/{n}.png"), png(n, 32)[..50].to_vec())));
    let error = error_of(folder_of(files.clone()).path());
    assert!(error.contains("'bird'") && error.contains("bird/0.png"), "{error}");
    // Beside class folders, other folders are no classes.
    files.truncate(80);
    files.push(("annotations/1.xml".into(), b"<xml>".to_vec()));
    let set = open_path(folder_of(files).path()).unwrap();
    assert_eq!((sizes(&set).1, kinds(&set)), ("cat dog".into(), vec!["folder-without-images"]));
}

//! Which class an image has: names in every form, lists, batches with classes of one's own.
#![allow(clippy::unwrap_used)]
mod support;
use support::*;

/// A class's file below a folder.
fn file(folder: &str, class: &str, n: usize) -> (String, Vec<u8>) {
    (format!("{folder}{class}/{n}.png"), png(n + class.len() * 40, 32))
}

#[test]
fn names_that_differ_in_their_unicode_form_are_one_class() {
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}");
    let mut files: Vec<_> =
        (0..4).flat_map(|n| [file("train/", composed, n), file("train/", "tea", n)]).collect();
    files.extend((0..2).flat_map(|n| [file("test/", decomposed, n), file("test/", "tea", n)]));
    let set = open_path(folder_of(files.clone()).path()).unwrap();
    assert_eq!(sizes(&set), ([8, 0, 4], format!("{composed} tea")));
    files.extend((4..6).map(|n| file("train/", decomposed, n)));
    let set = open_path(folder_of(files).path()).unwrap();
    assert_eq!((set.train.class_counts(2), kinds(&set).contains(&"unicode-forms")), (vec![6, 4], true));
}

#[test]
fn parquet_files_must_agree_on_the_names() {
    let other = parquet_file(&[(png(1, 16), 0), (png(2, 16), 1)], Some(&names_of("\"dog\", \"cat\"")));
    let files = vec![("train.parquet".to_string(), pets(4, 0)), ("test.parquet".to_string(), other)];
    let error = error_of(folder_of(files).path());
    assert!(
        error.contains("'test.parquet' and 'train.parquet'") && error.contains("'dog' and 'cat'"),
        "{error}"
    );
}

/// A binary batch with these labels.
fn batch(labels: &[u8]) -> Vec<u8> {
    labels.iter().enumerate().flat_map(|(seed, &label)| record(&[label], seed)).collect()
}

#[test]
fn batches_have_the_classes_of_their_own_list() {
    let mut files = vec![
        ("data_batch_1.bin".to_string(), batch(&[0, 1, 2, 0, 1, 2])),
        ("test_batch.bin".to_string(), batch(&[2, 1, 0])),
    ];
    let set = open_path(folder_of(files.clone()).path()).unwrap();
    assert_eq!((sizes(&set), kinds(&set).contains(&"numbered-classes")), (([6, 0, 3], "0 1 2".into()), true));
    files.push(("batches.meta.txt".into(), b"\xef\xbb\xbfbolt\r\nnut\r\nwasher\r\n\r\n".to_vec()));
    let set = open_path(folder_of(files.clone()).path()).unwrap();
    assert_eq!((sizes(&set).1, kinds(&set).contains(&"class-names")), ("bolt nut washer".into(), true));
    files[2].1 = b"bolt\nnut\n".to_vec();
    let error = error_of(folder_of(files.clone()).path());
    assert!(error.contains("data_batch_1.bin") && error.contains("label 2"), "{error}");
    files.truncate(2);
    files[0].1 = batch(&(0..10).collect::<Vec<u8>>());
    let set = open_path(folder_of(files).path()).unwrap();
    assert_eq!((set.classes[0].as_str(), kinds(&set).contains(&"cifar-names")), ("airplane", true));
}

#[test]
fn batches_with_three_splits_have_three() {
    let files = vec![
        ("data_batch_1.bin".to_string(), batch(&[0, 1, 2, 3])),
        ("val_batch.bin".to_string(), batch(&[0, 1])),
        ("test_batch.bin".to_string(), batch(&[2])),
    ];
    assert_eq!(sizes(&open_path(folder_of(files).path()).unwrap()).0, [4, 2, 1]);
}

/// Training images of two classes, validation images of these names in one folder, and files beside them.
fn with_list(images: &[&str], list: &str, text: &str) -> tempfile::TempDir {
    let mut files: Vec<_> =
        (0..4).flat_map(|n| [file("train/", "n01", n), file("train/", "n02", n)]).collect();
    files.extend(images.iter().enumerate().map(|(n, name)| (format!("val/{name}"), png(90 + n, 32))));
    files.push((list.into(), text.as_bytes().to_vec()));
    folder_of(files)
}

#[test]
fn lists_give_validation_images_their_classes() {
    for (images, list, text) in [
        (
            ["holiday photo 1.png", "holiday photo 2.png"],
            "val.txt",
            "holiday photo 1.png 1\nholiday photo 2.png 0\n",
        ),
        (["a.png", "b.png"], "val.txt", "\u{feff}a.png\tn02\r\nb.png\tn01\r\n\r\n"),
        (["a.png", "b.png"], "val_labels.txt", "filename,label\n\"a.png\",\"n02\"\nval/b.png,n01\n"),
        (
            ["images/a.png", "images/b.png"],
            "val/val_annotations.txt",
            "a.png\tn02\t0\t0\t9\t9\nb.png\tn01\t0\t0\t9\t9\n",
        ),
    ] {
        let set = open_path(with_list(&images, list, text).path()).unwrap();
        assert_eq!((sizes(&set).0, set.test.labels.as_slice()), ([8, 0, 2], &[1, 0][..]), "{text}");
        assert!(kinds(&set).contains(&"labels-of-list"));
    }
    let error = error_of(with_list(&["a.png"], "val.txt", "a.png 0\na.png 1\n").path());
    assert!(error.contains("'val.txt'") && error.contains("twice"), "{error}");
    let error = error_of(with_list(&["a.png"], "val.txt", "a.png n09\n").path());
    assert!(error.contains("'n09'") && error.contains("not in its training split"), "{error}");
}

#[test]
fn tiny_imagenet_is_read() {
    let mut files = Vec::new();
    for class in ["n01", "n02"] {
        files.extend((0..4).map(|n| (format!("t/train/{class}/images/{class}_{n}.JPEG"), jpeg(n, 32))));
    }
    files.extend((0..2).map(|n| (format!("t/val/images/val_{n}.JPEG"), jpeg(70 + n, 32))));
    files.extend((0..3).map(|n| (format!("t/test/images/test_{n}.JPEG"), jpeg(80 + n, 32))));
    files.push(("t/wnids.txt".into(), b"n02\nn01\n".to_vec()));
    files.push(("t/words.txt".into(), b"n00\tentity\nn01\tgoldfish, Carassius\nn02\tnewt\n".to_vec()));
    let mut unlisted = files.clone();
    files.push((
        "t/val/val_annotations.txt".into(),
        b"val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n".to_vec(),
    ));
    let set = open_path(folder_of(files).path()).unwrap();
    assert_eq!(sizes(&set), ([8, 0, 2], "goldfish (n01) newt (n02)".into()));
    assert_eq!((set.test.labels.as_slice(), set.ignored[0].files), (&[1, 0][..], 3));
    unlisted.retain(|(name, _)| !name.starts_with("t/val/"));
    assert_eq!(sizes(&open_path(folder_of(unlisted).path()).unwrap()).0, [6, 0, 2]);
}

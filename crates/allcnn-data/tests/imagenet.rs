//! ILSVRC-2012's layout: class folders or a flat validation folder with a list of labels, names of classes from a
//! list, images left on disk.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{DataSet, Framing, Options};
use std::path::Path;
use support::*;
use tempfile::tempdir;

const CLASSES: &str = "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n";

/// Training images in class folders, validation images in one folder, and lists beside them.
fn imagenet(root: &Path, lists: &[(&str, &str)]) {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (class, seed) in [("n01440764", 0), ("n01443537", 50)] {
        files.extend((0..4).map(|n| (format!("train/{class}/{class}_{n}.JPEG"), jpeg(seed + n, 40))));
    }
    files.extend((1..=3).map(|n| (format!("val/ILSVRC2012_val_0000000{n}.JPEG"), jpeg(90 + n, 40))));
    files.extend(lists.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())));
    write_folder(root, &files);
}

#[test]
fn a_flat_validation_folder_takes_its_labels_from_a_list() {
    let numbers =
        "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 0\nILSVRC2012_val_00000003.JPEG 1\n";
    let kaggle = "ImageId,PredictionString\nILSVRC2012_val_00000002,n01440764 1 2 3 4\n\
                  ILSVRC2012_val_00000003,n01443537 1 2 3 4 n01443537 5 6 7 8\nILSVRC2012_val_00000001,n01443537 1 2 3 4\n";
    for (file, labels) in [("val.txt", numbers), ("LOC_val_solution.csv", kaggle)] {
        let folder = tempdir().unwrap();
        imagenet(folder.path(), &[(file, labels)]);
        let set = open_path(folder.path()).unwrap();
        assert_eq!(set.classes, ["n01440764", "n01443537"]);
        assert_eq!((set.train.labels.len(), set.test.labels.as_slice()), (8, [1, 0, 1].as_slice()), "{file}");
        assert_eq!(set.skipped, []);
    }
}

#[test]
fn classes_get_the_names_of_a_list() {
    let folder = tempdir().unwrap();
    let labels =
        "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 0\nILSVRC2012_val_00000003.JPEG 0\n";
    imagenet(folder.path(), &[("synset_words.txt", CLASSES), ("val.txt", labels)]);
    let names = ["tench (n01440764)", "goldfish (n01443537)"];
    assert_eq!(open_path(folder.path()).unwrap().classes, names);
    // Without training images, the numbers of the labels are those of the list.
    std::fs::remove_dir_all(folder.path().join("train")).unwrap();
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.classes, set.test.labels), (names.map(String::from).to_vec(), vec![1, 0, 0]));
}

#[test]
fn missing_and_wrong_lists_are_explained() {
    let wrong = |lists: &[(&str, &str)], train: bool| {
        let folder = tempdir().unwrap();
        imagenet(folder.path(), lists);
        if !train {
            std::fs::remove_dir_all(folder.path().join("train")).unwrap();
        }
        error_of(folder.path())
    };
    let error = wrong(&[], true);
    assert!(error.contains("no file of their labels") && error.contains("val.txt"), "{error}");
    let labels = "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 0\n";
    let error = wrong(&[("val.txt", labels)], false);
    assert!(error.contains("'val.txt' numbers the classes") && error.contains("synset_words.txt"), "{error}");
    let error = wrong(&[("val.txt", labels)], true);
    assert!(
        error.contains("val.txt") && error.contains("no line for the image 'ILSVRC2012_val_00000003.JPEG'")
    );
    let error = wrong(&[("val.txt", &labels.replace(" 1", " 2"))], true);
    assert!(error.contains("class 2 is not below the number of classes, 2"), "{error}");
    let short = CLASSES.lines().next().unwrap();
    let all = format!("{labels}ILSVRC2012_val_00000003.JPEG 1\n")
        .replace(" 1", " n01443537")
        .replace(" 0", " n01440764");
    let error = wrong(&[("synset_words.txt", short), ("val.txt", &all)], true);
    assert!(error.contains("no line for the class 'n01443537'"), "{error}");
}

fn on_disk(folder: &Path) -> DataSet {
    let options =
        Options { size: Some((28, 28)), framing: Framing::Middle, on_disk: true, ..Options::default() };
    open_with(folder, &options).unwrap()
}

#[test]
fn images_on_disk_are_the_same_as_in_memory() {
    let folder = tempdir().unwrap();
    write_folder(folder.path(), &class_folders("", 20));
    let lazy = on_disk(folder.path());
    let options = Options { size: Some((28, 28)), framing: Framing::Middle, ..Options::default() };
    let loaded = open_with(folder.path(), &options).unwrap();
    assert!(lazy.train.pixels.is_empty() && lazy.train.are_on_disk() && !loaded.train.are_on_disk());
    assert_eq!((&lazy.train.names, &lazy.train.labels), (&loaded.train.names, &loaded.train.labels));
    assert_eq!(lazy.test.labels, loaded.test.labels);
    for index in [0, 7, 35] {
        assert_eq!(lazy.train.read(index).unwrap(), loaded.train.read(index).unwrap());
    }
    assert_eq!(lazy.train.sample(5).unwrap().len(), 5 * 28 * 28 * 3);
    // The middle 28x28 of 32x32 is neither scaled nor moved.
    let middle = &picture(0, 32)[(2 * 32 + 2) * 3..][..28 * 3];
    assert_eq!(&lazy.train.read(0).unwrap()[..28 * 3], middle);
}

#[test]
fn what_cannot_stay_on_disk_is_refused_and_a_bad_file_is_named() {
    let folder = tempdir().unwrap();
    let archive = folder.path().join("images.tar");
    std::fs::write(&archive, tar(&class_folders("", 20))).unwrap();
    let options = Options { size: Some((28, 28)), on_disk: true, ..Options::default() };
    for data in [archive.to_str().unwrap(), "shapes"] {
        let error = allcnn_data::open(data, &options, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("no folder of image files") && error.contains("--augment"), "{error}");
    }
    let images = folder.path().join("images");
    write_folder(&images, &class_folders("", 20));
    std::fs::write(images.join("cat/000.png"), &png(0, 32)[..50]).unwrap();
    let error = on_disk(&images).train.read(0).unwrap_err().to_string();
    assert!(error.contains("cat/000.png") && error.contains("damaged"), "{error}");
}

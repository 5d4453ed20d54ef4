//! `demo`: the network that comes along, wherever a run can be named.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{allcnn, image_folder, picture, train_arguments, workspace};

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

fn with_picture() -> tempfile::TempDir {
    let folder = workspace();
    picture([200, 30, 10], 0).save(folder.path().join("cat.png")).unwrap();
    folder
}

/// Where it was unpacked to.
fn unpacked(folder: &Path) -> PathBuf {
    let caches = fs::read_dir(folder.join("cache/allcnn")).unwrap();
    let mut folders = caches.map(|entry| entry.unwrap().path());
    folders.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("demo-")).unwrap()
}

#[test]
fn it_predicts_explains_and_shows_its_filters_without_any_preparation() {
    let folder = with_picture();
    let told = allcnn(folder.path(), &["predict", "demo", "cat.png", "--top", "10", "--json"]).done().json();
    let mut classes: Vec<&str> = told[0]["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|guess| guess["class"].as_str().unwrap())
        .collect();
    classes.sort_unstable();
    assert_eq!(classes, CLASSES);
    let told =
        allcnn(folder.path(), &["explain", "demo", "cat.png", "--out", "a.png", "--json"]).done().json();
    assert_eq!(told[0]["run"], "demo");
    assert!(folder.path().join("a.png").exists());
    allcnn(folder.path(), &["features", "demo", "--layer", "conv1", "--without-image", "--out", "f.png"])
        .done();
    allcnn(folder.path(), &["export", "demo", "--safetensors", "demo.safetensors"]).done();
    assert!(allcnn(folder.path(), &[]).done().stdout.contains("allcnn explain demo cat.jpg"));
}

#[test]
fn measured_it_needs_data() {
    let folder = with_picture();
    allcnn(folder.path(), &["eval", "demo"]).fails(1, &["--data"]);
    allcnn(folder.path(), &["features", "demo", "--layer", "conv1"]).fails(1, &["--data"]);
    for class in CLASSES {
        fs::create_dir_all(folder.path().join("photos/test").join(class)).unwrap();
        picture([20, 130, 10], class.len() as u8)
            .save(folder.path().join(format!("photos/test/{class}/a.png")))
            .unwrap();
    }
    let told = allcnn(folder.path(), &["eval", "demo", "--data", "photos", "--json"]).done().json();
    assert_eq!((&told["run"], &told["images"]), (&"demo".into(), &10.into()));
    assert_eq!(told["checkpoint"], "last");
}

#[test]
fn a_training_begins_with_its_weights_and_none_changes_it() {
    let folder = with_picture();
    image_folder(folder.path(), 12);
    let from = [
        "train", "--from", "demo", "--data", "pictures", "--epochs", "1", "--freeze", "conv6", "--out", "own",
    ];
    let told = allcnn(folder.path(), &from).done();
    assert!(told.stderr.contains("demo") && told.stderr.contains("conv9"), "{told:#?}");
    allcnn(folder.path(), &["train", "--resume", "demo"]).fails(1, &["stays as it is", "train --from demo"]);
    allcnn(folder.path(), &train_arguments("demo", &["--limit", "64", "--epochs", "1"]))
        .fails(1, &["./demo is a folder"]);
    assert!(!folder.path().join("demo").exists());
}

#[test]
fn a_folder_of_that_name_is_a_path_and_an_unpacked_one_that_is_damaged_is_made_again() {
    let folder = with_picture();
    allcnn(folder.path(), &train_arguments("./demo", &["--limit", "64", "--epochs", "1", "--threads", "1"]))
        .done();
    let classes = |run: &str| {
        let told = allcnn(folder.path(), &["predict", run, "cat.png", "--json"]).done().json();
        told[0]["predictions"][0]["class"].as_str().unwrap().to_owned()
    };
    assert!(!CLASSES.contains(&&*classes("./demo")) && CLASSES.contains(&&*classes("demo")));
    let weights = unpacked(folder.path()).join("last.safetensors");
    let whole = fs::read(&weights).unwrap();
    for damaged in [&whole[..1000], b""] {
        fs::write(&weights, damaged).unwrap();
        assert!(CLASSES.contains(&&*classes("demo")));
        assert_eq!(fs::read(&weights).unwrap(), whole);
    }
    let settings = fs::read_to_string(unpacked(folder.path()).join("run.toml")).unwrap();
    assert!(
        !settings.contains("\"/") && !settings.contains("/root") && !settings.contains("/home"),
        "{settings}"
    );
}

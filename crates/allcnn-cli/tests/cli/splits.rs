//! Splits and classes through the program: what is decided is told, two readings are refused, `--splits` chooses.

use std::fs;
use std::path::Path;

use crate::support::{allcnn, picture, train_arguments, workspace};
use serde_json::Value;

/// Pictures of two colors in class folders below `split`, `images` of each.
fn draw_split(split: &Path, images: u8, salt: u8) {
    for (class, color) in [("blue", [10, 20, 150]), ("red", [150, 20, 10])] {
        fs::create_dir_all(split.join(class)).unwrap();
        for number in 0..images {
            let file = split.join(class).join(format!("{number:03}.png"));
            picture(color, salt + number).save(file).unwrap();
        }
    }
}

fn info(folder: &Path, more: &[&str]) -> Value {
    allcnn(folder, &[&["data", "info", "pictures", "--json"], more].concat()).done().json()
}

fn sizes(info: &Value) -> [u64; 3] {
    ["train", "validation", "test"].map(|split| info[split].as_u64().unwrap())
}

#[test]
fn three_splits_and_what_lies_beside_them_are_told() {
    let folder = workspace();
    let data = folder.path().join("pictures");
    draw_split(&data.join("Training"), 10, 0);
    draw_split(&data.join("dev"), 4, 20);
    draw_split(&data.join("test_set"), 3, 40);
    fs::create_dir_all(data.join("runs")).unwrap();
    picture([9, 9, 9], 0).save(data.join("runs/curve.png")).unwrap();
    let told = info(folder.path(), &[]);
    assert_eq!(sizes(&told), [20, 8, 6]);
    assert_eq!(told["classes"][0]["validation"], 4);
    assert_eq!(told["ignored"][0]["example"], "runs/curve.png");
    let kinds: Vec<&str> =
        told["notes"].as_array().unwrap().iter().map(|note| note["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["splits", "other-folders"]);
    let words = allcnn(folder.path(), &["data", "info", "pictures"]).done().stdout;
    for part in ["20 training images, 8 validation images, 6 test images", "validation is 'dev'", "'runs'"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // An archive of it has the same splits.
    let converted = allcnn(folder.path(), &["data", "convert", "pictures", "--to", "all.tar"]).done().stdout;
    assert!(converted.contains("8 validation images"), "{converted}");
    let archived = allcnn(folder.path(), &["data", "info", "all.tar", "--json"]).done().json();
    assert_eq!((sizes(&archived), &archived["fingerprint"]), ([20, 8, 6], &told["fingerprint"]));
    // Without validation images there is no column for them.
    fs::remove_dir_all(data.join("dev")).unwrap();
    let words = allcnn(folder.path(), &["data", "info", "pictures"]).done().stdout;
    assert!(!words.contains("validation"), "{words}");
}

#[test]
fn two_readings_are_refused_until_splits_are_named() {
    let folder = workspace();
    let data = folder.path().join("pictures");
    draw_split(&data, 8, 0);
    draw_split(&data.join("test"), 2, 40);
    for command in [&["data", "info", "pictures"][..], &["data", "verify", "pictures"]] {
        allcnn(folder.path(), command)
            .fails(1, &["in two ways", "--splits train=.,test=test", "blue, red, test"]);
    }
    let arguments = train_arguments("run", &["--data", "pictures", "--epochs", "1"]);
    allcnn(folder.path(), &arguments).fails(1, &["in two ways"]);
    assert_eq!(sizes(&info(folder.path(), &["--splits", "train=.,test=test"])), [16, 0, 4]);

    // A run notes the names, and finds the same images by them.
    let named = ["--data", "pictures", "--epochs", "1", "--splits", "train=.,test=test"];
    allcnn(folder.path(), &train_arguments("run", &named)).done();
    let manifest = fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    assert!(manifest.contains("splits = \"train=.,test=test\""), "{manifest}");
    let evaluated =
        |more: &[&str]| allcnn(folder.path(), &[&["eval", "run", "--json"], more].concat()).done();
    assert_eq!(evaluated(&[]).json()["images"], 4);
    draw_split(&folder.path().join("other/held"), 3, 90);
    draw_split(&folder.path().join("other/rest"), 2, 120);
    let other = ["--data", "other", "--splits", "test=held,train=rest"];
    assert_eq!(evaluated(&other).json()["images"], 6);
    assert_eq!(evaluated(&[&other[..], &["--split", "train"]].concat()).json()["images"], 4);
}

#[test]
fn splits_that_are_not_there_or_not_understood_are_explained() {
    let folder = workspace();
    draw_split(&folder.path().join("pictures/train"), 3, 0);
    let splits = |splits: &str| allcnn(folder.path(), &["data", "info", "pictures", "--splits", splits]);
    splits("train=missing").fails(1, &["'missing'", "--splits", "blue, red"]);
    for wrong in ["", "train", "other=a", "train=a,train=b"] {
        splits(wrong).fails(2, &["train=NAME,val=NAME,test=NAME"]);
    }
    allcnn(folder.path(), &["eval", "run", "--splits", "test=a"]).fails(2, &["--data"]);
}

#[test]
fn a_class_without_a_readable_image_is_an_error() {
    let folder = workspace();
    let data = folder.path().join("pictures");
    draw_split(&data, 8, 0);
    fs::create_dir_all(data.join("bird")).unwrap();
    fs::write(data.join("bird/1.HEIC"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    let training = train_arguments("run", &["--data", "pictures", "--epochs", "1"]);
    for command in [vec!["data", "info", "pictures"], vec!["data", "verify", "pictures"], training] {
        allcnn(folder.path(), &command).fails(1, &["'bird'", "HEIC", "bird/1.HEIC"]);
    }
}

#[test]
fn one_class_can_be_looked_at_but_not_trained_on() {
    let folder = workspace();
    draw_split(&folder.path().join("pictures"), 8, 0);
    fs::remove_dir_all(folder.path().join("pictures/red")).unwrap();
    let words = allcnn(folder.path(), &["data", "info", "pictures"]).done().stdout;
    assert!(words.contains("1 class,") && words.contains("'blue' is the only class"), "{words}");
    allcnn(folder.path(), &["data", "verify", "pictures"]).done();
    let training = train_arguments("run", &["--data", "pictures", "--epochs", "1"]);
    allcnn(folder.path(), &training).fails(1, &["one class only ('blue')"]);
}

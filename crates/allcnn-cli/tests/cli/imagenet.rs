//! Photographs in ILSVRC-2012's layout: read from disk while a training goes on, evaluated in their middle.

use std::fs;
use std::path::Path;

use crate::support::{
    Outcome, TINY_NETWORK, allcnn, assert_same_weights, outcome, signal, start, wait_for_checkpoint,
    workspace,
};
use rustix::process::Signal;

pub(crate) const TRAIN: &[&str] = &[
    "train",
    "--model",
    "tiny.toml",
    "--recipe",
    "imagenet",
    "--data",
    "imagenet",
    "--batch",
    "8",
    "--lr",
    "0.1",
];

/// Six classes of photographs of different sizes and colors: 4 for training, 2 for validation, the latter in one
/// folder with a list of labels.
pub(crate) fn imagenet(folder: &Path) {
    let root = folder.join("imagenet");
    fs::create_dir_all(root.join("val")).unwrap();
    let (mut labels, mut names) = (String::new(), String::new());
    for class in 0..6u32 {
        let wordnet = format!("n0000000{class}");
        names += &format!("{wordnet} color {class}, a second name\n");
        fs::create_dir_all(root.join("train").join(&wordnet)).unwrap();
        for number in 0..6u32 {
            let (width, height) = (40 + 8 * number, 70 - 6 * number);
            let channel = |place: u32| (40 + 180 * (class >> place & 1)) as u8;
            let photo = image::RgbImage::from_fn(width, height, |x, y| {
                let texture = ((x * 5 + y * 3 + number) % 24) as u8;
                image::Rgb([channel(0) + texture, channel(1), channel(2) + texture / 2])
            });
            let file = format!("ILSVRC2012_val_{class}{number}.JPEG");
            let path = if number < 4 { root.join("train").join(&wordnet) } else { root.join("val") };
            photo.save_with_format(path.join(&file), image::ImageFormat::Jpeg).unwrap();
            if number >= 4 {
                labels += &format!("{file} {class}\n");
            }
        }
    }
    fs::write(root.join("val.txt"), labels).unwrap();
    fs::write(root.join("synset_words.txt"), names).unwrap();
}

fn train(folder: &Path, out: &str, more: &[&str]) -> Outcome {
    allcnn(folder, &[TRAIN, &["--out", out], more].concat())
}

#[test]
fn photographs_are_learned_evaluated_and_predicted() {
    let folder = workspace();
    imagenet(folder.path());
    let trained = train(folder.path(), "run", &["--iterations", "200", "--json"]).done().json();
    assert_eq!(trained["epochs"], 67, "200 steps of 3 an epoch");
    let eval =
        |more: &[&str]| allcnn(folder.path(), &[&["eval", "run", "--json"], more].concat()).done().json();
    let (test, views) = (eval(&[]), eval(&["--views", "3"]));
    assert_eq!((&test["images"], &test["classes"][2]["name"]), (&12.into(), &"color 2 (n00000002)".into()));
    assert!(test["top1_error_pct"].as_f64().unwrap() < 30.0, "{test}");
    assert!(test["top5_error_pct"].as_f64().unwrap() <= test["top1_error_pct"].as_f64().unwrap());
    assert_ne!(test["loss"], views["loss"], "the other looks are at other parts");
    let photo = "imagenet/train/n00000005/ILSVRC2012_val_50.JPEG";
    let seen = allcnn(folder.path(), &["predict", "run", photo, "--json"]).done().json();
    assert_eq!(seen[0]["predictions"][0]["class"], "color 5 (n00000005)");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("color 5"));
}

#[test]
fn the_weights_depend_neither_on_threads_nor_on_an_interruption() {
    let folder = workspace();
    imagenet(folder.path());
    train(folder.path(), "one", &["--iterations", "200", "--threads", "1"]).done();
    train(folder.path(), "two", &["--iterations", "200", "--threads", "3"]).done();
    assert_same_weights(&folder.path().join("one"), &folder.path().join("two"));
    let mut child = start(folder.path(), &[TRAIN, &["--out", "cut", "--iterations", "200"]].concat());
    wait_for_checkpoint(&folder.path().join("cut"), &mut child);
    signal(&child, Signal::INT);
    assert_eq!(outcome(child).code, Some(130));
    allcnn(folder.path(), &["train", "--resume", "cut"]).done();
    assert_same_weights(&folder.path().join("one"), &folder.path().join("cut"));
}

#[test]
fn missing_lists_archives_and_bad_files_are_told() {
    let folder = workspace();
    imagenet(folder.path());
    let root = folder.path().join("imagenet");
    allcnn(folder.path(), &["data", "convert", "imagenet", "--to", "images.tar"]).done();
    let archive = ["train", "--model", "tiny.toml", "--recipe", "imagenet", "--data", "images.tar"];
    allcnn(folder.path(), &archive).fails(1, &["'images.tar' is no folder", "Unpack it", "--augment"]);

    fs::write(root.join("train/n00000001/ILSVRC2012_val_10.JPEG"), "just words").unwrap();
    train(folder.path(), "bad", &["--iterations", "20"])
        .fails(1, &["ILSVRC2012_val_10.JPEG", "not an image", "repair it"]);

    fs::remove_file(root.join("val.txt")).unwrap();
    train(folder.path(), "flat", &[])
        .fails(1, &["'val' of 'imagenet'", "no file of their labels", "val.txt"]);
    fs::write(root.join("val.txt"), "ILSVRC2012_val_04.JPEG 0\n").unwrap();
    fs::remove_file(root.join("synset_words.txt")).unwrap();
    fs::remove_dir_all(root.join("train")).unwrap();
    train(folder.path(), "numbers", &[]).fails(1, &["val.txt' numbers the classes", "synset_words.txt"]);
}

#[test]
fn iterations_and_epochs_exclude_each_other() {
    let folder = workspace();
    fs::write(folder.path().join("tiny.toml"), TINY_NETWORK).unwrap();
    let both = ["train", "--iterations", "5", "--epochs", "2"];
    allcnn(folder.path(), &both).fails(2, &["--iterations", "--epochs"]);
    allcnn(folder.path(), &["train", "--iterations", "0"]).fails(2, &["'0' for '--iterations", "from 1 to"]);
}

//! Augmentation that changes where images lie: heavy on a canvas, and many looks at each test image.

use std::fs;
use std::path::Path;

use crate::support::{TINY_NETWORK, allcnn, assert_same_weights, picture, workspace};

const SHORT: &[&str] = &["--limit", "100", "--epochs", "1"];

/// Trains a network with an input of 64x64 on images of 32x32.
fn train_heavily(folder: &Path, out: &str, more: &[&str]) {
    fs::write(folder.join("canvas.toml"), TINY_NETWORK.replace("[32, 32, 3]", "[64, 64, 3]")).unwrap();
    let heavy = ["train", "--model", "canvas.toml", "--batch", "32", "--augment", "heavy", "--out", out];
    allcnn(folder, &[heavy.as_slice(), SHORT, more].concat()).done();
}

#[test]
fn a_network_with_room_trains_heavily_and_its_run_works() {
    let folder = workspace();
    train_heavily(folder.path(), "one", &["--threads", "1"]);
    train_heavily(folder.path(), "two", &["--threads", "2"]);
    assert_same_weights(&folder.path().join("one"), &folder.path().join("two"));
    let eval =
        |views: &str| allcnn(folder.path(), &["eval", "one", "--views", views, "--json"]).done().json();
    let (once, often) = (eval("1"), eval("4"));
    assert_eq!(once["images"], often["images"]);
    assert_ne!(once["loss"], often["loss"], "the other looks are varied");
    assert_eq!(often, eval("4"), "and the same each time");
    assert!(folder.path().join("one/report.html").exists());
    picture([200, 30, 10], 0).save(folder.path().join("red.png")).unwrap();
    let maps = ["explain", "one", "red.png", "--out", "maps.png", "--npy", "maps.npy"];
    allcnn(folder.path(), &maps).done();
    let values = fs::read(folder.path().join("maps.npy")).unwrap();
    assert!(String::from_utf8_lossy(&values[..128]).contains("64, 64, 3"), "maps of the whole canvas");
    allcnn(folder.path(), &["features", "one", "--layer", "conv1", "--out", "conv1.png"]).done();
    assert!(folder.path().join("conv1.png").exists());
    let seen = allcnn(folder.path(), &["predict", "one", "red.png", "--json"]).done().json();
    assert!(seen[0]["predictions"][0]["probability"].as_f64().unwrap() > 0.0, "{seen}");
}

/// Two levels of Graham's network, with fewer channels.
const SPARSE: &str = r#"
name = "levels"
input = [126, 126, 3]
sparse = true
layers = [
  { conv = 8, kernel = 2, padding = 0, activation = "leaky:0.3" },
  { conv = 8, kernel = 2, padding = 0, activation = "leaky:0.3", channel_dropout = 0.2 },
  { pool = "max", kernel = 2, stride = 2 },
  { conv = 12, kernel = 3, padding = 0, activation = "leaky:0.3", channel_dropout = 0.2 },
  { pool = "max", kernel = 2, stride = 2 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

#[test]
fn a_sparse_network_is_trained_and_judged_as_if_the_whole_canvas_were_computed() {
    let folder = workspace();
    fs::write(folder.path().join("sparse.toml"), SPARSE).unwrap();
    fs::write(folder.path().join("whole.toml"), SPARSE.replace("sparse = true", "")).unwrap();
    let evaluated = |network: &str, threads: &str, out: &str| {
        let train =
            ["train", "--model", network, "--batch", "32", "--augment", "heavy", "--threads", threads];
        allcnn(folder.path(), &[&train, SHORT, &["--out", out]].concat()).done();
        allcnn(folder.path(), &["eval", out, "--views", "2", "--json"]).done().json()["loss"]
            .as_f64()
            .unwrap()
    };
    let sparse = evaluated("sparse.toml", "1", "sparse");
    assert_eq!(evaluated("sparse.toml", "2", "again"), sparse);
    assert_same_weights(&folder.path().join("sparse"), &folder.path().join("again"));
    let whole = evaluated("whole.toml", "2", "whole");
    assert!((sparse - whole).abs() < 1e-4, "losses of {sparse} and {whole}");
    assert!(fs::read_to_string(folder.path().join("sparse/run.toml")).unwrap().contains("sparse = true"));
    picture([200, 30, 10], 0).save(folder.path().join("red.png")).unwrap();
    allcnn(folder.path(), &["explain", "sparse", "red.png", "--out", "maps.png"]).done();
}

#[test]
fn many_looks_need_no_heavy_training() {
    let folder = workspace();
    for (augment, out) in [("flip-shift", "moved"), ("none", "plain")] {
        let train = ["train", "--model", "tiny.toml", "--batch", "32", "--augment", augment, "--out", out];
        allcnn(folder.path(), &[train.as_slice(), SHORT].concat()).done();
        let loss = |views: &str| {
            let eval = allcnn(folder.path(), &["eval", out, "--views", views, "--json"]).done().json();
            eval["loss"].as_f64().unwrap()
        };
        assert_ne!(loss("1"), loss("3"), "{augment}");
    }
    allcnn(folder.path(), &["eval", "moved", "--views", "0"]).fails(2, &["'0' for '--views", "from 1 to"]);
}

#[test]
fn heavy_augmentation_needs_room() {
    let folder = workspace();
    allcnn(folder.path(), &["train", "--model", "tiny.toml", "--augment", "heavy"])
        .fails(1, &["(32x32)", "2 times", "tiny takes 32x32", "--model large-all-cnn"]);
}

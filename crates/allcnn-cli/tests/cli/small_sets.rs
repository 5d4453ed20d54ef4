//! What small and uneven data sets need: smoothed, mixed and weighted targets, averaged weights, varied pictures.

use std::fs;
use std::path::Path;

use crate::support::{
    Outcome, allcnn, assert_same_weights, outcome, picture, signal, start, tensors, train_arguments,
    wait_for_checkpoint, workspace,
};
use rustix::process::Signal;

/// All of them together.
const ALL: &[&str] = &[
    "--augment",
    "photo",
    "--label-smoothing",
    "0.1",
    "--mixup",
    "0.4",
    "--ema",
    "0.9",
    "--balance",
    "sampling",
];

/// Trains with all of them, and more arguments.
fn train(folder: &Path, out: &str, more: &[&str]) -> Outcome {
    allcnn(folder, &train_arguments(out, &[ALL, more].concat())).done()
}

#[test]
fn all_together_have_the_same_bits_stopped_and_resumed_and_with_any_number_of_threads() {
    let folder = workspace();
    let long = ["--limit", "600", "--epochs", "6"];
    train(folder.path(), "whole", &[long.as_slice(), &["--threads", "2"]].concat());
    let run = folder.path().join("stopped");
    let arguments = [ALL, &long, &["--threads", "1"]].concat();
    let mut child = start(folder.path(), &train_arguments("stopped", &arguments));
    wait_for_checkpoint(&run, &mut child);
    signal(&child, Signal::INT);
    assert_eq!(outcome(child).code, Some(130));
    allcnn(folder.path(), &["train", "--resume", "stopped", "--threads", "2"]).done();
    assert_same_weights(&folder.path().join("whole"), &run);
    let best = |run: &str| tensors(&folder.path().join(run).join("best.safetensors"));
    assert_eq!(best("whole"), best("stopped"));
}

#[test]
fn averaged_weights_are_measured_kept_as_the_best_and_used() {
    let folder = workspace();
    train(folder.path(), "run", &["--limit", "300", "--epochs", "1"]);
    let [last, best] =
        ["last", "best"].map(|name| tensors(&folder.path().join("run").join(format!("{name}.safetensors"))));
    for (name, average) in best.iter().filter(|(name, _)| name.ends_with(".weight")) {
        assert_eq!(&last[&format!("average.{name}")], average, "the only epoch is the best one");
        assert!(&last[name] != average && last.contains_key(&format!("velocity.{name}")), "{name}");
    }
    assert_eq!((best.len(), last.len()), (6, 18));
    let metrics = fs::read_to_string(folder.path().join("run/metrics.csv")).unwrap();
    let measured: f64 = metrics.lines().nth(1).unwrap().split(',').nth(4).unwrap().parse().unwrap();
    for checkpoint in ["best", "last"] {
        let eval = ["eval", "run", "--checkpoint", checkpoint, "--json"];
        let loss = allcnn(folder.path(), &eval).done().json()["loss"].as_f64().unwrap();
        assert!((loss - measured).abs() < 1e-4, "{checkpoint}: {loss}, not {measured}");
    }
}

#[test]
fn settings_are_recorded_shown_and_kept_by_a_resumed_run() {
    let folder = workspace();
    train(folder.path(), "all", &["--limit", "64", "--epochs", "1"]);
    allcnn(folder.path(), &train_arguments("plain", &["--limit", "64", "--epochs", "1"])).done();
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    let (settings, page) = (read("all/run.toml"), read("all/report.html"));
    for part in ["mixup = 0.4", "ema = 0.9", "balance = \"sampling\"", "augment = \"photo\""] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
    for part in
        ["<dt>mixup</dt><dd>0.4</dd>", "<dt>ema</dt><dd>0.9</dd>", "<dt>balance</dt><dd>sampling</dd>"]
    {
        assert!(page.contains(part), "{part}");
    }
    let plain = read("plain/run.toml");
    assert!(["mixup =", "ema =", "balance ="].iter().all(|name| !plain.contains(name)), "{plain}");
    for flag in [
        ["--shards", "2"],
        ["--mixup", "0.4"],
        ["--ema", "0.9"],
        ["--balance", "loss"],
        ["--label-smoothing", "0.1"],
    ] {
        let resumed = ["train", "--resume", "all", flag[0], flag[1]];
        allcnn(folder.path(), &resumed).fails(2, &["--resume", flag[0], "cannot be used"]);
    }
}

#[test]
fn wrong_values_are_named_with_what_is_expected() {
    let folder = workspace();
    for (flag, value, expected) in [
        ("--mixup", "-1", "expected a number from 0 (none) to 100"),
        ("--mixup", "much", "expected a number from 0 (none) to 100"),
        ("--shards", "3", "expected a power of two: 1, 2, 4, 8, ..."),
        ("--shards", "0", "expected a power of two"),
        ("--ema", "1", "expected a number of at least 0 and below 1"),
        ("--label-smoothing", "-0.1", "expected a number of at least 0 and below 1"),
        ("--balance", "even", "unknown balance `even`: expected none, loss or sampling"),
        ("--augment", "blur", "expected none, flip-shift, heavy, crop-flip or photo"),
    ] {
        let given = format!("'{value}' for '{flag}");
        allcnn(folder.path(), &["train", flag, value]).fails(2, &[&given, expected]);
    }
    for (text, expected) in [
        ("mixup = -1.0", "mixup is -1, expected 0 to 100"),
        ("shards = 6", "shards is 6, expected a power of two"),
        (
            "batch = 4\nshards = 8",
            "shards is 8, expected a power of two (1, 2, 4, ...) up to the batch of 4 images",
        ),
        ("ema = 1.5", "ema is 1.5, expected 0 to below 1"),
        ("balance = \"even\"", "unknown balance `even`"),
    ] {
        fs::write(folder.path().join("own.toml"), text).unwrap();
        allcnn(folder.path(), &["train", "--recipe", "own.toml"]).fails(1, &["own.toml", expected]);
    }
    allcnn(folder.path(), &["train", "--batch", "4", "--shards", "8"])
        .fails(2, &["shards is 8", "batch of 4 images"]);
    assert!(!folder.path().join("runs").exists(), "nothing was begun");
}

/// An image folder with 40 blue and 4 red training pictures.
fn uneven_folder(folder: &Path) {
    for (class, color, images) in [("blue", [10, 20, 180], 40), ("red", [190, 20, 10], 4)] {
        for (split, count) in [("train", images), ("test", 4)] {
            let class = folder.join("uneven").join(split).join(class);
            fs::create_dir_all(&class).unwrap();
            for number in 0..count {
                // Test pictures are others than the training ones.
                let salt = number + if split == "test" { 100 } else { 0 };
                picture(color, salt).save(class.join(format!("{number:03}.png"))).unwrap();
            }
        }
    }
}

#[test]
fn uneven_classes_are_warned_of_unless_they_are_balanced() {
    let folder = workspace();
    uneven_folder(folder.path());
    let train = |out: &str, more: &[&str]| {
        let data = ["--data", "uneven", "--epochs", "2"];
        allcnn(folder.path(), &train_arguments(out, &[&data, more].concat())).done()
    };
    let told = train("plain", &[]).stderr;
    for part in ["'blue' has 40 training images, 'red' has 4.", "--balance sampling"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let resumed = allcnn(folder.path(), &["train", "--resume", "plain", "--epochs", "3"]).done().stderr;
    assert!(!resumed.contains("uneven:"), "told once: {resumed}");
    for (balance, out) in [("loss", "weighed"), ("sampling", "sampled")] {
        let told = train(out, &["--balance", balance, "--mixup", "0.2"]).stderr;
        assert!(!told.contains("uneven:"), "{told}");
        assert_ne!(
            tensors(&folder.path().join("plain/best.safetensors")),
            tensors(&folder.path().join(out).join("best.safetensors"))
        );
    }
}

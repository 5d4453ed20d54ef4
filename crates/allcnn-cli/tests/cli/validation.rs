//! Data with train, val and test: the validation images choose, the test images are measured once, at the end.

use std::fs;
use std::path::Path;

use crate::support::{
    allcnn, assert_same_weights, keys, outcome, picture, signal, start, tensors, train_arguments,
    wait_for_checkpoint, workspace,
};
use rustix::process::Signal;
use serde_json::Value;

const BLUE: [u8; 3] = [10, 20, 150];
const RED: [u8; 3] = [150, 20, 10];
const TRAINING: &[&str] =
    &["--data", "pictures", "--epochs", "12", "--lr", "0.003", "--augment", "none", "--threads", "1"];

/// A split of pictures of both colors, `images` of each.
fn draw_split(split: &Path, images: u8, salt: u8, colors: [[u8; 3]; 2]) {
    for (class, color) in ["blue", "red"].into_iter().zip(colors) {
        fs::create_dir_all(split.join(class)).unwrap();
        for number in 0..images {
            let file = split.join(class).join(format!("{number:03}.png"));
            picture(color, salt + number).save(file).unwrap();
        }
    }
}

/// A workspace with an image folder in which the validation pictures are in each other's folders: the better a network
/// has learned, the worse it is on them, so that the last epoch is not the best one.
fn contradicted() -> tempfile::TempDir {
    let folder = workspace();
    let data = folder.path().join("pictures");
    draw_split(&data.join("train"), 40, 0, [BLUE, RED]);
    draw_split(&data.join("val"), 10, 40, [RED, BLUE]);
    draw_split(&data.join("test"), 12, 50, [BLUE, RED]);
    folder
}

/// The fields of `metrics.csv`, a row an epoch.
fn metrics(run: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(run.join("metrics.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn val_chooses_and_test_is_measured_once() {
    let folder = contradicted();
    let more = [TRAINING, &["--json"]].concat();
    let trained = allcnn(folder.path(), &train_arguments("run", &more)).done();
    for part in ["80 training images, 20 validation images, 24 test images", "2 classes: blue, red"] {
        assert!(trained.stderr.contains(part), "{part}: {trained:?}");
    }
    let trained = trained.json();
    assert_eq!(trained["selected_on"], "validation");
    assert_eq!(trained["best_test_error_pct"], Value::Null);

    let run = folder.path().join("run");
    let rows = metrics(&run);
    assert!(rows.iter().all(|row| row[4..6] == ["", ""]), "no test image is looked at: {rows:?}");
    let errors: Vec<f64> = rows.iter().map(|row| row[9].parse().unwrap()).collect();
    let best = errors.iter().position(|&error| error == errors.iter().copied().fold(f64::MAX, f64::min));
    assert!(errors[best.unwrap()] < errors[11], "{errors:?}");
    assert!(tensors(&run.join("best.safetensors")) != tensors(&run.join("last.safetensors")));

    let error = |arguments: &[&str]| {
        let all = [&["eval", "run", "--json"], arguments].concat();
        allcnn(folder.path(), &all).done().json()["top1_error_pct"].clone()
    };
    assert_eq!(error(&["--split", "validation"]), trained["validation_error_pct"]);
    assert_eq!(error(&["--split", "test"]), trained["test_error_pct"]);
    assert_eq!(error(&["--split", "validation", "--checkpoint", "last"]), errors[11]);
    let words = allcnn(folder.path(), &["eval", "run"]).done().stdout;
    let weights = format!(
        "run (best checkpoint, epoch {}, chosen on the validation images) on 24 test images",
        best.unwrap() + 1
    );
    assert!(words.contains(&weights), "{words}");
    let words = allcnn(folder.path(), &["eval", "run", "--checkpoint", "last", "--split", "train"]).done();
    assert!(words.stdout.contains("run (last checkpoint, epoch 12) on 80 training images"), "{words:?}");

    // A finished run has its figures and is not measured again.
    let report = fs::metadata(run.join("report.html")).unwrap().modified().unwrap();
    let again = allcnn(folder.path(), &["train", "--resume", "run", "--json"]).done().json();
    for key in keys(&trained).into_iter().filter(|&key| key != "seconds") {
        assert_eq!(again[key], trained[key], "{key}");
    }
    assert_eq!(fs::metadata(run.join("report.html")).unwrap().modified().unwrap(), report);
}

#[test]
fn the_closing_lines_and_the_report_say_what_was_chosen_on_what() {
    let folder = contradicted();
    let trained = allcnn(folder.path(), &train_arguments("run", TRAINING)).done();
    let lines: Vec<&str> = trained.stdout.lines().collect();
    assert!(
        lines[0].starts_with("test error  ") && lines[0].contains(", measured once (95 % interval "),
        "{trained:?}"
    );
    assert!(
        lines[1].starts_with("validation  ") && lines[1].ends_with("chosen on these images"),
        "{trained:?}"
    );
    assert!(trained.stderr.contains("  validation error "), "{trained:?}");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    for part in ["chosen on 20 validation images) on 24 test images", "Validation error", "measured once"] {
        assert!(report.contains(part), "{part}");
    }
}

#[test]
fn interrupted_it_says_nothing_of_the_test_and_resumed_it_is_the_same() {
    let folder = contradicted();
    let long = ["--data", "pictures", "--epochs", "60", "--lr", "0.1", "--threads", "1", "--json"];
    let whole = allcnn(folder.path(), &train_arguments("whole", &long)).done().json();
    let run = folder.path().join("stopped");
    let mut child = start(folder.path(), &train_arguments("stopped", &long));
    wait_for_checkpoint(&run, &mut child);
    signal(&child, Signal::INT);
    let stopped = outcome(child);
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert_eq!(
        (&stopped.json()["test_error_pct"], &stopped.json()["selected_on"]),
        (&Value::Null, &"validation".into())
    );
    let resumed = allcnn(folder.path(), &["train", "--resume", "stopped", "--json"]).done().json();
    for key in ["test_error_pct", "validation_error_pct", "train_loss", "epochs"] {
        assert_eq!(resumed[key], whole[key], "{key}");
    }
    assert_same_weights(&folder.path().join("whole"), &run);
    let best = |out: &str| tensors(&folder.path().join(out).join("best.safetensors"));
    assert!(best("whole") == best("stopped"));

    let endless = ["--data", "pictures", "--epochs", "1000000", "--time-limit", "1s"];
    let limited = allcnn(folder.path(), &train_arguments("limited", &endless)).done();
    assert!(
        !limited.stdout.contains("test error") && limited.stdout.contains("the best so far"),
        "{limited:?}"
    );
}

#[test]
fn a_limit_and_a_holdout_leave_the_validation_images_alone() {
    let folder = contradicted();
    let more = ["--data", "pictures", "--epochs", "2", "--limit", "30", "--holdout", "4", "--json"];
    let trained = allcnn(folder.path(), &train_arguments("run", &more)).done();
    assert!(
        trained.stderr.contains("30 training images, 20 validation images, 8 test images"),
        "{trained:?}"
    );
    for (split, images, key) in [("validation", 20, "validation_error_pct"), ("test", 8, "test_error_pct")] {
        let measured = allcnn(folder.path(), &["eval", "run", "--split", split, "--json"]).done().json();
        assert_eq!(measured["images"], images);
        assert_eq!(measured["top1_error_pct"], trained.json()[key], "{split}");
    }
}

#[test]
fn without_test_images_the_validation_images_are_the_one_held_out_split() {
    let folder = contradicted();
    fs::remove_dir_all(folder.path().join("pictures/test")).unwrap();
    let more = [TRAINING, &["--json"]].concat();
    let trained = allcnn(folder.path(), &train_arguments("run", &more)).done().json();
    assert_eq!((&trained["selected_on"], &trained["validation_error_pct"]), (&"test".into(), &Value::Null));
    let last = metrics(&folder.path().join("run"))[11][5].parse::<f64>().unwrap();
    assert_eq!(trained["test_error_pct"], last);
    assert!(trained["best_test_error_pct"].as_f64().unwrap() < last, "{trained}");
    allcnn(folder.path(), &["eval", "run", "--split", "validation"])
        .fails(2, &["no validation images", "80 training images, 20 test images"]);
}

#[test]
fn a_table_says_that_validation_images_chose() {
    let folder = contradicted();
    let mut all = vec!["reproduce", "table3", "--models", "tiny.toml", "--data", "pictures", "--epochs", "4"];
    all.extend(["--learning-rates", "0.05,0.01", "--out", "sweep"]);
    let done = allcnn(folder.path(), &all).done();
    for part in ["lowest error on the validation images, measured once", "\"Ours\" is the learning rate"] {
        assert!(done.stdout.contains(part), "{part}: {done:?}");
    }
    let table = allcnn(folder.path(), &[&all[..], &["--json"]].concat()).done().json();
    assert_eq!(table["rows"][0]["selected_on"], "validation");
    assert!(table["rows"][0]["test_error_pct"].is_number(), "{table}");
    let csv = fs::read_to_string(folder.path().join("sweep/results.csv")).unwrap();
    assert!(csv.lines().next().unwrap().ends_with(",validation_error_pct"), "{csv}");
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        assert!(fields[7].parse::<f64>().is_ok() && fields[8].is_empty(), "{line}");
    }
}

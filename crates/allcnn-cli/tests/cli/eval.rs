//! `eval` and `predict` with several runs: averages, comparisons, intervals, tables for other programs.

use std::fs;
use std::path::Path;

use crate::support::{allcnn, image_folder, train_arguments, workspace};
use serde_json::Value;

/// A workspace with two runs on the same pictures, `one` and `other`, that differ in their seeds.
fn two_runs() -> tempfile::TempDir {
    let folder = workspace();
    image_folder(folder.path(), 30);
    for (run, seed) in [("one", "1"), ("other", "2")] {
        let more =
            ["--data", "pictures", "--holdout", "10", "--epochs", "1", "--threads", "1", "--seed", seed];
        allcnn(folder.path(), &train_arguments(run, &more)).done();
    }
    folder
}

fn eval(folder: &Path, arguments: &[&str]) -> Value {
    allcnn(folder, &[&["eval", "--json"], arguments].concat()).done().json()
}

/// The rows of a CSV file without quotes.
fn rows(file: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap();
    text.split_terminator("\r\n").map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn errors_have_intervals_and_classes_have_precision_and_recall() {
    let folder = two_runs();
    let figures = eval(folder.path(), &["one"]);
    let number = |name: &str| figures[name].as_f64().unwrap();
    let interval: Vec<f64> = serde_json::from_value(figures["top1_error_interval95"].clone()).unwrap();
    assert!(interval[0] <= number("top1_error_pct") && number("top1_error_pct") <= interval[1]);
    assert!(interval[1] - interval[0] > 15.0, "20 images say little: {interval:?}");
    let classes = figures["classes"].as_array().unwrap();
    let errors: f64 = classes.iter().map(|class| class["error_pct"].as_f64().unwrap()).sum();
    assert!((errors / 2.0 - number("balanced_error_pct")).abs() < 1e-9);
    for class in classes {
        let recall = class["recall"].as_f64().unwrap();
        assert!((100.0 * (1.0 - recall) - class["error_pct"].as_f64().unwrap()).abs() < 1e-9, "{class}");
        assert_eq!(class["error_interval95"].as_array().unwrap().len(), 2);
    }
    assert!((0.0..=1.0).contains(&number("expected_calibration_error")) && number("macro_f1") <= 1.0);
    let words = allcnn(folder.path(), &["eval", "one"]).done().stdout;
    for part in ["(95 % interval ", "balanced     ", "macro F1     ", "calibration  ", "precision  recall"] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn runs_are_compared_image_by_image() {
    let folder = two_runs();
    let own = eval(folder.path(), &["one", "--csv", "one.csv"]);
    let other = eval(folder.path(), &["other", "--csv", "other.csv"]);
    let compared = eval(folder.path(), &["one", "--against", "other"]);
    assert_eq!(compared["top1_error_pct"], own["top1_error_pct"]);
    let against = &compared["against"];
    assert_eq!(against["top1_error_pct"], other["top1_error_pct"]);
    let [one, other] = ["one.csv", "other.csv"].map(|file| rows(&folder.path().join(file)));
    assert_eq!(one[0].join(","), "file,class,predicted,probability,class_probability,correct");
    let wrong = |this: &str, that: &str| {
        one[1..].iter().zip(&other[1..]).filter(|(one, other)| one[5] == this && other[5] == that).count()
    };
    assert_eq!((one.len(), one.len()), (21, other.len()));
    assert_eq!(against["both_wrong"], wrong("false", "false"));
    assert_eq!(against["only_this_wrong"], wrong("false", "true"));
    assert_eq!(against["only_that_wrong"], wrong("true", "false"));
    assert!((0.0..=1.0).contains(&against["p_value"].as_f64().unwrap()));
    let same = eval(folder.path(), &["one", "--against", "one"]);
    assert_eq!(same["against"]["p_value"], 1.0);
    let words = allcnn(folder.path(), &["eval", "one", "--against", "other"]).done().stdout;
    assert!(
        words.contains("against other: top-1 error") && words.contains("(exact McNemar test)"),
        "{words}"
    );
}

#[test]
fn probabilities_of_several_runs_are_averaged() {
    let folder = two_runs();
    for run in [["one", "--csv", "one.csv"], ["other", "--csv", "other.csv"]] {
        eval(folder.path(), &run);
    }
    let together = eval(folder.path(), &["one", "other", "--csv", "both.csv"]);
    assert_eq!(together["runs"], serde_json::json!(["one", "other"]));
    let [one, other, both] = ["one.csv", "other.csv", "both.csv"].map(|file| rows(&folder.path().join(file)));
    for image in 1..both.len() {
        let own = |rows: &[Vec<String>]| rows[image][4].parse::<f64>().unwrap();
        assert!((own(&both) - (own(&one) + own(&other)) / 2.0).abs() < 1e-6, "{}", both[image][0]);
    }

    let picture = "pictures/red";
    let answers = |arguments: &[&str]| {
        let all = [&["predict"], arguments, &[picture, "--top", "2", "--json"]].concat();
        allcnn(folder.path(), &all).done().json()
    };
    let (alone, both) = (answers(&["one"]), answers(&["one", "other"]));
    assert_eq!(alone.as_array().unwrap().len(), 30);
    let red = |answers: &Value| {
        let guesses = answers[0]["predictions"].as_array().unwrap();
        let red = guesses.iter().find(|guess| guess["class"] == "red").unwrap();
        red["probability"].as_f64().unwrap()
    };
    let mean = (red(&alone) + red(&answers(&["other"]))) / 2.0;
    assert!((red(&both) - mean).abs() < 1e-6, "{both}");
}

#[test]
fn doubtful_answers_are_marked_and_written_as_csv() {
    let folder = two_runs();
    fs::write(folder.path().join("pictures/red/broken, \"x\".png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let outcome = allcnn(
        folder.path(),
        &["predict", "one", "pictures/red", "--unsure-below", "1", "--csv", "answers.csv", "--top", "2"],
    );
    assert_eq!(outcome.code, Some(1), "a picture cannot be read: {outcome:?}");
    assert_eq!(outcome.stdout.matches("(unsure)").count(), 30, "{outcome:?}");
    let text = fs::read_to_string(folder.path().join("answers.csv")).unwrap();
    assert!(text.starts_with("file,class,probability,class2,probability2\r\n"), "{text}");
    assert!(text.contains("\"pictures/red/broken, \"\"x\"\".png\",,,,\r\n"), "{text}");
    assert_eq!(text.matches("\r\n").count(), 32);
    let sure =
        allcnn(folder.path(), &["predict", "one", "pictures/blue", "--unsure-below", "0.01", "--json"]);
    assert!(!sure.done().stdout.contains("unsure"));
}

#[test]
fn wrong_requests_say_what_was_expected() {
    let folder = two_runs();
    let path = folder.path();
    allcnn(path, &["eval", "one", "--against", "nowhere"]).fails(1, &["nowhere"]);
    allcnn(path, &["eval", "one", "--csv", "images.txt"]).fails(2, &["images.txt", ".csv"]);
    allcnn(path, &["eval", "one", "--csv", "no/images.csv"]).fails(1, &["no/images.csv"]);
    allcnn(path, &["predict", "one", "other"]).fails(2, &["other is a run", "no picture follows"]);
    allcnn(path, &["predict", "one", "pictures/red", "--unsure-below", "2"]).fails(2, &["at most 1"]);

    // Runs with other classes.
    fs::rename(path.join("pictures/red"), path.join("pictures/crimson")).unwrap();
    let more = ["--data", "pictures", "--holdout", "10", "--epochs", "1", "--threads", "1"];
    allcnn(path, &train_arguments("third", &more)).done();
    let classes = ["one", "third", "blue, red", "classes"];
    allcnn(path, &["predict", "one", "third", "pictures/blue"]).fails(1, &classes);

    // Both runs were trained on all of these images.
    fs::rename(path.join("pictures/crimson"), path.join("pictures/red")).unwrap();
    eval(path, &["one", "--split", "train", "--csv", "train.csv"]);
    for row in &rows(&path.join("train.csv"))[1..] {
        let name = Path::new(&row[0]).file_name().unwrap();
        fs::create_dir_all(path.join("seen").join(&row[1])).unwrap();
        fs::copy(path.join("pictures").join(&row[1]).join(name), path.join("seen").join(&row[1]).join(name))
            .unwrap();
    }
    let seen = ["one", "--data", "seen"];
    assert_eq!(eval(path, &seen)["trained_on"], serde_json::json!({"images": 40, "left_out": false}));
    let compared = [&["eval"], &seen[..], &["--against", "other"]].concat();
    allcnn(path, &compared).fails(1, &["each of the 40 images was trained on", "--data"]);
}

//! The temperature of a run's probabilities: fitted on validation images, applied on request.

use std::fs;
use std::path::Path;

use crate::support::{Outcome, allcnn, image_folder, picture, train_arguments, workspace};
use serde_json::Value;

/// One epoch of single images, after which the network is as sure as a network can be.
const TRAINING: &[&str] = &[
    "train",
    "--model",
    "tiny.toml",
    "--data",
    "pictures",
    "--epochs",
    "1",
    "--batch",
    "1",
    "--lr",
    "0.05",
    "--augment",
    "none",
    "--threads",
    "1",
    "--out",
];

/// Pictures of both colors, of which in `wrong` of `images` each the other color is in the folder. No two splits have the same
/// `shade`.
fn draw_split(split: &Path, images: u8, shade: u8, wrong: u8) {
    let colors = [[10, 20 + shade, 150], [150, 20 + shade, 10]];
    for (class, name) in ["blue", "red"].into_iter().enumerate() {
        fs::create_dir_all(split.join(name)).unwrap();
        for number in 0..images {
            let color = colors[if number < wrong { 1 - class } else { class }];
            picture(color, number).save(split.join(name).join(format!("{number:03}.png"))).unwrap();
        }
    }
}

/// A workspace with data on which a network is surer than it is right: of the images that are held out some have a wrong label.
fn overconfident() -> tempfile::TempDir {
    let folder = workspace();
    let data = folder.path().join("pictures");
    draw_split(&data.join("train"), 40, 0, 0);
    draw_split(&data.join("val"), 20, 1, 3);
    draw_split(&data.join("test"), 20, 2, 3);
    folder
}

/// A training on that data into `run`.
fn train(folder: &Path, run: &str, more: &[&str]) -> Outcome {
    allcnn(folder, &[TRAINING, &[run], more].concat()).done()
}

fn number(document: &Value, path: &str) -> f64 {
    document.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {document}"))
}

#[test]
fn probabilities_are_calibrated_on_the_validation_images() {
    let folder = overconfident();
    let trained = train(folder.path(), "run", &["--json"]).json();
    let temperature = number(&trained, "/temperature");
    assert!(temperature > 1.0, "{trained}");
    let stored = fs::read_to_string(folder.path().join("run/calibration.toml")).unwrap();
    assert!(stored.contains("temperature = ") && stored.contains("images = 40"), "{stored}");

    let eval =
        |more: &[&str]| allcnn(folder.path(), &[&["eval", "run", "--json"], more].concat()).done().json();
    for split in ["validation", "test"] {
        let plain = eval(&["--split", split]);
        let calibrated = eval(&["--split", split, "--calibrated"]);
        let scaling = &plain["temperature_scaling"];
        assert_eq!(scaling["temperatures"], serde_json::json!([temperature]));
        assert_eq!(
            (&scaling["applied"], &calibrated["temperature_scaling"]["applied"]),
            (&false.into(), &true.into())
        );
        for (document, side) in [(&plain, "before"), (&calibrated, "after")] {
            for key in ["expected_calibration_error", "loss", "calibration"] {
                assert_eq!(document[key], scaling[side][key], "{split} {side} {key}");
            }
        }
        assert_eq!(plain["confusion"], calibrated["confusion"], "no prediction changes");
        let [before, after] = ["before", "after"].map(|side| number(scaling, &format!("/{side}/loss")));
        assert!(after < 0.7 * before, "{split}: {before} {after}");
        // Over so few images the expected error is one of chance; the mean probability has to come near the accuracy.
        let gap = |side: &str| {
            let bins = scaling[side]["calibration"].as_array().unwrap();
            let gap = |bin: &serde_json::Value| {
                number(bin, "/images") * (number(bin, "/mean_probability") - number(bin, "/accuracy"))
            };
            bins.iter().map(gap).sum::<f64>().abs()
        };
        assert!(gap("after") < 0.5 * gap("before"), "{split}: {scaling}");
    }
    let words = allcnn(folder.path(), &["eval", "run"]).done().stdout;
    assert!(words.contains("; with it (--calibrated) the calibration is 0."), "{words}");
    let words = allcnn(folder.path(), &["eval", "run", "--calibrated"]).done().stdout;
    assert!(words.contains("; without it the calibration is 0."), "{words}");
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("logits divided by the temperature"), "the report shows both");
    assert_eq!(report.matches("Reliability diagram").count(), 2);

    let predict = |more: &[&str]| {
        let all = [&["predict", "run", "pictures/test/red/009.png", "--top", "2", "--json"], more].concat();
        allcnn(folder.path(), &all).done().json()[0]["predictions"].clone()
    };
    let (plain, calibrated) = (predict(&[]), predict(&["--calibrated"]));
    assert_eq!(plain[0]["class"], calibrated[0]["class"]);
    let odds = |predictions: &Value| {
        (number(predictions, "/0/probability") / number(predictions, "/1/probability")).ln()
    };
    assert!((odds(&plain) / odds(&calibrated) / temperature - 1.0).abs() < 1e-3, "{plain} {calibrated}");
}

#[test]
fn a_finished_run_keeps_its_temperature_and_an_earlier_one_gets_it_when_resumed() {
    let folder = overconfident();
    let trained = train(folder.path(), "run", &[]);
    let line = trained.stdout.lines().find(|line| line.starts_with("temperature ")).unwrap();
    assert!(
        line.contains(": expected calibration error ") && line.contains(" on the validation images"),
        "{line}"
    );
    let file = folder.path().join("run/calibration.toml");
    let (stored, written) =
        (fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    let again = allcnn(folder.path(), &["train", "--resume", "run"]).done();
    assert!(again.stdout.contains(line), "{again:?}");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
    // As an earlier version left it.
    fs::remove_file(&file).unwrap();
    let words = ["run cannot be calibrated: no temperature was fitted for it", "--validation 10%"];
    allcnn(folder.path(), &["eval", "run", "--calibrated"]).fails(1, &words);
    assert!(
        allcnn(folder.path(), &["eval", "run", "--json"]).done().json().get("temperature_scaling").is_none()
    );
    allcnn(folder.path(), &["train", "--resume", "run"]).done();
    assert_eq!(fs::read_to_string(&file).unwrap(), stored);
    // Of another checkpoint than the one that is asked for.
    fs::write(&file, stored.replace("epoch = ", "epoch = 1")).unwrap();
    allcnn(folder.path(), &["eval", "run", "--calibrated"])
        .fails(1, &["its temperature is of the checkpoint of epoch 1"]);
    fs::write(&file, "temperature = -1").unwrap();
    allcnn(folder.path(), &["predict", "run", "pictures/test/red", "--calibrated"])
        .fails(1, &["cannot understand run/calibration.toml"]);
}

#[test]
fn without_validation_images_or_mistakes_there_is_no_temperature() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    let trained = train(folder.path(), "run", &["--json"]).json();
    assert_eq!(trained["temperature"], Value::Null);
    let words = ["run cannot be calibrated", "split val/", "--validation 10%"];
    allcnn(folder.path(), &["predict", "run", "pictures/red", "--calibrated"]).fails(1, &words);
    allcnn(folder.path(), &["eval", "run", "--calibrated"]).fails(1, &words);

    let easy = folder.path().join("easy");
    for (split, shade) in [("train", 0), ("val", 1), ("test", 2)] {
        draw_split(&easy.join(split), 20, shade, 0);
    }
    let more = ["--data", "easy", "--epochs", "20", "--lr", "0.05", "--augment", "none", "--json"];
    let trained = allcnn(folder.path(), &train_arguments("sure", &more)).done();
    assert_eq!(trained.json()["validation_error_pct"], 0.0, "the data is to be learned without a mistake");
    assert_eq!(trained.json()["temperature"], Value::Null);
    let note = "no temperature was fitted on the validation images: 0 of 40 images are predicted wrongly";
    assert!(trained.stderr.contains(note), "{trained:?}");
}

#[test]
fn several_runs_are_calibrated_each_by_its_own() {
    let folder = overconfident();
    for (run, seed) in [("a", "0"), ("b", "1")] {
        train(folder.path(), run, &["--seed", seed]);
    }
    let eval =
        |more: &[&str]| allcnn(folder.path(), &[&["eval", "a", "b", "--json"], more].concat()).done().json();
    let (plain, calibrated) = (eval(&[]), eval(&["--calibrated"]));
    assert_eq!(plain["temperature_scaling"]["temperatures"].as_array().unwrap().len(), 2);
    assert_eq!(plain["temperature_scaling"]["after"]["loss"], calibrated["loss"]);
    fs::remove_file(folder.path().join("b/calibration.toml")).unwrap();
    assert!(eval(&[]).get("temperature_scaling").is_none());
    allcnn(folder.path(), &["eval", "a", "b", "--calibrated"]).fails(1, &["b cannot be calibrated"]);
    allcnn(folder.path(), &["predict", "a", "b", "pictures/test/red", "--calibrated"])
        .fails(1, &["b cannot be calibrated"]);
}

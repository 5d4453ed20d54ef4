//! `train --from`, `--freeze`, `--validation`, `--patience` and the length that fits the data.

use std::fs;
use std::path::Path;

use crate::support::{allcnn, image_folder, picture, tensors, train_arguments, workspace};

/// A workspace with pictures and a run on them.
fn with_run() -> tempfile::TempDir {
    let folder = workspace();
    image_folder(folder.path(), 30);
    let more = ["--data", "pictures", "--epochs", "2", "--threads", "1"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    folder
}

/// Pictures of other classes.
fn other_pictures(folder: &Path) {
    for (class, color) in [("green", [10, 190, 20]), ("grey", [90, 90, 90]), ("white", [220, 220, 220])] {
        fs::create_dir_all(folder.join("others").join(class)).unwrap();
        for number in 0..10 {
            picture(color, number)
                .save(folder.join("others").join(class).join(format!("{number}.png")))
                .unwrap();
        }
    }
}

#[test]
fn a_run_is_tuned_to_other_classes() {
    let folder = with_run();
    other_pictures(folder.path());
    let arguments = [
        "train",
        "--data",
        "others",
        "--from",
        "run",
        "--freeze",
        "conv1",
        "--epochs",
        "1",
        "--augment",
        "none",
        "--out",
        "tuned",
        "--json",
    ];
    let trained = allcnn(folder.path(), &arguments).done();
    assert_eq!(trained.json()["from"], "run");
    assert_eq!(trained.json()["model"], "tiny");
    for part in [
        "weights of run: conv1, conv2; drawn anew: conv3 (other classes)",
        "frozen: conv1 keeps its weights",
        "preprocessing mean-std, as it was fitted for these weights",
    ] {
        assert!(trained.stderr.contains(part), "{part}: {}", trained.stderr);
    }
    let [source, tuned] =
        ["run/best.safetensors", "tuned/last.safetensors"].map(|file| tensors(&folder.path().join(file)));
    for (name, same) in [("conv1.weight", true), ("conv1.bias", true), ("conv2.weight", false)] {
        assert_eq!(source[name] == tuned[name], same, "{name}");
    }
    assert_eq!(tuned["conv3.weight"].0, [3, 8, 1, 1]);
    let manifest = fs::read_to_string(folder.path().join("tuned/run.toml")).unwrap();
    assert!(manifest.contains("[from]") && manifest.contains("freeze = \"conv1\""), "{manifest}");
    assert!(manifest.contains("learning_rate = 0.01"), "{manifest}");
    let report = fs::read_to_string(folder.path().join("tuned/report.html")).unwrap();
    assert!(report.contains("weights from") && report.contains("frozen up to"));
    allcnn(folder.path(), &["eval", "tuned"]).done();
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let folder = with_run();
    fs::write(folder.path().join("text.safetensors"), "text").unwrap();
    let refused = |more: &[&str], code, parts: &[&str]| {
        let arguments = [&["train", "--data", "pictures", "--epochs", "1", "--out", "new"], more].concat();
        allcnn(folder.path(), &arguments).fails(code, parts);
        assert!(!folder.path().join("new/run.toml").exists());
    };
    refused(
        &["--from", "nothing"],
        1,
        &["nothing is neither a run folder nor a file of weights", "expected the folder of a run"],
    );
    refused(&["--from", "text.safetensors"], 1, &["cannot read the weights text.safetensors"]);
    refused(
        &["--from", "run", "--model", "all-cnn-c"],
        1,
        &[
            "no layer of all-cnn-c has the weights of run: it has conv1.weight [8, 3, 3, 3]",
            "expected conv1.weight [96, 3, 3, 3]",
            "--model",
        ],
    );
    refused(
        &["--from", "run", "--freeze", "conv7"],
        1,
        &["--freeze conv7: no layer of tiny has that name", "conv1, conv2, conv3"],
    );
    refused(&["--from", "run", "--freeze", "conv3"], 1, &["no layer above it has weights"]);
    refused(&["--freeze", "conv1"], 2, &["--from"]);
    refused(&["--patience", "0"], 2, &["--patience", "0"]);
    refused(&["--validation", "30"], 1, &["none to train on", "smaller --holdout or --validation"]);
    refused(&["--validation", "x"], 2, &["--validation", "holdout 'x' is not understood"]);
    allcnn(folder.path(), &["train", "--resume", "run", "--from", "run"]).fails(2, &["--from", "--resume"]);
}

#[test]
fn patience_stops_on_images_that_are_taken_for_validation() {
    let folder = workspace();
    image_folder(folder.path(), 30);
    let more = [
        "--data",
        "pictures",
        "--epochs",
        "60",
        "--lr",
        "1e-9",
        "--patience",
        "2",
        "--threads",
        "1",
        "--json",
    ];
    let trained = allcnn(folder.path(), &train_arguments("run", &more)).done();
    let document = trained.json();
    assert_eq!(
        (document["epochs"].as_u64(), document["stopped_early"].as_bool()),
        (Some(3), Some(true)),
        "{document}"
    );
    assert_eq!(document["selected_on"], "validation");
    assert!(
        trained.stderr.contains("6 training images, the last of each class, are kept for validation"),
        "{}",
        trained.stderr
    );
    assert!(trained.stderr.contains("stopped after epoch 3"), "{}", trained.stderr);
    let validated = allcnn(folder.path(), &["eval", "run", "--split", "validation", "--json"]).done().json();
    assert_eq!(validated["images"], 6);
    allcnn(folder.path(), &["eval", "run"]).done();
}

#[test]
fn few_images_get_more_epochs() {
    let folder = workspace();
    image_folder(folder.path(), 4);
    let more = ["--data", "pictures", "--threads", "1", "--json"];
    let trained = allcnn(folder.path(), &train_arguments("run", &more)).done();
    assert_eq!(trained.json()["epochs"], 400);
    assert!(
        trained.stderr.contains("400 epochs, as this number of images asks for: about "),
        "{}",
        trained.stderr
    );
}

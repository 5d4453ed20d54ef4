//! A short training on the embedded data and on an image folder, then everything that uses its run.

use std::fs;
use std::path::Path;

use crate::support::{
    allcnn, assert_same_weights, image_folder, keys, picture, tensors, train_arguments, workspace,
};
use serde_json::Value;

const SHORT: &[&str] = &["--limit", "300", "--epochs", "2"];

#[test]
fn training_leaves_a_run_that_eval_and_predict_use() {
    let folder = workspace();
    let trained =
        allcnn(folder.path(), &train_arguments("run", &[SHORT, &["--json"]].concat())).done().json();
    assert_eq!(
        keys(&trained),
        [
            "best_test_error_pct",
            "epochs",
            "from",
            "health",
            "ignored",
            "images_per_s",
            "model",
            "never_predicted",
            "run",
            "seconds",
            "selected_on",
            "skipped",
            "stopped_early",
            "temperature",
            "test_error_interval95",
            "test_error_pct",
            "train_loss",
            "validation_error_pct"
        ]
    );
    assert_eq!((&trained["selected_on"], &trained["validation_error_pct"]), (&"test".into(), &Value::Null));
    assert_eq!((&trained["model"], &trained["epochs"]), (&"tiny".into(), &2.into()));
    let run = folder.path().join("run");
    check_run_folder(&run);

    let eval = allcnn(folder.path(), &["eval", "run", "--checkpoint", "last", "--json"]).done().json();
    let figures = [
        "balanced_error_pct",
        "calibration",
        "classes",
        "confusion",
        "expected_calibration_error",
        "images",
        "loss",
        "macro_f1",
        "top1_error_interval95",
        "top1_error_pct",
        "top5_error_pct",
    ];
    let of_what = ["checkpoint", "data", "epoch", "ignored", "run", "skipped", "split"];
    let mut expected = [&figures[..], &of_what].concat();
    expected.sort_unstable();
    assert_eq!(keys(&eval), expected);
    assert_eq!(
        (&eval["run"], &eval["data"], &eval["split"]),
        (&"run".into(), &"shapes".into(), &"test".into())
    );
    assert_eq!((&eval["checkpoint"], &eval["epoch"]), (&"last".into(), &2.into()));
    let of_class = ["error_interval95", "error_pct", "f1", "images", "name", "precision", "recall"];
    assert_eq!(keys(&eval["classes"][0]), of_class);
    assert_eq!(eval["top1_error_pct"], trained["test_error_pct"], "the weights are those of the last epoch");
    assert_eq!(eval["top1_error_interval95"], trained["test_error_interval95"]);
    let counted: u64 = eval["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(eval["images"], counted);
    let train_split = allcnn(folder.path(), &["eval", "run", "--split", "train", "--json"]).done().json();
    assert_eq!(train_split["images"], 300);

    let table = allcnn(folder.path(), &["eval", "run"]).done().stdout;
    assert!(table.contains("top-1 error") && table.contains("confusion"), "{table}");
    assert!(table.contains("chosen on these images) on 1,000 test images"), "{table}");
    let validation = ["eval", "run", "--split", "validation"];
    allcnn(folder.path(), &validation)
        .fails(2, &["no validation images", "300 training images, 1000 test images", "--split"]);
}

#[track_caller]
fn check_run_folder(run: &Path) {
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let mut lines = metrics.lines();
    assert_eq!(
        lines.next(),
        Some(
            "epoch,learning_rate,train_loss,train_error_pct,test_loss,test_error_pct,images_per_s,seconds,\
             validation_loss,validation_error_pct"
        )
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2, "a row an epoch: {metrics}");
    assert!(rows.iter().all(|row| row[5].parse::<f64>().is_ok() && row[8..] == ["", ""]), "{metrics}");
    let settings = fs::read_to_string(run.join("run.toml")).unwrap();
    assert!(settings.contains("fingerprint") && settings.contains("seed"), "{settings}");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("<svg") || report.contains("<img"), "a report has pictures");
    assert!(report.contains("<h1>tiny on shapes</h1>"), "the network's name, not its file");
    assert!(report.contains("<dt>recipe</dt><dd>quick</dd>") && !report.contains("<dt>name</dt>"));
    for reference in ["src=\"http", "href=\"http", "url(http"] {
        assert!(!report.contains(reference), "a report refers to nothing outside");
    }
    let weights = tensors(&run.join("best.safetensors"));
    assert_eq!(weights["conv1.weight"].0, [8, 3, 3, 3]);
    assert_eq!(weights["conv3.weight"].0, [10, 8, 1, 1]);
    tensors(&run.join("last.safetensors"));
}

#[test]
fn words_name_the_error_the_run_and_the_report() {
    let folder = workspace();
    let trained = allcnn(folder.path(), &train_arguments("run", SHORT)).done();
    let last = trained.stdout.find("% after the last epoch (95 % interval ").unwrap();
    let best = trained.stdout.find("chosen on these images").unwrap();
    assert!(
        trained.stdout.starts_with("test error") && last < best,
        "the last epoch comes first: {trained:?}"
    );
    assert!(trained.stdout.contains("run/report.html"), "{trained:?}");
    for part in ["300 training images, ", "10 classes: ", "epoch 2/2"] {
        assert!(trained.stderr.contains(part), "progress goes to standard error: {trained:?}");
    }
    let quiet = allcnn(folder.path(), &train_arguments("quiet", &[SHORT, &["--quiet"]].concat())).done();
    assert_eq!(quiet.stderr, "", "--quiet is silent");
}

#[test]
fn own_pictures_are_learned_and_predicted() {
    let folder = workspace();
    let data = image_folder(folder.path(), 40);
    let data = data.to_str().unwrap();
    let more = ["--data", data, "--epochs", "8", "--lr", "0.1", "--augment", "none", "--quiet"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    let asked = folder.path().join("asked");
    fs::create_dir(&asked).unwrap();
    picture([12, 22, 170], 3).save(asked.join("a.png")).unwrap();
    picture([180, 25, 12], 4).save(asked.join("b.jpg")).unwrap();
    fs::write(asked.join("c.jpg"), "this is no picture").unwrap();

    let predicted = allcnn(folder.path(), &["predict", "run", "asked", "--top", "2", "--json"]);
    let document = predicted.json();
    assert_eq!(keys(&document[0]), ["file", "predictions"]);
    assert_eq!(keys(&document[0]["predictions"][0]), ["class", "probability"]);
    assert_eq!(document[0]["predictions"][0]["class"], "blue");
    assert_eq!(document[1]["predictions"][0]["class"], "red");
    assert_eq!(document[1]["predictions"].as_array().unwrap().len(), 2);
    assert_eq!(keys(&document[2]), ["error", "file"]);
    assert!(document[2]["file"].as_str().unwrap().ends_with("c.jpg"));
    assert_eq!(predicted.code, Some(1), "a file could not be read: {predicted:?}");

    let table = allcnn(folder.path(), &["predict", "run", "asked/a.png"]).done().stdout;
    assert!(table.contains("a.png") && table.contains("blue"), "{table}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = workspace();
    for (out, threads) in [("one", "1"), ("two", "2"), ("three", "3")] {
        allcnn(folder.path(), &train_arguments(out, &[SHORT, &["--threads", threads, "--quiet"]].concat()))
            .done();
    }
    assert_same_weights(&folder.path().join("one"), &folder.path().join("two"));
    assert_same_weights(&folder.path().join("one"), &folder.path().join("three"));
}

#[test]
fn the_seed_changes_the_weights() {
    let folder = workspace();
    for (out, seed) in [("zero", "0"), ("one", "1")] {
        allcnn(folder.path(), &train_arguments(out, &["--limit", "64", "--epochs", "1", "--seed", seed]))
            .done();
    }
    let weights = |out: &str| tensors(&folder.path().join(out).join("last.safetensors"));
    assert_ne!(weights("zero")["conv1.weight"], weights("one")["conv1.weight"]);
}

#[test]
fn every_preprocessing_and_initialization_trains() {
    let folder = workspace();
    for (number, setting) in [
        ["--preprocess", "gcn-zca"],
        ["--preprocess", "none"],
        ["--init", "xavier"],
        ["--init", "normal:0.05"],
    ]
    .iter()
    .enumerate()
    {
        let out = format!("run{number}");
        let more = [&["--limit", "100", "--epochs", "1"], setting.as_slice()].concat();
        allcnn(folder.path(), &train_arguments(&out, &more)).done();
        allcnn(folder.path(), &["eval", &out, "--json"]).done();
    }
}

#[test]
fn a_training_in_bf16_keeps_its_precision_and_differs_from_f32() {
    let folder = workspace();
    let small = ["--limit", "128", "--epochs", "1"];
    for (out, more) in [
        ("f32", &[][..]),
        ("bf16", &["--precision", "bf16"]),
        ("again", &["--precision", "bf16", "--threads", "1"]),
    ] {
        allcnn(folder.path(), &train_arguments(out, &[&small[..], more].concat())).done();
    }
    let run = |out: &str| folder.path().join(out);
    let manifest = fs::read_to_string(run("bf16").join("run.toml")).unwrap();
    assert!(manifest.contains("precision = \"bf16\""), "{manifest}");
    assert_same_weights(&run("bf16"), &run("again"));
    let weights = |out: &str| tensors(&run(out).join("last.safetensors")).remove("conv1.weight");
    let in_f32 = manifest.contains("f32 in the place of bf16"); // as a machine without instructions for bf16 says
    assert_eq!(weights("bf16") == weights("f32"), in_f32, "{manifest}");
    let both = ["train", "--resume", "bf16", "--precision", "f32"];
    allcnn(folder.path(), &both).fails(2, &["--resume", "--precision"]);
}

//! Short and failing trainings: they learn what they can, and say at their end what they did not.

use std::fs;

use crate::support::{allcnn, picture, train_arguments, workspace};
use serde_json::Value;

/// All-CNN-C with a quarter of its channels: as deep, and as slow to begin to learn.
const NARROW: &str = r#"
name = "narrow"
input = [32, 32, 3]
layers = [
  { conv = 24, kernel = 3 },
  { conv = 24, kernel = 3 },
  { conv = 24, kernel = 3, stride = 2, dropout = 0.2 },
  { conv = 48, kernel = 3 },
  { conv = 48, kernel = 3 },
  { conv = 48, kernel = 3, stride = 2, dropout = 0.2 },
  { conv = 48, kernel = 3, padding = "valid" },
  { conv = 48, kernel = 1 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;

#[test]
fn a_short_training_of_a_deep_network_learns_with_every_seed() {
    let folder = workspace();
    fs::write(folder.path().join("narrow.toml"), NARROW).unwrap();
    for seed in ["0", "1", "2"] {
        let short = ["train", "--model", "narrow.toml", "--limit", "1024", "--epochs", "6"];
        let trained = [&short[..], &["--seed", seed, "--out", seed, "--json"]].concat();
        let trained = allcnn(folder.path(), &trained).done();
        assert!(
            trained.stderr.contains("96 steps are few: the learning rate rises to 0.024 of 0.05"),
            "{trained:?}"
        );
        let trained = trained.json();
        assert_eq!(trained["health"], "learns", "{trained}");
        assert!(trained["test_error_pct"].as_f64().unwrap() < 75.0, "guessing is 90 %: {trained}");
    }
}

#[test]
fn a_training_that_ends_dead_says_so_in_words_json_and_report() {
    let folder = workspace();
    let hopeless = ["--limit", "640", "--epochs", "2", "--lr", "50"];
    let told = allcnn(folder.path(), &train_arguments("words", &hopeless)).done();
    let health =
        told.stdout.lines().find(|line| line.starts_with("health")).unwrap_or_else(|| panic!("{told:?}"));
    assert!(health.contains("stuck") || health.contains("dead"), "{health}");
    assert!(health.contains("--lr 0.05") && health.contains("--epochs"), "{health}");
    let report = fs::read_to_string(folder.path().join("words/report.html")).unwrap();
    assert!(report.contains("This training is "), "the report says so too");
    let json =
        allcnn(folder.path(), &train_arguments("json", &[&hopeless[..], &["--json"]].concat())).done().json();
    assert!(json["health"] == "stuck" || json["health"] == "dead", "{json}");
}

#[test]
fn a_class_that_is_never_predicted_is_named() {
    let folder = workspace();
    // Both classes show the same pictures, one of them more often.
    for (split, class, step) in
        [("train", "common", 1), ("train", "rare", 5), ("test", "common", 3), ("test", "rare", 5)]
    {
        let class = folder.path().join("twins").join(split).join(class);
        fs::create_dir_all(&class).unwrap();
        for number in (0..60).step_by(step) {
            picture([90, 40, 200], number).save(class.join(format!("{number}.png"))).unwrap();
        }
    }
    let twins = ["--data", "twins", "--augment", "none", "--epochs", "4"];
    let told = allcnn(folder.path(), &train_arguments("words", &twins)).done();
    assert!(told.stdout.contains("health      blind to a class: no image is taken for rare. "), "{told:?}");
    let report = fs::read_to_string(folder.path().join("words/report.html")).unwrap();
    assert!(report.contains("This training is blind to a class"), "the report says so too");
    let json =
        allcnn(folder.path(), &train_arguments("json", &[&twins[..], &["--json"]].concat())).done().json();
    assert_eq!((&json["health"], &json["never_predicted"][0]), (&"learns".into(), &"rare".into()), "{json}");
}

#[test]
fn a_run_without_weights_says_why() {
    let folder = workspace();
    let diverges = ["--limit", "640", "--epochs", "2", "--lr", "1e30", "--recipe", "bare.toml"];
    fs::write(folder.path().join("bare.toml"), "clip_norm = inf\n").unwrap();
    let diverged = allcnn(folder.path(), &train_arguments("run", &diverges));
    diverged.fails(1, &["diverged", "--lr"]);
    fs::write(folder.path().join("a.png"), "").unwrap();
    let eval_last = ["eval", "run", "--checkpoint", "last"];
    for command in
        [&["predict", "run", "a.png"][..], &["eval", "run"], &eval_last, &["explain", "run", "a.png"]]
    {
        allcnn(folder.path(), command).fails(1, &["run holds no weights", "diverged in step", "--lr"]);
    }
}

#[test]
fn a_finished_run_is_made_longer_and_says_what_that_means() {
    let folder = workspace();
    let trained = |more: &[&str]| allcnn(folder.path(), more).done();
    trained(&train_arguments("run", &["--limit", "320", "--epochs", "2"]));
    let refused = allcnn(folder.path(), &["train", "--resume", "run", "--epochs", "2"]);
    refused.fails(1, &["has 2 epochs", "give more"]);
    allcnn(folder.path(), &["train", "--resume", "run", "--lr", "0.1"]).fails(2, &["--epochs"]);
    let longer = trained(&["train", "--resume", "run", "--epochs", "3", "--lr", "0.02"]);
    for part in ["begins anew", "0.02", "another training", "going on after step 20 of 30"] {
        assert!(longer.stderr.contains(part), "expected '{part}': {longer:?}");
    }
    let metrics = fs::read_to_string(folder.path().join("run/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 4, "{metrics}");
    let settings = fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    assert!(settings.contains("[[lengthened]]") && settings.contains("epochs = 3"), "{settings}");
    trained(&["eval", "run", "--json"]);
}

#[test]
fn settings_are_recorded_as_they_were_given() {
    let folder = workspace();
    let given = ["--limit", "64", "--iterations", "5", "--learning-rate", "0.05", "--dropout", "0.1,0.3"];
    let told = allcnn(folder.path(), &train_arguments("run", &[&given[..], &["--verbose"]].concat())).done();
    let settings = fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    for part in ["learning_rate = 0.05\n", "epochs = 3\n", "iterations = 5\n", "input_dropout = 0.1"] {
        assert!(settings.contains(part), "expected '{part}': {settings}");
    }
    for part in [
        "dropout 0.1 on the picture; 0.3 after conv2 (as was asked for)",
        "is read as the embedded data",
        "computes on CPU",
        "conv1: forward ",
        "where the time went",
        "evaluation",
    ] {
        assert!(told.stderr.contains(part), "expected '{part}': {told:?}");
    }
    let plain = allcnn(folder.path(), &train_arguments("own", &["--limit", "64", "--epochs", "1"])).done();
    assert!(plain.stderr.contains("dropout 0.2 after conv2 (the network's own)"), "{plain:?}");
    assert!(!plain.stderr.contains("computes on"), "{plain:?}");
    let wrong = train_arguments("none", &["--dropout", "0.5"]);
    allcnn(folder.path(), &wrong).fails(2, &["--dropout", "two rates"]);
}

#[test]
fn every_command_takes_the_same_flags_for_what_it_tells() {
    let folder = workspace();
    let data = ["data info", "data fetch", "data convert", "data verify", "data suspects"];
    let figures =
        ["reproduce table3", "reproduce table4", "reproduce fig2", "reproduce fig3", "reproduce fig6"];
    let others = ["train", "eval", "predict", "explain", "features", "models", "bench", "import"];
    for command in data.into_iter().chain(figures).chain(others) {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = allcnn(folder.path(), &words).done().stdout;
        for flag in ["--json", "--quiet", "--verbose"] {
            assert!(help.contains(flag), "{command} has no {flag}");
        }
        assert!(help.contains("Options:\n      --") || help.contains("Options:\n  -"), "{help}");
        let longest = help.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 100, "{command}: a line of {longest} characters");
    }
    let converted =
        allcnn(folder.path(), &["data", "convert", "shapes", "--to", "s.tar", "--json"]).done().json();
    assert_eq!((&converted["train"], &converted["unreadable"]), (&Value::from(5000), &Value::from(0)));
}

#[test]
fn rules_for_layers_and_groups_that_do_not_exist_are_refused() {
    let folder = workspace();
    for (recipe, expected) in [
        ("[layers.conv9]\nrate = 0.1\n", &["[layers.conv9]", "tiny does not have", "conv1, "][..]),
        (
            "[tree_prior]\nstrength = 0.1\ngroups = { round = [\"circle\", \"sphere\"] }\n",
            &["'sphere' of group 'round' is no class", "expected arrow, bars"],
        ),
        ("[tree_prior]\nstrength = 0.1\ngroups = \"coarse\"\n", &["'arrow' is no class of CIFAR-100"]),
    ] {
        fs::write(folder.path().join("bad.toml"), recipe).unwrap();
        let refused =
            allcnn(folder.path(), &train_arguments("run", &["--recipe", "bad.toml", "--limit", "64"]));
        refused.fails(1, expected);
        assert!(!folder.path().join("run/last.safetensors").exists());
    }
}

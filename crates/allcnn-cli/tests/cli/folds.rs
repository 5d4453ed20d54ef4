//! Cross-validation: a run for each fold, what they say together, interrupted and resumed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{
    allcnn, assert_same_weights, image_folder, outcome, picture, signal, start, train_arguments,
    wait_for_checkpoint, workspace,
};
use rustix::process::Signal;
use serde_json::Value;

const SHORT: &[&str] =
    &["--data", "pictures", "--epochs", "2", "--lr", "0.02", "--augment", "none", "--threads", "1"];

/// The names of the images that a run held out.
fn held_out(run: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(run.join("heldout.txt")).unwrap();
    text.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
}

#[test]
fn each_image_is_tested_once_and_the_folds_are_put_together() {
    let folder = workspace();
    image_folder(folder.path(), 10);
    let more = [SHORT, &["--folds", "3", "--json"]].concat();
    let done = allcnn(folder.path(), &train_arguments("cv", &more)).done();
    for part in ["fold 1 of 3", "fold 3 of 3", "fold 3: test error "] {
        assert!(done.stderr.contains(part), "{part}: {done:?}");
    }
    let results = done.json();
    let runs = results["runs"].as_array().unwrap();
    assert_eq!((results["folds"].as_u64(), results["done"].as_u64(), runs.len()), (Some(3), Some(3), 3));
    assert_eq!((&results["images"], &results["selected_on"]), (&20.into(), &"test".into()));
    let cv = folder.path().join("cv");
    let held: Vec<BTreeSet<String>> =
        (1..=3).map(|fold| held_out(&cv.join(format!("fold-{fold}")))).collect();
    assert_eq!(held.iter().map(BTreeSet::len).sum::<usize>(), 20);
    assert_eq!(held.iter().flatten().collect::<BTreeSet<_>>().len(), 20);

    // Each fold is a run like any other, on the images that it held out.
    let mut wrong = 0;
    for run in runs {
        let name = run["run"].as_str().unwrap();
        let measured = allcnn(folder.path(), &["eval", name, "--checkpoint", "last", "--json"]).done();
        assert!(!measured.stderr.contains("not what"), "{measured:?}");
        let measured = measured.json();
        assert_eq!(measured["images"], run["test_images"]);
        assert_eq!(measured["top1_error_pct"], run["test_error_pct"], "{name}");
        assert!(measured.get("trained_on").is_none(), "{measured}");
        wrong += run["wrong"].as_u64().unwrap();
    }
    assert_eq!(results["wrong"], wrong);
    let errors: Vec<f64> = runs.iter().map(|run| run["test_error_pct"].as_f64().unwrap()).collect();
    let mean = errors.iter().sum::<f64>() / 3.0;
    assert!((results["mean_test_error_pct"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert_eq!(results["pooled_test_error_pct"], 100.0 * wrong as f64 / 20.0);
    assert!(results["pooled_test_error_interval95"][1].as_f64() > results["pooled_test_error_pct"].as_f64());

    let mut written: Value = serde_json::from_slice(&fs::read(cv.join("folds.json")).unwrap()).unwrap();
    written["out"] = "cv".into();
    assert_eq!(written, results);
    assert_eq!(fs::read_to_string(cv.join("folds.csv")).unwrap().lines().count(), 4);

    // What is done is not done again.
    let again = allcnn(folder.path(), &["train", "--resume", "cv"]).done();
    assert!(!again.stderr.contains("fold 1 of 3"), "{again:?}");
    for part in
        ["mean error  ", " % after the last epoch, standard deviation ", "pooled      ", " of 20 images"]
    {
        assert!(again.stdout.contains(part), "{part}: {again:?}");
    }
}

#[test]
fn interrupted_and_resumed_it_is_the_same() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    let long = ["--data", "pictures", "--epochs", "40", "--lr", "0.02", "--threads", "1", "--folds", "2"];
    let whole = allcnn(folder.path(), &train_arguments("whole", &[&long[..], &["--json"]].concat()));
    let whole = whole.done().json();
    let mut child = start(folder.path(), &train_arguments("cv", &long));
    wait_for_checkpoint(&folder.path().join("cv/fold-1"), &mut child);
    signal(&child, Signal::INT);
    let stopped = outcome(child);
    assert_eq!(stopped.code, Some(130), "{stopped:?}");
    assert!(stopped.stderr.contains("Go on with: allcnn train --resume cv"), "{stopped:?}");
    assert!(!folder.path().join("cv/folds.json").exists());
    // The images are found where they are now, by folds that were begun and by those that were not.
    fs::rename(folder.path().join("pictures"), folder.path().join("moved")).unwrap();
    let resumed = allcnn(folder.path(), &["train", "--resume", "cv", "--data", "moved", "--json"]);
    let resumed = resumed.done().json();
    for key in ["mean_test_error_pct", "sd_test_error_pct", "wrong", "images"] {
        assert_eq!(resumed[key], whole[key], "{key}");
    }
    for fold in ["fold-1", "fold-2"] {
        assert_same_weights(&folder.path().join("whole").join(fold), &folder.path().join("cv").join(fold));
    }
    // One fold alone goes on like any run.
    allcnn(folder.path(), &["train", "--resume", "cv/fold-2"]).done();
}

#[test]
fn pictures_of_one_thing_stay_together() {
    let folder = workspace();
    let data = folder.path().join("pictures");
    let mut table = "file,label,place\n".to_owned();
    for (class, color) in [("blue", [10, 20, 180]), ("red", [190, 20, 10])] {
        for number in 0..12u8 {
            let place = format!("{class}-{}", number / 3);
            fs::create_dir_all(data.join(class).join(&place)).unwrap();
            let name = format!("{class}/{place}/{number:02}.png");
            picture(color, number).save(data.join(&name)).unwrap();
            table += &format!("{name},{class},{place}\n");
        }
    }
    let train = |out: &str, by: &str| {
        let more = [SHORT, &["--folds", "2", "--group-by", by, "--json"]].concat();
        let results = allcnn(folder.path(), &train_arguments(out, &more)).done().json();
        assert_eq!(results["group_by"], by);
        let held = held_out(&folder.path().join(out).join("fold-1"));
        let places: BTreeSet<&str> = held.iter().map(|name| name.split('/').nth(1).unwrap()).collect();
        assert_eq!((held.len(), places.len()), (12, 4), "{held:?}");
        held
    };
    let by_folder = train("by-folder", "folder");
    fs::write(data.join("labels.csv"), table).unwrap();
    assert_eq!(train("by-column", "place"), by_folder);
    allcnn(folder.path(), &["eval", "by-column/fold-2"]).done();
    let more = [SHORT, &["--folds", "2", "--group-by", "camera"]].concat();
    let words = ["table 'labels.csv' has no column 'camera'", "file, label, place"];
    allcnn(folder.path(), &train_arguments("none", &more)).fails(1, &words);
    let more = [SHORT, &["--folds", "5", "--group-by", "place"]].concat();
    let words = ["5 folds need at least 5 groups of each class, but class 'blue' has 4"];
    allcnn(folder.path(), &train_arguments("none", &more)).fails(1, &words);
    assert!(!folder.path().join("none").exists(), "nothing was begun");
}

#[test]
fn a_test_split_is_left_aside() {
    let folder = workspace();
    let data = image_folder(folder.path(), 6);
    for class in ["blue", "red"] {
        for split in ["train", "test"] {
            fs::create_dir_all(data.join(split).join(class)).unwrap();
        }
        for number in 0..6 {
            let split = if number < 4 { "train" } else { "test" };
            let name = format!("{number:03}.png");
            fs::rename(data.join(class).join(&name), data.join(split).join(class).join(&name)).unwrap();
        }
        fs::remove_dir(data.join(class)).unwrap();
    }
    let done = allcnn(folder.path(), &train_arguments("cv", &[SHORT, &["--folds", "2"]].concat())).done();
    assert!(done.stderr.contains("the data's own test split was not used"), "{done:?}");
    assert!(done.stdout.contains(" of 8 images"), "{done:?}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = workspace();
    image_folder(folder.path(), 4);
    let folds = |more: &[&str]| allcnn(folder.path(), &train_arguments("cv", &[SHORT, more].concat()));
    folds(&["--folds", "1"]).fails(2, &["'1'", "--folds", "a whole number from 2"]);
    folds(&["--folds", "-2"]).fails(2, &["a whole number from 2"]);
    folds(&["--folds", "5"])
        .fails(1, &["5 folds need at least 5 images of each class", "class 'blue' has 4"]);
    folds(&["--folds", "2", "--holdout", "1"]).fails(2, &["--folds", "--holdout"]);
    folds(&["--group-by", "folder"]).fails(2, &["--folds"]);
    folds(&["--folds", "2", "--group-by", "folder"])
        .fails(1, &["no image is in a group by --group-by folder"]);
    folds(&["--folds", "2", "--group-by", "place"]).fails(1, &["holds no table", "--group-by COLUMN"]);
    assert!(!folder.path().join("cv").exists(), "nothing was begun");
    folds(&["--folds", "2"]).done();
    folds(&["--folds", "2"]).fails(1, &["cv already holds the folds", "--resume cv"]);
    let resume = |more: &[&str]| allcnn(folder.path(), &[&["train", "--resume", "cv"], more].concat());
    resume(&["--epochs", "5"]).fails(2, &["cv holds a cross-validation, which keeps its length"]);
    resume(&["--folds", "3"]).fails(2, &["--resume", "--folds"]);
    allcnn(folder.path(), &["train", "--resume", "cv/fold-2", "--epochs", "3"]).done();
    resume(&[]).fails(1, &["fold-2 was made longer by itself"]);
}

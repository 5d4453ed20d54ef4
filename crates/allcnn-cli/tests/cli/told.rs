//! What commands tell of the data that they open: what was left out, and what else a person should know.

use std::fs::{self, File};
use std::path::Path;

use crate::support::{Outcome, allcnn, image_folder, picture, train_arguments, workspace};
use serde_json::Value;

/// Other pictures of the same classes, of which one is broken, beside a file that is no picture.
fn others(folder: &Path) {
    for (class, color) in [("blue", [30, 40, 150]), ("red", [160, 30, 40])] {
        fs::create_dir_all(folder.join("others").join(class)).unwrap();
        for number in 0..20 {
            let file = folder.join("others").join(class).join(format!("{number:03}.png"));
            picture(color, number).save(file).unwrap();
        }
    }
    fs::write(folder.join("others/red/broken.png"), "no picture").unwrap();
    fs::write(folder.join("others/README"), "words").unwrap();
}

#[track_caller]
fn tells_what_is_left_out(outcome: &Outcome) {
    for line in [
        "1 image cannot be read and is left out: red/broken.png (not an image that can be read)",
        "1 file left out: not a picture (README)",
    ] {
        assert_eq!(outcome.stderr.matches(line).count(), 1, "{line}: {outcome:#?}");
    }
}

#[track_caller]
fn lists_what_is_left_out(told: &Value) {
    assert_eq!(told["skipped"][0]["file"], "red/broken.png", "{told}");
    assert_eq!(told["ignored"][0]["example"], "README", "{told}");
}

#[test]
fn verbose_tells_what_was_recognised_what_computes_and_where_the_time_went() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    let picture = "pictures/red/000.png";
    let tells = |arguments: &[&str], parts: &[&str]| {
        let told = allcnn(folder.path(), &[arguments, &["--verbose"]].concat()).done();
        let common = ["computes on CPU", "conv1: forward ", "where the time went", "reading images "];
        for part in common.iter().chain(parts) {
            assert!(told.stderr.contains(part), "{arguments:?} lacks '{part}': {}", told.stderr);
        }
        assert!(!told.stdout.contains("where the time went"), "a result is a result: {}", told.stdout);
        let quiet = allcnn(folder.path(), arguments).done();
        assert!(!quiet.stderr.contains("where the time went"), "{}", quiet.stderr);
    };
    let folders = "is read as an image folder: the folders that hold the pictures are the classes";
    let train = train_arguments("run", &["--data", "pictures", "--epochs", "1"]);
    let told = allcnn(folder.path(), &[&train[..], &["--verbose"]].concat()).done().stderr;
    for part in ["reading images ", "decoding images ", "augmenting ", "steps ", "evaluation ", "saving "] {
        assert!(told.lines().any(|line| line.trim_start().starts_with(part)), "'{part}': {told}");
    }
    let framed = ["1 picture: 1 named, 0 found in folders", "pictures: scaled to cover the input"];
    let parts = [&framed[..], &["decoding images ", "explaining ", "drawing pictures "]].concat();
    tells(&["explain", "run", picture], &parts);
    tells(&["predict", "run", picture], &[&framed[..], &["decoding images ", "evaluation "]].concat());
    let scanned = [folders, "decoding images ", "evaluation ", "explaining ", "drawing pictures "];
    tells(&["features", "run", "--layer", "conv1"], &scanned);
    tells(&["eval", "run"], &[folders, "decoding images ", "evaluation "]);
    let drawn = ["features", "run", "--layer", "conv1", "--without-image", "--verbose"];
    let drawn = allcnn(folder.path(), &drawn).done().stderr;
    assert!(drawn.contains("conv1: forward ") && drawn.contains("drawing pictures "), "{drawn}");
}

#[test]
fn every_command_that_opens_data_tells_what_is_left_out() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    others(folder.path());
    let train = train_arguments("broken", &["--data", "others", "--epochs", "1", "--json"]);
    let trained = allcnn(folder.path(), &train).done();
    tells_what_is_left_out(&trained);
    lists_what_is_left_out(&trained.json());
    let longer = ["train", "--resume", "broken", "--epochs", "2", "--json"];
    lists_what_is_left_out(&allcnn(folder.path(), &longer).done().json());
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1"])).done();

    for command in [&["eval", "run", "--json"][..], &["data", "suspects", "run", "--json"]] {
        let outcome = allcnn(folder.path(), &[command, &["--data", "others"]].concat()).done();
        tells_what_is_left_out(&outcome);
        lists_what_is_left_out(&outcome.json());
    }
    let features = ["features", "run", "--layer", "conv1", "--data", "others"];
    tells_what_is_left_out(&allcnn(folder.path(), &features).done());
    let convert = ["data", "convert", "others", "--to", "others.tar"];
    tells_what_is_left_out(&allcnn(folder.path(), &convert).done());
    let info = allcnn(folder.path(), &["data", "info", "others"]).done().stdout;
    assert!(info.contains("1 image left out:\n  red/broken.png: "), "{info}");
}

#[test]
fn eval_says_which_weights_it_measured_and_leaves_out_classes_without_images() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    others(folder.path());
    fs::remove_dir_all(folder.path().join("others/red")).unwrap();
    let train = ["--data", "pictures", "--epochs", "3", "--lr", "0.01"];
    allcnn(folder.path(), &train_arguments("run", &train)).done();
    let eval =
        |more: &[&str]| allcnn(folder.path(), &[&["eval", "run", "--data", "others"], more].concat()).done();
    let told = eval(&["--json"]).json();
    assert_eq!((&told["checkpoint"], &told["data"]), (&"best".into(), &"others".into()));
    assert_eq!(told["classes"].as_array().unwrap().len(), 2, "programs get all classes");
    let epoch = told["epoch"].as_u64().unwrap();
    let words = eval(&[]).stdout;
    let weights =
        format!("run (best checkpoint, epoch {epoch}, chosen on the test images) on 20 images of others");
    assert!(words.starts_with(&weights), "{words}");
    assert!(words.contains("1 class has no images here; --all-classes shows all"), "{words}");
    let lines = |words: &str| words.lines().filter(|line| line.starts_with("red ")).count();
    assert_eq!((lines(&words), lines(&eval(&["--all-classes"]).stdout)), (0, 1));
}

#[test]
fn what_concerns_the_training_is_told_there_and_not_by_eval() {
    let folder = workspace();
    let large = folder.path().join("large");
    for (class, color) in [("blue", [30, 40, 150]), ("red", [160, 30, 40])] {
        fs::create_dir_all(large.join(class)).unwrap();
        for number in 0..10 {
            let photo = image::imageops::resize(
                &picture(color, number),
                200,
                150 - u32::from(number),
                image::imageops::FilterType::Nearest,
            );
            photo.save(large.join(class).join(format!("{number:03}.png"))).unwrap();
        }
    }
    let train = train_arguments("run", &["--data", "large", "--epochs", "1", "--labels", "coarse"]);
    let trained = allcnn(folder.path(), &train).done();
    let told = [
        "note: images of 141x200 to 150x200 (median 145x200) are shrunk to 32x32; --input 96x96 keeps more",
        "warning: --labels coarse is for CIFAR-100; this data has its own classes",
    ];
    for line in told {
        assert!(trained.stderr.contains(line), "{line}: {trained:#?}");
    }
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("are shrunk to 32x32"));
    // A sweep has no --input: its networks are those of the table, or of files.
    let sweep = ["reproduce", "table3", "--models", "tiny.toml", "--learning-rates", "0.01"];
    let data = ["--data", "large", "--holdout", "10%"];
    let sweep = [&sweep[..], &data, &["--recipe", "quick", "--epochs", "1"]].concat();
    let swept = allcnn(folder.path(), &sweep).done();
    assert!(swept.stderr.contains("input = [96, 96, 3], given to --models, keeps more"), "{swept:#?}");
    assert!(!swept.stderr.contains("--input"), "{swept:#?}");
    let evaluated = allcnn(folder.path(), &["eval", "run"]).done();
    assert!(!evaluated.stderr.contains("warning") && !evaluated.stderr.contains("shrunk"), "{evaluated:#?}");
    let larger = train_arguments("larger", &["--data", "large", "--epochs", "1", "--input", "96x96"]);
    let larger = allcnn(folder.path(), &larger).done();
    assert!(!larger.stderr.contains("shrunk"), "{larger:#?}");
}

#[test]
fn data_with_test_images_only_is_refused_once_with_a_way_out() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    fs::create_dir(folder.path().join("set")).unwrap();
    fs::rename(folder.path().join("pictures"), folder.path().join("set/test")).unwrap();
    let mut archive = tar::Builder::new(File::create(folder.path().join("set.tar")).unwrap());
    archive.append_dir_all("set", folder.path().join("set")).unwrap();
    archive.finish().unwrap();
    let train = ["--data", "set.tar", "--epochs", "1"];
    let refused = allcnn(folder.path(), &train_arguments("run", &train));
    refused.fails(1, &["set.tar has a test split only", "give --holdout 10%"]);
    assert_eq!(refused.stderr.matches("nothing to train on").count(), 1, "{refused:#?}");
    let way_out = [&train[..], &["--holdout", "10%"]].concat();
    let trained = allcnn(folder.path(), &train_arguments("run", &way_out)).done();
    assert!(trained.stderr.contains("36 training images, 4 test images"), "{trained:#?}");
}

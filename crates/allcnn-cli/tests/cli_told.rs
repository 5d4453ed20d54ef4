//! What commands tell of the data that they open: what was left out, and what else a person should know.
#![allow(clippy::unwrap_used)] // in helpers too

mod support;

use std::fs::{self, File};
use std::path::Path;

use support::{Outcome, allcnn, image_folder, picture, train_arguments, workspace};

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

#[test]
fn every_command_that_opens_data_tells_what_is_left_out() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    others(folder.path());
    let train = train_arguments("broken", &["--data", "others", "--epochs", "1"]);
    tells_what_is_left_out(&allcnn(folder.path(), &train).done());
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1"])).done();

    for command in [&["eval", "run", "--json"][..], &["data", "suspects", "run", "--json"]] {
        let outcome = allcnn(folder.path(), &[command, &["--data", "others"]].concat()).done();
        tells_what_is_left_out(&outcome);
        let told = outcome.json();
        assert_eq!(told["skipped"][0]["file"], "red/broken.png", "{told}");
        assert_eq!(told["ignored"][0]["example"], "README", "{told}");
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

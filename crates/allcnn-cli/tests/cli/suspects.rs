//! `allcnn data suspects`: wrong labels that were planted among held-out images come first.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use crate::support::{Outcome, allcnn, image_folder, keys, train_arguments, workspace};
use serde_json::Value;

/// Classes of `shapes` that a small network tells apart after a moment.
const CLASSES: [&str; 4] = ["bars", "heart", "ring", "star"];
/// One in so many images is given another class: 5 %.
const PLANTED: usize = 20;

const NETWORK: &str = r#"
name = "small"
input = [32, 32, 3]
layers = [
  { conv = 24, kernel = 3 },
  { conv = 24, kernel = 3, stride = 2 },
  { conv = 48, kernel = 3 },
  { conv = 48, kernel = 3, stride = 2 },
  { conv = 48, kernel = 3 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;

/// Writes four classes of `shapes` as a folder and gives one in twenty images of each, of training and of test, to the next
/// class. Returns the files of test that were given away, in their new places.
fn planted(folder: &Path) -> BTreeSet<String> {
    allcnn(folder, &["data", "convert", "shapes", "--to", "shapes.tar", "--quiet"]).done();
    let all = folder.join("all");
    tar::Archive::new(File::open(folder.join("shapes.tar")).unwrap()).unpack(&all).unwrap();
    let mut planted = BTreeSet::new();
    for split in ["train", "test"] {
        for (place, class) in CLASSES.iter().enumerate() {
            let next = CLASSES[(place + 1) % CLASSES.len()];
            [class, next].iter().for_each(|class| {
                fs::create_dir_all(folder.join("shapes").join(split).join(class)).unwrap();
            });
            for (number, file) in names(&all.join(split).join(class)).iter().enumerate() {
                let wrong = number % PLANTED == 7;
                let to = match wrong {
                    true => format!("{split}/{next}/was-{class}-{file}"),
                    false => format!("{split}/{class}/{file}"),
                };
                fs::rename(all.join(split).join(class).join(file), folder.join("shapes").join(&to)).unwrap();
                planted.extend((wrong && split == "test").then_some(to));
            }
        }
    }
    planted
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort_unstable();
    names
}

/// Looks for suspects with the run `run`.
fn suspects(folder: &Path, more: &[&str]) -> Outcome {
    allcnn(folder, &[&["data", "suspects", "run", "--quiet"][..], more].concat())
}

#[test]
fn planted_wrong_labels_come_first() {
    let folder = workspace();
    let planted = planted(folder.path());
    fs::write(folder.path().join("small.toml"), NETWORK).unwrap();
    let train =
        ["train", "--model", "small.toml", "--data", "shapes/", "--epochs", "12", "--out", "run", "--quiet"];
    allcnn(folder.path(), &train).done();

    let told = suspects(folder.path(), &["--top", "20", "--out", "suspects.html", "--json"]).done().json();
    assert_eq!(
        (&told["images"], &told["trained_on"], &told["data"]),
        (&400.into(), &0.into(), &"shapes".into())
    );
    assert_eq!(told["splits"], serde_json::json!([{ "split": "test", "images": 400 }]));
    let listed = told["suspects"].as_array().unwrap();
    assert_eq!((planted.len(), listed.len()), (20, 20));
    let found = listed.iter().filter(|suspect| planted.contains(suspect["file"].as_str().unwrap())).count();
    eprintln!("{found} of {} planted labels are among the first 5 %", planted.len());
    assert!(found * 100 >= planted.len() * 80, "{found} of {}: {listed:#?}", planted.len());

    let expected = ["file", "label", "label_probability", "predicted", "predicted_probability", "split"];
    let mut before = 0.0;
    for suspect in listed {
        assert_eq!(keys(suspect), expected);
        let [label, predicted] =
            ["label_probability", "predicted_probability"].map(|key| suspect[key].as_f64().unwrap());
        assert!(before <= label && label <= predicted && predicted <= 1.0, "{suspect}");
        before = label;
        let file = suspect["file"].as_str().unwrap();
        assert!(file.starts_with(&format!("test/{}/", suspect["label"].as_str().unwrap())), "{suspect}");
    }
    assert!(told["predicted_otherwise"].as_u64().unwrap() >= found as u64, "{told}");
    let confident = told["confident_otherwise"].as_u64().unwrap();
    assert!((10..=40).contains(&confident), "20 labels are wrong: {confident}");

    let page = fs::read_to_string(folder.path().join("suspects.html")).unwrap();
    assert_eq!(page.matches("<img").count(), 40, "each with its explanation");
    assert!(
        page.contains("was-")
            && !page.contains("http:")
            && !page.contains("https:")
            && !page.contains("<script")
    );
    let words = suspects(folder.path(), &["--top", "5"]).done().stdout;
    assert!(words.contains("on 400 test images of shapes") && words.lines().count() == 9, "{words}");
}

#[test]
fn validation_and_test_images_are_looked_at_and_what_was_trained_on_is_not() {
    let folder = workspace();
    let pictures = image_folder(folder.path(), 12);
    let set = folder.path().join("set");
    for class in ["blue", "red"] {
        for (number, file) in names(&pictures.join(class)).iter().enumerate() {
            let place = set.join(["train", "val", "test"][number % 3]).join(class);
            fs::create_dir_all(&place).unwrap();
            fs::copy(pictures.join(class).join(file), place.join(file)).unwrap();
        }
    }
    // A test image that is a training image too.
    fs::copy(set.join("train/red/000.png"), set.join("test/blue/copy.png")).unwrap();
    allcnn(folder.path(), &train_arguments("run", &["--data", "set", "--epochs", "1", "--quiet"])).done();
    let told = suspects(folder.path(), &["--json"]).done().json();
    assert_eq!((&told["images"], &told["trained_on"]), (&16.into(), &1.into()));
    let splits =
        serde_json::json!([{ "split": "validation", "images": 8 }, { "split": "test", "images": 8 }]);
    assert_eq!(told["splits"], splits);
    let is_of = |split: &str| {
        let listed = told["suspects"].as_array().unwrap();
        listed.iter().filter(|suspect: &&Value| suspect["split"] == split).count()
    };
    assert_eq!((is_of("validation"), is_of("test"), is_of("train")), (8, 8, 0));

    // Other data: all of it, but what was trained on.
    let told = suspects(folder.path(), &["--data", "pictures", "--json"]).done().json();
    assert_eq!((&told["images"], &told["trained_on"]), (&16.into(), &8.into()));
    fs::rename(set.join("train"), folder.path().join("trained")).unwrap();
    suspects(folder.path(), &["--data", "trained"]).fails(1, &["all 8 images", "trained on", "--data"]);
}

#[test]
fn wrong_use_is_told() {
    let folder = workspace();
    suspects(folder.path(), &[]).fails(1, &["run"]);
    image_folder(folder.path(), 10);
    let more = ["--data", "pictures", "--epochs", "1", "--quiet"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    suspects(folder.path(), &["--top", "0"]).fails(2, &["--top", "0"]);
    suspects(folder.path(), &["--out", "page.pdf"]).fails(2, &["page.pdf", ".html"]);
    suspects(folder.path(), &["--out", "missing/page.html"])
        .fails(1, &["missing/page.html", "folder exists"]);
    suspects(folder.path(), &["--splits", "test=x"]).fails(2, &["--data"]);
    suspects(folder.path(), &["--data", "gone"]).fails(1, &["gone"]);
    fs::rename(folder.path().join("pictures/red"), folder.path().join("pictures/green")).unwrap();
    suspects(folder.path(), &["--data", "pictures"]).fails(1, &["green", "does not know"]);
    fs::remove_dir_all(folder.path().join("pictures")).unwrap();
    suspects(folder.path(), &[]).fails(1, &["not found", "--data"]);
}

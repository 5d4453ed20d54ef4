//! A run knows its data by fingerprint and place, and images that it was trained on by what they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::support::{
    Outcome, allcnn, assert_same_weights, command, finish, image_folder, outcome, picture, signal, start,
    train_arguments, wait_for_checkpoint, workspace,
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Of each class.
const IMAGES: u8 = 20;
/// In all: two of each class are held out.
const TRAINED: u64 = 36;

/// A folder with `pictures` and a run on them, two images of each class held out.
struct Trained {
    folder: tempfile::TempDir,
    figures: String,
}

impl Trained {
    fn new() -> Self {
        let folder = workspace();
        image_folder(folder.path(), IMAGES);
        let more = ["--data", "pictures", "--holdout", "2", "--epochs", "2", "--quiet"];
        allcnn(folder.path(), &train_arguments("run", &more)).done();
        let figures = allcnn(folder.path(), &["eval", "run", "--json"]).done().stdout;
        Self { folder, figures }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn eval(&self, more: &[&str]) -> Outcome {
        allcnn(self.folder.path(), &[&["eval", "run", "--json"], more].concat())
    }

    /// Asserts that an evaluation is on the run's own held-out images, and without a warning.
    #[track_caller]
    fn is_own(&self, outcome: &Outcome) {
        let [mut found, mut own]: [Value; 2] =
            [&outcome.stdout, &self.figures].map(|text| serde_json::from_str(text).unwrap());
        for figures in [&mut found, &mut own] {
            (figures["run"], figures["data"]) = (Value::Null, Value::Null); // which may be spelt in many ways
        }
        assert_eq!((found, outcome.stderr.contains("warning")), (own, false), "{outcome:#?}");
    }

    /// The training images of a class, in the order of their names.
    fn files(&self, class: &str) -> Vec<PathBuf> {
        (0..IMAGES).map(|number| self.path("pictures").join(class).join(format!("{number:03}.png"))).collect()
    }

    /// The pictures under other names, in the opposite order.
    fn renamed(&self) -> PathBuf {
        let renamed = self.path("renamed");
        for class in ["blue", "red"] {
            fs::create_dir_all(renamed.join(class)).unwrap();
            for (number, file) in self.files(class).iter().rev().enumerate() {
                fs::copy(file, renamed.join(class).join(format!("{number:03}-copy.png"))).unwrap();
            }
        }
        renamed
    }
}

fn tar(folder: &Path, archive: &Path) {
    let mut builder = tar::Builder::new(File::create(archive).unwrap());
    builder.append_dir_all("packed", folder).unwrap();
    builder.finish().unwrap();
}

#[test]
fn the_own_data_is_known_however_it_is_spelt_and_packed() {
    let trained = Trained::new();
    let absolute = trained.path("pictures");
    tar(&absolute, &trained.path("packed.tar"));
    fs::create_dir(trained.path("sub")).unwrap();
    let mut spellings = vec![
        "pictures",
        "pictures/",
        "./pictures",
        "sub/../pictures",
        absolute.to_str().unwrap(),
        "packed.tar",
    ];
    if cfg!(unix) {
        #[cfg(unix)]
        std::os::unix::fs::symlink(&absolute, trained.path("link")).unwrap();
        spellings.push("link");
    }
    for spelling in spellings {
        trained.is_own(&trained.eval(&["--data", spelling]).done());
    }
    let sub = trained.path("sub");
    trained.is_own(&allcnn(&sub, &["eval", "../run", "--json"]).done());
    trained.is_own(&allcnn(&sub, &["eval", "../run", "--json", "--data", "../pictures/"]).done());
    let split = |more: &[&str]| trained.eval(&[&["--split", "train"], more].concat()).done();
    let (own, spelt) = (split(&[]), split(&["--data", "pictures/"]));
    assert_eq!((own.json()["images"].as_u64(), own.stdout), (Some(TRAINED), spelt.stdout));
    let sheet = |more: &[&str]| {
        let arguments = ["features", "../run", "--layer", "conv1", "--json", "--quiet"];
        allcnn(&sub, &[&arguments, more].concat()).done().stdout
    };
    assert_eq!(sheet(&[]), sheet(&["--data", "../packed.tar"]).replace("packed/", ""));
}

#[test]
fn the_own_data_is_found_after_a_move() {
    let trained = Trained::new();
    fs::rename(trained.path("run"), trained.path("moved run")).unwrap();
    let other = workspace();
    let run = trained.path("moved run").display().to_string();
    trained.is_own(&allcnn(other.path(), &["eval", &run, "--json"]).done());

    fs::create_dir(trained.path("both")).unwrap();
    fs::rename(trained.path("moved run"), trained.path("both/run")).unwrap();
    fs::rename(trained.path("pictures"), trained.path("elsewhere")).unwrap();
    let lost = allcnn(trained.folder.path(), &["eval", "both/run", "--json"]);
    lost.fails(1, &["not found", "nothing is at", "pictures", "--data"]);
    trained.is_own(
        &allcnn(trained.folder.path(), &["eval", "both/run", "--json", "--data", "elsewhere"]).done(),
    );
    // Run and data, as they lay to each other.
    fs::create_dir(other.path().join("x")).unwrap();
    fs::rename(trained.path("both/run"), other.path().join("x/run")).unwrap();
    fs::rename(trained.path("elsewhere"), other.path().join("x/pictures")).unwrap();
    fs::create_dir(trained.path("pictures")).unwrap(); // what is here now is nothing of the run
    let moved = other.path().join("x/run").display().to_string();
    trained.is_own(&allcnn(Path::new("/"), &["eval", &moved, "--json"]).done());
}

#[test]
fn images_that_were_trained_on_are_left_out_of_the_figures() {
    let trained = Trained::new();
    let renamed = trained.renamed();
    tar(&renamed, &trained.path("renamed.tar"));
    for data in ["renamed", "renamed.tar"] {
        let outcome = trained.eval(&["--data", data]).done();
        let warning = "36 of 40 images were trained on; the figures are of the other 4";
        assert!(outcome.stderr.contains(warning), "{outcome:#?}");
        let figures = outcome.json();
        assert_eq!(figures["trained_on"], json!({ "images": TRAINED, "left_out": true }));
        let own: Value = serde_json::from_str(&trained.figures).unwrap();
        for key in ["images", "top1_error_pct", "confusion"] {
            assert_eq!(figures[key], own[key], "what is left are the held-out images: {key}");
        }
    }
    let words = allcnn(trained.folder.path(), &["eval", "run", "--data", "renamed"]).done().stdout;
    assert!(words.contains("4 images of renamed") && words.contains("36 images, left out"), "{words}");

    // The training images alone: there is nothing else to measure, and that is said.
    for class in ["blue", "red"] {
        for number in 0..2 {
            fs::remove_file(renamed.join(class).join(format!("{number:03}-copy.png"))).unwrap();
        }
    }
    let outcome = trained.eval(&["--data", "renamed"]).done();
    assert!(outcome.stderr.contains("all 36 images were trained on"), "{outcome:#?}");
    assert_eq!(outcome.json()["trained_on"], json!({ "images": TRAINED, "left_out": false }));
    assert_eq!(outcome.json()["images"], TRAINED);
}

#[test]
fn the_same_names_with_other_bytes_are_other_images() {
    let trained = Trained::new();
    picture([10, 20, 180], 200).save(&trained.files("blue")[3]).unwrap();
    trained.eval(&[]).fails(1, &["fingerprint", "--data"]);
    let changed = trained.eval(&["--data", "pictures"]).done().json();
    assert_eq!((&changed["trained_on"]["images"], &changed["images"]), (&json!(TRAINED - 1), &json!(5)));
    for (class, color) in [("blue", [10, 20, 180]), ("red", [190, 20, 10])] {
        for (number, file) in (100..).zip(trained.files(class)) {
            picture(color, number).save(file).unwrap();
        }
    }
    let others = trained.eval(&["--data", "pictures"]).done();
    assert_eq!(
        (&others.json()["images"], others.json().get("trained_on")),
        (&json!(40), None),
        "{others:#?}"
    );
    assert!(!others.stderr.contains("trained on"), "{others:#?}");
}

#[test]
fn foreign_data_is_measured_whole() {
    let trained = Trained::new();
    for (place, count) in
        [("one/blue", 5), ("splits/train/blue", 4), ("splits/test/blue", 3), ("alone/test/red", 2)]
    {
        fs::create_dir_all(trained.path(place)).unwrap();
        for number in 0..count {
            picture([12, 22, 170], 50 + number)
                .save(trained.path(place).join(format!("{number}.png")))
                .unwrap();
        }
    }
    let images = |more: &[&str]| trained.eval(more).done().json()["images"].as_u64();
    assert_eq!(images(&["--data", "one"]), Some(5), "one class is enough");
    assert_eq!(images(&["--data", "alone"]), Some(2));
    assert_eq!(images(&["--data", "splits"]), Some(3));
    assert_eq!(images(&["--data", "splits", "--split", "train"]), Some(4));
    trained
        .eval(&["--data", "splits", "--split", "validation"])
        .fails(2, &["no validation images", "--split"]);

    for class in ["green", "grey"] {
        fs::rename(trained.path("one/blue"), trained.path("one").join(class)).unwrap();
        trained.eval(&["--data", "one"]).fails(1, &["does not know", class, "blue, red"]);
        fs::rename(trained.path("one").join(class), trained.path("one/blue")).unwrap();
    }
}

#[test]
fn classes_are_the_same_in_any_unicode_form() {
    let folder = workspace();
    let data = image_folder(folder.path(), 6);
    fs::rename(data.join("blue"), data.join("bl\u{fc}")).unwrap();
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1", "--quiet"]))
        .done();
    let other = folder.path().join("other/blu\u{308}");
    fs::create_dir_all(&other).unwrap();
    picture([12, 22, 170], 50).save(other.join("1.png")).unwrap();
    let figures = allcnn(folder.path(), &["eval", "run", "--data", "other", "--json"]).done().json();
    assert_eq!(figures["images"], 1);
    let class = figures["classes"].as_array().unwrap().iter().find(|class| class["images"] == 1).unwrap();
    assert_eq!(class["name"], "bl\u{fc}");
}

#[test]
fn features_looks_at_loose_pictures() {
    let trained = Trained::new();
    let loose = trained.path("loose");
    fs::create_dir_all(loose.join("deeper")).unwrap();
    for number in 0..3 {
        picture([90, 200, 40], number).save(loose.join(format!("{number}.png"))).unwrap();
    }
    fs::copy(&trained.files("red")[0], loose.join("deeper/known.png")).unwrap();
    fs::write(loose.join("broken.png"), "no picture").unwrap();
    tar(&loose, &trained.path("loose.tar"));
    for data in ["loose", "loose.tar"] {
        let arguments = ["features", "run", "--layer", "conv1", "--json", "--data", data];
        let outcome = allcnn(trained.folder.path(), &arguments).done();
        for part in ["1 of 4 images was trained on", "1 image cannot be read and is left out: "] {
            assert!(outcome.stderr.contains(part), "{outcome:#?}");
        }
        let patches = outcome.json()[0]["patches"].as_array().unwrap().clone();
        assert!(patches.iter().all(|patch| patch.get("class").is_none()), "{patches:?}");
        assert!(patches.iter().any(|patch| patch["image"].as_str().unwrap().ends_with("known.png")));
    }
    trained.eval(&["--data", "loose"]).fails(1, &["does not know", "deeper"]);
    fs::remove_dir_all(loose.join("deeper")).unwrap();
    trained.eval(&["--data", "loose"]).fails(1, &["class folders"]);
}

#[test]
fn a_resumed_run_finds_its_data_and_notes_where_it_is_now() {
    let trained = Trained::new();
    let resume = |more: &[&str]| {
        let arguments = ["train", "--resume", "run", "--quiet"];
        allcnn(trained.folder.path(), &[&arguments, more].concat())
    };
    fs::create_dir(trained.path("far")).unwrap();
    fs::rename(trained.path("pictures"), trained.path("far/away")).unwrap();
    resume(&[]).fails(1, &["not found", "nothing is at", "--data"]);
    for class in ["blue", "red"] {
        let folder = trained.path("other").join(class);
        fs::create_dir_all(&folder).unwrap();
        (0..6).for_each(|number| {
            picture([1, 2, 3], number).save(folder.join(format!("{number}.png"))).unwrap()
        });
    }
    resume(&["--data", "other"]).fails(1, &["the fingerprint is", "at other", "--data"]);
    resume(&["--data", "far/away/"]).done();
    let manifest = fs::read_to_string(trained.path("run/run.toml")).unwrap();
    assert!(
        manifest.contains("source = \"far/away/\"") && manifest.contains("relative = \"../far/away\""),
        "{manifest}"
    );
    trained.is_own(&trained.eval(&[]).done());
    resume(&[]).done();
    assert_eq!(fs::read_to_string(trained.path("run/run.toml")).unwrap(), manifest, "nothing is new");
}

#[test]
fn photographs_on_disk_are_known_by_their_files() {
    let folder = workspace();
    let data = image_folder(folder.path(), 10);
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::rename(&data, folder.path().join("photos/train")).unwrap();
    let held = image_folder(folder.path(), 12);
    for class in ["blue", "red"] {
        for number in 0..10 {
            fs::remove_file(held.join(class).join(format!("{number:03}.png"))).unwrap();
        }
    }
    fs::rename(&held, folder.path().join("photos/test")).unwrap();
    let more = ["--data", "photos", "--augment", "crop-flip", "--epochs", "60", "--quiet"];
    let mut child = start(folder.path(), &train_arguments("run", &more));
    wait_for_checkpoint(&folder.path().join("run"), &mut child);
    signal(&child, Signal::INT);
    outcome(child);
    allcnn(folder.path(), &["train", "--resume", "run", "--quiet"]).done();
    let heldout = fs::read_to_string(folder.path().join("run/heldout.txt")).unwrap();
    assert_eq!(heldout.lines().count(), 4, "{heldout}");
    assert!(heldout.lines().all(|line| line.len() > 66 && line[64..].starts_with("  test/")), "{heldout}");
    let eval = |more: &[&str]| allcnn(folder.path(), &[&["eval", "run", "--json"], more].concat()).done();
    let own = eval(&["--data", "photos/"]);
    assert_eq!((own.json()["images"].as_u64(), own.stderr.contains("warning")), (Some(4), false), "{own:#?}");

    // A training image in the place of a held-out one: the names, and so the fingerprint, are the same.
    let photos = folder.path().join("photos");
    fs::copy(photos.join("train/red/003.png"), photos.join("test/red/010.png")).unwrap();
    let own = eval(&[]);
    for part in ["1 of 4 images is not what it was", "test/red/010.png", "1 of 4 test images is among"] {
        assert!(own.stderr.contains(part), "{part}: {own:#?}");
    }

    fs::rename(photos.join("train"), folder.path().join("other")).unwrap();
    fs::rename(photos.join("test/blue/011.png"), folder.path().join("other/blue/new.png")).unwrap();
    let other = eval(&["--data", "other"]);
    assert_eq!(other.json()["trained_on"], json!({ "images": 20, "left_out": true }), "{other:#?}");
    assert_eq!(other.json()["images"], 1);
}

#[test]
fn a_damaged_list_of_images_is_an_error() {
    let trained = Trained::new();
    trained.renamed();
    fs::write(trained.path("run/trained.bin"), "nothing").unwrap();
    trained.eval(&["--data", "renamed"]).fails(1, &["trained.bin", "damaged"]);
    // Without it the run asks its own data.
    fs::remove_file(trained.path("run/trained.bin")).unwrap();
    assert_eq!(trained.eval(&["--data", "renamed"]).done().json()["trained_on"]["images"], TRAINED);
    fs::remove_dir_all(trained.path("pictures")).unwrap();
    let unknown = trained.eval(&["--data", "renamed"]).done();
    assert!(unknown.stderr.contains("does not know its training images"), "{unknown:#?}");
}

/// Asserts that `now` says all that `before` said; what was added to objects since is not looked at.
#[track_caller]
fn assert_has(now: &Value, before: &Value, what: &str) {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            for (key, value) in before {
                assert_has(now.get(key).unwrap_or(&Value::Null), value, &format!("{what}.{key}"));
            }
        }
        (Value::Array(now), Value::Array(before)) if now.len() == before.len() => {
            now.iter().zip(before).for_each(|(now, before)| assert_has(now, before, what));
        }
        _ => assert_eq!(now, before, "{what}"),
    }
}

/// What 0.1.0 made of a run of its own (`fixtures/run-0.1.0-expected/README.md`) is made of it for ever, to the bit.
#[test]
fn a_run_of_version_0_1_0_is_evaluated_explained_and_resumed_as_it_was() {
    let folder = workspace();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (run, expected) = (folder.path().join("run"), fixtures.join("run-0.1.0-expected"));
    fs::create_dir(&run).unwrap();
    for file in fixtures.join("run-0.1.0").read_dir().unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), run.join(file.file_name())).unwrap();
    }
    let drawn = |x: u32, y: u32| image::Rgb([x * 7, y * 9, x * y].map(|value| (value % 256) as u8));
    image::RgbImage::from_fn(32, 32, drawn).save(folder.path().join("picture.png")).unwrap();
    let call = |arguments: &[&str]| {
        let arguments = [arguments, &["--device", "cpu", "--quiet"]].concat();
        finish(command(folder.path(), &arguments).env("ALLCNN_MAX_ISA", "portable")).done()
    };
    let figures: Value = serde_json::from_slice(&fs::read(expected.join("eval.json")).unwrap()).unwrap();
    let now = call(&["eval", "run", "--json"]).json();
    assert_has(&now, &figures, "eval");
    call(&["explain", "run", "picture.png", "--npy", "explained.npy", "--out", "explained.png"]);
    let [one, other] =
        [folder.path(), &expected].map(|folder| fs::read(folder.join("explained.npy")).unwrap());
    assert!(one == other, "the explanation differs");
    call(&["train", "--resume", "run"]);
    assert_same_weights(&run, &expected);
}

#[test]
fn held_out_photographs_are_known_where_the_training_was_killed_after_its_last_epoch() {
    let folder = workspace();
    fs::create_dir(folder.path().join("photos")).unwrap();
    for (split, images) in [("train", 6), ("val", 7), ("test", 8)] {
        let data = image_folder(folder.path(), images);
        fs::rename(&data, folder.path().join("photos").join(split)).unwrap();
    }
    let more = ["--data", "photos", "--augment", "crop-flip", "--epochs", "2", "--quiet"];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    let list = folder.path().join("run/heldout.txt");
    let heldout = fs::read_to_string(&list).unwrap();
    assert_eq!(heldout.lines().count(), 2 * (7 + 8));
    fs::remove_file(&list).unwrap();
    fs::remove_file(folder.path().join("run/report.html")).unwrap();
    allcnn(folder.path(), &["train", "--resume", "run", "--quiet"]).done();
    assert_eq!(fs::read_to_string(&list).unwrap(), heldout);
}

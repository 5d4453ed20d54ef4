//! An imported network sees photographs of any size as the program did that it was trained with.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Outcome, allcnn};
use serde_json::Value;

/// The network of the fixtures' script.
const NETWORK: &str = r#"
name = "narrow"
input = [224, 224, 3]
layers = [
  { conv = 8, kernel = 11, stride = 4, padding = 2 },
  { conv = 16, kernel = 5, stride = 2, padding = 2 },
  { conv = 24, kernel = 3, stride = 2, padding = 1 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

const PICTURES: [&str; 3] = ["tall.jpg", "wide.jpg", "small.png"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/framing").join(name)
}

/// A folder with the network, its weights and the pictures.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("narrow.toml"), NETWORK).unwrap();
    for name in PICTURES.into_iter().chain(["imagenet.pt", "caffe.pt"]) {
        fs::copy(fixture(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn import(folder: &Path, weights: &str, more: &[&str]) -> Outcome {
    allcnn(folder, &[&["import", weights, "--model", "narrow.toml", "--out", "run"], more].concat())
}

/// The probabilities of each picture that PyTorch gives.
fn expected(way: &str) -> Vec<Vec<f64>> {
    let told: Value =
        serde_json::from_str(&fs::read_to_string(fixture("probabilities.json")).unwrap()).unwrap();
    let of = |name: &str| told[way][name].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
    PICTURES.into_iter().map(of).collect()
}

/// The largest difference from these probabilities.
fn difference(folder: &Path, expected: &[Vec<f64>]) -> f64 {
    let predicted =
        allcnn(folder, &[&["predict", "run", "--top", "6", "--json"], &PICTURES[..]].concat()).done();
    let mut largest = 0f64;
    for (file, expected) in predicted.json().as_array().unwrap().iter().zip(expected) {
        for guess in file["predictions"].as_array().unwrap() {
            let class: usize = guess["class"].as_str().unwrap()["class ".len()..].parse().unwrap();
            largest = largest.max((guess["probability"].as_f64().unwrap() - expected[class]).abs());
        }
    }
    largest
}

#[test]
fn the_preset_of_torchvision_brings_its_framing() {
    let folder = folder();
    let expected = expected("imagenet");
    assert!(expected.iter().flatten().filter(|p| **p > 0.5).count() == 3, "a test of something");
    let told = import(folder.path(), "imagenet.pt", &["--preprocess", "imagenet"]).done();
    assert!(told.stdout.contains("shorter side scaled to 256 pixels"), "{told:?}");
    assert!(told.stderr.contains("--frame says otherwise"), "{told:?}");
    let settings = fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    assert!(settings.contains("shorter-side = 256"), "{settings}");
    let framed = difference(folder.path(), &expected);
    assert!(framed <= 1e-4, "{framed}");

    // The whole picture, and a frame of another size, are something else.
    for frame in ["whole", "224"] {
        fs::remove_dir_all(folder.path().join("run")).unwrap();
        import(folder.path(), "imagenet.pt", &["--preprocess", "imagenet", "--frame", frame]).done();
        let other = difference(folder.path(), &expected);
        assert!(other > 1e-2, "{frame}: {other}");
    }
    fs::remove_dir_all(folder.path().join("run")).unwrap();
    let by_hand = ["--preprocess", "0.485,0.456,0.4060001/0.229,0.224,0.225", "--frame", "256"];
    import(folder.path(), "imagenet.pt", &by_hand).done();
    assert!(difference(folder.path(), &expected) <= 1e-4);
}

#[test]
fn the_preset_of_caffe_brings_its_framing() {
    let folder = folder();
    import(folder.path(), "caffe.pt", &["--preprocess", "caffe", "--input", "227x227"]).done();
    let framed = difference(folder.path(), &expected("caffe"));
    assert!(framed <= 1e-4, "{framed}");
}

#[test]
fn every_command_frames_the_pictures_of_the_run() {
    let folder = folder();
    let (at, expected) = (folder.path(), expected("imagenet"));
    import(at, "imagenet.pt", &["--preprocess", "imagenet"]).done();
    let explained = allcnn(at, &[&["explain", "run", "--json"], &PICTURES[..]].concat()).done().json();
    let winner =
        |probabilities: &[f64]| (0..6).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut activations = vec![];
    for (place, file) in PICTURES.into_iter().enumerate() {
        let (entry, class) = (&explained[place], winner(&expected[place]).unwrap());
        assert_eq!(entry["class"], format!("class {class}"));
        let given = entry["probability"].as_f64().unwrap();
        assert!((given - expected[place][class]).abs() <= 1e-4, "{file}: {given}");
        activations.push((class, entry["activation"].as_f64().unwrap()));
        fs::create_dir_all(at.join(format!("data/class {class}"))).unwrap();
        fs::copy(at.join(file), at.join(format!("data/class {class}/{file}"))).unwrap();
    }
    let measured = allcnn(at, &["eval", "run", "--data", "data", "--json"]).done().json();
    assert_eq!((measured["images"].as_u64(), measured["top1_error_pct"].as_f64()), (Some(3), Some(0.0)));
    let loss = -(0..3).map(|place| expected[place][activations[place].0].ln()).sum::<f64>() / 3.0;
    assert!((measured["loss"].as_f64().unwrap() - loss).abs() < 1e-3, "{measured} {loss}");
    // With classes, and without any.
    for data in ["data", "loose"] {
        if data == "loose" {
            fs::rename(at.join("data"), at.join("loose")).unwrap();
            fs::copy(at.join(PICTURES[0]), at.join("loose/alone.jpg")).unwrap();
        }
        let filters = ["features", "run", "--layer", "global_pool", "--data", data, "--json"];
        let filters = allcnn(at, &filters).done().json();
        for (file, (class, activation)) in PICTURES.into_iter().zip(&activations) {
            let patches = filters[class]["patches"].as_array().unwrap();
            let patch =
                patches.iter().find(|patch| patch["image"].as_str().unwrap().ends_with(file)).unwrap();
            let given = patch["activation"].as_f64().unwrap();
            assert!((given - activation).abs() < 1e-4, "{data} {file}: {given} {activation}");
        }
    }
}

#[test]
fn near_copies_are_compared_in_the_framing_of_the_run() {
    let folder = folder();
    let at = folder.path();
    import(at, "imagenet.pt", &["--preprocess", "imagenet"]).done();
    for (place, file) in PICTURES.into_iter().enumerate() {
        fs::create_dir_all(at.join(format!("data/class {place}"))).unwrap();
        fs::copy(at.join(file), at.join(format!("data/class {place}/{file}"))).unwrap();
    }
    // The run cuts columns 38 to 262 of a picture of this size, and cutting the overhang keeps 22 to 278.
    let mut photo =
        image::RgbImage::from_fn(300, 256, |x, y| image::Rgb([x as u8, y as u8, (x * y / 64) as u8]));
    photo.save(at.join("data/class 0/photo.png")).unwrap();
    for (x, y, pixel) in photo.enumerate_pixels_mut().filter(|(x, ..)| *x < 38 || *x >= 262) {
        *pixel = image::Rgb([255 * ((x / 3 + y / 3) % 2) as u8; 3]);
    }
    photo.save(at.join("data/class 1/other.png")).unwrap();
    let verify = ["data", "verify", "data", "--near", "--run", "run", "--similarity", "0.9999", "--json"];
    for more in [&[][..], &["--on-disk"]] {
        // On disk, the middles of the two are found to be equal, too, which makes the exit code 1.
        let near = allcnn(at, &[&verify[..], more].concat()).json()["near"].clone();
        let groups = near["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "{near}");
        let files: Vec<&str> = groups[0]["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["file"].as_str().unwrap())
            .collect();
        assert_eq!(files, ["class 0/photo.png", "class 1/other.png"]);
    }
}

#[test]
fn the_preprocessing_of_a_run_brings_the_framing_of_the_run() {
    let folder = folder();
    import(folder.path(), "imagenet.pt", &["--preprocess", "imagenet"]).done();
    fs::rename(folder.path().join("run"), folder.path().join("first")).unwrap();
    import(folder.path(), "imagenet.pt", &["--preprocess", "first/preprocess.safetensors"]).done();
    assert!(difference(folder.path(), &expected("imagenet")) <= 1e-4);
}

#[test]
fn frames_that_make_no_sense_are_refused() {
    let folder = folder();
    for (frame, parts) in [
        ("100", &["--frame: 100 pixels", "expected 224 to 16384", "224x224"][..]),
        ("0", &["'0' for '--frame", "such as 256, or whole"]),
        ("middle", &["'middle' for '--frame", "such as 256, or whole"]),
    ] {
        import(folder.path(), "imagenet.pt", &["--frame", frame]).fails(2, parts);
    }
    assert!(!folder.path().join("run").exists());
    import(folder.path(), "imagenet.pt", &["--preprocess", "imagenet"]).done();
    let settings = folder.path().join("run/run.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("shorter-side = 256", "shorter-side = 12")).unwrap();
    allcnn(folder.path(), &["predict", "run", "tall.jpg"]).fails(1, &["run.toml", "its framing: 12 pixels"]);
}

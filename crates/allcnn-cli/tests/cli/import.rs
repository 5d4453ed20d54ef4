//! `allcnn import`: weights of PyTorch and Caffe give what PyTorch says, and foreign ones are refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Outcome, allcnn, keys, tensors};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// torchvision's AlexNet with fewer channels, for 96x96 pictures.
const ALEXNET: &str = r#"
name = "alexnet-narrow"
input = [96, 96, 3]
layers = [
  { conv = 4, kernel = 11, stride = 4, padding = 2 },
  { pool = "max", kernel = 3, stride = 2 },
  { conv = 12, kernel = 5 },
  { pool = "max", kernel = 3, stride = 2 },
  { conv = 24, kernel = 3 },
  { conv = 16, kernel = 3 },
  { conv = 16, kernel = 3 },
  { pool = "max", kernel = 3, stride = 2 },
  { conv = 32, kernel = 2, padding = "valid" },
  { conv = 32, kernel = 1 },
  { conv = "classes", kernel = 1, activation = "identity" },
]
"#;

/// CaffeNet with fewer channels, for 99x99 pictures.
const CAFFENET: &str = r#"
name = "caffenet-narrow"
input = [99, 99, 3]
layers = [
  { conv = 8, kernel = 11, stride = 4, padding = "valid" },
  { pool = "max", kernel = 3, stride = 2 },
  { lrn = 5, alpha = 0.0001, beta = 0.75, k = 1 },
  { conv = 16, kernel = 5, groups = 2 },
  { pool = "max", kernel = 3, stride = 2 },
  { lrn = 5, alpha = 0.0001, beta = 0.75, k = 1 },
  { conv = 24, kernel = 3 },
  { conv = 24, kernel = 3, groups = 2 },
  { conv = 16, kernel = 3, groups = 2 },
  { pool = "max", kernel = 3, stride = 2 },
  { conv = 32, kernel = 2, padding = "valid" },
  { conv = 32, kernel = 1 },
  { conv = "classes", kernel = 1, activation = "identity" },
]
"#;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import").join(name)
}

/// A folder with the two networks, the weights and the pictures of the fixtures' script.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("alexnet.toml"), ALEXNET).unwrap();
    fs::write(at("caffenet.toml"), CAFFENET).unwrap();
    fs::write(at("names.txt"), "ant\nbee\ncat\ndog\neel\n").unwrap();
    for name in ["alexnet-narrow.safetensors", "caffenet-narrow.caffemodel"] {
        fs::copy(fixture(name), at(name)).unwrap();
    }
    for side in [96, 99] {
        let value = |x: u32, y: u32, c: u32| (x * (3 + c) + y * 7 + x * y / (5 + 2 * c) + c * 60) as u8;
        let picture =
            image::RgbImage::from_fn(side, side, |x, y| image::Rgb([0, 1, 2].map(|c| value(x, y, c))));
        picture.save(at(&format!("{side}.png"))).unwrap();
    }
    folder
}

fn import(folder: &Path, weights: &str, model: &str, more: &[&str]) -> Outcome {
    allcnn(folder, &[&["import", weights, "--model", model, "--out", "run"], more].concat())
}

/// Asserts that the run says of the picture what PyTorch says; classes are named so.
#[track_caller]
fn assert_says(folder: &Path, picture: &str, expected: &str, names: [&str; 5]) {
    let told: Value =
        serde_json::from_str(&fs::read_to_string(fixture("probabilities.json")).unwrap()).unwrap();
    let expected: Vec<f64> =
        told[expected].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert!(expected.iter().all(|&probability| probability < 0.9), "a test of something: {expected:?}");
    let predicted = allcnn(folder, &["predict", "run", picture, "--top", "5", "--json"]).done().json();
    for guess in predicted[0]["predictions"].as_array().unwrap() {
        let class = names.iter().position(|name| *name == guess["class"]).unwrap();
        let difference = (guess["probability"].as_f64().unwrap() - expected[class]).abs();
        assert!(difference < 1e-5, "{class}: {guess} {expected:?}");
    }
}

const NUMBERED: [&str; 5] = ["class 0", "class 1", "class 2", "class 3", "class 4"];

#[test]
fn a_state_dict_of_torchvision_says_what_pytorch_says() {
    let folder = folder();
    let flags = ["--json", "--frame", "whole"];
    let told = import(folder.path(), "alexnet-narrow.safetensors", "alexnet.toml", &flags).done().json();
    assert_eq!(
        keys(&told),
        ["classes", "form", "framing", "model", "notes", "parameters", "preprocess", "run"]
    );
    assert_eq!((&told["classes"], &told["model"]), (&Value::from(5), &Value::from("alexnet-narrow")));
    assert_says(folder.path(), "96.png", "alexnet", NUMBERED);
}

#[test]
fn a_caffemodel_says_what_pytorch_says_of_bgr_without_the_mean() {
    let folder = folder();
    let flags = ["--classes-file", "names.txt", "--frame", "99"];
    let told = import(folder.path(), "caffenet-narrow.caffemodel", "caffenet.toml", &flags).done();
    assert!(told.stdout.contains("caffemodel") && told.stdout.contains("5 classes"), "{told:?}");
    assert_says(folder.path(), "99.png", "caffenet", ["ant", "bee", "cat", "dog", "eel"]);
}

/// The fixture's tensors, renamed.
fn renamed(name: impl Fn(&str) -> String) -> Vec<u8> {
    let tensors = tensors(&fixture("alexnet-narrow.safetensors"));
    write(tensors.into_iter().map(|(old, tensor)| (name(&old), tensor)).collect())
}

fn write(tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// The number of each of torchvision's layers in one `nn.Sequential`.
fn in_a_row(name: &str) -> String {
    let (layer, part) = name.rsplit_once('.').unwrap();
    let (group, number) = layer.split_once('.').unwrap();
    let number: usize = number.parse().unwrap();
    format!("{}.{part}", if group == "classifier" { 13 + number } else { number })
}

#[test]
fn a_sequential_and_named_convolutions_say_the_same() {
    let folder = folder();
    let places = [
        "features.0",
        "features.3",
        "features.6",
        "features.8",
        "features.10",
        "classifier.1",
        "classifier.4",
        "classifier.6",
    ];
    let convolution = |name: &str| {
        let (layer, part) = name.rsplit_once('.').unwrap();
        format!("conv{}.{part}", 1 + places.iter().position(|place| *place == layer).unwrap())
    };
    for bytes in [renamed(in_a_row), renamed(convolution)] {
        fs::write(folder.path().join("other.safetensors"), bytes).unwrap();
        let flags = ["--preprocess", "imagenet", "--frame", "whole"];
        import(folder.path(), "other.safetensors", "alexnet.toml", &flags).done();
        assert_says(folder.path(), "96.png", "alexnet", NUMBERED);
        fs::remove_dir_all(folder.path().join("run")).unwrap();
    }
}

#[test]
fn an_imported_run_serves_every_command_and_has_no_training() {
    let folder = folder();
    import(folder.path(), "alexnet-narrow.safetensors", "alexnet.toml", &[]).done();
    let explained = ["explain", "run", "96.png", "--method", "all", "--out", "e.png"];
    allcnn(folder.path(), &explained).done();
    let features =
        ["features", "run", "--layer", "conv2", "--filters", "0..2", "--data", "pictures", "--json"];
    crate::support::image_folder(folder.path(), 4);
    let filters = allcnn(folder.path(), &features).done().json();
    assert_eq!(filters.as_array().unwrap().len(), 2);
    allcnn(folder.path(), &["eval", "run"]).fails(1, &["imported", "no images of its own", "--data"]);
    allcnn(folder.path(), &["features", "run", "--layer", "conv2"]).fails(1, &["imported", "--data"]);
    allcnn(folder.path(), &["train", "--resume", "run"]).fails(1, &["imported", "no training"]);
    let occupied = import(folder.path(), "alexnet-narrow.safetensors", "alexnet.toml", &[]);
    occupied.fails(1, &["run already holds a run: give another --out"]);
    assert!(!occupied.stderr.contains("--resume"), "{occupied:?}");
}

#[test]
fn an_imported_run_claims_no_training() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    import(folder.path(), "alexnet-narrow.safetensors", "alexnet.toml", &[]).done();
    let settings = fs::read_to_string(at("run/run.toml")).unwrap();
    for claim in ["recipe", "epochs =", "learning_rate", "schedule", "batch"] {
        assert!(!settings.contains(claim), "{claim} in {settings}");
    }
    // Earlier versions wrote one; it says as little.
    let answer = |run: &str| allcnn(folder.path(), &["predict", run, "96.png", "--json"]).done().stdout;
    let now = answer("run");
    let trained = fs::read_to_string(fixture("../run-0.1.0/run.toml")).unwrap();
    let recipe = &trained[trained.find("[recipe]").unwrap()..];
    let recipe = recipe.split("\n[").take_while(|part| part.contains("recipe") || part.contains("epochs"));
    let recipe = recipe.collect::<Vec<_>>().join("\n[");
    fs::write(at("run/run.toml"), format!("{settings}\n{recipe}\n")).unwrap();
    assert_eq!(answer("run"), now);
    // A run that was trained has one.
    fs::write(at("run/run.toml"), settings.replace("imported = ", "# imported = ")).unwrap();
    allcnn(folder.path(), &["predict", "run", "96.png"]).fails(1, &["run.toml", "no recipe"]);
}

#[test]
fn a_checkpoint_of_this_program_keeps_its_classes_and_its_preprocessing() {
    let folder = folder();
    fs::write(folder.path().join("tiny.toml"), crate::support::TINY_NETWORK).unwrap();
    let trained = crate::support::train_arguments("trained", &["--limit", "64", "--epochs", "1", "--quiet"]);
    allcnn(folder.path(), &trained).done();
    let picture = crate::support::picture([200, 30, 10], 0);
    picture.save(folder.path().join("32.png")).unwrap();
    let best = "trained/best.safetensors";
    let told = import(folder.path(), best, "tiny.toml", &[]).done();
    for part in
        ["names of the classes from the file", "took trained/preprocess.safetensors beside the weights"]
    {
        assert!(told.stderr.contains(part), "expected '{part}': {told:?}");
    }
    let answer =
        |run: &str| allcnn(folder.path(), &["predict", run, "32.png", "--top", "10", "--json"]).done();
    assert_eq!(answer("run").json(), answer("trained").json(), "the same names with the same probabilities");
    let settings = || fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    let before = settings();
    allcnn(folder.path(), &["train", "--resume", "run", "--epochs", "9"]).fails(1, &["imported from"]);
    assert_eq!(settings(), before, "weights that were not trained here are not made longer");
    fs::remove_dir_all(folder.path().join("run")).unwrap();
    let names: String = (0..10).map(|class| format!("kind {class}\n")).collect();
    fs::write(folder.path().join("names.txt"), names).unwrap();
    import(folder.path(), best, "tiny.toml", &["--classes-file", "names.txt"]).done();
    assert!(answer("run").stdout.contains("\"kind 3\""));
}

#[test]
fn weights_of_another_network_are_refused_with_both_shapes() {
    let folder = folder();
    let refused = import(folder.path(), "alexnet-narrow.safetensors", "caffenet.toml", &[]);
    refused.fails(
        1,
        &[
            "not the weights of caffenet-narrow",
            "features.0.weight has shape [4, 3, 11, 11]",
            "conv1 expects [8, 3, 11, 11]",
        ],
    );
    let refused = import(folder.path(), "alexnet-narrow.safetensors", "all-cnn-c", &[]);
    refused.fails(1, &["8 layers with weights", "expected 9", "allcnn models all-cnn-c"]);
    assert!(!folder.path().join("run").exists(), "no run folder without weights");
    import(folder.path(), "alexnet-narrow.safetensors", "alexnat", &[])
        .fails(2, &["unknown model", "did you mean \"alexnet\""]);
}

#[test]
fn missing_extra_and_damaged_tensors_are_named() {
    let folder = folder();
    let mut given = tensors(&fixture("alexnet-narrow.safetensors"));
    let refuse = |tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>, parts: &[&str]| {
        fs::write(folder.path().join("w.safetensors"), write(tensors)).unwrap();
        import(folder.path(), "w.safetensors", "alexnet.toml", &[]).fails(1, parts);
    };
    let weight = given.remove("features.3.weight").unwrap();
    refuse(given.clone(), &["cannot use the weights in w.safetensors", "no features.3.weight"]);
    given.insert("features.3.weight".into(), weight);
    given.insert("features.1.running_mean".into(), (vec![1], vec![0; 4]));
    refuse(given.clone(), &["features.1.running_mean is neither a weight nor a bias"]);
    given.remove("features.1.running_mean");
    let (_, bytes) = given.get_mut("classifier.6.bias").unwrap();
    bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    refuse(given, &["classifier.6.bias holds NaN"]);
}

#[test]
fn what_holds_no_weights_is_told_from_what_does() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("words.txt"), "no weights at all, just words").unwrap();
    import(folder.path(), "words.txt", "alexnet.toml", &[])
        .fails(1, &["neither safetensors nor a file of PyTorch nor a caffemodel"]);
    fs::write(at("model.pth"), b"PK\x03\x04and so on").unwrap();
    import(folder.path(), "model.pth", "alexnet.toml", &[]).fails(1, &["zip archive is damaged"]);
    let whole = fs::read(at("caffenet-narrow.caffemodel")).unwrap();
    fs::write(at("cut.caffemodel"), &whole[..whole.len() / 2]).unwrap();
    import(folder.path(), "cut.caffemodel", "caffenet.toml", &[]).fails(1, &["neither"]);
    import(folder.path(), "none.safetensors", "alexnet.toml", &[])
        .fails(1, &["cannot read none.safetensors"]);
}

#[test]
fn class_names_and_preprocessing_are_checked() {
    let folder = folder();
    let refused = |more: &[&str], code, parts: &[&str]| {
        import(folder.path(), "alexnet-narrow.safetensors", "alexnet.toml", more).fails(code, parts);
    };
    fs::write(folder.path().join("few.txt"), "a\nb\n").unwrap();
    refused(&["--classes-file", "few.txt"], 1, &["few.txt names 2 classes", "expected 5"]);
    refused(&["--classes-file", "none.txt"], 1, &["cannot read none.txt"]);
    refused(&["--preprocess", "zca"], 2, &["zca", "expected none, imagenet, caffe"]);
    refused(&["--preprocess", "none.safetensors"], 1, &["none.safetensors"]);
    assert!(!folder.path().join("run").exists());
}

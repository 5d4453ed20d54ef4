//! `allcnn export`: what leaves says what the program says, holds no path, and is whole or not there.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::{
    Outcome, SmallDisk, TINY_NETWORK, allcnn, image_folder, keys, picture, tensors, train_arguments,
    workspace,
};
use safetensors::SafeTensors;
use serde_json::Value;

/// A folder with the run of version 0.1.0 and a picture.
fn place() -> tempfile::TempDir {
    let folder = workspace();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-0.1.0");
    fs::create_dir(folder.path().join("run")).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join("run").join(entry.file_name())).unwrap();
    }
    picture([9, 9, 200], 0).save(folder.path().join("x.png")).unwrap();
    folder
}

fn export(folder: &Path, arguments: &[&str]) -> Outcome {
    allcnn(folder, &[&["export", "run"], arguments].concat())
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_network_leaves_as_onnx_with_the_check_that_it_agrees() {
    let folder = place();
    for more in [
        &[][..],
        &["--raw"],
        &["--explain", "deconvnet"],
        &["--explain", "backprop", "--target", "input"],
        &["--with-explanation", "--raw", "--checkpoint", "last"],
    ] {
        let told = export(folder.path(), &[&["--onnx", "m.onnx", "--json"], more].concat()).done().json();
        assert_eq!(keys(&told), ["bytes", "check", "model", "path", "run"]);
        let difference = |name: &str| told["check"][name].as_f64();
        assert!(difference("layer_difference").unwrap() < 1e-4, "{more:?} {told}");
        assert!(difference("logits_difference").unwrap() < 1e-4, "{more:?} {told}");
        let maps = difference("explanation_difference");
        let explained = more.iter().any(|flag| flag.contains("expla"));
        assert!(maps.is_some() == explained && maps.unwrap_or(0.0) < 1e-2, "{more:?} {told}");
        let size = fs::metadata(folder.path().join("m.onnx")).unwrap().len();
        assert_eq!(told["bytes"].as_u64(), Some(size));
    }
    let told = export(folder.path(), &["--onnx", "m.onnx", "--explain", "guided"]).done().stdout;
    for part in ["network  tiny", "check    run on 2 pictures", "maps ", "written  m.onnx ("] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(names(folder.path()), ["cache", "m.onnx", "run", "tiny.toml", "x.png"].map(String::from)[1..]);
}

#[test]
fn plain_weights_come_back_by_import_and_answer_the_same() {
    let folder = place();
    export(folder.path(), &["--safetensors", "w.safetensors"]).done();
    let mut own = tensors(&folder.path().join("run/best.safetensors"));
    own.retain(|name, _| !name.starts_with("velocity."));
    assert_eq!(tensors(&folder.path().join("w.safetensors")), own);
    let bytes = fs::read(folder.path().join("w.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let texts = header.metadata().clone().unwrap();
    assert_eq!(texts["format"], "pt");
    fs::write(folder.path().join("network.toml"), &texts["network"]).unwrap();
    let classes: Vec<String> = serde_json::from_str(&texts["classes"]).unwrap();
    fs::write(folder.path().join("classes.txt"), classes.join("\n")).unwrap();
    let import = ["import", "w.safetensors", "--model", "network.toml", "--classes-file", "classes.txt"];
    let more = ["--preprocess", "run/preprocess.safetensors", "--out", "again"];
    allcnn(folder.path(), &[&import[..], &more].concat()).done();
    let says = |run| allcnn(folder.path(), &["predict", run, "x.png", "--top", "10", "--json"]).done().json();
    assert_eq!(says("run"), says("again"));
}

#[test]
fn a_hub_folder_is_whole_and_its_card_says_how_to_use_it() {
    let folder = place();
    let told = export(folder.path(), &["--hub", "hub", "--explain", "guided", "--json"]).done().json();
    assert!(told["check"]["explanation_difference"].is_number(), "{told}");
    let hub = folder.path().join("hub");
    let files =
        ["README.md", "classes.txt", "config.json", "model.onnx", "model.safetensors", "network.toml"];
    assert_eq!(names(&hub), [&files[..], &["preprocess.safetensors"]].concat());
    let read = |name: &str| fs::read_to_string(hub.join(name)).unwrap();
    let config: Value = serde_json::from_str(&read("config.json")).unwrap();
    assert_eq!((&config["model"], &config["input"]), (&Value::from("tiny"), &serde_json::json!([32, 32, 3])));
    assert_eq!(config["preprocess"]["mean"].as_array().unwrap().len(), 3);
    let card = read("README.md");
    for part in [
        "license: # fill in",
        "| test error |",
        "`shapes`: 400 images for training, 1000 for testing, 10 classes",
        "session.run([\"probabilities\", \"explanation\"]",
        "allcnn import model.safetensors",
        "Predictor::open",
    ] {
        assert!(card.contains(part), "{part} is missing in {card}");
    }
    // The commands of the card.
    let import = "import model.safetensors --model network.toml --classes-file classes.txt \
                  --preprocess preprocess.safetensors --out ../again";
    assert!(card.contains("--preprocess preprocess.safetensors --out run"), "{card}");
    allcnn(&hub, &import.split_whitespace().collect::<Vec<_>>()).done();
    let says = |run| allcnn(folder.path(), &["predict", run, "x.png", "--json"]).done().json();
    assert_eq!(says("run"), says("again"));
    export(folder.path(), &["--hub", "hub"]).fails(1, &["hub is there and is no empty folder"]);
}

#[test]
fn nothing_that_leaves_holds_a_path_or_the_name_of_a_user() {
    let folder = workspace();
    let secret = folder.path().join("home-of-alice");
    fs::create_dir(&secret).unwrap();
    let data = image_folder(&secret, 12);
    fs::write(secret.join("alices-net.toml"), TINY_NETWORK).unwrap();
    let data = data.to_str().unwrap();
    let model = secret.join("alices-net.toml");
    let train =
        ["train", "--model", model.to_str().unwrap(), "--data", data, "--epochs", "1", "--out", "run"];
    allcnn(folder.path(), &train).done();
    export(folder.path(), &["--onnx", "m.onnx", "--explain", "guided"]).done();
    export(folder.path(), &["--safetensors", "w.safetensors"]).done();
    export(folder.path(), &["--hub", "hub"]).done();
    let hub = names(&folder.path().join("hub")).into_iter().map(|name| format!("hub/{name}"));
    for name in hub.chain(["m.onnx".into(), "w.safetensors".into()]) {
        let bytes = fs::read(folder.path().join(&name)).unwrap();
        for word in ["alice", folder.path().to_str().unwrap()] {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{name} holds {word}");
        }
    }
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let folder = place();
    for (arguments, code, parts) in [
        (&[][..], 2, &["required", "--onnx"][..]),
        (&["--onnx", "m.onnx", "--hub", "hub"], 2, &["--onnx", "cannot be used with", "--hub"]),
        (
            &["--onnx", "m.onnx", "--explain", "gradcam"],
            2,
            &["'gradcam' for '--explain", "guided, backprop, deconvnet"],
        ),
        (&["--onnx", "m.onnx", "--target", "input"], 2, &["required", "--explain"]),
        (&["--safetensors", "w.safetensors", "--raw"], 2, &["--raw", "cannot be used with", "--safetensors"]),
        (&["--html", "p.html", "--explain", "guided"], 2, &["--explain", "cannot be used with", "--html"]),
        (&["--onnx", "m.pb"], 2, &["--onnx m.pb: expected a name that ends in .onnx"]),
        (&["--onnx", "no/m.onnx"], 1, &["cannot write no/m.onnx", "the folder no does not exist"]),
        (&["--hub", "no/hub"], 1, &["cannot write no/hub", "the folder no does not exist"]),
        (&["--hub", "x.png"], 1, &["x.png is there and is no empty folder"]),
    ] {
        export(folder.path(), arguments).fails(code, parts);
    }
    fs::create_dir(folder.path().join("d.onnx")).unwrap();
    export(folder.path(), &["--onnx", "d.onnx"]).fails(1, &["cannot write d.onnx", "directory"]);
    fs::remove_dir(folder.path().join("d.onnx")).unwrap();
    allcnn(folder.path(), &["export", "x.png", "--onnx", "m.onnx"]).fails(1, &["x.png is no run folder"]);
    for name in ["best.safetensors", "last.safetensors"] {
        fs::remove_file(folder.path().join("run").join(name)).unwrap();
    }
    export(folder.path(), &["--onnx", "m.onnx"]).fails(1, &["run holds no weights", "--resume run"]);
    assert_eq!(names(folder.path()), ["run", "tiny.toml", "x.png"]);
}

#[test]
fn fractional_pooling_is_refused_with_a_sentence() {
    let folder = workspace();
    let network = r#"
name = "fractional"
input = [32, 32, 3]
layers = [
  { conv = 4, kernel = 3, stride = 2 },
  { pool = "max", fractional = 1.5 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;
    fs::write(folder.path().join("tiny.toml"), network).unwrap();
    allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1"])).done();
    export(folder.path(), &["--onnx", "m.onnx"])
        .fails(1, &["pool1 is a fractional pooling", "--safetensors writes the weights of any network"]);
    export(folder.path(), &["--safetensors", "w.safetensors"]).done();
    assert!(!folder.path().join("m.onnx").exists());
}

#[test]
fn a_full_disk_leaves_no_half_file() {
    let folder = place();
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), "64k") else {
        eprintln!("skipped: a small file system cannot be mounted here (needs the superuser)");
        return;
    };
    let mut filler = fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    for arguments in
        [["--onnx", "disk/m.onnx"], ["--safetensors", "disk/w.safetensors"], ["--hub", "disk/hub"]]
    {
        export(folder.path(), &arguments).fails(1, &[arguments[1], "No space left on device"]);
    }
    assert_eq!(names(&disk.0), ["filler"]);
}

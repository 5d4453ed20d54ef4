//! Names that lead to pipes, devices and endless files, and files that hold absurd numbers: every command refuses them.
#![cfg(unix)]

use std::fs::{self, File};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Outcome, outcome, picture, signal, start, workspace};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// Runs the program to its end, which comes: what hangs is ended after a minute.
#[track_caller]
fn allcnn(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut child = start(folder, arguments);
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        sleep(Duration::from_millis(5));
    }
    outcome(child)
}

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// A folder with the run of version 0.1.0, a picture and a pipe of every kind.
fn place() -> tempfile::TempDir {
    let folder = workspace();
    copy_run(folder.path());
    picture([9, 9, 200], 0).save(folder.path().join("x.png")).unwrap();
    for name in ["pipe.png", "pipe.toml", "pipe.safetensors", "pipe.txt"] {
        pipe(&folder.path().join(name));
    }
    folder
}

fn copy_run(folder: &Path) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-0.1.0");
    fs::create_dir_all(folder.join("run")).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join("run").join(entry.file_name())).unwrap();
    }
}

/// The weights of a checkpoint, as another program would have them.
fn weights_alone(checkpoint: &Path, to: &Path) {
    let bytes = fs::read(checkpoint).unwrap();
    let mut tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    tensors.retain(|(name, _)| !name.starts_with("velocity."));
    fs::write(to, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

#[test]
fn a_pipe_is_refused_wherever_a_file_is_named() {
    let folder = place();
    let import = ["import", "pipe.safetensors", "--model", "tiny.toml", "--out", "imported"];
    weights_alone(&folder.path().join("run/best.safetensors"), &folder.path().join("weights.safetensors"));
    let good = ["import", "weights.safetensors", "--model", "tiny.toml", "--out", "imported"];
    for arguments in [
        &["train", "--model", "pipe.toml", "--out", "new"][..],
        &["train", "--recipe", "pipe.toml", "--out", "new"],
        &["train", "--data", "pipe.png", "--out", "new"],
        &["models", "pipe.toml"],
        &["bench", "--model", "pipe.toml"],
        &["reproduce", "table3", "--models", "pipe.toml", "--data", "shapes", "--holdout", "10%"],
        &["reproduce", "table3", "--recipe", "pipe.toml", "--data", "shapes"],
        &["data", "info", "pipe.png"],
        &["eval", "run", "--data", "pipe.png"],
        &import,
        &[&good[..], &["--preprocess", "pipe.safetensors"]].concat(),
        &[&good[..], &["--classes-file", "pipe.txt"]].concat(),
    ] {
        allcnn(folder.path(), arguments).fails(1, &["pipe"]);
    }
    for name in ["new", "imported"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    let named = allcnn(folder.path(), &["predict", "run", "pipe.png", "x.png", "--json"]);
    assert_eq!(named.code, Some(1), "{named:#?}");
    assert!(
        named.json()[0]["error"].as_str().unwrap().contains("a pipe, a socket or a device"),
        "{named:#?}"
    );
    assert!(named.json()[1]["predictions"].is_array(), "{named:#?}");
    let explained = allcnn(folder.path(), &["explain", "run", "pipe.png", "--out", "y.png"]);
    assert!(explained.code == Some(1) && explained.stderr.contains("a pipe"), "{explained:#?}");
    let zero = allcnn(folder.path(), &["predict", "run", "/dev/zero", "--json"]);
    assert!(zero.json()[0]["error"].as_str().unwrap().contains("a device"), "{zero:#?}");
}

#[test]
fn a_pipe_in_a_run_folder_is_refused_by_name() {
    let all: [&[&str]; 5] = [
        &["predict", "run", "x.png"],
        &["explain", "run", "x.png", "--out", "y.png"],
        &["features", "run", "--layer", "conv1", "--out", "y.png"],
        &["eval", "run"],
        &["train", "--resume", "run"],
    ];
    let folder = place();
    for (name, commands) in [
        ("best.safetensors", &all[..4]),
        ("last.safetensors", &all[4..]),
        ("preprocess.safetensors", &all[..]),
        ("run.toml", &all[..]),
    ] {
        pipe(&folder.path().join("run").join(name));
        for arguments in commands {
            allcnn(folder.path(), arguments).fails(1, &["run"]);
        }
        fs::remove_dir_all(folder.path().join("run")).unwrap();
        copy_run(folder.path());
    }
}

#[test]
fn a_pipe_in_a_sweep_is_refused_and_never_waited_for() {
    let folder = place();
    let sweep = folder.path().join("sweep");
    let mut arguments = vec!["reproduce", "table3", "--models", "tiny.toml", "--data", "shapes", "--holdout"];
    arguments.extend(["10%", "--limit", "100", "--epochs", "1", "--learning-rates", "0.05", "--recipe"]);
    arguments.extend(["quick", "--out", "sweep"]);
    for (name, shown) in [
        ("plan.toml", "plan.toml"),
        ("claims/tiny-lr0.05-seed0.1", "claims"),
        ("runs/tiny-lr0.05-seed0/result.json", "result.json"),
        ("runs/tiny-lr0.05-seed0/.claims/owner.1", "tiny-lr0.05-seed0"),
    ] {
        let file = sweep.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        pipe(&file);
        allcnn(folder.path(), &arguments).fails(1, &[shown]);
        fs::remove_dir_all(&sweep).unwrap();
    }
}

#[test]
fn a_sweep_that_is_at_its_data_ends_with_the_first_signal() {
    let folder = place();
    // Data that is long to read: many pictures.
    let data = folder.path().join("many");
    for class in ["a", "b"] {
        fs::create_dir_all(data.join("train").join(class)).unwrap();
        fs::create_dir_all(data.join("test").join(class)).unwrap();
        for split in ["train", "test"] {
            picture([9, 9, 200], 0).save(data.join(split).join(class).join("x.png")).unwrap();
        }
    }
    for number in 0..30_000 {
        fs::hard_link(data.join("train/a/x.png"), data.join(format!("train/a/{number}.png"))).unwrap();
    }
    let mut arguments = vec!["reproduce", "table3", "--models", "tiny.toml", "--data", "many"];
    arguments.extend(["--epochs", "1", "--learning-rates", "0.05", "--recipe", "quick", "--out", "sweep"]);
    let mut child = start(folder.path(), &arguments);
    let claim = folder.path().join("sweep/runs/tiny-lr0.05-seed0/.claims/owner.1");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !claim.exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(1));
    }
    signal(&child, Signal::TERM);
    let ended = outcome(child);
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    let run = folder.path().join("sweep/runs/tiny-lr0.05-seed0");
    assert!(!run.join("run.toml").exists(), "it did not wait until the data was read");
}

#[test]
fn files_of_many_gigabytes_are_refused_before_they_are_read() {
    let folder = place();
    for (name, size) in [("huge.toml", 3 << 30), ("huge.jpg", 6 << 30), ("huge.safetensors", 9 << 30)] {
        if File::create(folder.path().join(name)).unwrap().set_len(size).is_err() {
            eprintln!("skipped: no file of {size} bytes can be made here");
            return;
        }
    }
    let shown = |arguments: &[&str], parts: &[&str]| allcnn(folder.path(), arguments).fails(1, parts);
    shown(&["train", "--model", "huge.toml", "--out", "new"], &["huge.toml", "larger than 4 MiB"]);
    shown(&["train", "--recipe", "huge.toml", "--out", "new"], &["huge.toml", "larger than 4 MiB"]);
    let import = ["import", "huge.safetensors", "--model", "tiny.toml", "--out", "new"];
    shown(&import, &["huge.safetensors", "larger than 8 GiB"]);
    let named = allcnn(folder.path(), &["predict", "run", "huge.jpg", "--json"]);
    assert!(named.json()[0]["error"].as_str().unwrap().contains("larger than 1 GiB"), "{named:#?}");
}

/// Changes the first value of a tensor in a file, in place.
fn set_value(file: &Path, tensor: &str, value: f32) {
    let bytes = fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let changed: Vec<(String, Vec<u8>)> = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let mut data = view.data().to_vec();
            if name == tensor {
                data[..4].copy_from_slice(&value.to_le_bytes());
            }
            (name, data)
        })
        .collect();
    let views = changed.iter().map(|(name, data)| {
        let view = tensors.tensor(name).unwrap();
        (name, TensorView::new(view.dtype(), view.shape().to_vec(), data).unwrap())
    });
    fs::write(file, safetensors::serialize(views, header.metadata().clone()).unwrap()).unwrap();
}

#[test]
fn numbers_that_no_training_leaves_are_refused_by_name() {
    let folder = place();
    let run = folder.path().join("run");
    let predict: &[&str] = &["predict", "run", "x.png"];
    let resume: &[&str] = &["train", "--resume", "run"];
    for (file, tensor, value, command, parts) in [
        (
            "best.safetensors",
            "conv1.weight",
            f32::NAN,
            predict,
            ["best.safetensors", "conv1.weight holds NaN"],
        ),
        ("best.safetensors", "conv2.bias", 1e30, predict, ["best.safetensors", "conv2.bias holds 1e30"]),
        (
            "last.safetensors",
            "velocity.conv1.bias",
            f32::INFINITY,
            resume,
            ["last.safetensors", "conv1.bias holds inf"],
        ),
        ("preprocess.safetensors", "std", 1e-45, predict, ["preprocess.safetensors", "`std` holds 1e-45"]),
        ("preprocess.safetensors", "mean", f32::NAN, predict, ["preprocess.safetensors", "`mean` holds NaN"]),
    ] {
        set_value(&run.join(file), tensor, value);
        allcnn(folder.path(), command).fails(1, &parts);
        copy_run(folder.path());
    }
    // Values that are in range each, and whose products are not.
    for tensor in ["conv1.weight", "conv2.weight", "conv3.weight", "conv1.bias", "conv2.bias", "conv3.bias"] {
        set_value(&run.join("best.safetensors"), tensor, 9e14);
    }
    let answer = allcnn(folder.path(), predict);
    assert!(!answer.stdout.contains("NaN"), "{answer:#?}");
    let import = ["import", "run/best.safetensors", "--model", "tiny.toml", "--out", "new", "--preprocess"];
    let wrong = allcnn(folder.path(), &[&import[..], &["0,0,0/1,1,1e-45"]].concat());
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
}

#[test]
fn settings_that_no_training_has_are_refused_by_name() {
    let folder = place();
    let manifest = folder.path().join("run/run.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let batch = text.lines().find(|line| line.starts_with("batch = ")).unwrap();
    let long = format!("name = \"{}\"", "x".repeat(1_000_000));
    for (from, to, part) in [
        (batch, "batch = 0", "batch is 0, expected 1 to"),
        ("epoch_steps = 13", "epoch_steps = 0", "epoch_steps = 0"),
        ("conv = 8, kernel = 3, stride = 2 }", "conv = 8 }", "its network: "),
        ("conv = 8, kernel = 3, stride = 2 }", "conv = 9, kernel = 3, stride = 2 }", "they differ"),
        ("name = \"tiny\"", long.as_str(), "they differ"),
        ("[data]", "[datum]", "datum"),
    ] {
        fs::write(&manifest, text.replace(from, to)).unwrap();
        for command in [&["predict", "run", "x.png"][..], &["eval", "run"], &["train", "--resume", "run"]] {
            let refused = allcnn(folder.path(), command);
            refused.fails(1, &["run", part]);
            assert!(refused.stderr.len() < 2000, "an error fits on a screen: {} bytes", refused.stderr.len());
        }
    }
}

#[test]
fn plans_and_networks_beyond_all_measure_are_refused_at_once() {
    let folder = place();
    let arguments =
        ["reproduce", "table3", "--data", "shapes", "--holdout", "10%", "--recipe", "quick", "--out"];
    let begin =
        [&arguments[..], &["sweep", "--models", "tiny.toml", "--limit", "64", "--epochs", "1"]].concat();
    allcnn(folder.path(), &[&begin[..], &["--learning-rates", "0.05"]].concat()).done();
    let plan = folder.path().join("sweep/plan.toml");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("seeds = 1", "seeds = 9223372036854775807")).unwrap();
    let status = ["reproduce", "table3", "--out", "sweep", "--status"];
    allcnn(folder.path(), &status).fails(1, &["plan.toml", "9223372036854775807 seeds", "at most 10000"]);
    let deep = |layers: usize| {
        let layer = "  { conv = 1, kernel = 1 },\n".repeat(layers);
        let text = format!(
            "name = \"deep\"\ninput = [4, 4, 3]\nlayers = [\n{layer}  {{ conv = \"classes\", kernel = 1 }},\n  {{ global_average = true }},\n]\n"
        );
        fs::write(folder.path().join("deep.toml"), text).unwrap();
    };
    deep(16_382);
    crate::support::allcnn(folder.path(), &["models", "deep.toml", "--json"]).done(); // it says more than a pipe holds
    deep(16_383);
    allcnn(folder.path(), &["models", "deep.toml"]).fails(1, &["16385 layers", "at most 16384"]);
}

//! `--device cuda`: what is said where there is none, and whole commands on the emulated GPU of allcnn-cuda's tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Outcome, allcnn, command, finish, train_arguments, workspace};

/// The folder of the emulated GPU's libraries, or nothing (visibly).
fn emulated_gpu(test: &str) -> Option<PathBuf> {
    if Command::new("g++").arg("--version").output().is_err() {
        eprintln!("SKIPPED {test}: no g++");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulated-gpu");
    static BUILT: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../allcnn-cuda/tests/emulator/build.sh");
    let built = BUILT.get_or_init(|| Command::new(build).arg(&folder).status().unwrap().success());
    assert!(built, "the emulator does not build");
    Some(folder)
}

/// Runs the program with the libraries of a folder.
fn with_libraries(folder: &Path, libraries: &Path, arguments: &[&str]) -> Outcome {
    finish(command(folder, arguments).env("ALLCNN_CUDA_LIBS", libraries))
}

#[test]
fn without_a_gpu_it_says_what_to_install_and_auto_takes_the_cpu() {
    if allcnn_cuda::Cuda::count() > 0 {
        eprintln!("SKIPPED without_a_gpu_it_says_what_to_install_and_auto_takes_the_cpu: there is a GPU");
        return;
    }
    let folder = workspace();
    for device in ["cuda", "cuda:3"] {
        let arguments = train_arguments("run", &["--device", device]);
        allcnn(folder.path(), &arguments).fails(1, &["the CUDA device needs", "--device cpu"]);
        assert!(!folder.path().join("run").exists(), "nothing is begun");
    }
    let bench =
        ["bench", "--model", "tiny.toml", "--batch", "1", "--what", "infer", "--json", "--device", "auto"];
    let device = allcnn(folder.path(), &bench).done().json()["device"].as_str().unwrap().to_owned();
    assert!(device.starts_with("CPU"), "{device}");
}

#[test]
fn a_training_goes_on_across_devices() {
    let Some(gpu) = emulated_gpu("a_training_goes_on_across_devices") else { return };
    let folder = workspace();
    let run = |arguments: &[&str]| with_libraries(folder.path(), &gpu, arguments);
    let train = ["--limit", "96", "--epochs", "2", "--json", "--device", "cuda"];
    let trained = run(&train_arguments("run", &train)).done().json();
    assert_eq!(trained["epochs"], 2);
    // The CPU finishes what the GPU began, and the other way round.
    for (out, first, second) in [("there", "cuda:0", "cpu"), ("back", "cpu", "cuda:0")] {
        let more = ["--limit", "96", "--epochs", "2", "--time-limit", "1s", "--json", "--device", first];
        run(&train_arguments(out, &more)).done();
        let resumed = run(&["train", "--resume", out, "--json", "--device", second]).done().json();
        assert_eq!(resumed["epochs"], 2, "{resumed}");
    }
    let evaluated = |device: &str| {
        run(&["eval", "run", "--json", "--device", device]).done().json()["loss"].as_f64().unwrap()
    };
    let (cuda, cpu) = (evaluated("cuda"), evaluated("cpu"));
    assert!((cuda - cpu).abs() < 1e-3 * cpu, "the loss is {cuda} on the GPU and {cpu} on the CPU");
}

#[test]
fn settings_that_make_no_sense_are_told() {
    let Some(gpu) = emulated_gpu("settings_that_make_no_sense_are_told") else { return };
    let folder = workspace();
    let run = |device, tf32| {
        let arguments = train_arguments("run", &["--device", device]);
        finish(command(folder.path(), &arguments).env("ALLCNN_CUDA_LIBS", &gpu).env("ALLCNN_CUDA_TF32", tf32))
    };
    run("cuda:7", "1").fails(1, &["no GPU 7", "knows 1"]);
    run("cuda", "maybe").fails(1, &["ALLCNN_CUDA_TF32", "'maybe'", "0 or 1"]);
}

//! What the end-to-end tests share: running the program, small networks and pictures, comparing weights.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use safetensors::SafeTensors;
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// A network small enough to train in a moment.
pub(crate) const TINY_NETWORK: &str = r#"
name = "tiny"
input = [32, 32, 3]
layers = [
  { conv = 8, kernel = 3, stride = 2 },
  { conv = 8, kernel = 3, stride = 2, dropout = 0.2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Asserts success.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Asserts an exit code and an error of one to three lines that holds all of `parts`.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let start = self.stderr.rfind("error: ").unwrap_or_else(|| panic!("no error: {self:#?}"));
        let error = &self.stderr[start..];
        for part in parts {
            assert!(error.contains(part), "expected '{part}' in: {self:#?}");
        }
        assert!(error.lines().count() <= 3, "an error takes at most three lines: {self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        assert_eq!(self.stdout, "", "nothing is printed as a result");
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Names the emulator by which cargo, and so a test, runs a program for ARM on another machine.
const ARM_RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";

/// Gives programs that this one starts the default actions of the signals that it was itself started to ignore: SIGHUP
/// by `nohup`, SIGINT by a shell in the background. A child inherits that a signal is ignored, but never a handler, so an
/// idle handler is enough.
fn reset_ignored_signals() {
    static RESET: Once = Once::new();
    RESET.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        for signal in
            [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored & (1 << (signal - 1)) != 0)
        {
            flag::register(signal, Arc::default()).unwrap();
        }
    });
}

/// The program, by an emulator where it needs one.
fn program() -> Command {
    reset_ignored_signals();
    let path = env!("CARGO_BIN_EXE_allcnn");
    let Some(runner) = std::env::var(ARM_RUNNER).ok().filter(|_| cfg!(target_arch = "aarch64")) else {
        return Command::new(path);
    };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(path);
    command
}

/// The program with its arguments in `folder`, begun by `script` of the shell, in which `"$@"` stands for it.
pub(crate) fn by_shell(script: &str, folder: &Path, arguments: &[&str]) -> Command {
    let program = command(folder, arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
    shell.current_dir(folder).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Whether the program is run by an emulator, which needs memory of its own.
pub(crate) fn emulated(test: &str) -> bool {
    let emulated = program().get_program() != env!("CARGO_BIN_EXE_allcnn");
    if emulated {
        eprintln!("{test}: SKIPPED: the program is emulated");
    }
    emulated
}

/// The program with its arguments, in `folder`, with a cache of its own.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("ALLCNN_DATA")
        .env_remove("ALLCNN_DATA_URL")
        .stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn allcnn(folder: &Path, arguments: &[&str]) -> Outcome {
    finish(&mut command(folder, arguments))
}

/// Runs a prepared command to its end.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Starts the program and leaves it running.
pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of a started program.
pub(crate) fn outcome(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal as a terminal or a supervisor does.
pub(crate) fn signal(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until the run has a checkpoint, so that the training is under way.
pub(crate) fn wait_for_checkpoint(run: &Path, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !run.join("last.safetensors").exists() {
        assert!(Instant::now() < deadline, "no checkpoint after a minute");
        assert!(child.try_wait().unwrap().is_none(), "the training ended before a checkpoint");
        sleep(Duration::from_millis(2));
    }
}

/// An empty folder for a test.
pub(crate) fn workspace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY_NETWORK).unwrap();
    folder
}

/// A short training of the tiny network on the embedded data into `out`, with more arguments.
pub(crate) fn train_arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--model", "tiny.toml", "--batch", "32", "--out", out];
    arguments.extend(more);
    arguments
}

/// A picture of one color with a little texture.
pub(crate) fn picture(color: [u8; 3], salt: u8) -> image::RgbImage {
    image::RgbImage::from_fn(32, 32, |x, y| {
        let texture = (x * 7 + y * 13) as u8 % 32;
        image::Rgb(color.map(|value| value.wrapping_add(texture).wrapping_add(salt)))
    })
}

/// An image folder with classes `blue` and `red`, `images` pictures each.
pub(crate) fn image_folder(folder: &Path, images: u8) -> PathBuf {
    let data = folder.join("pictures");
    for (class, color) in [("blue", [10, 20, 180]), ("red", [190, 20, 10])] {
        fs::create_dir_all(data.join(class)).unwrap();
        for number in 0..images {
            picture(color, number).save(data.join(class).join(format!("{number:03}.png"))).unwrap();
        }
    }
    data
}

/// The tensors of a checkpoint: shape and bytes by name. Panics when the file is not whole.
pub(crate) fn tensors(checkpoint: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(checkpoint).unwrap_or_else(|error| panic!("{}: {error}", checkpoint.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors()
        .into_iter()
        .map(|(name, tensor)| (name, (tensor.shape().to_vec(), tensor.data().to_vec())))
        .collect()
}

/// Asserts that two runs ended with the same weights and velocities to the bit.
#[track_caller]
pub(crate) fn assert_same_weights(one: &Path, other: &Path) {
    let (one, other) = (tensors(&one.join("last.safetensors")), tensors(&other.join("last.safetensors")));
    assert!(one.keys().eq(other.keys()), "{:?} {:?}", one.keys(), other.keys());
    for (name, tensor) in &one {
        assert!(tensor == &other[name], "{name} differs");
    }
    assert!(one.contains_key("conv1.weight"));
}

/// The keys of a JSON object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A small file system of its own that goes away with the value.
pub(crate) struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// Mounts one of `size` at `path`; only the superuser can.
    pub(crate) fn mount(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let option = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(path.to_owned()))
    }

    /// Makes room.
    pub(crate) fn grow(&self, size: &str) {
        let option = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &option]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

//! Whatever becomes of standard output and standard error, the work is done: messages are never worth it, and a
//! result that cannot be written is a failure told by exit code.

use std::fs::{self, File};
use std::io::{self, PipeWriter, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{
    Outcome, allcnn, assert_same_weights, by_shell, command, finish, image_folder, train_arguments, workspace,
};

const TRAINING: &[&str] = &["--data", "pictures", "--epochs", "2"];

/// A folder with a run, and with pictures of which one cannot be read, so that every command has something to say.
fn with_run() -> tempfile::TempDir {
    let folder = workspace();
    let data = image_folder(folder.path(), 40);
    fs::write(data.join("red/text.jpg"), "just words").unwrap();
    allcnn(folder.path(), &train_arguments("run", TRAINING)).done();
    folder
}

/// Every command that shows a result, each with its exit code; they leave the same in a folder each time.
fn commands() -> Vec<(i32, Vec<&'static str>)> {
    vec![
        (0, vec![]),
        (0, vec!["--help"]),
        (0, vec!["train", "--help"]),
        (0, vec!["--version"]),
        (0, vec!["models"]),
        (0, vec!["models", "tiny.toml", "--json"]),
        (0, vec!["eval", "run"]),
        (0, vec!["eval", "run", "--json"]),
        (1, vec!["predict", "run", "pictures", "--top", "2"]),
        (1, vec!["predict", "run", "pictures", "--json"]),
        (1, vec!["explain", "run", "pictures/red/text.jpg", "pictures/red/001.png"]),
        (0, vec!["features", "run", "--layer", "conv2", "--patches", "2"]),
        (0, vec!["reproduce", "fig3", "--run", "run", "--patches", "2"]),
        (
            0,
            vec![
                "reproduce",
                "table3",
                "--models",
                "tiny.toml",
                "--data",
                "pictures",
                "--holdout",
                "10%",
                "--recipe",
                "quick",
                "--epochs",
                "1",
                "--learning-rates",
                "0.05",
                "--out",
                "sweep",
            ],
        ),
        (0, vec!["data", "info", "pictures"]),
        (1, vec!["data", "verify", "pictures"]),
        (0, vec!["data", "convert", "pictures", "--to", "pictures.tar", "--force"]),
        (
            0,
            vec![
                "bench",
                "--model",
                "tiny.toml",
                "--batch",
                "2",
                "--repeat",
                "1",
                "--what",
                "infer",
                "--verbose",
            ],
        ),
    ]
}

/// A pipe whose reader has gone.
fn closed_pipe() -> PipeWriter {
    io::pipe().unwrap().1
}

/// The device that is always full; where there is none the test says so.
fn full() -> Option<File> {
    let full = File::options().write(true).open("/dev/full");
    if full.is_err() {
        eprintln!("skipped: this system has no /dev/full");
    }
    full.ok()
}

/// Asserts that the program neither broke nor ended by a signal.
#[track_caller]
fn assert_quiet(arguments: &[&str], outcome: &Outcome) {
    for word in ["panicked", "internal error", "standard output", "Broken pipe"] {
        assert!(!outcome.stderr.contains(word), "{arguments:?}: {outcome:#?}");
    }
}

#[test]
fn every_command_does_its_work_where_messages_have_no_place() {
    let folder = with_run();
    for (code, arguments) in commands() {
        let usual = allcnn(folder.path(), &arguments);
        assert_eq!(usual.code, Some(code), "{arguments:?}: {usual:#?}");
        let mut places = vec![Stdio::from(closed_pipe())];
        places.extend(full().map(Stdio::from));
        for place in places {
            let unheard = finish(command(folder.path(), &arguments).stderr(place));
            assert_eq!(unheard.code, Some(code), "{arguments:?}: {unheard:#?}");
            if arguments.first() != Some(&"bench") {
                assert_eq!(unheard.stdout, usual.stdout, "{arguments:?}");
            }
        }
    }
}

#[test]
fn errors_keep_their_exit_code_where_nobody_hears_them() {
    let folder = workspace();
    for (code, arguments) in
        [(1, ["eval", "nothing"]), (2, ["train", "--no-such-flag"]), (2, ["models", "none"])]
    {
        let unheard = finish(command(folder.path(), &arguments).stderr(closed_pipe()));
        assert_eq!(unheard.code, Some(code), "{arguments:?}: {unheard:#?}");
    }
}

#[test]
fn a_reader_that_wants_no_more_ends_every_command_quietly_and_whole() {
    let folder = with_run();
    for (code, arguments) in commands() {
        let unread = finish(command(folder.path(), &arguments).stdout(closed_pipe()));
        assert_eq!(unread.code, Some(code), "{arguments:?}: {unread:#?}");
        assert_quiet(&arguments, &unread);
    }
    let figures = fs::read_dir(folder.path().join("figures")).unwrap().count();
    allcnn(folder.path(), &["reproduce", "fig3", "--run", "run", "--patches", "2", "--out", "again"]).done();
    assert_eq!(figures, fs::read_dir(folder.path().join("again")).unwrap().count(), "every figure is there");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let folder = with_run();
    for (_, arguments) in commands() {
        let Some(full) = full() else { return };
        let unwritten = finish(command(folder.path(), &arguments).stdout(full));
        unwritten.fails(1, &["cannot write to standard output"]);
    }
}

/// Runs a training into `out` with its streams as `streams` sets them, and asserts that it is as whole as `run`.
#[track_caller]
fn trains_whole(
    folder: &Path,
    out: &str,
    code: i32,
    streams: impl FnOnce(&mut Command) -> &mut Command,
) -> Outcome {
    let trained = finish(streams(&mut command(folder, &train_arguments(out, TRAINING))));
    assert_eq!(trained.code, Some(code), "{trained:#?}");
    assert_whole(folder, out);
    trained
}

/// Asserts that a run has the weights of `run` and its report.
#[track_caller]
fn assert_whole(folder: &Path, out: &str) {
    assert_same_weights(&folder.join("run"), &folder.join(out));
    assert!(folder.join(out).join("report.html").exists(), "{out} has no report");
}

#[test]
fn a_training_runs_to_its_end_without_any_stream() {
    let folder = with_run();
    let folder = folder.path();
    trains_whole(folder, "pipes", 0, |command| command.stdout(closed_pipe()).stderr(closed_pipe()));
    if let (Some(one), Some(other)) = (full(), full()) {
        let told = trains_whole(folder, "unwritten", 1, |command| command.stdout(one));
        told.fails(1, &["the training is saved in unwritten", "standard output"]);
        trains_whole(folder, "full", 1, |command| command.stdout(other.try_clone().unwrap()).stderr(other));
    }
    let closed = train_arguments("closed", TRAINING);
    assert_eq!(finish(&mut by_shell("exec \"$@\" >&- 2>&- <&-", folder, &closed)).code, Some(0));
    assert_whole(folder, "closed");
}

#[test]
fn a_training_whose_standard_error_closes_midway_runs_to_its_end() {
    let folder = workspace();
    let arguments = |out| train_arguments(out, &["--limit", "1500", "--epochs", "8"]);
    allcnn(folder.path(), &arguments("run")).done();
    let (mut heard, said) = io::pipe().unwrap();
    let mut child =
        command(folder.path(), &arguments("deaf")).stdout(Stdio::null()).stderr(said).spawn().unwrap();
    heard.read_exact(&mut [0; 8]).unwrap();
    drop(heard);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_whole(folder.path(), "deaf");
}

/// A bar is drawn into a terminal, which then goes away.
#[cfg(target_os = "linux")]
#[test]
fn a_training_whose_terminal_goes_away_runs_to_its_end() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let folder = workspace();
    let arguments = |out| train_arguments(out, &["--limit", "1500", "--epochs", "8"]);
    allcnn(folder.path(), &arguments("run")).done();
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let end = ioctl_tiocgptpeer(&terminal, flags).unwrap();
    let mut child =
        command(folder.path(), &arguments("alone")).stdout(Stdio::null()).stderr(end).spawn().unwrap();
    File::from(terminal).read_exact(&mut [0; 8]).unwrap(); // the terminal closes here
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_whole(folder.path(), "alone");
}

//! Signals: the first one saves and stops whatever saves, the second one ends it at once.

use std::io::{self, PipeWriter, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{
    allcnn, assert_same_weights, by_shell, command, image_folder, outcome, signal, start, train_arguments,
    wait_for_checkpoint, workspace,
};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

const TRAINING: &[&str] = &["--limit", "1500", "--epochs", "8"];
/// A sweep of one training.
const SWEEP: &[&str] = &[
    "reproduce",
    "table3",
    "--models",
    "tiny.toml",
    "--data",
    "shapes",
    "--holdout",
    "10%",
    "--limit",
    "1500",
    "--epochs",
    "8",
    "--learning-rates",
    "0.05",
    "--recipe",
    "quick",
    "--out",
];

/// The signals that end a program unless it listens.
const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1];

#[test]
fn every_signal_to_end_saves_a_training() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("whole", TRAINING)).done();
    for sent in ENDING {
        let out = format!("stopped-{}", sent.as_raw());
        let run = folder.path().join(&out);
        let mut child = start(folder.path(), &train_arguments(&out, TRAINING));
        wait_for_checkpoint(&run, &mut child);
        signal(&child, sent);
        let stopped = outcome(child);
        assert_eq!(stopped.code, Some(130), "{sent:?}: {stopped:#?}");
        assert!(stopped.stderr.contains("everything is saved"), "{sent:?}: {stopped:#?}");
        allcnn(folder.path(), &["train", "--resume", &out]).done();
        assert_same_weights(&folder.path().join("whole"), &run);
    }
}

#[test]
fn every_signal_to_end_saves_a_sweep() {
    let folder = workspace();
    for sent in ENDING {
        let out = format!("sweep-{}", sent.as_raw());
        let arguments = [SWEEP, &[out.as_str()]].concat();
        let mut child = start(folder.path(), &arguments);
        wait_for_checkpoint(&folder.path().join(&out).join("runs/tiny-lr0.05-seed0"), &mut child);
        signal(&child, sent);
        let stopped = outcome(child);
        assert_eq!(stopped.code, Some(130), "{sent:?}: {stopped:#?}");
        assert!(stopped.stderr.contains("everything is saved"), "{sent:?}: {stopped:#?}");
        let rest = allcnn(folder.path(), &arguments).done();
        assert!(rest.stderr.contains("goes on"), "{sent:?}: {rest:#?}");
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    // `timeout` and a terminal that closes send it so.
    let folder = workspace();
    for sent in ENDING {
        let out = format!("stopped-{}", sent.as_raw());
        let mut child = start(folder.path(), &train_arguments(&out, TRAINING));
        wait_for_checkpoint(&folder.path().join(&out), &mut child);
        signal(&child, sent);
        sleep(Duration::from_millis(1)); // else the system makes one of them
        signal(&child, sent);
        let stopped = outcome(child);
        assert_eq!(stopped.code, Some(130), "{sent:?}: {stopped:#?}");
        assert!(stopped.stderr.contains("everything is saved"), "{sent:?}: {stopped:#?}");
    }
}

/// Fills a pipe that nobody reads, so that whoever writes into it waits for ever.
fn fill(mut pipe: &PipeWriter) {
    let flags = fcntl_getfl(pipe).unwrap();
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'.'; 512]).is_ok() {}
    while pipe.write(b".").is_ok() {}
    fcntl_setfl(pipe, flags).unwrap();
}

#[test]
fn a_second_signal_ends_at_once_what_does_not_come_to_its_end() {
    let folder = workspace();
    for (place, second) in ENDING.into_iter().enumerate() {
        let (first, out) = (ENDING[(place + 1) % 3], format!("stuck-{}", second.as_raw()));
        let (unread, pipe) = io::pipe().unwrap();
        let mut stuck = command(folder.path(), &train_arguments(&out, TRAINING));
        let mut child = stuck.stdout(Stdio::null()).stderr(pipe.try_clone().unwrap()).spawn().unwrap();
        wait_for_checkpoint(&folder.path().join(&out), &mut child);
        fill(&pipe);
        signal(&child, first);
        sleep(Duration::from_millis(800));
        assert!(child.try_wait().unwrap().is_none(), "it waits to tell that it has saved");
        signal(&child, second);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{first:?}, {second:?}");
        drop(unread);
    }
}

/// The program as `nohup` starts it: with SIGHUP ignored.
fn without_hangup(folder: &Path, arguments: &[&str]) -> Child {
    let mut shell = by_shell("trap '' HUP; exec \"$@\"", folder, arguments);
    shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_training_that_was_started_with_nohup_outlives_its_terminal() {
    let folder = workspace();
    let mut child = without_hangup(folder.path(), &train_arguments("run", TRAINING));
    wait_for_checkpoint(&folder.path().join("run"), &mut child);
    for _ in 0..2 {
        signal(&child, Signal::HUP);
        sleep(Duration::from_millis(5));
    }
    let trained = outcome(child).done();
    assert!(!trained.stderr.contains("interrupted"), "{trained:#?}");
    // The other signals still do what they do.
    let mut child = without_hangup(folder.path(), &train_arguments("stopped", TRAINING));
    wait_for_checkpoint(&folder.path().join("stopped"), &mut child);
    signal(&child, Signal::TERM);
    assert_eq!(outcome(child).code, Some(130));
}

#[test]
fn an_interrupted_training_says_so_where_standard_output_is_gone() {
    let folder = workspace();
    image_folder(folder.path(), 2);
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        eprintln!("skipped: this system has no /dev/full");
        return;
    };
    let mut training = command(folder.path(), &train_arguments("run", TRAINING));
    let mut child = training.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_checkpoint(&folder.path().join("run"), &mut child);
    signal(&child, Signal::HUP);
    let stopped = outcome(child);
    assert_eq!(stopped.code, Some(130), "{stopped:#?}");
    assert!(stopped.stderr.contains("cannot write to standard output"), "{stopped:#?}");
}

//! Interrupted, killed and resumed trainings end as one that was never stopped, to the bit.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::{
    allcnn, assert_same_weights, outcome, signal, start, train_arguments, wait_for_checkpoint, workspace,
};
use rustix::process::Signal;

const TRAINING: &[&str] = &["--limit", "1500", "--epochs", "8"];

/// How long a whole training takes here.
fn reference(folder: &Path) -> Duration {
    let begin = Instant::now();
    allcnn(folder, &train_arguments("whole", TRAINING)).done();
    begin.elapsed()
}

#[test]
fn ctrl_c_saves_and_the_resumed_run_is_the_same() {
    let folder = workspace();
    reference(folder.path());
    for (out, sent) in [("stopped", Signal::INT), ("terminated", Signal::TERM)] {
        let run = folder.path().join(out);
        let mut child = start(folder.path(), &train_arguments(out, TRAINING));
        wait_for_checkpoint(&run, &mut child);
        signal(&child, sent);
        let stopped = outcome(child);
        assert_eq!(stopped.code, Some(130), "{stopped:?}");
        assert!(stopped.stderr.contains("--resume"), "it says how to go on: {stopped:?}");
        allcnn(folder.path(), &["train", "--resume", out]).done();
        assert_same_weights(&folder.path().join("whole"), &run);
    }
    allcnn(folder.path(), &["eval", "stopped", "--json"]).done();
}

#[test]
fn killed_at_random_moments_and_resumed_it_is_the_same() {
    let folder = workspace();
    let whole = reference(folder.path());
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let (out, mut kills) = ("killed", 0);
    let run = folder.path().join(out);
    for _ in 0..12 {
        let resumable = run.join("run.toml").exists();
        let again = ["train", "--resume", out];
        let first = train_arguments(out, TRAINING);
        let mut child = start(folder.path(), if resumable { &again } else { &first });
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let delay = whole.mul_f64(f64::from(random) / f64::from(u32::MAX) * 0.6);
        sleep(delay);
        if child.try_wait().unwrap().is_some() {
            outcome(child);
            break;
        }
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        kills += 1;
        eprintln!("killed after {delay:?}");
    }
    assert!(kills > 0, "it was never killed");
    allcnn(folder.path(), &["train", "--resume", out]).done();
    assert_same_weights(&folder.path().join("whole"), &run);
}

#[test]
fn a_time_limit_chooses_the_length_of_the_training() {
    let folder = workspace();
    let begin = Instant::now();
    let limited = allcnn(
        folder.path(),
        &train_arguments("limited", &["--limit", "2000", "--time-limit", "2s", "--json"]),
    );
    assert!(begin.elapsed() < Duration::from_secs(60), "{limited:?}");
    assert!(limited.done().json()["train_loss"].as_f64().unwrap().is_finite());
    assert!(folder.path().join("limited/report.html").exists(), "the training is finished");
}

#[test]
fn a_time_limit_on_given_epochs_stops_and_saves() {
    let folder = workspace();
    let long = ["--limit", "2000", "--epochs", "1000000", "--time-limit", "1s", "--json"];
    let limited = allcnn(folder.path(), &train_arguments("limited", &long)).done();
    assert!(limited.json()["epochs"].as_u64().unwrap() < 1_000_000);
    assert!(limited.stderr.contains("--resume limited"), "{limited:?}");
    assert!(folder.path().join("limited/last.safetensors").exists());
}

#[test]
fn a_finished_run_has_nothing_to_resume() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("done", &["--limit", "64", "--epochs", "1"])).done();
    let again = allcnn(folder.path(), &["train", "--resume", "done"]);
    assert!(again.code == Some(0) && again.stderr.contains("finished"), "{again:?}");
}

//! Interrupted, killed and resumed trainings end as one that was never stopped, to the bit.

mod support;

use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use support::{allcnn, assert_same_weights, outcome, signal, start, train_arguments, workspace};

const TRAINING: &[&str] = &["--limit", "1500", "--epochs", "8"];

/// How long a whole training takes here.
fn reference(folder: &Path) -> Duration {
    let begin = Instant::now();
    allcnn(folder, &train_arguments("whole", TRAINING)).done();
    begin.elapsed()
}

/// Waits until the run has a checkpoint, so that the training is under way.
fn wait_for_checkpoint(run: &Path, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !run.join("last.safetensors").exists() {
        assert!(Instant::now() < deadline, "no checkpoint after a minute");
        assert!(child.try_wait().unwrap().is_none(), "the training ended before a checkpoint");
        sleep(Duration::from_millis(2));
    }
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
fn a_time_limit_saves_and_is_resumed() {
    let folder = workspace();
    let long = ["--limit", "3000", "--epochs", "1000000", "--time-limit", "1s", "--json"];
    let begin = Instant::now();
    let limited = allcnn(folder.path(), &train_arguments("limited", &long)).done();
    assert!(begin.elapsed() < Duration::from_secs(60), "{limited:?}");
    assert!(limited.json()["epochs"].as_u64().unwrap() < 1_000_000);
    assert!(folder.path().join("limited/last.safetensors").exists());
    assert!(folder.path().join("limited/report.html").exists());
}

#[test]
fn a_finished_run_has_nothing_to_resume() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("done", &["--limit", "64", "--epochs", "1"])).done();
    let again = allcnn(folder.path(), &["train", "--resume", "done"]);
    assert!(again.code == Some(0) && again.stderr.contains("finished"), "{again:?}");
}

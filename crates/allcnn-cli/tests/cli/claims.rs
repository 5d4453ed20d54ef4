//! Several processes at one run: one owns it, the others are told, and nothing that one wrote is lost.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{
    SmallDisk, allcnn, assert_same_weights, outcome, picture, signal, start, train_arguments,
    wait_for_checkpoint, workspace,
};
use rustix::process::Signal;

const TRAINING: &[&str] = &["--limit", "1500", "--epochs", "8"];
/// It ends when it is told to.
const LONG: &[&str] = &["--limit", "1500", "--epochs", "100000"];

/// Waits until a file is there.
fn wait_for(file: &Path, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < deadline, "no {} after a minute", file.display());
        assert!(child.try_wait().unwrap().is_none(), "it ended before {}", file.display());
        sleep(Duration::from_millis(2));
    }
}

/// The files of a folder and below.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// What a run is: without the claims and what is being written.
fn contents(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let hidden = |path: &Path| path.strip_prefix(run).unwrap().to_string_lossy().starts_with('.');
    files(run).into_iter().filter(|(path, _)| !hidden(path)).collect()
}

/// A training that ends with the test at the latest.
struct Training(Option<Child>);

impl Training {
    fn begin(folder: &Path, arguments: &[&str]) -> Self {
        Self(Some(start(folder, arguments)))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Has it save and end.
    #[track_caller]
    fn end(mut self) {
        let child = self.0.take().unwrap();
        signal(&child, Signal::TERM);
        let stopped = outcome(child);
        assert_eq!(stopped.code, Some(130), "{stopped:#?}");
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_second_training_in_a_folder_is_told_who_is_there() {
    let folder = workspace();
    let mut first = Training::begin(folder.path(), &train_arguments("run", LONG));
    wait_for_checkpoint(&folder.path().join("run"), first.child());
    let who = format!("process {}", first.child().id());
    let parts = ["run is being written by", who.as_str(), " since 20", "let it end", "another folder"];
    allcnn(folder.path(), &train_arguments("run", LONG)).fails(1, &parts);
    allcnn(folder.path(), &["train", "--resume", "run"]).fails(1, &parts);
    allcnn(folder.path(), &["import", "x.pt", "--model", "tiny.toml", "--out", "run"]).fails(1, &parts);
    allcnn(folder.path(), &["eval", "run"]).done();
    first.end();
    allcnn(folder.path(), &train_arguments("run", LONG)).fails(1, &["run already holds a run"]);
}

#[test]
fn of_two_that_go_on_with_a_run_one_does() {
    let folder = workspace();
    let run = folder.path().join("run");
    let mut first = Training::begin(folder.path(), &train_arguments("run", LONG));
    wait_for_checkpoint(&run, first.child());
    first.end();
    let mut second = Training::begin(folder.path(), &["train", "--resume", "run"]);
    wait_for(&run.join(".claims/owner.2"), second.child());
    allcnn(folder.path(), &["train", "--resume", "run"]).fails(1, &["run is being written by"]);
    wait_for_listening(&run, second.child());
    second.end();
    let mut third = Training::begin(folder.path(), &["train", "--resume", "run"]);
    wait_for(&run.join(".claims/owner.3"), third.child());
}

/// Waits until a training that goes on has made another epoch: then it listens to signals.
fn wait_for_listening(run: &Path, child: &mut Child) {
    let rows = || fs::read_to_string(run.join("metrics.csv")).unwrap().lines().count();
    let (before, deadline) = (rows(), Instant::now() + Duration::from_secs(60));
    while rows() == before {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn trainings_that_begin_at_once_have_folders_of_their_own() {
    let folder = workspace();
    let arguments = ["train", "--model", "tiny.toml", "--limit", "100", "--epochs", "1", "--json"];
    let begun: Vec<Child> = (0..3).map(|_| start(folder.path(), &arguments)).collect();
    let mut runs: Vec<String> =
        begun.into_iter().map(|child| outcome(child).done().json()["run"].as_str().unwrap().into()).collect();
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 3, "{runs:?}");
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 3);
}

#[test]
fn what_a_killed_training_held_and_left_is_taken_over_at_once() {
    let folder = workspace();
    let run = folder.path().join("run");
    allcnn(folder.path(), &train_arguments("whole", TRAINING)).done();
    let mut killed = start(folder.path(), &train_arguments("run", TRAINING));
    wait_for_checkpoint(&run, &mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    fs::write(run.join(".writing-1-aB3dE6"), "half").unwrap();
    allcnn(folder.path(), &["train", "--resume", "run"]).done();
    assert_same_weights(&folder.path().join("whole"), &run);
    let names = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(".writing-")));
}

#[test]
fn a_full_disk_keeps_nobody_out_once_there_is_room() {
    let folder = workspace();
    let disk = folder.path().join("disk");
    let Some(_mounted) = SmallDisk::mount(&disk, "2m") else {
        eprintln!("skipped: only the superuser can mount a small disk");
        return;
    };
    let fill = || {
        let mut filler = fs::File::create(disk.join("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    };
    let training = train_arguments("disk/a/run", &["--limit", "100", "--epochs", "2"]);
    fill();
    allcnn(folder.path(), &training).fails(1, &["No space left"]);
    assert!(!disk.join("a").exists(), "a training that did not begin leaves nothing");
    fs::remove_file(disk.join("filler")).unwrap();
    let mut begun = start(folder.path(), &train_arguments("disk/a/run", LONG));
    wait_for_checkpoint(&disk.join("a/run"), &mut begun);
    fill();
    outcome(begun).fails(1, &["No space left"]);
    allcnn(folder.path(), &["train", "--resume", "disk/a/run"]).fails(1, &["No space left"]);
    fs::remove_file(disk.join("filler")).unwrap();
    let mut resumed = Training::begin(folder.path(), &["train", "--resume", "disk/a/run"]);
    wait_for_listening(&disk.join("a/run"), resumed.child());
    resumed.end();
}

#[test]
fn a_folder_that_cannot_be_made_is_told_before_anything_is_read() {
    let folder = workspace();
    let parts = ["tiny.toml/run", "cannot make the run folder"];
    allcnn(folder.path(), &train_arguments("tiny.toml/run", &["--data", "nowhere"])).fails(1, &parts);
    let import = ["import", "nowhere.pt", "--model", "tiny.toml", "--out", "tiny.toml/run"];
    allcnn(folder.path(), &import).fails(1, &parts);
}

#[test]
fn a_training_that_did_not_begin_leaves_nothing() {
    let folder = workspace();
    fs::create_dir(folder.path().join("mine")).unwrap();
    let import = ["import", "nowhere.pt", "--model", "tiny.toml", "--out", "a/b/imported"];
    allcnn(folder.path(), &import).fails(1, &["nowhere.pt"]);
    for out in ["a/b/run", "mine"] {
        allcnn(folder.path(), &train_arguments(out, &["--data", "nowhere"])).fails(1, &["nowhere"]);
    }
    allcnn(folder.path(), &["train", "--model", "tiny.toml", "--data", "nowhere"]).fails(1, &["nowhere"]);
    assert!(!folder.path().join("a").exists() && !folder.path().join("runs").exists());
    assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 0);
    allcnn(folder.path(), &train_arguments("mine", &["--limit", "100", "--epochs", "1"])).done();
}

/// What another process leaves that took a claim over and ended.
fn take_over(claims: &Path, name: &str) {
    let newest = (1..).take_while(|number| claims.join(format!("{name}.{number}")).exists()).count();
    fs::write(claims.join(format!("{name}.{}", newest + 1)), "free\n").unwrap();
}

#[test]
fn a_training_that_slept_overwrites_nothing_of_the_one_that_took_over() {
    let folder = workspace();
    let run = folder.path().join("run");
    let mut asleep = start(folder.path(), &train_arguments("run", TRAINING));
    wait_for_checkpoint(&run, &mut asleep);
    signal(&asleep, Signal::STOP);
    // A process that is only stopped keeps its run on its own machine ...
    allcnn(folder.path(), &["train", "--resume", "run"]).fails(1, &["run is being written by"]);
    // ... so another machine it is that takes over.
    take_over(&run.join(".claims"), "owner");
    allcnn(folder.path(), &["train", "--resume", "run"]).done();
    let done = contents(&run);
    signal(&asleep, Signal::CONT);
    outcome(asleep).fails(1, &["run was taken over by another process"]);
    assert!(contents(&run) == done, "the run is as the one left it that took over");
}

#[test]
fn a_worker_of_a_sweep_that_slept_overwrites_nothing_either() {
    const NAME: &str = "tiny-lr0.05-seed0";
    let folder = workspace();
    let (sweep, run) = (folder.path().join("sweep"), folder.path().join("sweep/runs").join(NAME));
    let mut arguments = vec!["reproduce", "table3", "--models", "tiny.toml", "--data", "shapes", "--holdout"];
    arguments.extend(["10%", "--limit", "1500", "--epochs", "8", "--learning-rates", "0.05", "--recipe"]);
    arguments.extend(["quick", "--out", "sweep", "--no-wait"]);
    let mut asleep = start(folder.path(), &arguments);
    wait_for_checkpoint(&run, &mut asleep);
    signal(&asleep, Signal::STOP);
    let left = allcnn(folder.path(), &arguments).done();
    assert!(left.stdout.contains("0 of 1"), "{left:#?}");
    // One that has the sweep's claim alone leaves the run to the process that writes it.
    take_over(&sweep.join("claims"), NAME);
    let left = allcnn(folder.path(), &arguments).done();
    assert!(left.stdout.contains("0 of 1"), "{left:#?}");
    assert!(!sweep.join("claims").join(format!("{NAME}.3")).exists(), "each look would leave a claim");
    take_over(&run.join(".claims"), "owner");
    let other = allcnn(folder.path(), &arguments).done();
    assert!(other.stdout.contains("1 of 1"), "{other:#?}");
    let done = contents(&run);
    signal(&asleep, Signal::CONT);
    outcome(asleep).fails(1, &[NAME, "was taken over by another process"]);
    assert!(contents(&run) == done, "the run is as the one left it that took over");
}

#[test]
fn to_read_a_run_claims_nothing() {
    let folder = workspace();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-0.1.0");
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    for (file, bytes) in files(&fixture) {
        fs::write(run.join(file.file_name().unwrap()), bytes).unwrap();
    }
    picture([9, 9, 200], 0).save(folder.path().join("x.png")).unwrap();
    let mut access = fs::metadata(&run).unwrap().permissions();
    access.set_readonly(true);
    fs::set_permissions(&run, access.clone()).unwrap();
    let before = files(&run);
    allcnn(folder.path(), &["eval", "run"]).done();
    allcnn(folder.path(), &["predict", "run", "x.png"]).done();
    allcnn(folder.path(), &["explain", "run", "x.png", "--out", "y.png"]).done();
    assert!(files(&run) == before);
    #[allow(clippy::permissions_set_readonly_false)]
    access.set_readonly(false);
    fs::set_permissions(&run, access).unwrap();
}

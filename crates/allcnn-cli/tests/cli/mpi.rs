//! One network trained by several processes over MPI: the same bits for any number, and no process left waiting when another
//! one is lost. `MPIRUN` names the launcher; `scripts/mpi.sh` runs these with Open MPI and with MPICH.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::imagenet::{TRAIN, imagenet};
use crate::support::{
    Outcome, allcnn, assert_same_weights, command, finish, outcome, signal, train_arguments,
    wait_for_checkpoint, workspace,
};
use rustix::process::{Pid, Signal};

const NETWORK: &str = r#"
name = "parts"
input = [32, 32, 3]
input_dropout = 0.1
layers = [
  { conv = 8, kernel = 3, padding = 0 },
  { pool = "max", fractional = 1.5, dropout = 0.2 },
  { conv = 12, kernel = 3, stride = 2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;
/// Everything that draws numbers in a step.
const TRAINING: &[&str] = &[
    "train",
    "--model",
    "parts.toml",
    "--batch",
    "32",
    "--shards",
    "8",
    "--limit",
    "300",
    "--epochs",
    "2",
    "--mixup",
    "0.3",
    "--ema",
    "0.9",
    "--threads",
    "1",
    "--quiet",
];
/// Long enough for a signal to find it under way on a fast machine.
const LONG: &[&str] = &["--shards", "4", "--limit", "1500", "--epochs", "30", "--threads", "1"];

/// The program in `folder`, started so many times by the launcher. `script` begins it, with `$rank` and `"$@"`.
fn launched(processes: usize, script: &str, folder: &Path, arguments: &[&str]) -> Command {
    let alone = command(folder, arguments);
    let mut launcher = Command::new(std::env::var("MPIRUN").unwrap_or_else(|_| "mpirun".into()));
    let script = format!("rank=${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}; {script}");
    launcher
        .args(["-n", &processes.to_string(), "sh", "-c", &script, "sh"])
        .arg(alone.get_program())
        .args(alone.get_args());
    for (name, value) in alone.get_envs() {
        match value {
            Some(value) => launcher.env(name, value),
            None => launcher.env_remove(name),
        };
    }
    // The containers that tests run in have few processors and one user.
    for name in
        ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"]
    {
        launcher.env(name, "1");
    }
    launcher.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    launcher
}

fn by(processes: usize, folder: &Path, arguments: &[&str]) -> Outcome {
    finish(&mut launched(processes, r#"exec "$@""#, folder, arguments))
}

/// Asserts that a launch failed with an error that holds all of `parts`.
#[track_caller]
fn refused(outcome: &Outcome, parts: &[&str]) {
    assert_ne!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.stderr.matches("error: ").count() == 1, "one process tells it: {outcome:#?}");
    for part in parts {
        assert!(outcome.stderr.contains(part), "expected '{part}' in: {outcome:#?}");
    }
}

/// The lines of `metrics.csv` without images a second and seconds.
fn figures(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let columns: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let keeps = |column: &usize| !["images_per_s", "seconds"].contains(&columns[*column]);
    let line = |line: &str| {
        line.split(',').enumerate().filter(|(at, _)| keeps(at)).map(|(_, cell)| format!("{cell};")).collect()
    };
    text.lines().map(line).collect()
}

/// The lines of the report without its times.
fn report(run: &Path) -> Vec<String> {
    let page = fs::read_to_string(run.join("report.html")).unwrap().replace("><", ">\n<");
    let is_time = |line: &&str| line.ends_with(" s</dd>") || line.ends_with("images/s</dd>");
    page.lines().filter(|line| !is_time(line)).map(str::to_owned).collect()
}

#[test]
fn any_number_of_processes_gives_the_same_files() {
    let folder = workspace();
    fs::write(folder.path().join("parts.toml"), NETWORK).unwrap();
    for precision in ["f32", "bf16"] {
        let whole = folder.path().join(precision);
        allcnn(folder.path(), &[TRAINING, &["--precision", precision, "--out", precision]].concat()).done();
        for processes in [2, 4, 8] {
            let out = format!("{precision}-{processes}");
            by(processes, folder.path(), &[TRAINING, &["--precision", precision, "--out", &out]].concat())
                .done();
            let run = folder.path().join(&out);
            for file in [
                "last.safetensors",
                "best.safetensors",
                "preprocess.safetensors",
                "heldout.txt",
                "mistakes.csv",
            ] {
                assert!(
                    fs::read(run.join(file)).unwrap() == fs::read(whole.join(file)).unwrap(),
                    "{out}: {file}"
                );
            }
            assert_eq!(figures(&run), figures(&whole), "{out}");
            assert_eq!(report(&run), report(&whole), "{out}");
        }
    }
}

#[test]
fn each_process_reads_its_own_photographs_from_disk() {
    let folder = workspace();
    imagenet(folder.path());
    let train = [TRAIN, &["--shards", "4", "--epochs", "3", "--threads", "1", "--out"]].concat();
    allcnn(folder.path(), &[&train[..], &["alone"]].concat()).done();
    by(4, folder.path(), &[&train[..], &["four"]].concat()).done();
    assert_same_weights(&folder.path().join("alone"), &folder.path().join("four"));
    assert_eq!(figures(&folder.path().join("alone")), figures(&folder.path().join("four")));
}

/// Starts a training in which rank 1 leaves its process number in a file, and waits for its first checkpoint.
fn under_way(processes: usize, folder: &Path, out: &str, more: &[&str]) -> (Child, Pid) {
    let script = r#"[ "$rank" = 1 ] && echo $$ > one; exec "$@""#;
    let arguments = [&train_arguments(out, LONG)[..], more].concat();
    let mut child =
        launched(processes, script, folder, &arguments).env("ALLCNN_MPI_PATIENCE", "2").spawn().unwrap();
    wait_for_checkpoint(&folder.join(out), &mut child);
    let one: i32 = fs::read_to_string(folder.join("one")).unwrap().trim().parse().unwrap();
    (child, Pid::from_raw(one).unwrap())
}

#[test]
fn a_process_that_dies_or_hangs_ends_all_and_any_number_goes_on() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("whole", LONG)).done();
    for (lost, processes) in [(Signal::KILL, 1), (Signal::STOP, 2), (Signal::KILL, 4)] {
        let out = format!("lost-{}-{processes}", lost.as_raw());
        let (child, one) = under_way(2, folder.path(), &out, &[]);
        let since = Instant::now();
        rustix::process::kill_process(one, lost).unwrap();
        let ended = outcome(child);
        assert!(since.elapsed() < Duration::from_secs(60), "all end within a minute");
        assert_ne!(ended.code, Some(0), "{ended:#?}");
        if lost == Signal::STOP {
            assert!(ended.stderr.contains("for rank 1 on "), "{ended:#?}");
            assert!(ended.stderr.contains("hangs or cannot be reached"), "{ended:#?}");
        }
        let resume = ["train", "--resume", &out, "--threads", "1"];
        if processes == 1 { allcnn(folder.path(), &resume) } else { by(processes, folder.path(), &resume) }
            .done();
        assert_same_weights(&folder.path().join("whole"), &folder.path().join(&out));
    }
}

#[test]
fn a_signal_to_the_launcher_saves_and_stops_all() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("whole", LONG)).done();
    for sent in [Signal::TERM, Signal::USR1] {
        let out = format!("stopped-{}", sent.as_raw());
        let (child, _) = under_way(2, folder.path(), &out, &[]);
        signal(&child, sent);
        let stopped = outcome(child);
        assert!(stopped.stderr.contains("everything is saved"), "{sent:?}: {stopped:#?}");
        by(4, folder.path(), &["train", "--resume", &out, "--threads", "1"]).done();
        assert_same_weights(&folder.path().join("whole"), &folder.path().join(&out));
    }
}

#[test]
fn processes_that_cannot_share_a_batch_are_refused() {
    let folder = workspace();
    let train = |processes: usize, more: &[&str]| by(processes, folder.path(), &train_arguments("out", more));
    refused(&train(3, &["--shards", "4"]), &["3 processes for batches in 4 shards", "a power of two"]);
    refused(
        &train(4, &["--shards", "2"]),
        &["4 processes for batches in 2 shards", "start 2 processes or fewer", "--shards 4"],
    );
    refused(&train(2, &[]), &["2 processes for batches in 1 shard", "--shards 2"]);
    refused(&train(2, &["--shards", "6"]), &["expected a power of two"]);
    refused(&train(2, &["--shards", "64"]), &["shards is 64", "batch of 32 images"]);
    refused(&train(2, &["--data", "nothing", "--shards", "2"]), &["nothing"]);
    refused(&by(2, folder.path(), &["train", "--resume", "nothing"]), &["nothing"]);
}

#[test]
fn ranks_that_differ_are_told_apart_before_the_first_step() {
    let folder = workspace();
    let file = |rank: usize, name: &str, red: u8| {
        let class = folder.path().join(format!("{rank}/data/{name}"));
        fs::create_dir_all(&class).unwrap();
        for number in 0..6 {
            crate::support::picture([red, 40, 90], number).save(class.join(format!("{number}.png"))).unwrap();
        }
    };
    for rank in 0..2 {
        file(rank, "a", 30);
        fs::copy(folder.path().join("tiny.toml"), folder.path().join(format!("{rank}/tiny.toml"))).unwrap();
    }
    file(0, "b", 200);
    let arguments = train_arguments("out", &["--data", "data", "--shards", "2", "--epochs", "1"]);
    let apart = |script: &str| {
        finish(&mut launched(2, &format!(r#"{script}; exec "$@""#), folder.path(), &arguments))
    };
    // Rank 1 has no class b, then another picture in it, then nothing at all.
    refused(&apart("cd $rank"), &["rank 1 on "]);
    file(1, "b", 90);
    refused(&apart("cd $rank"), &["rank 1 on ", "differ from those of rank 0: fingerprint "]);
    refused(&apart("cd 0; [ $rank = 1 ] && cd ../.. && mkdir -p other && cd other"), &["rank 1 on ", "data"]);
    let isa = apart("cd 0; [ $rank = 1 ] && export ALLCNN_MAX_ISA=portable");
    refused(&isa, &["rank 1 on ", "computes on CPU (portable), rank 0 on CPU (", "ALLCNN_MAX_ISA"]);
    assert!(!folder.path().join("0/out/last.safetensors").exists(), "nothing was trained");
}

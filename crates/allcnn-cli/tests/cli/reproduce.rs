//! `allcnn reproduce table3`, `table4` and `ablation`: sweeps that are shared, killed and resumed; bad input.

use std::fs::{self, File};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use crate::support::{
    SmallDisk, TINY_NETWORK, allcnn, assert_same_weights, image_folder, outcome, signal, start, workspace,
};
use rustix::process::Signal;

/// The paper's recipe, made small.
const RECIPE: &str = "base = \"paper\"\nname = \"tiny\"\nepochs = 6\nbatch = 32\npreprocess = \"mean-std\"\n";
/// The experiments of [`four`], in their order.
const EXPERIMENTS: [&str; 4] =
    ["tiny-lr0.05-seed0", "tiny-lr0.01-seed0", "tiny-lr0.05-seed1", "tiny-lr0.01-seed1"];

/// A folder with the tiny network and recipe.
fn sweep_workspace() -> tempfile::TempDir {
    let folder = workspace();
    fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
    folder
}

/// A sweep of the tiny network on `data`, with more arguments.
fn sweep<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["reproduce", "table3", "--models", "tiny.toml", "--data", data];
    arguments.extend(["--recipe", "recipe.toml", "--threads", "1", "--out", out]);
    arguments.extend(more);
    arguments
}

/// Four trainings on the embedded data: [`EXPERIMENTS`].
fn four<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let four = ["--learning-rates", "0.05,0.01", "--seeds", "2", "--limit", "1000"];
    sweep("shapes", out, &[&four, more].concat())
}

/// Asserts that two sweeps have the same results, files and weights, to the bit.
#[track_caller]
fn assert_same_sweep(one: &Path, other: &Path) {
    for name in ["results.md", "results.csv", "results.html"] {
        let (one, other) = (fs::read(one.join(name)).unwrap(), fs::read(other.join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
    for name in EXPERIMENTS {
        assert_same_weights(&one.join("runs").join(name), &other.join("runs").join(name));
    }
}

/// Waits until a run has a checkpoint and no result, so that it is under way.
fn wait_until_under_way(run: &Path, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !run.join("last.safetensors").exists() {
        assert!(Instant::now() < deadline, "no checkpoint after two minutes");
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn two_processes_of_which_one_is_killed_make_the_table_of_one_that_is_not() {
    let folder = sweep_workspace();
    let whole = allcnn(folder.path(), &four("whole", &[])).done();
    assert!(whole.stdout.contains("4 of 4 trainings have ended"), "{whole:?}");

    let shared = folder.path().join("shared");
    let mut first = start(folder.path(), &four("shared", &["--quiet"]));
    wait_until_under_way(&shared.join("runs").join(EXPERIMENTS[0]), &mut first);
    let second = start(folder.path(), &["reproduce", "table3", "--threads", "1", "--out", "shared"]);
    signal(&first, Signal::KILL);
    first.wait().unwrap();
    let cut = !shared.join("runs").join(EXPERIMENTS[0]).join("result.json").exists();
    let second = outcome(second).done();
    assert!(!cut || second.stderr.contains("goes on"), "the second one took over: {second:?}");
    assert_same_sweep(&folder.path().join("whole"), &shared);
}

#[test]
fn stopped_killed_and_started_again_it_is_the_same_table() {
    let folder = sweep_workspace();
    allcnn(folder.path(), &four("whole", &[])).done();
    let sweep = folder.path().join("cut");
    for (name, sent) in
        [(EXPERIMENTS[0], Signal::INT), (EXPERIMENTS[1], Signal::KILL), (EXPERIMENTS[3], Signal::KILL)]
    {
        let mut child = start(folder.path(), &four("cut", &[]));
        wait_until_under_way(&sweep.join("runs").join(name), &mut child);
        signal(&child, sent);
        let stopped = outcome(child);
        assert!(stopped.code.is_none() || stopped.code == Some(130), "{stopped:?}");
    }
    let end = allcnn(folder.path(), &four("cut", &["--json"])).done().json();
    assert_same_sweep(&folder.path().join("whole"), &sweep);
    assert_eq!((end["ended"].as_u64(), end["total"].as_u64()), (Some(4), Some(4)));
    let row = &end["rows"][0];
    assert_eq!((row["name"].as_str(), row["paper_error_pct"].as_f64()), (Some("tiny"), None));
    assert!(row["test_error_pct"].as_f64().unwrap() < 90.0, "it learned something: {end}");
}

#[test]
fn the_page_has_the_networks_and_the_recipes_own_names() {
    let folder = workspace();
    fs::create_dir(folder.path().join("nets")).unwrap();
    fs::rename(folder.path().join("tiny.toml"), folder.path().join("nets/mine.toml")).unwrap();
    fs::write(folder.path().join("short.toml"), "epochs = 1\nbatch = 32\n").unwrap();
    let arguments =
        ["reproduce", "table3", "--models", "nets/mine.toml", "--data", "shapes", "--limit", "100"];
    let more = ["--learning-rates", "0.05", "--recipe", "short.toml", "--out", "sweep", "--json"];
    let told = allcnn(folder.path(), &[&arguments[..], &more].concat()).done().json();
    assert_eq!(told["rows"][0]["name"], "mine", "for programs as it was");
    assert!(folder.path().join("sweep/runs/mine-lr0.05-seed0").exists());
    let page = fs::read_to_string(folder.path().join("sweep/results.html")).unwrap();
    for part in ["<td data-name=\"network\">tiny</td>", "Recipe short, 1 epoch, 1 seed", "<h3>tiny</h3>"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("mine.toml"));
    // A sweep that was begun when such a recipe was called custom goes on.
    let file = folder.path().join("sweep/plan.toml");
    let plan = fs::read_to_string(&file).unwrap();
    assert!(plan.contains("name = \"short\""), "{plan}");
    fs::write(&file, plan.replace("name = \"short\"", "name = \"custom\"")).unwrap();
    allcnn(folder.path(), &[&arguments[..], &more].concat()).done();
}

#[test]
fn what_another_machine_holds_is_left_to_it_until_it_is_silent() {
    let folder = sweep_workspace();
    let work = || {
        let one = ["--learning-rates", "0.05", "--limit", "1000", "--no-wait"];
        allcnn(folder.path(), &sweep("shapes", "sweep", &one)).done()
    };
    let claim = folder.path().join("sweep/claims").join(format!("{}.1", EXPERIMENTS[0]));
    fs::create_dir_all(claim.parent().unwrap()).unwrap();
    fs::write(&claim, "another-kernel 1\n").unwrap();
    let left = work();
    assert!(left.stdout.contains("0 of 1") && left.stdout.contains("epoch 0 of 6\n"), "{left:?}");
    let old = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(&claim).unwrap().set_modified(old).unwrap();
    assert!(work().stdout.contains("1 of 1"));
}

#[test]
fn divergence_is_a_result_and_is_begun_again_on_request() {
    let folder = sweep_workspace();
    let wild = ["--learning-rates", "1000000000", "--limit", "500"];
    let done = allcnn(folder.path(), &sweep("shapes", "sweep", &wild)).done();
    assert!(done.stdout.contains("| diverged ") && done.stdout.contains("1 of 1"), "{done:?}");
    let csv = || fs::read_to_string(folder.path().join("sweep/results.csv")).unwrap();
    assert_eq!(csv().lines().count(), 2, "{}", csv());
    allcnn(folder.path(), &["reproduce", "table3", "--reseed", "2", "--out", "sweep"]).done();
    assert!(csv().contains("tiny,1000000000,2000000,2,diverged"), "{}", csv());
    assert_eq!(csv().lines().count(), 4, "{}", csv());
}

#[test]
fn table_4_has_its_data_its_augmentation_and_the_literature() {
    let folder = sweep_workspace();
    image_folder(folder.path(), 20);
    let mut all = vec!["reproduce", "table4", "--models", "all-cnn-c-augmented,all-cnn-c-cifar100"];
    all.extend(["--data", "shapes", "--cifar100", "pictures", "--recipe", "recipe.toml", "--out", "sweep"]);
    all.extend(["--holdout", "2", "--limit", "32", "--epochs", "1"]);
    let done = allcnn(folder.path(), &all).done();
    for part in ["| 7.25", "| 33.71", "| Maxout", "9.32 (?)", "not run here", "2 of 2 trainings"] {
        assert!(done.stdout.contains(part), "{part}: {done:?}");
    }
    for (run, data) in [("augmented", "shapes"), ("cifar100", "pictures")] {
        let run = folder.path().join(format!("sweep/runs/all-cnn-c-{run}-lr0.05-seed0/run.toml"));
        let run = fs::read_to_string(run).unwrap();
        assert!(run.contains(&format!("{data}\"")) && run.contains("augment = \"flip-shift\""), "{run}");
    }
}

#[test]
fn the_ablation_has_what_each_network_costs_and_all_its_networks_by_name() {
    let folder = sweep_workspace();
    let mut arguments = sweep("shapes", "parts", &["--limit", "1500", "--epochs", "8"]);
    (arguments[1], arguments[7]) = ("ablation", "quick");
    let told = allcnn(folder.path(), &arguments).done();
    let row =
        told.stdout.lines().find(|line| line.starts_with("| tiny")).unwrap_or_else(|| panic!("{told:?}"));
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let error: f64 = cells[3].parse().unwrap();
    let (low, high) = cells[4].split_once(" to ").unwrap();
    assert!(low.parse::<f64>().unwrap() < error && error < high.parse().unwrap(), "{row}");
    assert!(cells[5..8].iter().all(|cell| cell.replace(',', "").parse::<f64>().unwrap() > 0.0), "{row}");
    let listed = allcnn(folder.path(), &["models"]).done().stdout;
    for name in ["model-c-average", "model-c-learned-norm", "model-c-probout", "model-c-winner"] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
}

#[test]
fn the_status_changes_nothing() {
    let folder = sweep_workspace();
    let mut child = start(folder.path(), &four("sweep", &[]));
    let sweep = folder.path().join("sweep");
    wait_until_under_way(&sweep.join("runs").join(EXPERIMENTS[1]), &mut child);
    signal(&child, Signal::KILL);
    outcome(child);
    let told = allcnn(folder.path(), &["reproduce", "table3", "--out", "sweep", "--status"]).done();
    for part in ["| tiny", "1 of 4", "left", "nobody is at it"] {
        assert!(told.stdout.contains(part), "{part}: {told:?}");
    }
    assert!(!sweep.join("runs").join(EXPERIMENTS[2]).exists());
}

#[test]
fn unknown_tables_networks_and_values_are_wrong_usage() {
    let folder = sweep_workspace();
    let refuse = |arguments: &[&str], parts: &[&str]| {
        allcnn(folder.path(), &[&["reproduce"], arguments].concat()).fails(2, parts);
    };
    refuse(&["table5"], &["'table5'", "table3", "table4"]);
    refuse(&["table3", "--models", "all-cnn-d"], &["all-cnn-d", "all-cnn-c"]);
    refuse(&["table3", "--models", "model-a,model-a"], &["model-a-lr0.25-seed0", "twice"]);
    refuse(&["table3", "--learning-rates", "0.1,-1"], &["'-1'", "above 0"]);
    refuse(&["table3", "--recipe", "slow"], &["slow", "paper"]);
    refuse(&["table3", "--seeds", "0"], &["'0'", "from 1 to"]);
    assert!(!folder.path().join("sweeps").exists());
}

#[test]
fn a_folder_of_another_plan_is_left_alone() {
    let folder = sweep_workspace();
    let short = ["--learning-rates", "0.05", "--limit", "1000", "--epochs", "1"];
    allcnn(folder.path(), &sweep("shapes", "sweep", &short)).done();
    let other = |arguments: &[&str], parts: &[&str]| {
        let all = [&["reproduce"], arguments, &["--out", "sweep"]].concat();
        allcnn(folder.path(), &all)
            .fails(1, &[parts, &["sweep holds another plan", "another --out"]].concat());
    };
    let before = fs::read(folder.path().join("sweep/plan.toml")).unwrap();
    other(&["table3", "--limit", "64"], &["limit is 1000, not 64"]);
    other(&["table3", "--epochs", "9"], &["epochs is 1, not 9"]);
    other(&["table4"], &["table is \"table3\", not \"table4\""]);
    assert_eq!(fs::read(folder.path().join("sweep/plan.toml")).unwrap(), before);
    allcnn(folder.path(), &["reproduce", "table3", "--out", "nowhere", "--status"])
        .fails(1, &["nowhere holds no plan", "--status"]);
}

#[test]
fn data_without_a_test_split_needs_a_holdout() {
    let folder = sweep_workspace();
    image_folder(folder.path(), 20);
    let one = ["--learning-rates", "0.05", "--epochs", "1"];
    let of = |data| sweep(data, "sweep", &one);
    allcnn(folder.path(), &of("pictures")).fails(1, &["pictures", "no test split", "--holdout 500"]);
    allcnn(folder.path(), &of("nowhere")).fails(1, &["no data at", "nowhere"]);
    assert!(!folder.path().join("sweep").exists(), "nothing is begun");
    let held = allcnn(folder.path(), &[&of("pictures")[..], &["--holdout", "5"]].concat()).done();
    assert!(held.stdout.contains("the last 5 images of each class"), "{held:?}");
}

#[test]
fn a_full_disk_stops_the_sweep_and_loses_nothing() {
    let folder = sweep_workspace();
    let wide = TINY_NETWORK.replace("conv = 8", "conv = 96");
    fs::write(folder.path().join("tiny.toml"), wide).unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), "900k") else {
        eprintln!("skipped: a small file system cannot be mounted here (needs the superuser)");
        return;
    };
    // One checkpoint (0.7 MB) fits, its successor beside it does not.
    let few = ["--epochs", "2"];
    let full = allcnn(folder.path(), &four("disk/sweep", &few));
    full.fails(1, &[EXPERIMENTS[0], "disk/sweep/runs", "No space left on device", "make room"]);
    disk.grow("50m");
    allcnn(folder.path(), &four("disk/sweep", &few)).done();
    allcnn(folder.path(), &four("whole", &few)).done();
    assert_same_sweep(&folder.path().join("whole"), &disk.0.join("sweep"));
}

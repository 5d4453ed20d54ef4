//! What is read and what is left out, in every command that takes files: told to people and to programs.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{allcnn, command, finish, image_folder, train_arguments, workspace};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// First bytes of a picture as telephones take it.
const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic and no more";

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Pictures, and beside them what is none: 20 and a JPEG without a name's ending in each class, and eight others.
fn mixed(folder: &Path) {
    let data = image_folder(folder, 20);
    crate::support::picture([190, 20, 10], 77).save(data.join("red/photo.jpg")).unwrap();
    fs::rename(data.join("red/photo.jpg"), data.join("red/photo")).unwrap();
    fs::create_dir_all(data.join("red/@eaDir/000.png")).unwrap();
    fs::copy(data.join("red/000.png"), data.join("red/@eaDir/000.png/THUMB.jpg")).unwrap();
    for (name, content) in [
        ("blue/.DS_Store", "hidden"),
        ("blue/IMG_1.HEIC", std::str::from_utf8(HEIC).unwrap()),
        ("red/IMG_2.jpg", std::str::from_utf8(HEIC).unwrap()),
        ("README", "words"),
    ] {
        fs::write(data.join(name), content).unwrap();
    }
    fifo(&data.join("red/x.jpg"));
    symlink("nothing.png", data.join("red/broken.png")).unwrap();
    symlink("..", data.join("red/up")).unwrap();
}

#[test]
fn info_and_verify_count_what_they_leave_out() {
    let folder = workspace();
    mixed(folder.path());
    for verb in ["info", "verify"] {
        let told = allcnn(folder.path(), &["data", verb, "pictures", "--json"]).done().json();
        assert_eq!(told["train"].as_u64().unwrap() + told["test"].as_u64().unwrap(), 41, "{verb}");
        let ignored = told["ignored"].as_array().unwrap();
        let all: u64 = ignored.iter().map(|one| one["files"].as_u64().unwrap()).sum();
        assert_eq!((all, ignored.len()), (8, 8), "{verb}: {ignored:?}");
        let heic = ignored.iter().find(|one| one["example"] == "blue/IMG_1.HEIC").unwrap();
        assert!(heic["reason"].as_str().unwrap().contains("convert to JPEG or PNG"), "{heic}");
    }
    let words = allcnn(folder.path(), &["data", "info", "pictures"]).done().stdout;
    for line in [
        "1 file left out: hidden (blue/.DS_Store)",
        "1 file left out: left behind by a system or a program (red/@eaDir/000.png/THUMB.jpg)",
        "1 file left out: a pipe, a socket or a device (red/x.jpg)",
        "1 file left out: a broken link (red/broken.png)",
        "1 file left out: a link that leads in a circle (red/up)",
        "1 file left out: not a picture (README)",
    ] {
        assert!(words.contains(line), "{line}: {words}");
    }
}

#[test]
fn what_a_training_wrote_is_no_data() {
    let folder = workspace();
    image_folder(folder.path(), 20);
    // Its table of mistakes has the columns of a table of labels, and names the images.
    let run = ["--data", "pictures", "--epochs", "1", "--limit", "20"];
    let trained = allcnn(folder.path(), &train_arguments("pictures/run", &run)).done();
    allcnn(folder.path(), &["data", "info", "pictures/run"]).fails(1, &["of a run of allcnn, not data"]);
    let told = allcnn(folder.path(), &["data", "info", "pictures", "--json"]).done().json();
    let ignored = told["ignored"].as_array().unwrap().iter();
    let reasons: Vec<&str> = ignored.map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(told["kind"], "image-folder");
    assert_eq!(reasons, ["hidden", "of a run of allcnn, not data"]);
    let again = allcnn(folder.path(), &train_arguments("run", &run)).done();
    let last = |outcome: &crate::support::Outcome| outcome.stdout.lines().next().unwrap().to_owned();
    assert_eq!(last(&trained), last(&again));
    // Without its settings a folder is none of ours, whatever is in it.
    fs::remove_file(folder.path().join("pictures/run/run.toml")).unwrap();
    let told = allcnn(folder.path(), &["data", "info", "pictures"]);
    assert!(!format!("{told:?}").contains("of a run of allcnn"), "{told:?}");
}

#[test]
fn a_training_tells_what_it_leaves_out_and_predict_leaves_out_the_same() {
    let folder = workspace();
    mixed(folder.path());
    let train = train_arguments("run", &["--data", "pictures", "--epochs", "1"]);
    let trained = allcnn(folder.path(), &train).done();
    let left_out = |text: &str| {
        text.lines().filter(|line| line.contains("left out:")).map(String::from).collect::<Vec<_>>()
    };
    let told = left_out(&trained.stderr);
    assert_eq!(told.len(), 7, "a line for each reason: {trained:#?}");
    assert!(told.iter().any(|line| line.starts_with("2 files left out: HEIC")), "{told:?}");

    let predicted = allcnn(folder.path(), &["predict", "run", "pictures", "--json"]).done();
    assert_eq!(left_out(&predicted.stderr), told);
    let answers = predicted.json();
    let files: Vec<&str> =
        answers.as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert!(files.len() == 41 && files.contains(&"pictures/red/photo"), "{files:?}");
    let explained =
        allcnn(folder.path(), &["explain", "run", "pictures/red", "--out", "red.png", "--json"]).done();
    assert_eq!(explained.json().as_array().unwrap().len(), 21);

    // A pipe that is named is not opened either: nobody would ever write into it.
    let piped = allcnn(folder.path(), &["predict", "run", "pictures/red/x.jpg", "--json"]);
    assert_eq!(piped.code, Some(1), "{piped:?}");
    assert!(piped.json()[0]["error"].as_str().unwrap().contains("a pipe"), "{piped:?}");
    fs::create_dir(folder.path().join("heic")).unwrap();
    fs::write(folder.path().join("heic/1.heic"), HEIC).unwrap();
    let none = allcnn(folder.path(), &["predict", "run", "heic"]);
    none.fails(1, &["no pictures in heic"]);
    assert!(none.stderr.contains("1 file left out: HEIC"), "{none:?}");
}

#[test]
fn what_holds_no_data_is_explained() {
    let folder = workspace();
    fifo(&folder.path().join("x.jpg"));
    allcnn(folder.path(), &["data", "info", "x.jpg"]).fails(1, &["x.jpg", "a pipe, a socket or a device"]);
    for class in ["cat", "dog"] {
        fs::create_dir_all(folder.path().join("photos").join(class)).unwrap();
        fs::write(folder.path().join("photos").join(class).join("1.heic"), HEIC).unwrap();
    }
    allcnn(folder.path(), &["data", "info", "photos"])
        .fails(1, &["photos", "2 of them HEIC", "convert to JPEG"]);
    symlink(".", folder.path().join("loop")).unwrap();
    symlink("itself", folder.path().join("itself")).unwrap();
    allcnn(folder.path(), &["data", "info", "itself"]).fails(1, &["itself"]);
}

#[test]
fn arguments_and_names_may_be_any_bytes() {
    let folder = workspace();
    let data = image_folder(folder.path(), 10);
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::rename(data, folder.path().join(name)).unwrap();
    fs::write(folder.path().join(name).join(OsStr::from_bytes(b"red/.a\x1b[31m")), "hidden").unwrap();
    let told = finish(command(folder.path(), &["data", "info"]).arg(name).arg("--json")).done().json();
    assert_eq!((told["name"].as_str(), told["train"].as_u64()), (Some("caf\\xe9"), Some(18)));
    let words = finish(command(folder.path(), &["data", "info"]).arg(name)).done().stdout;
    assert!(words.contains("hidden (red/.a\\u{1b}[31m)") && !words.contains('\u{1b}'), "{words}");
    finish(command(folder.path(), &["data", "convert"]).arg(name).args(["--to", "a.zip"])).done();
}

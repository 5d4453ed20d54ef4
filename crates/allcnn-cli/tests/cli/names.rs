//! Names as others made them: what a terminal would obey is shown escaped, and files need not be named in UTF-8.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::{
    Outcome, TINY_NETWORK, allcnn, command, finish, image_folder, picture, train_arguments, workspace,
};

/// A name that clears the screen in two ways, turns what follows around and begins a line of its own.
const NASTY: &str = "a\u{1b}[2J\u{9b}2J\u{202e}\r\nwarning: b";
/// The same as it is shown.
const SHOWN: &str = r"a\u{1b}[2J\u{9b}2J\u{202e}\r\nwarning: b";

/// Asserts that a terminal would show all of it as it is.
#[track_caller]
fn assert_harmless(outcome: &Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains("\nwarning: b"), "a name begins no line: {outcome:#?}");
        let obeyed =
            |c: char| (c.is_control() && !"\n\t".contains(c)) || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(obeyed), "{outcome:#?}");
    }
}

/// A folder with a run, its pictures and a picture of a nasty name.
fn nasty_folder() -> tempfile::TempDir {
    let folder = workspace();
    let data = image_folder(folder.path(), 40);
    fs::rename(data.join("red"), data.join(NASTY)).unwrap();
    fs::write(data.join("blue").join(format!("{NASTY}.jpg")), "just words").unwrap();
    let network = TINY_NETWORK.replace("\"tiny\"", r#""t\u001b[2J\u009b\u202e""#);
    fs::write(folder.path().join("tiny.toml"), network).unwrap();
    picture([1, 2, 3], 0).save(folder.path().join(format!("{NASTY}.png"))).unwrap();
    folder
}

#[test]
fn nothing_in_a_name_reaches_the_terminal() {
    let folder = nasty_folder();
    let run = |arguments: &[&str]| {
        let outcome = allcnn(folder.path(), arguments);
        assert_harmless(&outcome);
        outcome
    };
    let (image, unreadable) = (format!("{NASTY}.png"), format!("pictures/blue/{NASTY}.jpg"));
    let trained = run(&train_arguments(NASTY, &["--data", "pictures", "--epochs", "1"])).done();
    assert!(trained.stderr.contains(&format!("{SHOWN}.jpg")), "{trained:#?}");
    assert!(trained.stdout.contains(&format!("run         {SHOWN}\n")), "{trained:#?}");
    let evaluated = run(&["eval", NASTY]).done();
    assert!(evaluated.stdout.starts_with(&format!("{SHOWN} (best checkpoint")), "{evaluated:#?}");
    assert!(evaluated.stdout.lines().any(|line| line.starts_with(&format!("{SHOWN}  "))), "{evaluated:#?}");
    let predicted = run(&["predict", NASTY, &image, &unreadable]);
    assert!(predicted.stdout.contains(&format!("{SHOWN}.png")), "{predicted:#?}");
    assert!(predicted.stderr.contains(&format!("cannot read pictures/blue/{SHOWN}.jpg: ")), "{predicted:#?}");
    run(&["explain", NASTY, &image, &unreadable, "--out", &format!("{NASTY}-map.png")]);
    run(&["features", NASTY, "--layer", "conv2"]).done();
    let refused = run(&["features", NASTY, "--layer", NASTY]);
    assert!(
        refused.code == Some(2) && refused.stderr.contains(r#"has no layer "a\u{1b}[2J"#),
        "{refused:#?}"
    );
    run(&["data", "info", "pictures"]).done();
    run(&["data", "verify", "pictures"]);
    run(&["models", "tiny.toml"]).done();
    run(&["models", NASTY]);
    run(&["data", "info", NASTY]);
    run(&["eval", &format!("{NASTY}/none")]).fails(1, &[SHOWN]);
    run(&[NASTY]);
    run(&["train", &format!("--{NASTY}")]);
    run(&["train", "--recipe", NASTY]).fails(2, &[SHOWN]);
}

#[test]
fn documents_hold_names_as_they_are_and_are_harmless_too() {
    let folder = nasty_folder();
    let trained =
        allcnn(folder.path(), &train_arguments(NASTY, &["--data", "pictures", "--epochs", "1", "--json"]));
    assert_eq!(trained.done().json()["run"], NASTY);
    let image = format!("{NASTY}.png");
    for command in [["predict", NASTY, &image, "--json"], ["explain", NASTY, &image, "--json"]] {
        let document = allcnn(folder.path(), &command).done();
        assert_harmless(&document);
        assert_eq!(document.json()[0]["file"], image.as_str());
    }
    let evaluated = allcnn(folder.path(), &["eval", NASTY, "--json"]).done();
    assert_harmless(&evaluated);
    assert_eq!(evaluated.json()["classes"][0]["name"], NASTY);
}

/// Runs the program with arguments that are bytes.
fn with_bytes(folder: &Path, arguments: &[&[u8]]) -> Outcome {
    let mut program = command(folder, &[]);
    finish(program.args(arguments.iter().map(|argument| OsStr::from_bytes(argument))))
}

/// A folder with pictures, or nothing where the file system takes only UTF-8.
fn folder_of_bytes() -> Option<tempfile::TempDir> {
    let folder = workspace();
    for (name, color) in [(b"caf\xe9.png", [10, 20, 180]), (b"caf\xe8.png", [190, 20, 10])] {
        let path = folder.path().join(OsStr::from_bytes(name));
        if picture(color, 0).save_with_format(&path, image::ImageFormat::Png).is_err() {
            eprintln!("skipped: this file system takes names in UTF-8 only");
            return None;
        }
    }
    image_folder(folder.path(), 8);
    Some(folder)
}

#[test]
fn files_and_folders_need_not_be_named_in_utf8() {
    let Some(folder) = folder_of_bytes() else { return };
    let run = |arguments: &[&[u8]]| with_bytes(folder.path(), arguments).done();
    let train: [&[u8]; 9] =
        [b"train", b"--model", b"tiny.toml", b"--data", b"pictures", b"--epochs", b"1", b"--out", b"r\xfcn"];
    let trained = run(&train);
    assert!(trained.stdout.contains("run         r\\xfcn\n"), "{trained:#?}");
    assert_eq!(run(&[b"train", b"--resume", b"r\xfcn", b"--json"]).json()["run"], r"r\xfcn");
    with_bytes(folder.path(), &train).fails(1, &[r"r\xfcn already holds a run"]);
    assert!(run(&[b"eval", b"r\xfcn"]).stdout.starts_with(r"r\xfcn (best checkpoint"));

    let predicted = run(&[b"predict", b"r\xfcn", b"caf\xe9.png", b"caf\xe8.png"]);
    assert!(predicted.stdout.contains(r"caf\xe9.png") && predicted.stdout.contains(r"caf\xe8.png"));
    let listed = run(&[b"predict", b"r\xfcn", b".", b"--json"]).json();
    let files: Vec<&str> =
        listed.as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert!(files.contains(&r"./caf\xe9.png") && files.contains(&r"./caf\xe8.png"), "{files:?}");

    let explained =
        run(&[b"explain", b"r\xfcn", b"caf\xe9.png", b"--out", b"m\xe4p.png", b"--npy", b"m\xe4p.npy"]);
    assert!(explained.stdout.contains(r"caf\xe9.png") && explained.stdout.contains(r"picture  m\xe4p.png"));
    let features = run(&[b"features", b"r\xfcn", b"--layer", b"conv2", b"--out", b"f\xfcr.png"]);
    assert!(features.stdout.contains(r"picture  f\xfcr.png"), "{features:#?}");
    run(&[b"reproduce", b"fig4", b"--run", b"r\xfcn", b"caf\xe9.png", b"--out", b"f\xefgures"]);
    run(&[b"data", b"convert", b"pictures", b"--to", b"d\xe4ta.tar"]);
    for written in [&b"m\xe4p.png"[..], b"m\xe4p.npy", b"f\xfcr.png", b"f\xefgures/fig4.png", b"d\xe4ta.tar"]
    {
        assert!(folder.path().join(OsStr::from_bytes(written)).exists(), "{:?}", OsStr::from_bytes(written));
    }
}

#[test]
fn weights_and_settings_need_not_be_named_in_utf8() {
    let Some(folder) = folder_of_bytes() else { return };
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1"])).done();
    let named = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    fs::copy(folder.path().join("run/last.safetensors"), named(b"w\xe9.safetensors")).unwrap();
    fs::copy(folder.path().join("run/preprocess.safetensors"), named(b"p\xe9.safetensors")).unwrap();
    fs::write(named(b"n\xe9.txt"), "one\ntwo\n").unwrap();
    fs::write(named(b"r\xe9.toml"), "base = \"quick\"\nname = \"mine\"\nepochs = 1\n").unwrap();
    let import: [&[u8]; 10] = [
        b"import",
        b"w\xe9.safetensors",
        b"--model",
        b"tiny.toml",
        b"--classes-file",
        b"n\xe9.txt",
        b"--preprocess",
        b"p\xe9.safetensors",
        b"--out",
        b"\xeemported",
    ];
    let imported = with_bytes(folder.path(), &import).done();
    assert!(imported.stdout.contains(r"run         \xeemported"), "{imported:#?}");
    with_bytes(folder.path(), &[b"train", b"--resume", b"\xeemported"])
        .fails(1, &[r"imported from w\xe9.safetensors"]);
    with_bytes(
        folder.path(),
        &[
            b"train",
            b"--model",
            b"tiny.toml",
            b"--data",
            b"pictures",
            b"--recipe",
            b"r\xe9.toml",
            b"--out",
            b"other",
        ],
    )
    .done();
    with_bytes(folder.path(), &[b"import", b"none\xe9", b"--model", b"tiny.toml", b"--out", b"x"])
        .fails(1, &[r"none\xe9"]);
}

#[test]
fn what_is_recorded_as_text_has_to_be_text_and_the_error_says_which_is_not() {
    let folder = workspace();
    for arguments in [
        [&b"train"[..], b"--data", b"d\xe4ta"],
        [b"train", b"--model", b"d\xe4ta"],
        [b"train", b"--epochs", b"d\xe4ta"],
    ] {
        with_bytes(folder.path(), &arguments).fails(2, &[r"d\xe4ta", "UTF-8"]);
    }
    let all: OsString = OsStr::from_bytes(b"d\xe4ta").into();
    assert!(!folder.path().join(all).exists());
}

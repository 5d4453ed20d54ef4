//! The examples, run as a reader would run them.
#![allow(clippy::unwrap_used)] // in helpers too

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an example, which `cargo test` has built beside this test, in `folder`; returns what it printed.
fn example(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let test = std::env::current_exe().unwrap();
    let programs: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
    let output = Command::new(programs.join(name)).args(arguments).current_dir(folder).output();
    let output =
        output.unwrap_or_else(|error| panic!("{name}: {error}; first `cargo build --release --examples`"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A hundred pictures of two colors, in a folder of each.
fn pictures(folder: &Path) {
    for (class, color) in [("blue", [20, 30, 200]), ("red", [200, 30, 20])] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..50u8 {
            let shade = |row: u32, column: u32| {
                color.map(|value: u8| value ^ ((row * column) as u8 & 7) ^ (number & 3))
            };
            let picture = image::RgbImage::from_fn(32, 32, |column, row| image::Rgb(shade(row, column)));
            picture.save(folder.join(class).join(format!("{number}.png"))).unwrap();
        }
    }
}

#[test]
fn the_examples_train_predict_and_explain() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    pictures(&folder.join("pictures"));
    let trained = example(folder, "train", &["pictures", "run", "1"]);
    assert!(trained.contains("epoch 1: training loss") && trained.contains("the run is in run"), "{trained}");
    let predicted = example(folder, "predict", &["run", "pictures/red/3.png"]);
    assert!(predicted.starts_with("pictures/red/3.png: ") && predicted.lines().count() == 2, "{predicted}");
    example(folder, "explain", &["run", "sheet.png", "pictures/red/3.png", "pictures/blue/3.png"]);
    let sheet = image::open(folder.join("sheet.png")).unwrap();
    assert!(sheet.width() > 300 && sheet.height() > 300, "{}x{}", sheet.width(), sheet.height());
}

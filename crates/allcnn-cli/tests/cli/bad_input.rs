//! Whatever a person gives: the error says what was given, what was expected and what to do.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::{
    Outcome, SmallDisk, allcnn, by_shell, emulated, finish, image_folder, picture, tensors, train_arguments,
    workspace,
};

/// Trains on `data` in `folder`.
fn train_on(folder: &Path, data: &str) -> Outcome {
    allcnn(folder, &train_arguments("run", &["--data", data, "--epochs", "1"]))
}

#[test]
fn a_missing_folder() {
    let folder = workspace();
    train_on(folder.path(), "no/such/folder").fails(1, &["no data at 'no/such/folder'", "shapes"]);
    assert!(!folder.path().join("run").exists(), "no run folder without a training");
}

#[test]
#[cfg(target_os = "linux")]
fn too_little_memory_for_the_images_is_an_error_and_no_abort() {
    if emulated("too_little_memory_for_the_images_is_an_error_and_no_abort") {
        return;
    }
    let folder = workspace();
    // A thousand test images of 12 MB each.
    let large = ["train", "--model", "tiny.toml", "--input", "2048x2048", "--limit", "10", "--threads", "2"];
    finish(&mut by_shell("ulimit -v 4000000; exec \"$@\"", folder.path(), &large))
        .fails(1, &["1000 images of 2048x2048 need 11.7 GiB of memory", "--limit"]);
}

#[test]
fn an_empty_folder() {
    let folder = workspace();
    fs::create_dir(folder.path().join("empty")).unwrap();
    train_on(folder.path(), "empty").fails(1, &["'empty'", "holds no files", "CLASS"]);
}

#[test]
fn one_class_only() {
    let folder = workspace();
    let data = image_folder(folder.path(), 4);
    fs::remove_dir_all(data.join("red")).unwrap();
    train_on(folder.path(), "pictures").fails(1, &["one class only", "'blue'", "at least two"]);
}

#[test]
fn pictures_without_class_folders() {
    let folder = workspace();
    fs::create_dir(folder.path().join("flat")).unwrap();
    picture([1, 2, 3], 0).save(folder.path().join("flat/a.png")).unwrap();
    train_on(folder.path(), "flat").fails(1, &["no class folders", "cat/1.jpg"]);
}

#[test]
fn a_few_bad_pictures_are_named_counted_and_left_out() {
    let folder = workspace();
    let data = image_folder(folder.path(), 40);
    fs::write(data.join("red/text.jpg"), "just words").unwrap();
    cut_jpeg(&data.join("blue/cut.jpg"));
    let trained = train_on(folder.path(), "pictures").done();
    for part in ["text.jpg", "cut.jpg", "2 "] {
        assert!(trained.stderr.contains(part), "{part}: {trained:?}");
    }
    let info = allcnn(folder.path(), &["data", "verify", "pictures", "--json"]);
    assert!(info.stdout.contains("text.jpg") && info.stdout.contains("cut.jpg"), "{info:?}");
}

#[test]
fn many_bad_pictures_are_an_error() {
    let folder = workspace();
    let data = image_folder(folder.path(), 5);
    for number in 0..3 {
        fs::write(data.join(format!("red/text{number}.jpg")), "just words").unwrap();
    }
    train_on(folder.path(), "pictures").fails(1, &["3 of 13 images cannot be read", "5 %", "verify"]);
}

/// A JPEG file of which half is missing.
fn cut_jpeg(path: &Path) {
    image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]))
        .save(path)
        .unwrap();
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn unreadable_pictures_to_predict() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1"])).done();
    fs::write(folder.path().join("text.jpg"), "just words").unwrap();
    cut_jpeg(&folder.path().join("cut.jpg"));
    picture([9, 9, 9], 0).save(folder.path().join("good.png")).unwrap();
    let told = allcnn(folder.path(), &["predict", "run", "text.jpg", "good.png", "cut.jpg", "missing.jpg"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    for file in ["text.jpg", "cut.jpg", "missing.jpg"] {
        assert!(told.stderr.contains(file), "{file}: {told:?}");
    }
    assert!(told.stdout.contains("good.png"), "the rest is done: {told:?}");
}

#[test]
fn a_truncated_cifar_batch() {
    let folder = workspace();
    let data = folder.path().join("cifar");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("data_batch_1.bin"), vec![1u8; 3073 * 5 - 100]).unwrap();
    fs::write(data.join("test_batch.bin"), vec![1u8; 3073 * 5]).unwrap();
    train_on(folder.path(), "cifar").fails(1, &["data_batch_1.bin", "15265 bytes", "3073", "truncated"]);
}

#[test]
fn a_malicious_pickle_is_refused_and_never_executed() {
    let folder = workspace();
    let data = folder.path().join("cifar-10-batches-py");
    fs::create_dir(&data).unwrap();
    let proof = folder.path().join("executed");
    // Protocol 2, as the official batches: import os.system, call it.
    let attack =
        [b"\x80\x02".as_slice(), format!("cos\nsystem\n(S'touch {}'\ntR.", proof.display()).as_bytes()]
            .concat();
    for name in ["data_batch_1", "test_batch"] {
        fs::write(data.join(name), &attack).unwrap();
    }
    train_on(folder.path(), "cifar-10-batches-py").fails(1, &["data_batch_1", "os", "system"]);
    assert!(!proof.exists());
}

#[test]
fn an_unknown_model() {
    let folder = workspace();
    allcnn(folder.path(), &["train", "--model", "all-cnn-x"])
        .fails(2, &["all-cnn-x", "all-cnn-c", "expected"]);
    fs::write(folder.path().join("bad.toml"), "name = 3").unwrap();
    allcnn(folder.path(), &["train", "--model", "bad.toml"]).fails(1, &["bad.toml", "line 1"]);
}

#[test]
fn numbers_out_of_range_are_wrong_usage() {
    let folder = workspace();
    for (arguments, parts) in [
        (["--batch", "0"], ["'0' for '--batch", "from 1 to"]),
        (["--batch", "-3"], ["-3", "--help"]),
        (["--lr", "-0.1"], ["'-0.1' for '--lr", "above 0"]),
        (["--lr", "nan"], ["'nan' for '--lr", "above 0"]),
        (["--weight-decay", "-1"], ["'-1' for '--weight-decay", "at least 0"]),
        (["--momentum", "1"], ["'1' for '--momentum", "below 1"]),
        (["--epochs", "0"], ["'0' for '--epochs", "from 1 to"]),
        (["--limit", "0"], ["'0' for '--limit", "from 1 to"]),
        (["--threads", "0"], ["'0' for '--threads", "from 1 to"]),
        (["--holdout", "0"], ["'0'", "10%"]),
        (["--holdout", "100%"], ["'100%'", "10%"]),
        (["--init", "normal:0"], ["normal:0", "xavier"]),
        (["--preprocess", "pca"], ["pca", "gcn-zca"]),
        (["--augment", "mixup"], ["mixup", "flip-shift"]),
        (["--recipe", "slow"], ["slow", "paper"]),
        (["--time-limit", "5 days"], ["5 days", "30m"]),
        (["--device", "tpu"], ["tpu", "cpu"]),
    ] {
        let mut all = vec!["train"];
        all.extend(arguments);
        allcnn(folder.path(), &all).fails(2, &parts);
    }
}

#[test]
fn what_this_build_cannot_do_yet_is_said() {
    let folder = workspace();
    allcnn(folder.path(), &["train", "--device", "cuda"]).fails(1, &["cuda", "--device cpu"]);
}

#[test]
fn a_checkpoint_cut_in_half() {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1"])).done();
    for name in ["best.safetensors", "last.safetensors"] {
        let path = folder.path().join("run").join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    allcnn(folder.path(), &["eval", "run"]).fails(1, &["best.safetensors", "damaged"]);
    allcnn(folder.path(), &["train", "--resume", "run"]).fails(1, &["last.safetensors", "damaged"]);
    fs::write(folder.path().join("run/best.safetensors"), "").unwrap();
    allcnn(folder.path(), &["predict", "run", "tiny.toml"]).fails(1, &["best.safetensors"]);
}

#[test]
fn a_checkpoint_of_another_network() {
    let folder = workspace();
    let other =
        crate::support::TINY_NETWORK.replace("\"tiny\"", "\"other\"").replace("conv = 8", "conv = 12");
    fs::write(folder.path().join("other.toml"), other).unwrap();
    let short = ["--limit", "64", "--epochs", "1"];
    allcnn(
        folder.path(),
        &train_arguments("run", &["--limit", "640", "--epochs", "3", "--time-limit", "1s"]),
    )
    .done();
    let more = [&["train", "--model", "other.toml", "--out", "other"], short.as_slice()].concat();
    allcnn(folder.path(), &more).done();
    let run = folder.path().join("run");
    fs::copy(folder.path().join("other/last.safetensors"), run.join("last.safetensors")).unwrap();
    allcnn(folder.path(), &["train", "--resume", "run"]).fails(1, &["network other", "tiny"]);
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let folder = workspace();
    fs::write(folder.path().join("file"), "a file, no folder").unwrap();
    allcnn(folder.path(), &train_arguments("file/run", &["--limit", "64"])).fails(1, &["file/run"]);
    allcnn(folder.path(), &train_arguments("/proc/run", &["--limit", "64"])).fails(1, &["/proc/run"]);
}

#[test]
fn a_run_folder_that_is_none() {
    let folder = workspace();
    allcnn(folder.path(), &["eval", "nowhere"]).fails(1, &["nowhere"]);
    allcnn(folder.path(), &["train", "--resume", "nowhere"]).fails(1, &["nowhere"]);
    fs::create_dir(folder.path().join("none")).unwrap();
    allcnn(folder.path(), &["predict", "none", "tiny.toml"]).fails(1, &["none"]);
}

#[test]
fn an_output_folder_with_a_run_in_it_is_left_alone() {
    let folder = workspace();
    let arguments = train_arguments("run", &["--limit", "64", "--epochs", "1"]);
    allcnn(folder.path(), &arguments).done();
    let before = fs::read(folder.path().join("run/last.safetensors")).unwrap();
    allcnn(folder.path(), &arguments).fails(1, &["run", "--resume"]);
    assert_eq!(fs::read(folder.path().join("run/last.safetensors")).unwrap(), before);
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = workspace();
    let wide = crate::support::TINY_NETWORK.replace("conv = 8", "conv = 96");
    fs::write(folder.path().join("tiny.toml"), wide).unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk"), "900k") else {
        eprintln!("skipped: a small file system cannot be mounted here (needs the superuser)");
        return;
    };
    // One checkpoint (0.7 MB) fits, its successor beside it does not.
    let run = disk.0.join("run");
    allcnn(folder.path(), &train_arguments("disk/run", &["--limit", "64", "--epochs", "3"]))
        .fails(1, &["disk/run", "No space left on device"]);
    for entry in fs::read_dir(&run).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            tensors(&path); // whole, or a panic
        }
    }
    let mut filler = fs::File::create(disk.0.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    allcnn(folder.path(), &train_arguments("disk/next", &["--limit", "64", "--epochs", "1"]))
        .fails(1, &["disk/next", "No space left on device"]);
}

#[test]
fn clumsy_words_are_understood_or_get_a_tip() {
    let folder = workspace();
    image_folder(folder.path(), 4);
    allcnn(folder.path(), &["train", "pictures"]).fails(2, &["'pictures'", "tip: ", "--data pictures"]);
    allcnn(folder.path(), &["train", "--epochs", "-3"]).fails(2, &["'-3'", "from 1 to"]);
    // Before any data is read.
    allcnn(folder.path(), &["data", "convert", "no/data", "--to", "x.rar"]).fails(1, &["x.rar", ".tar.zst"]);
    let help = allcnn(folder.path(), &["help", "data", "info"]).done().stdout;
    assert_eq!(help, allcnn(folder.path(), &["data", "info", "--help"]).done().stdout);
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1"])).done();
    let unread = allcnn(folder.path(), &["predict", "run", "nothing.png"]);
    assert_eq!((unread.code, unread.stdout.as_str()), (Some(1), ""), "no table without a row");
    assert!(unread.stderr.contains("cannot read nothing.png"), "{unread:?}");
}

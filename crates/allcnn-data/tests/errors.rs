//! Bad input is named, counted and explained; it never ends in a crash.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Holdout, Options, fuzz, open};
use proptest::prelude::*;
use support::*;
use tempfile::tempdir;

#[test]
fn unreadable_images_are_left_out_and_named() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("", 30);
    files.push(("cat/text.jpg".into(), b"I am a text file".to_vec()));
    files.push(("dog/cut.jpg".into(), jpeg(3, 32)[..600].to_vec()));
    files.push(("dog/empty.png".into(), vec![]));
    write_folder(folder.path(), &files);
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.train.len() + set.test.len(), set.skipped.len()), (60, 3));
    let reason = |file: &str| &set.skipped.iter().find(|skipped| skipped.file == file).unwrap().reason;
    assert!(reason("cat/text.jpg").contains("not an image"));
    assert!(reason("dog/cut.jpg").contains("truncated"));
    assert!(reason("dog/empty.png").contains("empty"));
}

#[test]
fn more_than_five_percent_unreadable_is_an_error() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("", 10);
    files.extend((0..2).map(|number| (format!("cat/bad{number}.png"), png(number, 32)[..60].to_vec())));
    write_folder(folder.path(), &files);
    let error = error_of(folder.path());
    assert!(error.contains("2 of 22 images") && error.contains("cat/bad0.png"), "{error}");
    let set = open_with(folder.path(), &Options { max_bad_percent: 100.0, ..Options::default() }).unwrap();
    assert_eq!(set.skipped.len(), 2);
}

#[test]
fn what_is_no_data_set_is_explained() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(error_of(&path("nothing")).contains("no such file or folder"));
    std::fs::create_dir(path("empty")).unwrap();
    assert!(error_of(&path("empty")).contains("holds no files"));
    write_folder(&path("one"), &[("cat/1.png".into(), png(1, 32)), ("cat/2.png".into(), png(2, 32))]);
    let error = error_of(&path("one"));
    assert!(error.contains("one class only ('cat')") && error.contains("at least two"), "{error}");
    write_folder(&path("flat"), &[("1.png".into(), png(1, 32))]);
    assert!(error_of(&path("flat")).contains("no class folders"));
    write_folder(&path("texts"), &[("a.txt".into(), b"a".to_vec())]);
    let error = error_of(&path("texts"));
    assert!(error.contains("a.txt") && error.contains("Expected"), "{error}");
    let mut files = class_folders("train/", 2);
    files.push(("test/cow/1.png".into(), png(1, 32)));
    write_folder(&path("cow"), &files);
    assert!(error_of(&path("cow")).contains("'cow'"));
}

#[test]
fn a_holdout_that_takes_all_is_refused() {
    let folder = tempdir().unwrap();
    write_folder(folder.path(), &class_folders("", 3));
    let options = Options { holdout: Some(Holdout::PerClass(3)), ..Options::default() };
    let error = open_with(folder.path(), &options).unwrap_err().to_string();
    assert!(error.contains("holdout of 3") && error.contains("'cat'"), "{error}");
}

#[test]
fn a_truncated_cifar_batch_is_refused() {
    let folder = tempdir().unwrap();
    let batch: Vec<u8> = (0..4).flat_map(|seed| record(&[seed as u8], seed)).collect();
    let files = [
        ("data_batch_1.bin".to_string(), batch.clone()),
        ("data_batch_2.bin".to_string(), batch[..5000].to_vec()),
    ];
    write_folder(folder.path(), &files);
    let error = error_of(folder.path());
    assert!(
        error.contains("data_batch_2.bin") && error.contains("5000") && error.contains("3073"),
        "{error}"
    );
    write_folder(folder.path(), &[("data_batch_2.bin".into(), record(&[11], 1))]);
    let error = error_of(folder.path());
    assert!(error.contains("label 11"), "{error}");
}

#[test]
fn a_malicious_pickle_is_refused_and_not_run() {
    let folder = tempdir().unwrap();
    write_folder(folder.path(), &[("data_batch_1".into(), fixture("malicious.pickle"))]);
    let error = error_of(folder.path());
    assert!(error.contains("system") && error.contains("nothing was run"), "{error}");
    let whole = fixture("cifar10.python2.pickle");
    write_folder(folder.path(), &[("data_batch_1".into(), whole[..whole.len() / 2].to_vec())]);
    assert!(error_of(folder.path()).contains("truncated"));
}

#[test]
fn a_truncated_archive_is_refused() {
    let folder = tempdir().unwrap();
    let tar = tar(&class_folders("", 20));
    let archives = [
        ("a.tar", tar.clone()),
        ("b.tgz", gz(&tar)),
        ("c.zst", zstd::encode_all(&*tar, 1).unwrap()),
        ("d.zip", zip(&class_folders("", 20))),
    ];
    for (name, bytes) in archives {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let error = error_of(&path);
        assert!(error.contains(name) && error.contains("cannot be read"), "{error}");
    }
    let path = folder.path().join("text.gz");
    std::fs::write(&path, gz(b"not a tar archive at all")).unwrap();
    assert!(error_of(&path).contains("text.gz"));
}

#[test]
fn a_damaged_parquet_file_is_refused() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("train.parquet"), b"PAR1 but nothing more PAR1").unwrap();
    let error = error_of(folder.path());
    assert!(error.contains("train.parquet"), "{error}");
}

#[test]
fn a_data_set_that_was_not_fetched_names_the_command() {
    // No other test of this file reads the named data sets.
    let error = open("cifar100", &Options::default(), &mut |_| {}).map(|set| set.name);
    match error {
        Err(error) => assert!(error.to_string().contains("allcnn data fetch cifar100"), "{error}"),
        Ok(name) => eprintln!("skipped: {name} is on this machine"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_crash_a_reader(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        fuzz::cifar(&bytes);
        fuzz::archive(&bytes);
        let _ = allcnn_data::decode::decode(&bytes);
    }

    #[test]
    fn altered_files_never_crash_a_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        which in 0usize..6,
    ) {
        let mut file = match which {
            0 => fixture("cifar10.python2.pickle"),
            1 => fixture("cifar10.protocol4.pickle"),
            2 => fixture("cifar100.protocol2.pickle"),
            3 => tar(&class_folders("", 1)),
            4 => zip(&class_folders("", 1)),
            _ => jpeg(1, 32),
        };
        for (place, value) in changes {
            // The heads of the pickles are where the instructions are.
            let length = if which < 3 { 400.min(file.len()) } else { file.len() };
            file[place.index(length)] = value;
        }
        if which.is_multiple_of(2) {
            file.truncate(cut.index(file.len()));
        }
        fuzz::cifar(&file);
        fuzz::archive(&file);
        let _ = allcnn_data::decode::decode(&file);
    }

    #[test]
    fn random_instructions_never_crash_the_pickle_reader(
        bytes in prop::collection::vec(prop::sample::select(b"\x80\x02]}()N\x88K\x01\x05qhtaesu0Rb\x85\x86\x87\x94\x93\x8c\x01XU.C".to_vec()), 0..200)
    ) {
        fuzz::cifar(&bytes);
    }
}

//! Every form of data is read, and to the same images.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Holdout, Kind, Labels, Note, Options, decode::decode, open};
use support::*;
use tempfile::tempdir;

#[test]
fn class_folders_are_split_by_name() {
    let folder = tempdir().unwrap();
    write_folder(folder.path(), &class_folders("", 20));
    write_folder(
        folder.path(),
        &[("README.txt".into(), b"hello".to_vec()), (".hidden/x.png".into(), png(1, 32))],
    );
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.kind, set.classes.join(" ")), (Kind::ImageFolder, "cat dog".to_string()));
    assert_eq!((set.train.len(), set.test.len()), (36, 4));
    assert_eq!(set.test.names, ["cat/018.png", "cat/019.png", "dog/018.png", "dog/019.png"]);
    assert_eq!(set.test.labels, [0, 0, 1, 1]);
    assert_eq!(set.train.image(5), picture(5, 32));
    assert_eq!(set.test.image(3), picture(119, 32));
    assert!(set.skipped.is_empty(), "{:?}", set.skipped);

    let options = Options { holdout: Some(Holdout::PerClass(5)), limit: Some(7), ..Options::default() };
    let set = open_with(folder.path(), &options).unwrap();
    assert_eq!((set.train.class_counts(2), set.test.class_counts(2)), (vec![4, 3], vec![5, 5]));
}

#[test]
fn an_archive_gives_the_same_as_the_folder() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("pets/train/", 6);
    files.extend(class_folders("pets/val/", 2));
    write_folder(&folder.path().join("plain"), &files);
    let expected = open_path(&folder.path().join("plain")).unwrap();
    assert_eq!((expected.train.len(), expected.test.len()), (12, 4));
    files.reverse(); // the order in the archive does not matter
    let tar = tar(&files);
    let archives = [
        ("a", tar.clone()),
        ("b.bin", gz(&tar)),
        ("c.jpg", zstd::encode_all(&*tar, 1).unwrap()),
        ("d.tar", zip(&files)),
    ];
    for (name, bytes) in archives {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let set = open_path(&path).unwrap();
        assert_eq!(set.fingerprint, expected.fingerprint, "{name}");
        assert_eq!(set.train, expected.train);
        assert_eq!(set.test, expected.test);
    }
}

#[test]
fn a_holdout_given_replaces_the_test_split() {
    let folder = tempdir().unwrap();
    let mut files = class_folders("train/", 6);
    files.extend(class_folders("test/", 2));
    files.extend(class_folders("val/", 2));
    write_folder(folder.path(), &files);
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (12, 4, 4));
    let options = Options { holdout: Some(Holdout::PerClass(1)), ..Options::default() };
    let set = open_with(folder.path(), &options).unwrap();
    assert_eq!(set.test.names, ["train/cat/005.png", "train/dog/005.png"]);
    assert!(set.notes.contains(&Note::HoldoutReplacesTest), "{:?}", set.notes);
}

#[test]
fn a_class_may_be_called_train() {
    let folder = tempdir().unwrap();
    let files: Vec<_> = ["bus/1.png", "bus/2.png", "train/1.png", "train/2.png"]
        .map(|name| (name.to_string(), png(1, 32)))
        .into();
    write_folder(folder.path(), &files);
    assert_eq!(open_path(folder.path()).unwrap().classes, ["bus", "train"]);
}

#[test]
fn images_get_one_size_and_all_colors_become_rgb() {
    let folder = tempdir().unwrap();
    let mut files: Vec<_> = (0..30).map(|n| (format!("a/{n:02}.png"), png(n, 16))).collect();
    files.extend((0..30).map(|n| (format!("b/{n:02}.jpg"), jpeg(n, 40))));
    files.push(("b/cmyk.jpg".into(), fixture("cmyk.jpg")));
    write_folder(folder.path(), &files);
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.train.height, set.train.width, set.skipped.len()), (16, 16, 0));
    assert_eq!(set.notes, [Note::Resized { images: 31, height: 16, width: 16 }]);
    let set = open_with(folder.path(), &Options { size: Some((8, 12)), ..Options::default() }).unwrap();
    assert_eq!((set.train.height, set.train.width, set.train.pixels.len()), (8, 12, set.train.len() * 288));
    assert_eq!(set.test.image_len(), 288);
}

#[test]
fn cmyk_and_orientation_are_honored() {
    let cmyk = decode(&fixture("cmyk.jpg")).unwrap();
    let near = |at: usize, color: [u8; 3]| {
        let found = &cmyk.pixels[at * 3..at * 3 + 3];
        found.iter().zip(color).all(|(&found, wanted)| found.abs_diff(wanted) < 40)
    };
    assert!(near(2, [0, 255, 255]) && near(13, [0, 0, 0]), "{:?}", &cmyk.pixels[..48]);
    let turned = decode(&fixture("turned.jpg")).unwrap();
    assert_eq!((turned.height, turned.width), (32, 16));
    assert!(turned.pixels[0] < 30 && turned.pixels[31 * 16 * 3] > 225);
}

#[test]
fn cifar10_binary_is_read() {
    let folder = tempdir().unwrap();
    let batch =
        |seeds: std::ops::Range<usize>| seeds.flat_map(|s| record(&[(s % 10) as u8], s)).collect::<Vec<u8>>();
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("cifar-10-batches-bin/data_batch_1.bin".into(), batch(0..20)),
        ("cifar-10-batches-bin/data_batch_2.bin".into(), batch(20..40)),
        ("cifar-10-batches-bin/test_batch.bin".into(), batch(40..50)),
        ("cifar-10-batches-bin/readme.html".into(), b"<html>".to_vec()),
    ];
    let path = folder.path().join("cifar.tar.gz");
    std::fs::write(&path, gz(&tar(&files))).unwrap();
    let set = open_path(&path).unwrap();
    assert_eq!((set.kind, set.train.len(), set.test.len()), (Kind::CifarBinary, 40, 10));
    assert_eq!(set.classes[9], "truck");
    assert_eq!((set.train.image(23), set.train.labels[23]), (&*picture(23, 32), 3));
    assert_eq!(set.train.names[23], "cifar-10-batches-bin/data_batch_2.bin#00003");
    assert_eq!(set.test.image(4), picture(44, 32));

    files.truncate(2);
    files
        .push(("cifar-10-batches-bin/batches.meta.txt".into(), b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n".to_vec()));
    write_folder(folder.path().join("plain").as_path(), &files);
    let set = open_path(&folder.path().join("plain")).unwrap();
    assert_eq!((set.classes[9].as_str(), set.train.len(), set.test.len()), ("j", 30, 10));
    let set =
        open_with(&folder.path().join("plain"), &Options { size: Some((48, 48)), ..Options::default() })
            .unwrap();
    assert_eq!(set.train.pixels.len(), 30 * 48 * 48 * 3);
}

#[test]
fn cifar100_binary_has_fine_and_coarse_labels() {
    let folder = tempdir().unwrap();
    let batch = |seeds: std::ops::Range<usize>| {
        seeds.flat_map(|s| record(&[(s % 20) as u8, (s % 100) as u8], s)).collect::<Vec<u8>>()
    };
    write_folder(folder.path(), &[("train.bin".into(), batch(0..120)), ("test.bin".into(), batch(0..20))]);
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.classes.len(), set.classes[99].as_str(), set.train.labels[119]), (100, "worm", 19));
    let options = Options { labels: Labels::Coarse, ..Options::default() };
    let set = open_with(folder.path(), &options).unwrap();
    assert_eq!((set.classes.len(), set.train.labels[39], set.train.image(39)), (20, 19, &*picture(39, 32)));
}

#[test]
fn python_batches_of_every_protocol_give_the_same() {
    let planes: Vec<u8> = (0..3 * 3072).map(|place| (place * 7 % 251) as u8).collect();
    for name in ["protocol2", "protocol3", "protocol4", "protocol5", "python2"] {
        let folder = tempdir().unwrap();
        let batch = fixture(&format!("cifar10.{name}.pickle"));
        let file = |name: &str, bytes: Vec<u8>| (format!("cifar-10-batches-py/{name}"), bytes);
        write_folder(
            folder.path(),
            &[
                file("data_batch_1", batch.clone()),
                file("test_batch", batch),
                file("batches.meta", fixture("meta.pickle")),
            ],
        );
        let set = open_path(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((set.kind, set.train.len(), set.test.len()), (Kind::CifarPython, 3, 3), "{name}");
        assert_eq!((set.train.labels.as_slice(), set.classes[9].as_str()), (&[3, 0, 9][..], "lorry"));
        let pixel =
            |image: usize, place: usize| [0, 1, 2].map(|plane| planes[image * 3072 + plane * 1024 + place]);
        assert_eq!(set.train.image(2)[300..303], pixel(2, 100));
    }
    let folder = tempdir().unwrap();
    let batch = fixture("cifar100.protocol2.pickle");
    write_folder(folder.path(), &[("train".into(), batch.clone()), ("test".into(), batch)]);
    assert_eq!(open_path(folder.path()).unwrap().train.labels, [99, 0, 50]);
    let options = Options { labels: Labels::Coarse, ..Options::default() };
    assert_eq!(open_with(folder.path(), &options).unwrap().train.labels, [19, 0, 7]);
}

#[test]
fn hugging_face_parquet_is_read() {
    let names = r#"{"info": {"features": {"image": {"_type": "Image"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}"#;
    let rows =
        |seeds: std::ops::Range<usize>| seeds.map(|s| (png(s, 32), (s % 2) as i64)).collect::<Vec<_>>();
    let files = vec![
        ("data/train-00000-of-00002.parquet".to_string(), parquet_file(&rows(0..6), Some(names))),
        ("data/train-00001-of-00002.parquet".to_string(), parquet_file(&rows(6..10), Some(names))),
        ("data/test-00000-of-00001.parquet".to_string(), parquet_file(&rows(10..14), Some(names))),
        ("README.md".to_string(), b"# data".to_vec()),
    ];
    let folder = tempdir().unwrap();
    write_folder(&folder.path().join("plain"), &files);
    std::fs::write(folder.path().join("packed"), tar(&files)).unwrap();
    for path in ["plain", "packed"] {
        let set = open_path(&folder.path().join(path)).unwrap();
        assert_eq!((set.kind, set.classes.join(" ")), (Kind::Parquet, "cat dog".to_string()));
        assert_eq!((set.train.len(), set.test.len()), (10, 4));
        assert_eq!((set.train.image(7), set.train.labels[7]), (&*picture(7, 32), 1));
        assert_eq!(set.test.image(1), picture(11, 32));
    }
    std::fs::write(folder.path().join("one.parquet"), parquet_file(&rows(0..20), None)).unwrap();
    let set = open_path(&folder.path().join("one.parquet")).unwrap();
    assert_eq!((set.classes, set.train.len(), set.test.len()), (vec!["0".to_string(), "1".into()], 18, 2));
}

#[test]
fn shapes_are_embedded_and_follow_the_options() {
    let set = open("shapes", &Options::default(), &mut |_| {}).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.classes.len()), (5000, 1000, 10));
    let options = Options { limit: Some(25), size: Some((16, 16)), ..Options::default() };
    let set = open("shapes", &options, &mut |_| {}).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.train.image_len()), (25, 1000, 768));
}

#[test]
fn the_real_cifar_images_are_read_whole() {
    let Some(path) = shared("cifar10-train-jpeg.tar.gz") else { return };
    let options = Options { holdout: Some(Holdout::PerClass(500)), ..Options::default() };
    let mut seen = 0;
    let set = open(path.to_str().unwrap(), &options, &mut |progress| seen = progress.done).unwrap();
    assert_eq!((set.train.class_counts(10), set.test.class_counts(10)), (vec![4500; 10], vec![500; 10]));
    assert_eq!((set.train.height, set.train.width, set.skipped.len(), seen), (32, 32, 0, 50_000));
    assert_eq!(set.test.names[0], "train/airplane/4500.jpg");
}

#[test]
fn photographs_of_all_sizes_are_read() {
    let Some(path) = shared("imagenet-sample.tar") else { return };
    let set = open_with(&path, &Options { size: Some((64, 64)), ..Options::default() }).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.classes.len(), set.skipped.len()), (0, 100, 100, 0));
}

//! Files of numpy's arrays: read whatever their arrays are called and however their values lie, and refused with a reason.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Kind, Note, Options};
use std::fs;
use support::*;
use tempfile::tempdir;

fn keras() -> Vec<u8> {
    npz(&[
        ("x_train", picture_array(0, 12, 8)),
        ("y_train", label_array(12)),
        ("x_test", picture_array(50, 4, 8)),
        ("y_test", label_array(4)),
    ])
}

/// Opens a file of that name with these bytes.
fn opened(bytes: &[u8]) -> Result<allcnn_data::DataSet, String> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.npz");
    fs::write(&path, bytes).unwrap();
    open_path(&path).map_err(|error| error.to_string())
}

#[test]
fn the_names_of_keras_and_medmnist_are_known() {
    let set = opened(&keras()).unwrap();
    assert_eq!((set.kind, sizes(&set)), (Kind::Npz, ([12, 0, 4], "0 1".into())));
    assert_eq!(kinds(&set), ["splits", "numbered-classes"]);
    assert_eq!(set.train.pixels, (0..12).flat_map(|seed| picture(seed, 8)).collect::<Vec<u8>>());
    assert_eq!((set.train.labels[1], set.test.names[3].as_str()), (1, "set.npz/x_test#000003"));

    let labels = |images: usize| {
        npy("'|u1'", false, &[images, 1], &(0..images).map(|i| i as u8 % 2).collect::<Vec<u8>>())
    };
    let grey = |images: usize| npy("'|u1'", false, &[images, 4, 4], &vec![7; images * 16]);
    let medmnist = npz(&[
        ("train_images", grey(6)),
        ("val_images", grey(2)),
        ("test_images", grey(4)),
        ("train_labels", labels(6)),
        ("val_labels", labels(2)),
        ("test_labels", labels(4)),
    ]);
    let set = opened(&medmnist).unwrap();
    assert_eq!(sizes(&set).0, [6, 2, 4]);
    assert_eq!(set.train.pixels, [7; 6 * 16 * 3]);
}

#[test]
fn one_split_is_divided_and_class_names_are_those_of_the_file() {
    let names = npy(
        "'<U3'",
        false,
        &[2],
        &"catdog".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>(),
    );
    for [x, y] in [["X", "y"], ["images", "labels"], ["x", "y"]] {
        let arrays = [(x, picture_array(0, 20, 8)), (y, label_array(20)), ("class_names", names.clone())];
        let set = opened(&npz(&arrays)).unwrap();
        assert_eq!(sizes(&set), ([18, 0, 2], "cat dog".into()));
        assert_eq!(kinds(&set), ["class-names"]);
    }
}

#[test]
fn a_file_of_arrays_is_data_wherever_it_lies() {
    let direct = opened(&keras()).unwrap();
    let folder = folder_of(vec![("set.npz".into(), keras()), ("README.md".into(), b"words".to_vec())]);
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.fingerprint.as_str(), set.ignored.len()), (direct.fingerprint.as_str(), 1));
    let files = vec![("data/set.jpg".to_string(), keras())];
    for (name, archive) in [("a.tar", tar(&files)), ("a.zip", zip(&files)), ("a.tar.gz", gz(&tar(&files)))] {
        let path = folder.path().join(name);
        fs::write(&path, archive).unwrap();
        assert_eq!(
            open_path(&path).unwrap().fingerprint,
            direct.fingerprint,
            "{name}: content tells, not the name"
        );
    }
    // A split a file.
    let one = |seed, images| npz(&[("x", picture_array(seed, images, 8)), ("y", label_array(images))]);
    let folder = folder_of(vec![("train.npz".into(), one(0, 12)), ("test.npz".into(), one(50, 4))]);
    assert_eq!(open_path(folder.path()).unwrap().fingerprint, direct.fingerprint);
    // Files of arrays beside images are left out and counted.
    let mut files = class_folders("", 30);
    files.push(("features.npz".into(), npz(&[("x", npy("'<f4'", false, &[100, 1], &[0; 400]))])));
    files.push(("torn.npz".into(), keras()[..500].to_vec()));
    let set = open_path(folder_of(files).path()).unwrap();
    assert_eq!(
        (set.kind, set.ignored[0].reason.as_str()),
        (Kind::ImageFolder, "not of the kind of data that was found")
    );
}

#[test]
fn splits_are_chosen_by_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.npz");
    fs::write(&path, keras()).unwrap();
    let options = Options { reading: reading("train=test,test=train"), ..Options::default() };
    assert_eq!(sizes(&open_with(&path, &options).unwrap()).0, [4, 0, 12]);
    let options = Options { reading: reading("train=other"), ..Options::default() };
    let error = open_with(&path, &options).map(|set| set.kind).unwrap_err().to_string();
    assert!(error.contains("'other'") && error.contains("set.npz/train"), "{error}");
}

#[test]
fn pictures_get_the_wanted_size_while_they_are_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("set.npz");
    fs::write(&path, keras()).unwrap();
    let options = Options { size: Some((4, 6)), ..Options::default() };
    let set = open_with(&path, &options).unwrap();
    let picture = allcnn_data::Picture { height: 8, width: 8, pixels: picture(3, 8) };
    let small = allcnn_data::decode::resize(picture, 4, 6).unwrap().pixels;
    assert_eq!((set.train.image(3), set.test.len()), (small.as_slice(), 4));
}

#[test]
fn channels_first_and_fortran_order_are_read_and_told() {
    let (pixels, n, side) = ((0..10).flat_map(|seed| picture(seed, 5)).collect::<Vec<u8>>(), 10, 5);
    let at = |i: usize, y: usize, x: usize, c: usize| pixels[((i * side + y) * side + x) * 3 + c];
    let first: Vec<u8> = (0..n * 75).map(|k| at(k / 75, k / side % side, k % side, k / 25 % 3)).collect();
    let fortran: Vec<u8> =
        (0..n * 75).map(|k| at(k % n, k / n % side, k / n / side % side, k / n / 25)).collect();
    for (array, noted) in [
        (npy("'|u1'", false, &[n, 3, side, side], &first), true),
        (npy("'|u1'", true, &[n, side, side, 3], &fortran), false),
    ] {
        let set = opened(&npz(&[
            ("x_test", picture_array(0, 2, 5)),
            ("y_test", label_array(2)),
            ("x_train", array),
            ("y_train", label_array(n)),
        ]));
        let set = set.unwrap();
        assert_eq!((set.train.pixels == pixels, kinds(&set).contains(&"channels-first")), (true, noted));
    }
    let note = Note::ChannelsFirst { array: "a".into(), shape: "[1, 3, 2, 2]".into() };
    assert!(!note.is_warning());
}

#[test]
fn test_images_without_labels_are_left_out_and_counted() {
    let hidden = npy("'<i2'", false, &[3], &[255; 6]);
    for unlabeled in [vec![], vec![("y_test", hidden)]] {
        let mut arrays = vec![
            ("x_train", picture_array(0, 10, 8)),
            ("y_train", label_array(10)),
            ("x_test", picture_array(50, 3, 8)),
            ("sample_ids", label_array(13)),
        ];
        arrays.extend(unlabeled);
        let set = opened(&npz(&arrays)).unwrap();
        assert_eq!(sizes(&set).0, [8, 0, 2]);
        assert!(kinds(&set).contains(&"unlabeled"));
        let counted: Vec<_> = set.ignored.iter().map(|one| (one.files, one.reason.as_str())).collect();
        assert_eq!(counted, [(1, "an array that is neither images nor labels"), (3, "unlabeled test image")]);
    }
}

/// Arrays by name, and parts of the error that they give.
type Case = (Vec<(&'static str, Vec<u8>)>, &'static [&'static str]);

#[test]
fn what_is_wrong_is_told_with_arrays_and_shapes() {
    let x = || ("x_train", picture_array(0, 10, 8));
    let y = || ("y_train", label_array(10));
    let objects = |n: usize| npy("'|O'", false, &[n], b"\x80\x03cos\nsystem\n.");
    let float = npy("'<f4'", false, &[1, 2, 2], &[0; 16]);
    let numbers = |values: &[i32]| {
        npy(
            "'<i4'",
            false,
            &[values.len()],
            &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
        )
    };
    let texts = npy("'|S1'", false, &[10], b"ababababab");
    let cases: Vec<Case> = vec![
        (vec![("arr_0", picture_array(0, 2, 8))], &["'arr_0' (uint8 [2, 8, 8, 3])", "x_train=..."]),
        (vec![x()], &["set.npz/x_train", "no array holds its labels"]),
        (
            vec![x(), ("y_train", label_array(9))],
            &["'x_train' (uint8 [10, 8, 8, 3]) holds 10 images", "'y_train' (int64 [9]) holds 9 labels"],
        ),
        (
            vec![x(), y(), ("train_images", picture_array(0, 10, 8))],
            &["several arrays", "'train_images'", "'x_train'"],
        ),
        (
            vec![x(), y(), ("x_test", picture_array(0, 2, 5)), ("y_test", label_array(2))],
            &["[10, 8, 8, 3]", "set.npz/x_test", "[2, 5, 5, 3]"],
        ),
        (vec![("x_train", objects(10)), y()], &["Python objects", "never unpacked", "np.stack"]),
        (vec![x(), ("y_train", objects(10))], &["Python objects", "never unpacked"]),
        (vec![("x", float), ("y", label_array(1))], &["float32", "255"]),
        (vec![x(), ("y_train", npy("'|u1'", false, &[10, 3], &[0; 30]))], &["[10, 3]", "argmax"]),
        (vec![x(), ("y_train", numbers(&[0, 1, 0, 1, -7, 0, 0, 0, 0, 0]))], &["y_train", "image 4", "-7"]),
        (vec![x(), ("y_train", numbers(&[0, 1, 0, 1, 0, 0, 0, 0, 0, i32::MAX]))], &["image 9", "2147483647"]),
        (
            vec![x(), y(), ("class_names", npy("'|S3'", false, &[1], b"cat"))],
            &["y_train", "image 1", "label 1"],
        ),
        (
            vec![x(), ("y_train", texts.clone()), ("class_names", npy("'|S1'", false, &[1], b"a"))],
            &["class_names", "'b'"],
        ),
        (
            vec![x(), y(), ("x_test", picture_array(0, 10, 8)), ("y_test", texts)],
            &["names", "numbers", "both alike"],
        ),
        (
            vec![x(), ("y_train", npy("'<i8'", false, &[10], &[0; 79]))],
            &["y_train", "int64 [10]", "damaged or truncated"],
        ),
        (vec![("x", b"no array".to_vec())], &["set.npz/x", "no array of numpy"]),
    ];
    for (arrays, parts) in cases {
        let error = opened(&npz(&arrays)).map(|set| set.kind).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "expected '{part}': {error}");
        }
    }
}

#[test]
fn a_file_that_is_cut_or_altered_is_told() {
    let whole = keras();
    for cut in [5, 40, whole.len() / 2, whole.len() - 1] {
        let error = opened(&whole[..cut]).map(|set| set.kind).unwrap_err();
        assert!(error.contains("damaged") || error.contains("invalid Zip archive"), "{cut}: {error}");
    }
    let stored = fixture("stored.npz");
    let set = opened(&stored).unwrap();
    assert_eq!(sizes(&set), ([8, 0, 2], "cat dog".into()));
    let place = stored.windows(4).rposition(|bytes| bytes == [201, 202, 203, 204]).unwrap();
    let mut altered = stored;
    altered[place] ^= 1;
    let error = opened(&altered).map(|set| set.kind).unwrap_err();
    assert!(error.contains("set.npz/images") && error.contains("damaged"), "{error}");
}

#[test]
fn classes_without_a_training_image_are_told() {
    let labels = npy("'|u1'", false, &[4], &[0, 1, 1, 5]);
    let arrays = [
        ("x_train", picture_array(0, 12, 8)),
        ("y_train", label_array(12)),
        ("x_test", picture_array(50, 4, 8)),
        ("y_test", labels),
    ];
    let set = opened(&npz(&arrays)).unwrap();
    assert!(
        set.notes.contains(&Note::UntrainedClasses { classes: vec!["5".to_string()] }),
        "{:?}",
        set.notes
    );
}

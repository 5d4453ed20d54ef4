//! Tables of image files: what columns they have, how files are named, which splits they tell, what is refused.
#![allow(clippy::unwrap_used)]
mod support;
use allcnn_data::{Kind, Options, Reading};
use support::*;

/// Pictures without class folders: `PREFIX0.png` and so on.
fn pictures(prefix: &str, count: usize) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|number| (format!("{prefix}{number}.png"), png(number + prefix.len() * 50, 32))).collect()
}

/// The pictures with tables beside them.
fn with_tables(mut files: Vec<(String, Vec<u8>)>, tables: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.extend(tables.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())));
    files
}

/// Rows of these files, in turn a cat and a dog.
fn rows(head: &str, names: impl Iterator<Item = String>) -> String {
    let row = |(number, name): (usize, String)| format!("{name},{}\n", ["cat", "dog"][number % 2]);
    format!("{head}\n{}", names.enumerate().map(row).collect::<String>())
}

fn numbered(form: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| form.replace('N', &number.to_string()))
}

#[test]
fn a_table_beside_the_pictures_tells_their_classes() {
    let table = rows("id,breed", numbered("N", 20));
    let files = with_tables(pictures("train/", 20), &[("labels.csv", &table)]);
    let folder = folder_of(files.clone());
    let set = open_path(folder.path()).unwrap();
    assert_eq!((sizes(&set), set.kind), (([18, 0, 2], "cat dog".into()), Kind::Table));
    assert_eq!(kinds(&set), ["table"]);
    assert!(set.ignored.is_empty(), "{:?}", set.ignored);
    assert_eq!(set.train.names[0], "train/0.png");
    // The same in an archive.
    let archive = folder.path().join("all.tar.gz");
    std::fs::write(&archive, gz(&tar(&files))).unwrap();
    assert_eq!(open_path(&archive).unwrap().fingerprint, set.fingerprint);
}

#[test]
fn tables_of_splits_and_samples_of_submissions_are_told_apart() {
    let train = rows("image_id,label", numbered("N.png", 12));
    let made_up = "image_id,label\n0.png,cat\n1.png,cat\n2.png,cat\n";
    let tables = [
        ("train.csv", &*train),
        ("test.csv", "image_id\n0.png\n1.png\n"),
        ("sample_submission.csv", made_up),
    ];
    let both = [pictures("train_images/", 12), pictures("test_images/", 4)].concat();
    let set = open_path(folder_of(with_tables(both.clone(), &tables)).path()).unwrap();
    assert_eq!(sizes(&set), ([10, 0, 2], "cat dog".into()));
    let ignored: Vec<String> = set.ignored.iter().map(ToString::to_string).collect();
    assert!(ignored[0].starts_with("2 files left out: unlabeled test image"), "{ignored:?}");
    assert!(ignored[1].starts_with("2 files left out: picture that no table names"), "{ignored:?}");
    assert!(ignored[2].contains("sample_submission.csv"), "{ignored:?}");
    // With classes, the test table is the test split.
    let test = rows("image_id,label", numbered("N.png", 4));
    let set = open_path(folder_of(with_tables(both, &[tables[0], ("test.csv", &test)])).path()).unwrap();
    assert_eq!(sizes(&set), ([12, 0, 4], "cat dog".into()));
}

#[test]
fn splits_stand_in_a_column_or_in_the_paths() {
    let mut table = String::from("file\tClass Id\tset\n");
    for number in 0..12 {
        let split = ["Training", "Training", "valid", "test"][number % 4];
        table += &format!("./p\\{number}.png\t{}\t{split}\n", 7 + number % 3);
    }
    let set = open_path(folder_of(with_tables(pictures("p/", 12), &[("all.tsv", &table)])).path()).unwrap();
    assert_eq!(sizes(&set), ([6, 3, 3], "7 8 9".into()));
    assert_eq!(kinds(&set), ["table", "numbered-classes", "splits"]);
    let both = [pictures("train/", 6), pictures("test/", 4)].concat();
    let names = numbered("train/N.png", 6).chain(numbered("test/N.png", 4));
    let table = rows("path,label", names);
    let set = open_path(folder_of(with_tables(both.clone(), &[("labels.csv", &table)])).path()).unwrap();
    assert_eq!(sizes(&set), ([6, 0, 4], "cat dog".into()));
    let splits = Options { reading: reading("train=test,test=train"), ..Options::default() };
    let folder = folder_of(with_tables(both.clone(), &[("labels.csv", &table)]));
    assert_eq!(sizes(&open_with(folder.path(), &splits).unwrap()), ([4, 0, 6], "cat dog".into()));
    let unknown = Reading { splits: reading("train=other").splits, ..label_column("label").reading };
    let error = open_with(folder.path(), &Options { reading: unknown, ..Options::default() }).unwrap_err();
    assert!(error.to_string().contains("'other', which --splits names"), "{error}");
    // What they contradict each other in is told.
    let table = rows("path,label", numbered("test/N.png", 4));
    let error = error_of(folder_of(with_tables(both, &[("train.csv", &table)])).path());
    assert!(error.contains("row 2: 'test/0.png' lies in a folder of test images"), "{error}");
}

#[test]
fn class_folders_and_a_table_must_agree() {
    let names = || class_folders("", 6).into_iter().map(|(name, _)| name);
    let same: String = names().map(|name| format!("{name},{}\n", name.split('/').next().unwrap())).collect();
    let same = format!("file,label\n{same}");
    let folder = folder_of(with_tables(class_folders("", 6), &[("labels.csv", &same)]));
    assert_eq!(open_path(folder.path()).unwrap().kind, Kind::ImageFolder);
    let other = rows("file,label", names());
    let folder = folder_of(with_tables(class_folders("", 6), &[("labels.csv", &other)]));
    let error = error_of(folder.path());
    for words in ["in two ways", "by its class folders (2 classes", "--label-column label", "--splits"] {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(open_with(folder.path(), &label_column("label")).unwrap().kind, Kind::Table);
    let folders = Options { reading: reading("train=."), ..Options::default() };
    assert_eq!(open_with(folder.path(), &folders).unwrap().kind, Kind::ImageFolder);
    // A table of something else does not matter.
    for (name, text) in [("log.csv", "epoch,loss\n1,2\n"), ("few.csv", "file,label\ncat/000.png,tiger\n")] {
        let folder = folder_of(with_tables(class_folders("", 6), &[(name, text)]));
        assert_eq!(open_path(folder.path()).unwrap().kind, Kind::ImageFolder, "{name}");
    }
}

#[test]
fn a_table_alone_names_files_beside_it_or_in_a_given_folder() {
    let table = rows("photo;kind", numbered("photos/N", 10)).replace(',', ";");
    let folder = folder_of(with_tables(pictures("photos/", 10), &[("list.csv", &table)]));
    let list = folder.path().join("list.csv");
    let set = open_path(&list).unwrap();
    assert_eq!((sizes(&set), set.kind), (([8, 0, 2], "cat dog".into()), Kind::Table));
    assert_eq!(set.train.names[0], "photos/0.png");
    let on_disk = Options { on_disk: true, size: Some((32, 32)), ..Options::default() };
    assert_eq!(open_with(&list, &on_disk).unwrap().train.files.len(), 8);
    // Elsewhere, with absolute paths.
    let elsewhere = tempfile::tempdir().unwrap();
    let absolute = table.replace("photos/", &format!("{}/photos/", folder.path().display()));
    let moved = elsewhere.path().join("list.csv");
    std::fs::write(&moved, absolute).unwrap();
    let error = error_of(&moved);
    assert!(error.contains("is an absolute path") && error.contains("--image-root"), "{error}");
    let root = |root: &std::path::Path| Options {
        reading: Reading { image_root: Some(root.to_path_buf()), ..Reading::default() },
        ..Options::default()
    };
    let found = open_with(&moved, &root(&folder.path().join("photos/../photos"))).unwrap();
    assert_eq!((found.train.names[0].as_str(), found.train.len()), ("0.png", 8));
    let error = open_with(&moved, &root(elsewhere.path())).unwrap_err().to_string();
    assert!(error.contains("out of the folder of --image-root"), "{error}");
}

#[test]
fn what_is_wrong_with_a_row_is_told() {
    let with = |text: &str| error_of(folder_of(with_tables(pictures("", 4), &[("labels.csv", text)])).path());
    for (text, words) in [
        ("file,label\n0.png,cat\n1.png,dog\n2.png,\n3.png,dog\n", "'2.png' has no class"),
        ("file,label\n0.png,cat\n0.png,dog\n", "row 3: '0.png' is 'dog', but 'cat' in row 2"),
        ("file,label\n0.png,cat\n../1.png,dog\n", "row 3: '../1.png' is a path out of the table's folder"),
        ("file,label\n0.png,cat\nhttps://a.b/1.png,dog\n", "nothing is downloaded"),
        ("file,label\n0.png,cat\n1.png,dog\n,cat\n", "row 4: no image is named"),
        ("file,label\n0.png,0.5\n1.png,0.25\n2.png,0.75\n3.png,1\n", "holds measures, not classes"),
        ("file,label\n0.png,cat\n1.png,", "'1.png' has no class"),
        ("file,label\n0.png,cat\n1.png", "line 3 has 1 fields"),
        ("file,label\nx.png,cat\ny.png,dog\n", "none of the 2 files that it names is there"),
    ] {
        let error = with(text);
        assert!(error.contains(words), "{text}: {error}");
    }
    // Few missing files are counted, many are an error.
    let names = numbered("N.png", 40).chain(["gone.png".to_string()]);
    let folder = folder_of(with_tables(pictures("", 40), &[("l.csv", &rows("file,label", names))]));
    let set = open_path(folder.path()).unwrap();
    assert_eq!((set.skipped.len(), set.skipped[0].file.as_str()), (1, "gone.png"));
    let names = numbered("N.png", 40).chain(numbered("goneN.png", 9));
    let folder = folder_of(with_tables(pictures("", 40), &[("l.csv", &rows("file,label", names))]));
    let error = error_of(folder.path());
    assert!(
        error.contains("9 of 49 images cannot be read") && error.contains("gone0.png (no such file"),
        "{error}"
    );
}

#[test]
fn parquet_files_may_name_images_and_have_any_labels() {
    let rows: Vec<(String, bool)> =
        numbered("fruit/N.png", 10).zip((0..10).map(|number| number % 2 == 0)).collect();
    let rows: Vec<(&str, bool)> = rows.iter().map(|(name, label)| (name.as_str(), *label)).collect();
    let mut files = pictures("fruit/", 10);
    files.push(("ripe.parquet".into(), parquet_of_paths(&rows)));
    let folder = folder_of(files);
    let reading = Reading {
        image_column: Some("photo".into()),
        label_column: Some("ripe".into()),
        ..Reading::default()
    };
    let options = Options { reading, ..Options::default() };
    for path in [folder.path().to_path_buf(), folder.path().join("ripe.parquet")] {
        let set = open_with(&path, &options).unwrap();
        assert_eq!(
            (sizes(&set), set.kind),
            (([8, 0, 2], "false true".into()), Kind::Parquet),
            "{}",
            path.display()
        );
    }
    let error = error_of(&folder.path().join("ripe.parquet"));
    assert!(error.contains("no column 'image'") && error.contains("--image-column"), "{error}");
}

//! Tables of image files through the program: training, evaluation after a move, what run.toml notes, bad input.

use std::fs;
use std::path::Path;

use crate::support::{allcnn, picture, train_arguments, workspace};

/// `photos/N.png`, in turn blue and red, and `labels.csv`, which says so.
fn draw(folder: &Path, images: u8) {
    fs::create_dir_all(folder.join("photos")).unwrap();
    let mut table = String::from("id,color,shop\n");
    for number in 0..images {
        let (color, pixel) = [("blue", [10, 20, 150]), ("red", [150, 20, 10])][usize::from(number % 2)];
        picture(pixel, number).save(folder.join(format!("photos/{number:02}.png"))).unwrap();
        table += &format!("{number:02},{color},{}\n", number % 5);
    }
    fs::write(folder.join("labels.csv"), table).unwrap();
}

#[test]
fn a_table_is_trained_on_and_its_columns_are_noted() {
    let folder = workspace();
    let data = folder.path().join("set");
    draw(&data, 40);
    fs::write(data.join("Thumbs.db"), "x").unwrap();
    // Two columns may be the classes.
    let arguments = train_arguments("run", &["--data", "set", "--epochs", "2"]);
    allcnn(folder.path(), &arguments).fails(1, &["'labels.csv'", "id, color, shop", "--label-column"]);
    let named = ["--data", "set", "--epochs", "2", "--label-column", "color"];
    let trained = allcnn(folder.path(), &train_arguments("run", &named)).done();
    assert!(trained.stderr.contains("images are column 'id', classes column 'color'"), "{}", trained.stderr);
    let manifest = fs::read_to_string(folder.path().join("run/run.toml")).unwrap();
    for part in
        ["[data.reading]", "label_column = \"color\"", "classes column 'color'", "reason = \"left behind"]
    {
        assert!(manifest.contains(part), "{part}: {manifest}");
    }
    let report = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(report.contains("classes column") && report.contains("Thumbs.db"));
    // The columns are the run's: evaluation needs no flags, after a move only the new place.
    let before = allcnn(folder.path(), &["eval", "run", "--json"]).done().json();
    assert_eq!(before["images"], 4);
    fs::rename(&data, folder.path().join("moved")).unwrap();
    let after = allcnn(folder.path(), &["eval", "run", "--data", "moved", "--json"]).done().json();
    assert_eq!(before, after);
    // The same images by another column are other data.
    let shops = ["eval", "run", "--data", "moved", "--label-column", "shop"];
    allcnn(folder.path(), &shops).fails(1, &["classes that the network does not know"]);
}

#[test]
fn files_elsewhere_need_their_folder() {
    let folder = workspace();
    draw(&folder.path().join("set"), 20);
    let text = fs::read_to_string(folder.path().join("set/labels.csv")).unwrap();
    fs::write(
        folder.path().join("list.csv"),
        text.replace("\n0", "\n../photos/0").replace("\n1", "\n../photos/1"),
    )
    .unwrap();
    let info = ["data", "info", "list.csv", "--label-column", "color"];
    allcnn(folder.path(), &info).fails(1, &["row 2", "a path out of the table's folder", "--image-root"]);
    let root = ["--image-root", "set/photos", "--json"];
    let told = allcnn(folder.path(), &[&info[..], &root].concat()).done().json();
    assert_eq!((&told["train"], &told["test"], &told["kind"]), (&18.into(), &2.into(), &"table".into()));
    // A run finds them from any folder.
    let named =
        ["--data", "list.csv", "--epochs", "1", "--label-column", "color", "--image-root", "set/photos"];
    allcnn(folder.path(), &train_arguments("run", &named)).done();
    let other = workspace();
    let run = folder.path().join("run");
    assert_eq!(allcnn(other.path(), &["eval", run.to_str().unwrap(), "--json"]).done().json()["images"], 2);
}

#[test]
fn tables_that_do_not_fit_are_told() {
    let folder = workspace();
    draw(&folder.path().join("set"), 6);
    let with = |text: &str, code: i32, parts: &[&str]| {
        fs::write(folder.path().join("set/labels.csv"), text).unwrap();
        allcnn(folder.path(), &["data", "info", "set"]).fails(code, parts);
    };
    with(
        "file,label\ngone.png,a\nlost.png,b\n",
        1,
        &["none of the 2 files that it names", "'gone.png'", "--image-root"],
    );
    with("file,label\n00.png,a\n01.png", 1, &["line 3 has 1 fields"]);
    with("file,label\n00.png,a\nhttp://a.b/c.png,b\n", 1, &["nothing is downloaded"]);
    with("", 1, &["'labels.csv': it is empty"]);
    let columns = ["data", "info", "set", "--label-column", "kind"];
    fs::write(folder.path().join("set/labels.csv"), "file,label\n00.png,a\n01.png,b\n").unwrap();
    allcnn(folder.path(), &columns).fails(1, &["no column 'kind'", "file, label"]);
    // Flags of tables need data, and data that is a table.
    allcnn(folder.path(), &["train", "--label-column", "x"]).fails(2, &["--data"]);
    fs::remove_file(folder.path().join("set/labels.csv")).unwrap();
    allcnn(folder.path(), &columns).fails(1, &["holds no table"]);
}

//! `allcnn explain` as a person uses it: pictures, raw values, JSON, and every kind of bad input.

use std::fs;
use std::path::Path;

use crate::support::{Outcome, allcnn, keys, picture, tensors, train_arguments, workspace};
use serde_json::Value;

/// A folder with a run and the pictures `a.png` and `b.png`.
fn trained() -> tempfile::TempDir {
    let folder = workspace();
    allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1", "--init", "he"]))
        .done();
    picture([200, 30, 10], 0).save(folder.path().join("a.png")).unwrap();
    picture([10, 60, 190], 7).save(folder.path().join("b.png")).unwrap();
    folder
}

fn explain(folder: &Path, more: &[&str]) -> Outcome {
    allcnn(folder, &[&["explain", "run"], more].concat())
}

/// Width and height of a picture that can be read.
fn size(path: &Path) -> (u32, u32) {
    image::open(path).unwrap().into_rgb8().dimensions()
}

/// Shape and values of a file of f32.
fn npy(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let sizes = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let shape = sizes.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    (shape, bytes[end..].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect())
}

fn entries(outcome: &Outcome) -> Vec<Value> {
    outcome.json().as_array().unwrap().clone()
}

#[test]
fn each_method_gives_a_picture_and_its_own_values() {
    let folder = trained();
    let at = |name: &str| folder.path().join(name);
    let mut values = Vec::new();
    for method in ["backprop", "deconvnet", "guided"] {
        let file = format!("{method}.npy");
        let told =
            explain(folder.path(), &["a.png", "--method", method, "--npy", &file, "--out", "one.png"]).done();
        assert!(told.stdout.contains("global_pool") && told.stdout.contains("one.png"), "{told:?}");
        let (shape, map) = npy(&at(&file));
        assert_eq!((shape, map.len()), (vec![32, 32, 3], 32 * 32 * 3));
        assert!(map.iter().any(|&value| value != 0.0) && map.iter().all(|value| value.is_finite()));
        values.push(map);
    }
    assert!(values[0] != values[1] && values[1] != values[2] && values[0] != values[2]);
    let told =
        explain(folder.path(), &["a.png", "b.png", "--method", "all", "--npy", "all.npy", "--json"]).done();
    let (shape, all) = npy(&at("all.npy"));
    assert_eq!(shape, [6, 32, 32, 3]);
    assert_eq!(all[..3 * 32 * 32 * 3], values.concat(), "the first picture's maps, method by method");
    let methods: Vec<Value> = entries(&told).iter().map(|entry| entry["method"].clone()).collect();
    assert_eq!(methods, ["backprop", "deconvnet", "guided", "backprop", "deconvnet", "guided"]);
    let (one, three) = (size(&at("one.png")), size(&at("explain.png")));
    assert!(three.0 > 4 * 192 && three.0 > one.0 + 192 && three.1 > one.1 + 192, "{one:?} {three:?}");
}

#[test]
fn the_json_document_names_what_was_explained() {
    let folder = trained();
    let predicted = allcnn(folder.path(), &["predict", "run", "a.png", "--top", "2", "--json"]).done().json();
    let guesses = &predicted[0]["predictions"];
    let told = entries(&explain(folder.path(), &["a.png", "--top", "2", "--json"]).done());
    for place in 0..2 {
        let entry = &told[place];
        assert_eq!(entry["class"], guesses[place]["class"], "the classes by their probability");
        let [given, expected] =
            [&entry["probability"], &guesses[place]["probability"]].map(|x| x.as_f64().unwrap());
        assert!((given - expected).abs() < 1e-5, "{given} {expected}");
        assert_eq!((&entry["layer"], &entry["method"]), (&"global_pool".into(), &"guided".into()));
        assert_eq!(entry["file"], "a.png");
    }
    for key in ["file", "method", "layer", "unit", "activation", "class"] {
        assert!(keys(&told[0]).contains(&key), "{key}: {told:?}");
    }
    let at =
        explain(folder.path(), &["a.png", "--layer", "conv1", "--unit", "5", "--at", "3,9", "--json"]).done();
    let entry = &entries(&at)[0];
    assert_eq!(["unit", "row", "column"].map(|key| entry[key].as_u64()), [Some(5), Some(3), Some(9)]);
    let softmax = entries(&explain(folder.path(), &["a.png", "--layer", "softmax", "--json"]).done());
    assert_eq!(softmax[0]["activation"], softmax[0]["probability"]);
}

#[test]
fn a_class_is_explained_by_its_name() {
    let folder = trained();
    let map = |unit: &str| {
        let told = explain(folder.path(), &["b.png", "--unit", unit, "--npy", "m.npy", "--json"]).done();
        (entries(&told)[0].clone(), npy(&folder.path().join("m.npy")).1)
    };
    let (named, numbered) = (map("ring"), map("3"));
    assert_eq!(named.0["class"], "ring");
    let number = named.0["unit"].as_u64().unwrap();
    assert_eq!(map(&number.to_string()), named);
    assert!(number == 3 || numbered != named);
    let words = explain(folder.path(), &["b.png", "--unit", "ring"]).done().stdout;
    let sentence = "what speaks for the class ring, from its unit in layer global_pool\n";
    assert!(words.starts_with(sentence), "{words}");
    let words =
        explain(folder.path(), &["b.png", "--layer", "conv1", "--randomize-from", "conv2"]).done().stdout;
    let sentence = "what the units of layer conv1 look at, weights random from conv2 up\n";
    assert!(words.starts_with(sentence), "{words}");
}

#[test]
fn the_json_document_names_run_weights_and_picture() {
    let folder = trained();
    let run = folder.path().join("run");
    let told =
        |more: &[&str]| entries(&explain(folder.path(), &[&["a.png", "--json"], more].concat()).done());
    let entry = &told(&[])[0];
    let of = |key: &str| entry[key].clone();
    assert_eq!(
        (of("run"), of("checkpoint"), of("picture")),
        ("run".into(), "best".into(), "explain.png".into())
    );
    assert_eq!(of("randomized_from"), Value::Null);
    assert_eq!(told(&["--randomize-from", "conv2"])[0]["randomized_from"], "conv2");
    assert_eq!(told(&["--checkpoint", "last"])[0]["checkpoint"], "last");
    // It is the weights of that file that speak.
    fs::write(run.join("best.safetensors"), "broken").unwrap();
    told(&["--checkpoint", "last"]);
    explain(folder.path(), &["a.png"]).fails(1, &["best.safetensors"]);
    for command in [&["predict", "run", "a.png"][..], &["features", "run", "--layer", "conv1"]] {
        allcnn(folder.path(), command).fails(1, &["best.safetensors"]);
        allcnn(folder.path(), &[command, &["--checkpoint", "last"]].concat()).done();
    }
    fs::remove_file(run.join("best.safetensors")).unwrap();
    assert_eq!(told(&[])[0]["checkpoint"], "last", "there is no other");
}

#[test]
fn many_pictures_are_laid_out_on_pages() {
    let folder = trained();
    let many = folder.path().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..70 {
        picture([number * 3, 90, 30], number).save(many.join(format!("{number:02}.png"))).unwrap();
    }
    fs::write(many.join("33.png"), "no picture").unwrap();
    let told = explain(folder.path(), &["many", "--json", "--out", "sheet.png"]);
    assert_eq!(told.code, Some(1), "one cannot be read: {told:?}");
    let told = entries(&told);
    let page = |place: usize| told[place]["picture"].as_str().unwrap().to_owned();
    assert_eq!((told.len(), page(0), page(69)), (70, "sheet.png".into(), "sheet-2.png".into()));
    assert!(told[33].get("picture").is_none(), "{}", told[33]);
    for name in ["sheet.png", "sheet-2.png"] {
        let (width, height) = size(&folder.path().join(name));
        assert!(width <= 2200 && height <= 3300, "{width}x{height}");
    }
    let words = explain(folder.path(), &["many", "--out", "sheet.png"]);
    assert!(
        words.stdout.ends_with("pictures sheet.png to sheet-2.png: 2 pages of at most 2200x3300 pixels\n"),
        "{words:?}"
    );
    // A shorter sheet of the name leaves no page of the longer one, and everything else.
    let others = ["sheet-3.png", "sheet-02.png", "sheet-2.jpg", "other-2.png", "sheet-two.png"];
    fs::copy(folder.path().join("a.png"), folder.path().join(others[0])).unwrap(); // named as a page, and none
    for other in &others[1..] {
        fs::copy(folder.path().join("sheet-2.png"), folder.path().join(other)).unwrap();
    }
    let shorter = explain(folder.path(), &["a.png", "--out", "sheet.png"]).done();
    assert!(shorter.stderr.contains("note: removed sheet-2.png, a page of an earlier"), "{shorter:?}");
    assert!(!folder.path().join("sheet-2.png").exists());
    assert!(others.iter().all(|other| folder.path().join(other).exists()));
    // A sheet of its own is no page of another.
    explain(folder.path(), &["b.png", "--out", "sheet-2.png"]).done();
    let again = explain(folder.path(), &["a.png", "--out", "sheet.png"]).done();
    assert!(!again.stderr.contains("removed") && folder.path().join("sheet-2.png").exists(), "{again:?}");

    explain(folder.path(), &["a.png", "b.png"]).done();
    let (width, height) = size(&folder.path().join("explain.png"));
    assert!(height > width, "two stand below each other: {width}x{height}");
}

#[test]
fn the_colorings_make_different_pictures_of_the_same_maps() {
    let folder = trained();
    let mut files = Vec::new();
    for map in ["signed", "absolute", "positive", "overlay"] {
        explain(folder.path(), &["a.png", "--map", map, "--npy", "map.npy"]).done();
        let path = folder.path().join("explain.png");
        files.push((image::open(path).unwrap().into_rgb8(), npy(&folder.path().join("map.npy"))));
    }
    for (place, (one, map)) in files.iter().enumerate() {
        assert!(files[..place].iter().all(|(other, same)| other != one && same == map), "{place}");
    }
}

#[test]
fn switches_stand_beside_strides() {
    let folder = trained();
    let told =
        explain(folder.path(), &["a.png", "--switches", "--layer", "conv2", "--npy", "m.npy", "--json"])
            .done();
    let told = entries(&told);
    assert_eq!([&told[0]["switches"], &told[1]["switches"]], [false, true]);
    assert_eq!(told[0]["unit"], told[1]["unit"]);
    let (shape, maps) = npy(&folder.path().join("m.npy"));
    assert_eq!(shape, [2, 32, 32, 3]);
    assert_ne!(maps[..32 * 32 * 3], maps[32 * 32 * 3..]);
    let none = crate::support::TINY_NETWORK.replace("stride = 2", "stride = 1");
    fs::write(folder.path().join("tiny.toml"), none).unwrap();
    allcnn(folder.path(), &train_arguments("dense", &["--limit", "64", "--epochs", "1"])).done();
    allcnn(folder.path(), &["explain", "dense", "a.png", "--switches"])
        .fails(1, &["no convolution of stride 2", "tiny"]);
}

#[test]
fn randomized_layers_change_the_map_and_a_seed_draws_others() {
    let folder = trained();
    let map = |more: &[&str]| {
        explain(
            folder.path(),
            &[&["a.png", "--layer", "conv3", "--unit", "0", "--method", "backprop", "--npy", "r.npy"], more]
                .concat(),
        )
        .done();
        npy(&folder.path().join("r.npy")).1
    };
    let trained = map(&[]);
    let (first, again, other) = (
        map(&["--randomize-from", "conv2"]),
        map(&["--randomize-from", "conv2"]),
        map(&["--randomize-from", "conv2", "--seed", "1"]),
    );
    assert!(trained != first && first == again && first != other);
    explain(folder.path(), &["a.png", "--randomize-from", "global_pool"])
        .fails(2, &["global_pool", "such as conv3"]);
    explain(folder.path(), &["a.png", "--randomize-from", "conv9"]).fails(2, &["\"conv9\"", "conv1"]);
}

#[test]
fn what_the_network_lacks_is_wrong_usage() {
    let folder = trained();
    let refused = |more: &[&str], parts: &[&str]| {
        explain(folder.path(), &[&["a.png"], more].concat()).fails(2, parts);
    };
    refused(&["--layer", "conv9"], &["no layer \"conv9\"", "conv1, conv2, conv3, global_pool, softmax"]);
    refused(&["--unit", "10"], &["global_pool has no unit 10", "0 to 9", "max"]);
    refused(&["--layer", "conv1", "--unit", "8"], &["conv1 has no unit 8", "0 to 7"]);
    refused(&["--layer", "conv1", "--at", "16,0"], &["row 16", "0 to 15"]);
    refused(&["--unit=-1"], &["'-1' for '--unit", "max"]);
    refused(&["--unit", "most"], &["no class \"most\"", "expected one of its classes: ", "ring"]);
    refused(&["--unit", "rings"], &["no class \"rings\"; did you mean \"ring\"?"]);
    let not_there = ["units of conv1 stand for no classes", "0 to 7", "conv3, global_pool, softmax"];
    refused(&["--layer", "conv1", "--unit", "ring"], &not_there);
    refused(&["--unit", "ring", "--top", "2"], &["--unit ring with --top 2"]);
    refused(&["--at", "3"], &["'3' for '--at", "4,7"]);
    refused(&["--method", "lime"], &["lime", "guided"]);
    refused(&["--top", "0"], &["'0' for '--top", "from 1 to"]);
    assert!(!folder.path().join("explain.png").exists());
}

#[test]
fn a_file_that_is_no_image_is_told_and_the_others_are_done() {
    let folder = trained();
    fs::write(folder.path().join("text.jpg"), "just words").unwrap();
    let told = explain(folder.path(), &["text.jpg", "a.png", "missing.png", "--json", "--npy", "m.npy"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    let told = entries(&told);
    assert_eq!(keys(&told[0]), ["error", "file"]);
    assert!(told[0]["error"].as_str().unwrap().contains("not an image"), "{told:?}");
    assert_eq!((&told[1]["file"], &told[2]["file"]), (&"a.png".into(), &"missing.png".into()));
    assert!(told[1]["class"].is_string() && told[2]["error"].is_string());
    assert_eq!(npy(&folder.path().join("m.npy")).0, [32, 32, 3]);
    fs::remove_file(folder.path().join("explain.png")).unwrap();
    let alone = explain(folder.path(), &["text.jpg"]);
    assert_eq!((alone.code, alone.stdout.as_str()), (Some(1), ""), "{alone:?}");
    assert!(alone.stderr.contains("cannot read text.jpg: not an image"), "{alone:?}");
    assert!(!folder.path().join("explain.png").exists(), "nothing to show");
}

#[test]
fn a_run_that_lacks_something_or_has_something_foreign() {
    let folder = trained();
    let run = folder.path().join("run");
    let preprocessing = run.join("preprocess.safetensors");
    let kept = fs::read(&preprocessing).unwrap();
    fs::remove_file(&preprocessing).unwrap();
    explain(folder.path(), &["a.png"]).fails(1, &["run/preprocess.safetensors is missing", "allcnn train"]);
    fs::write(&preprocessing, kept).unwrap();
    let other =
        crate::support::TINY_NETWORK.replace("\"tiny\"", "\"other\"").replace("conv = 8", "conv = 12");
    fs::write(folder.path().join("tiny.toml"), other).unwrap();
    allcnn(folder.path(), &train_arguments("other", &["--limit", "64", "--epochs", "1"])).done();
    fs::copy(folder.path().join("other/best.safetensors"), run.join("best.safetensors")).unwrap();
    explain(folder.path(), &["a.png"]).fails(1, &["network other", "tiny", "best.safetensors"]);
    fs::copy(&preprocessing, run.join("best.safetensors")).unwrap();
    explain(folder.path(), &["a.png"]).fails(1, &["best.safetensors is not a checkpoint of allcnn"]);
    assert!(
        tensors(&run.join("last.safetensors")).contains_key("conv1.weight"),
        "the other checkpoint is left alone"
    );
    allcnn(folder.path(), &["explain", "nowhere", "a.png"]).fails(1, &["nowhere is no run folder"]);
}

#[test]
fn outputs_that_cannot_be_written_are_told() {
    let folder = trained();
    explain(folder.path(), &["a.png", "--out", "picture.jpg"]).fails(2, &["picture.jpg", ".png"]);
    explain(folder.path(), &["a.png", "--npy", "maps.bin"]).fails(2, &["maps.bin", ".npy"]);
    explain(folder.path(), &["a.png", "--out", "none/x.png"])
        .fails(1, &["cannot write none/x.png: the folder none does not exist"]);
    explain(folder.path(), &["a.png", "--npy", "a.png/x.npy"])
        .fails(1, &["cannot write a.png/x.npy: a.png is no folder"]);
    fs::create_dir(folder.path().join("full.png")).unwrap();
    let full = explain(folder.path(), &["a.png", "--out", "full.png"]);
    full.fails(1, &["cannot write the picture full.png"]);
    assert!(!full.stderr.contains(".writing"), "{full:?}");
    explain(folder.path(), &["a.png", "--unit", "1", "--top", "2"]).fails(2, &["--unit 1 with --top 2"]);
    let help = allcnn(folder.path(), &["explain", "--help"]).done().stdout;
    assert!(help.find("Examples:").unwrap() < help.find("Usage:").unwrap(), "examples first");
    assert!(help.contains("edge detectors") && help.contains("explain.png"));
}

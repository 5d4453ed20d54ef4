//! `allcnn features` and `allcnn reproduce fig2` to `fig6` as a person uses them, and every kind of bad input.

use std::fs;
use std::path::Path;

use crate::support::{Outcome, allcnn, image_folder, keys, train_arguments, workspace};
use serde_json::Value;

/// A folder with a short run on two classes of pictures.
fn trained() -> tempfile::TempDir {
    let folder = workspace();
    image_folder(folder.path(), 20);
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1"])).done();
    folder
}

fn features(folder: &Path, more: &[&str]) -> Outcome {
    allcnn(folder, &[&["features", "run"], more].concat())
}

/// Width and height of a picture that can be read.
fn size(path: &Path) -> (u32, u32) {
    image::open(path).unwrap().into_rgb8().dimensions()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn the_patches_of_each_filter_are_listed_and_shown() {
    let folder = trained();
    let told = features(folder.path(), &["--layer", "conv2", "--patches", "3", "--json"]).done().json();
    assert_eq!(list(&told).len(), 8);
    let mut found = 0;
    for (number, filter) in list(&told).iter().enumerate() {
        assert_eq!(keys(filter), ["checkpoint", "filter", "layer", "patches", "picture", "run"]);
        assert_eq!((&filter["layer"], &filter["picture"]), (&"conv2".into(), &"features.png".into()));
        assert_eq!(filter["filter"], number);
        let patches = list(&filter["patches"]);
        let activations: Vec<f64> =
            patches.iter().map(|patch| patch["activation"].as_f64().unwrap()).collect();
        assert!(
            activations.is_sorted_by(|a, b| a >= b) && activations.iter().all(|&activation| activation > 0.0)
        );
        let images: std::collections::HashSet<_> =
            patches.iter().map(|patch| patch["image"].as_str().unwrap()).collect();
        assert!(images.len() == patches.len() && patches.len() <= 3, "each image once: {images:?}");
        for patch in patches {
            found += 1;
            assert_eq!(keys(patch), ["activation", "class", "columns", "image", "rows", "unit"]);
            let bounds = |key: &str| [0, 1].map(|end| patch[key][end].as_u64().unwrap());
            for ([start, end], unit) in [bounds("rows"), bounds("columns")].into_iter().zip(bounds("unit")) {
                // conv2 sees 7 pixels from 4 u - 3 on: two 3x3 convolutions of stride 2 with padding 1.
                assert_eq!((start, end), ((4 * unit).saturating_sub(3), (4 * unit + 4).min(32)));
            }
        }
    }
    assert!(found > 3, "{told}");
    let (width, height) = size(&folder.path().join("features.png"));
    assert!(width > 250 && height > 200, "{width}x{height}");
}

#[test]
fn filters_of_the_last_layer_are_classes_and_other_images_may_be_scanned() {
    let folder = trained();
    let flags = [
        "--layer",
        "global_pool",
        "--data",
        "shapes",
        "--split",
        "test",
        "--method",
        "all",
        "--out",
        "s.png",
    ];
    let table = features(folder.path(), &flags).done();
    assert!(table.stdout.contains("s.png") && table.stdout.lines().count() >= 4, "{table:?}");
    assert!(table.stdout.contains("0 (blue)") && table.stdout.contains("1 (red)"), "{table:?}");
    assert!(!table.stderr.contains("training"), "it matters to a training only: {table:?}");
    let drawn = features(folder.path(), &["--layer", "conv3", "--without-image"]).done();
    assert!(drawn.stdout.starts_with("2 filters: 0 (blue), 1 (red)\npicture  features.png"), "{drawn:?}");
    let flags = ["--layer", "conv3", "--filters", "1..2", "--json"];
    let told = features(folder.path(), &flags).done().json();
    assert_eq!((list(&told).len(), &told[0]["class"]), (1, &Value::from("red")));
}

#[test]
fn single_units_draw_without_an_image() {
    let folder = trained();
    let flags = ["--layer", "conv1", "--without-image", "--out", "drawn.png", "--json"];
    let told = features(folder.path(), &flags).done().json();
    assert_eq!(list(&told).len(), 8);
    let known = ["checkpoint", "columns", "filter", "layer", "picture", "rows", "run"];
    assert_eq!((keys(&told[3]), &told[3]["filter"]), (known.to_vec(), &Value::from(3)));
    assert_eq!(told[0]["rows"], serde_json::json!([15, 18]));
    assert!(size(&folder.path().join("drawn.png")).0 > 8 * 64);
    let with_both = ["--layer", "conv1", "--without-image", "--data", "shapes"];
    features(folder.path(), &with_both).fails(2, &["--without-image", "--data"]);
}

#[test]
fn what_the_network_lacks_is_refused() {
    let folder = trained();
    let refused = |more: &[&str], code, parts: &[&str]| features(folder.path(), more).fails(code, parts);
    refused(&["--layer", "conv9"], 2, &["tiny has no layer \"conv9\"", "conv1, conv2, conv3, global_pool"]);
    refused(
        &["--layer", "softmax"],
        2,
        &["softmax has no filters", "what global_pool gives", "conv1, conv2"],
    );
    refused(&["--layer", "conv1", "--checkpoint", "worst"], 2, &["worst", "best", "last"]);
    refused(&["--layer", "conv1", "--filters", "6..9"], 2, &["conv1 has filters 0..8", "given 6..9"]);
    refused(&["--layer", "conv1", "--filters", "8"], 2, &["conv1 has filters 0..8", "given 8..9"]);
    refused(&["--layer", "conv1", "--filters", "3..1"], 2, &["3..1", "expected A..B"]);
    refused(&["--layer", "conv1", "--patches", "0"], 2, &["whole number from 1 to 100"]);
    refused(&["--layer", "conv1", "--out", "x.jpg"], 2, &["x.jpg", "ends in .png"]);
    let missing = ["cannot write no/such/x.png: the folder no/such does not exist"];
    refused(&["--layer", "conv1", "--out", "no/such/x.png"], 1, &missing);
    refused(&["--layer", "conv1", "--data", "none"], 1, &["no data at 'none'"]);
    refused(&[], 2, &["--layer"]);
    allcnn(folder.path(), &["features", "pictures", "--layer", "conv1"]).fails(1, &["no run folder"]);
}

#[test]
fn a_run_without_weights_or_with_weights_for_other_pictures_is_refused() {
    let folder = trained();
    let at = |name: &str| folder.path().join("run").join(name);
    let text = fs::read_to_string(at("run.toml")).unwrap();
    fs::write(at("run.toml"), text.replace("conv = 8", "conv = 9")).unwrap();
    features(folder.path(), &["--layer", "conv1"]).fails(1, &["weights", "differ"]);
    fs::write(at("run.toml"), text).unwrap();
    for name in ["best.safetensors", "last.safetensors"] {
        fs::remove_file(at(name)).unwrap();
    }
    features(folder.path(), &["--layer", "conv1"]).fails(1, &["run holds no weights", "they were removed"]);
}

#[test]
fn many_filters_are_shown_on_several_pages() {
    let folder = workspace();
    let network = crate::support::TINY_NETWORK.replacen("conv = 8", "conv = 320", 1);
    fs::write(folder.path().join("tiny.toml"), network).unwrap();
    image_folder(folder.path(), 4);
    allcnn(folder.path(), &train_arguments("run", &["--data", "pictures", "--epochs", "1"])).done();
    let flags = ["--layer", "conv1", "--patches", "9", "--method", "all", "--json"];
    let told = features(folder.path(), &flags).done().json();
    let pictures: Vec<&str> = list(&told).iter().map(|filter| filter["picture"].as_str().unwrap()).collect();
    let mut pages = pictures.clone();
    pages.dedup();
    assert!(pictures.len() == 320 && pages.len() > 2, "{pages:?}");
    for (place, page) in pages.into_iter().enumerate() {
        let number = if place == 0 { String::new() } else { format!("-{}", place + 1) };
        assert_eq!(page, format!("features{number}.png"), "in order, and each once");
        let (width, height) = size(&folder.path().join(page));
        assert!(width <= 2200 && height <= 3300, "{page}: {width}x{height}");
    }
}

#[test]
fn a_layer_above_a_pool_needs_an_image() {
    let folder = workspace();
    let network = "name = \"pooled\"\ninput = [32, 32, 3]\nlayers = [{ conv = 4, kernel = 3, stride = 4 }, \
                   { pool = \"max\", kernel = 2, stride = 2 }, { conv = \"classes\", kernel = 1 }, { global_average = true }]";
    fs::write(folder.path().join("tiny.toml"), network).unwrap();
    allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1"])).done();
    let refused = features(folder.path(), &["--layer", "conv2", "--without-image"]);
    refused.fails(2, &["conv2 lies above pool1", "depends on an image"]);
    features(folder.path(), &["--layer", "conv1", "--without-image"]).done();
    let drawn = allcnn(folder.path(), &["reproduce", "fig2", "--run", "run", "--out", "f"]).done();
    assert!(drawn.stderr.contains("left out") && drawn.stderr.contains("pool1"), "{drawn:?}");
    size(&folder.path().join("f/fig2.png"));
}

#[test]
fn the_papers_figures_come_from_any_network() {
    let folder = trained();
    let make = |figure: &str, more: &[&str]| {
        allcnn(folder.path(), &[&["reproduce", figure, "--run", "run", "--out", "f"], more].concat()).done()
    };
    let drawn = make("fig2", &[]);
    assert_eq!(drawn.stdout, "f/fig2.png\n");
    let patches = make("fig3", &["--patches", "4"]);
    assert!(patches.stderr.contains("no conv6: its last convolution is conv3"), "{patches:?}");
    assert_eq!(patches.stdout, "f/fig3-conv3.png\n");
    for figure in ["fig4", "fig5", "fig6"] {
        assert_eq!(make(figure, &[]).stdout, format!("f/{figure}.png\n"));
    }
    let heights = ["fig4", "fig6"].map(|figure| size(&folder.path().join(format!("f/{figure}.png"))));
    assert!(heights[0].0 > heights[1].0, "with and without switches beside one without: {heights:?}");
    make("fig5", &["pictures/blue/000.png", "pictures/red", "--count", "3"]);
    assert!(make("fig6", &[]).stderr.contains("has no pooling"));
}

#[test]
fn figures_refuse_what_they_cannot_show() {
    let folder = trained();
    let fails =
        |arguments: &[&str], code, parts: &[&str]| allcnn(folder.path(), arguments).fails(code, parts);
    fails(&["reproduce", "fig7", "--run", "run"], 2, &["fig7"]);
    fails(&["reproduce", "fig3", "--run", "nothing"], 1, &["nothing is no run folder"]);
    fails(&["reproduce", "fig5", "--run", "run", "none.png"], 1, &["cannot read none.png"]);
    fails(&["reproduce", "fig4", "--run", "run", "a.png", "--data", "shapes"], 2, &["--data"]);
}

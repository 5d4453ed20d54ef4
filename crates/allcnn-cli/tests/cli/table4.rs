//! The networks that the paper measures itself against: listed, trained in small, explained; wrong layers refused.

use std::fs;

use crate::support::{allcnn, workspace};

/// Network in Network's stages with fewer channels.
const NIN: &str = r#"
  { conv = 24, kernel = 5 },
  { conv = 16, kernel = 1 },
  { pool = "max", kernel = 3, stride = 2 },
  { conv = 24, kernel = 5 },
  { conv = 24, kernel = 1 },
  { pool = "average", kernel = 3, stride = 2 },
  { conv = 24, kernel = 3 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
"#;

/// The Maxout network's stages with fewer channels and smaller kernels.
const MAXOUT: &str = r#"
  { conv = 24, kernel = 4, padding = 2, activation = "identity" },
  { maxout = 2 },
  { pool = "max", kernel = 4, stride = 2 },
  { conv = 32, kernel = 4, padding = 1, activation = "identity" },
  { maxout = 2 },
  { pool = "max", kernel = 4, stride = 2 },
  { conv = 100, kernel = 7, padding = 0, activation = "identity" },
  { maxout = 5 },
  { conv = "classes", kernel = 1, activation = "identity" },
"#;

/// Three levels of the fractional network, with fewer channels.
const FRACTIONAL: &str = r#"
  { conv = 16, kernel = 2, padding = 2, activation = "leaky:0.333" },
  { pool = "max", fractional = 1.4142135 },
  { conv = 24, kernel = 2, padding = 0, activation = "leaky:0.333" },
  { pool = "max", fractional = 1.6, sequence = "random" },
  { conv = 32, kernel = 2, padding = 0, activation = "leaky:0.333" },
  { pool = "max", fractional = 1.4142135, overlapping = false },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
"#;

fn network(name: &str, layers: &str) -> String {
    format!("name = \"{name}\"\ninput = [32, 32, 3]\nlayers = [{layers}]\n")
}

#[test]
fn they_are_listed_with_their_parameters() {
    let folder = workspace();
    let models = allcnn(folder.path(), &["models", "--json"]).done().json();
    let listed: Vec<(&str, u64)> = models
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap(), entry["parameters"].as_u64().unwrap()))
        .collect();
    let first = listed.iter().position(|(name, _)| *name == "nin").unwrap();
    let [nin, maxout, fractional, large, sparse, dsn, dropconnect, tree, ..] = listed[first..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        [nin, maxout, fractional],
        [("nin", 966_986), ("maxout", 16_247_830), ("fractional", 2_072_586)]
    );
    assert_eq!((large.0, sparse), ("large-fractional", ("spatially-sparse", 54_922_890)));
    assert_eq!(
        [dsn, dropconnect, tree],
        [("dsn", 966_986), ("dropconnect", 1_253_834), ("tree-prior", 13_741_578)]
    );
    let layers = allcnn(folder.path(), &["models", "maxout"]).done().stdout;
    assert!(layers.contains("maxout4") && layers.contains("max of 5 channels"), "{layers}");
}

#[test]
fn they_learn_and_are_explained() {
    let folder = workspace();
    image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 8, y as u8 * 8, 90]))
        .save(folder.path().join("picture.png"))
        .unwrap();
    for (name, layers) in [("nin", NIN), ("maxout", MAXOUT), ("fractional", FRACTIONAL)] {
        let file = format!("{name}.toml");
        fs::write(folder.path().join(&file), network(name, layers)).unwrap();
        let settings = ["--limit", "1000", "--epochs", "5", "--lr", "0.05"];
        let train = [&["train", "--model", &file, "--out", name], settings.as_slice()].concat();
        allcnn(folder.path(), &train).done();
        let metrics = fs::read_to_string(folder.path().join(name).join("metrics.csv")).unwrap();
        let losses: Vec<f64> =
            metrics.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
        assert!(losses.len() == 5 && losses[4] < 0.95 * losses[0], "{name}: {losses:?}");
        let explain = ["explain", name, "picture.png", "--method", "all", "--json"];
        let explained = allcnn(folder.path(), &explain).done().json();
        assert_eq!(explained.as_array().unwrap().len(), 3, "{name}: {explained}");
    }
    let features = ["features", "fractional", "--layer", "conv3", "--patches", "2", "--filters", "0..3"];
    allcnn(folder.path(), &[&features[..], &["--data", "shapes", "--out", "features.png"]].concat()).done();
    assert!(folder.path().join("features.png").exists());
    let without = ["features", "maxout", "--layer", "conv2", "--without-image", "--out", "none.png"];
    allcnn(folder.path(), &without).fails(2, &["conv2 lies above maxout1", "an image"]);
}

#[test]
fn layers_that_cannot_be_are_refused_with_line_and_numbers() {
    let folder = workspace();
    let cases = [
        ("{ maxout = 3 }", "maxout over 3 of 8 channels; expected pieces that divide the channels"),
        ("{ pool = \"max\", fractional = 2.5 }", "alpha 2.5; expected an alpha between 1 and 2"),
        ("{ pool = \"max\", fractional = 1.0 }", "alpha 1; expected an alpha between 1 and 2"),
        ("{ pool = \"max\", fractional = 1.001 }", "alpha 1.001 on 32x32; expected an input large enough"),
    ];
    for (layer, message) in cases {
        let layers = format!(
            "\n{{ conv = 8, kernel = 3 }},\n{layer},\n{{ conv = \"classes\", kernel = 1 }}, {{ global_average = true }}"
        );
        fs::write(folder.path().join("wrong.toml"), network("wrong", &layers)).unwrap();
        allcnn(folder.path(), &["train", "--model", "wrong.toml"])
            .fails(1, &["wrong.toml", "(line 5)", message]);
    }
}

/// A deeply supervised training of a small network.
const DSN: &str = r#"
epochs = 4
loss = "squared-hinge"
[companions]
layers = ["conv1", "conv3"]
rate = 0.1
[schedule]
kind = "phases"
of = 4
phases = [{ epochs = 3, companions = true }, { epochs = 1, factor = 0.1 }]
"#;

#[test]
fn companion_heads_are_trained_beside_a_network_and_are_no_part_of_it() {
    let folder = workspace();
    fs::write(folder.path().join("nin.toml"), network("nin", NIN)).unwrap();
    fs::write(folder.path().join("dsn.toml"), DSN).unwrap();
    let train =
        ["train", "--model", "nin.toml", "--recipe", "dsn.toml", "--limit", "600", "--seed", "1", "--json"];
    let whole = allcnn(folder.path(), &[&train[..], &["--out", "whole"]].concat()).done().json();
    assert_eq!((whole["epochs"].as_u64(), whole["health"].as_str()), (Some(4), Some("learns")), "{whole}");
    let file = |name: &str| fs::read(folder.path().join(name).join("last.safetensors")).unwrap();
    let has_heads = |bytes: &[u8]| bytes.windows(15).any(|text| text == b"companion.conv3");
    assert!(has_heads(&file("whole")), "for resuming");
    let recorded = fs::read_to_string(folder.path().join("whole/run.toml")).unwrap();
    assert!(
        recorded.contains("loss = \"squared-hinge\"") && recorded.contains("[recipe.companions]"),
        "{recorded}"
    );
    let eval = allcnn(folder.path(), &["eval", "whole", "--json"]).done().json();
    assert!(eval["top1_error_pct"].as_f64().unwrap() < 90.0, "{eval}");
    allcnn(folder.path(), &["export", "whole", "--safetensors", "plain.safetensors"]).done();
    assert!(!has_heads(&fs::read(folder.path().join("plain.safetensors")).unwrap()));
    allcnn(folder.path(), &["export", "whole", "--onnx", "net.onnx"]).done();
}

#[test]
fn heads_and_phases_that_cannot_be_are_refused() {
    let folder = workspace();
    fs::write(folder.path().join("nin.toml"), network("nin", NIN)).unwrap();
    let train = |recipe: &str| {
        fs::write(folder.path().join("wrong.toml"), recipe).unwrap();
        allcnn(folder.path(), &["train", "--model", "nin.toml", "--recipe", "wrong.toml", "--out", "never"])
    };
    for (recipe, expected) in [
        (DSN.replace("conv3", "conv30"), "'conv30' is no hidden convolution of nin"),
        (DSN.replace("conv3", "pool1"), "expected some of conv1, conv2, conv3, conv4, conv5"),
        (DSN.replace("of = 4", "of = 5"), "4 epochs together, expected schedule.of = 5"),
        (
            DSN.replace("squared-hinge", "hinge"),
            "unknown loss 'hinge'; expected cross-entropy or squared-hinge",
        ),
        (
            DSN.replace("[companions]", "[layers.conv1]").replace("layers = [\"conv1\", \"conv3\"]\n", ""),
            "there is no [companions]",
        ),
    ] {
        train(&recipe).fails(1, &[expected]);
    }
    assert!(!folder.path().join("never").exists());
}

/// The stages of the network of DropConnect with fewer channels.
const DROP_CONNECT: &str = r#"
  { conv = 12, kernel = 5, stride = 2, channel_dropout = 0.1 },
  { lrn = 5, alpha = 0.001 },
  { pool = "max", kernel = 3, stride = 2 },
  { local = 8, kernel = 3 },
  { conv = 32, kernel = 8, padding = "valid", drop_connect = 0.5 },
  { conv = "classes", kernel = 1, activation = "identity" },
"#;

#[test]
fn drop_connect_learns_is_explained_and_leaves_as_onnx_but_not_as_a_page() {
    let folder = workspace();
    image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 8, y as u8 * 8, 90]))
        .save(folder.path().join("picture.png"))
        .unwrap();
    fs::write(folder.path().join("drop.toml"), network("drop", DROP_CONNECT)).unwrap();
    let train = [
        "train",
        "--model",
        "drop.toml",
        "--limit",
        "1000",
        "--epochs",
        "4",
        "--lr",
        "0.05",
        "--out",
        "run",
        "--json",
    ];
    let trained = allcnn(folder.path(), &train).done().json();
    assert_eq!(trained["health"], "learns", "{trained}");
    let explain = ["explain", "run", "picture.png", "--method", "all", "--json"];
    assert_eq!(allcnn(folder.path(), &explain).done().json().as_array().unwrap().len(), 3);
    let features = ["features", "run", "--layer", "conv2", "--without-image", "--out", "none.png"];
    allcnn(folder.path(), &features).fails(2, &["conv2", "an image"]);
    allcnn(folder.path(), &["export", "run", "--onnx", "net.onnx", "--explain", "guided"]).done();
    allcnn(folder.path(), &["export", "run", "--html", "net.html"]).fails(1, &["local1 is a local layer"]);
}

#[test]
fn a_policy_is_found_and_the_search_goes_on_where_it_was() {
    let folder = workspace();
    fs::write(folder.path().join("maxout.toml"), network("maxout", MAXOUT)).unwrap();
    let train =
        ["train", "--model", "maxout.toml", "--limit", "300", "--epochs", "2", "--out", "run", "--quiet"];
    allcnn(folder.path(), &train).done();
    let das = |out: &str, generations: &str, more: &[&str]| {
        let search =
            ["reproduce", "dasnet", "run", "--population", "6", "--images", "20", "--looks", "3", "--json"];
        let here = ["--out", out, "--generations", generations];
        allcnn(folder.path(), &[&search[..], &here, more].concat())
    };
    let found = das("whole", "3", &[]).done().json();
    let eval = allcnn(folder.path(), &["eval", "run", "--json"]).done().json();
    assert_eq!(found["alone_error_pct"], eval["top1_error_pct"], "the first look is the network's own");
    assert_eq!((found["generations"].as_u64(), found["fitness"].as_array().unwrap().len()), (Some(3), 3));
    assert!(found["error_pct"].as_f64().unwrap() > 0.0 && found["error_interval95"].is_array(), "{found}");
    das("parts", "1", &[]).done();
    let gone_on = das("parts", "3", &[]).done().json();
    let file = |name: &str| fs::read(folder.path().join(name).join("policy.safetensors")).unwrap();
    assert!(file("parts") == file("whole"), "to the bit");
    assert_eq!(gone_on["error_pct"], found["error_pct"]);

    das("parts", "3", &["--seed", "1"]).fails(1, &["policy.safetensors", "its seed is 0, not 1", "--out"]);
    let many = ["reproduce", "dasnet", "run", "--images", "65000", "--out", "never"];
    allcnn(folder.path(), &many).fails(1, &["65000 images a generation; the run has 300 for training"]);
    assert!(!folder.path().join("never").exists());
    let two = ["reproduce", "dasnet", "run", "--population", "2"];
    allcnn(folder.path(), &two).fails(2, &["--population 2", "expected 4 policies or more"]);
    fs::write(folder.path().join("plain.toml"), network("plain", NIN)).unwrap();
    let train = [
        "train",
        "--model",
        "plain.toml",
        "--limit",
        "100",
        "--iterations",
        "1",
        "--out",
        "plain",
        "--quiet",
    ];
    allcnn(folder.path(), &train).done();
    allcnn(folder.path(), &["reproduce", "dasnet", "plain"])
        .fails(1, &["plain has no maxout layer whose maps could be gated"]);
}

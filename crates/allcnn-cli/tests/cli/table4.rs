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
    let [nin, maxout, fractional, large, sparse, dsn, tree, ..] = listed[first..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        [nin, maxout, fractional],
        [("nin", 966_986), ("maxout", 16_247_830), ("fractional", 2_072_586)]
    );
    assert_eq!((large.0, sparse), ("large-fractional", ("spatially-sparse", 54_922_890)));
    assert_eq!([dsn, tree], [("dsn", 966_986), ("tree-prior", 13_741_578)]);
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

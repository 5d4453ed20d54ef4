//! `allcnn export --html`: the page says in a browser what the program says. Skipped where there is no Chromium.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{allcnn, picture, train_arguments, workspace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Convolutions and the poolings of the paper's tables.
const POOLINGS: &str = r#"
name = "tiny"
input = [32, 32, 3]
layers = [
  { conv = 24, kernel = 5, stride = 2 },
  { pool = "max", kernel = 3, stride = 2, padding = 1, ceil = true },
  { lrn = 3, alpha = 0.8, beta = 0.75, k = 1 },
  { conv = 24, kernel = 4, stride = 1, padding = 1, activation = "leaky:0.3" },
  { maxout = 2 },
  { pool = "average", kernel = 3, stride = 2, padding = 1 },
  { conv = 12, kernel = 3 },
  { pool = "norm:2.5", kernel = 2, stride = 1, padding = 1 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

/// Those that compete, draw in training, or learn, behind others.
const KINDS: &str = r#"
name = "tiny"
input = [32, 32, 3]
layers = [
  { conv = 24, kernel = 5, stride = 2 },
  { pool = "max", kernel = 3, stride = 2, padding = 1, ceil = true },
  { lrn = 3, alpha = 0.8, beta = 0.75, k = 1 },
  { conv = 24, kernel = 4, stride = 1, padding = 1, activation = "leaky:0.3" },
  { maxout = 2 },
  { pool = "average", kernel = 3, stride = 2, padding = 1 },
  { conv = 12, kernel = 3 },
  { pool = "stochastic", kernel = 2 },
  { pool = "norm:2.5", kernel = 2, stride = 1, padding = 1 },
  { lwta = 3 },
  { probout = 2, lambda = 2.0 },
  { pool = "learned-norm", kernel = 2, padding = 1 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

/// A run of the network with this preprocessing, and a picture.
fn place(network: &str, preprocessing: &str) -> tempfile::TempDir {
    let folder = workspace();
    fs::write(folder.path().join("tiny.toml"), network).unwrap();
    let more = ["--limit", "200", "--epochs", "1", "--preprocess", preprocessing];
    allcnn(folder.path(), &train_arguments("run", &more)).done();
    picture([200, 40, 90], 5).save(folder.path().join("x.png")).unwrap();
    folder
}

/// The browser, if there is one; says so if not.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        eprintln!("SKIPPED: no Chromium ({}), in which the page could be opened", names.join(", "));
    }
    found
}

/// The page after it has looked at the picture, as the browser writes it. The browser's own time may be over before a busy machine has
/// decoded the picture: then it gets more.
fn looked_at(browser: &str, folder: &Path) -> String {
    let data = STANDARD.encode(fs::read(folder.join("x.png")).unwrap());
    let address = format!("file://{}/page.html#data:image/png;base64,{data}", folder.display());
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let looked = |budget: u32| {
        let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"];
        let budget = format!("--virtual-time-budget={budget}");
        let output = Command::new(browser).args(flags).args([&budget, &profile, &address]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut pages = [30_000, 120_000, 480_000].into_iter().map(looked);
    pages.find(|page| page.contains("data-probabilities")).unwrap_or_default()
}

/// The numbers of an attribute.
fn numbers(page: &str, attribute: &str) -> Vec<f64> {
    let start = page.find(attribute).unwrap_or_else(|| panic!("no {attribute} in {page}"));
    let text = page[start..].split('"').nth(1).unwrap();
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_page_says_what_the_program_says() {
    let Some(browser) = browser() else { return };
    // The page's weights are rounded to f16, by which the winner of a group can be another one: that changes a map by more.
    for (network, preprocessing, allowed) in [
        (POOLINGS, "mean-std", 1e-2),
        (POOLINGS, "gcn-zca", 1e-2),
        (KINDS, "mean-std", 1e-2),
        (KINDS, "gcn-zca", 5e-2),
    ] {
        let folder = place(network, preprocessing);
        allcnn(folder.path(), &["export", "run", "--html", "page.html"]).done();
        let page = looked_at(browser, folder.path());
        let own = allcnn(folder.path(), &["predict", "run", "x.png", "--top", "10", "--json"]).done().json();
        let said = numbers(&page, "data-probabilities");
        let mut probabilities: Vec<f64> = own[0]["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|guess| guess["probability"].as_f64().unwrap())
            .collect();
        let first = own[0]["predictions"][0]["class"].as_str().unwrap();
        assert!(page.contains(&format!(">{first}: ")), "{first} is not what the page says first");
        assert!(page.contains(" ms for the answer and the map"));
        let mut sorted = said.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        probabilities.sort_by(|a, b| b.total_cmp(a));
        for (given, expected) in sorted.iter().zip(&probabilities) {
            assert!((given - expected).abs() < 1e-3, "{preprocessing}: {sorted:?} {probabilities:?}");
        }
        let explain = ["explain", "run", "x.png", "--npy", "map.npy", "--out", "sheet.png"];
        allcnn(folder.path(), &explain).done();
        let npy = fs::read(folder.path().join("map.npy")).unwrap();
        let own: Vec<f64> = npy[npy.len() - 4 * 32 * 32 * 3..]
            .chunks_exact(4)
            .map(|value| f64::from(f32::from_le_bytes(value.try_into().unwrap())))
            .collect();
        let map = numbers(&page, "data-map");
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let difference = norm(&mut map.iter().zip(&own).map(|(a, b)| a - b));
        let size = norm(&mut own.iter().copied());
        assert!(size > 0.0 && difference < allowed * size, "{preprocessing}: {difference} of {size}");
    }
}

#[test]
fn what_the_page_does_not_compute_is_refused_by_name() {
    let folder = workspace();
    let network = |layers: &str, side: usize| {
        let text = format!("name = \"tiny\"\ninput = [{side}, {side}, 3]\nlayers = [{layers}]\n");
        fs::write(folder.path().join("tiny.toml"), text).unwrap();
        let _ = fs::remove_dir_all(folder.path().join("run"));
        allcnn(folder.path(), &train_arguments("run", &["--limit", "64", "--epochs", "1"])).done();
        allcnn(folder.path(), &["export", "run", "--html", "page.html"])
    };
    let end = "{ conv = \"classes\", kernel = 1 }, { global_average = true }";
    network(&format!("{{ conv = 8, kernel = 3 }}, {{ conv = 8, kernel = 3, groups = 2 }}, {end}"), 32)
        .fails(1, &["conv2 is a grouped convolution", "--safetensors"]);
    network(&format!("{{ conv = 8, kernel = 3, stride = 2 }}, {end}"), 72)
        .fails(1, &["72x72x3", "at most 64x64x3", "--onnx"]);
    assert!(!folder.path().join("page.html").exists());
}

#[test]
fn a_class_may_be_called_like_the_end_of_a_script() {
    let folder = workspace();
    for (class, salt) in [("a", 0), ("</script>&\"x", 90)] {
        // A slash cannot be in a folder's name, so the names come by a table.
        fs::create_dir_all(folder.path().join("data")).unwrap();
        for number in 0..12 {
            let name = format!("{salt}-{number}.png");
            picture([salt, 20, 180], number).save(folder.path().join("data").join(&name)).unwrap();
            let row = format!("{name},\"{}\"\n", class.replace('"', "\"\""));
            let table = folder.path().join("data/labels.csv");
            let before = fs::read_to_string(&table).unwrap_or_else(|_| "file,label\n".into());
            fs::write(&table, before + &row).unwrap();
        }
    }
    allcnn(folder.path(), &train_arguments("run", &["--data", "data", "--epochs", "1"])).done();
    allcnn(folder.path(), &["export", "run", "--html", "page.html"]).done();
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    let start = page.find("id=\"network\">").unwrap() + 13;
    let described = &page[start..start + page[start..].find("</script>").unwrap()];
    let described: Value = serde_json::from_str(described).unwrap();
    assert_eq!(described["classes"], serde_json::json!(["</script>&\"x", "a"]));
}

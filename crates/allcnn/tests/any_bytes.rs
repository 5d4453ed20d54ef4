//! Any bytes into everything that reads networks, settings and weights: valid files of every kind, and thousands of changed ones.
#![allow(clippy::unwrap_used)]
#[path = "../../../fuzz/smoke.rs"]
mod smoke;

use std::io::{Cursor, Read};
use std::path::Path;

use allcnn::fuzz::{SMALL, TARGETS};
use allcnn::net::Network;
use allcnn::preprocess::{Geometry, Method, Preprocessor};
use allcnn::recipe::Recipe;
use allcnn::run::EpochRow;
use allcnn::sweep::{PaperTable, Plan, Record, TrialOutcome};
use safetensors::tensor::{Dtype, TensorView};
use smoke::Seeds;

/// A file of the program's tests.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../allcnn-cli/tests/fixtures").join(name))
        .unwrap()
}

fn fixtures(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| fixture(name)).collect()
}

fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.into().into_bytes()).collect()
}

/// The head of a safetensors file without the length before it, which every change would make wrong.
fn head(file: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    file[8..8 + length].to_vec()
}

/// The shapes of the weights that the small network has.
const SHAPES: [[usize; 4]; 3] = [[2, 3, 3, 3], [2, 2, 1, 1], [2, 2, 1, 1]];

/// Weights of the small network with these names of its layers.
fn safetensors(layers: [&str; 3]) -> Vec<u8> {
    let values = [1; 4 * 54];
    let view = |shape: &[usize]| {
        let bytes = 4 * shape.iter().product::<usize>();
        TensorView::new(Dtype::F32, shape.to_vec(), &values[..bytes]).unwrap()
    };
    let tensors = layers.iter().zip(&SHAPES).flat_map(|(layer, shape)| {
        [(format!("{layer}.weight"), view(shape)), (format!("{layer}.bias"), view(&shape[..1]))]
    });
    ::safetensors::serialize(tensors, None).unwrap()
}

/// A search for a policy, of a network with two maps and two classes.
fn policy() -> Vec<u8> {
    let values = [0; 4 * 10];
    let tensor = || TensorView::new(Dtype::F32, vec![2, 5], &values).unwrap();
    let search =
        r#"{"weights":"00","population":6,"images":20,"looks":3,"seed":1,"generations":[[-0.5,-0.75]]}"#;
    let texts = [("allcnn-dasnet".to_owned(), search.to_owned())].into();
    ::safetensors::serialize([("mean", tensor()), ("deviation", tensor())], Some(texts)).unwrap()
}

/// What a recipe may say beside plain settings.
const SUPERVISED: &str = r#"
loss = "squared-hinge"
[companions]
layers = ["conv1"]
rate = 0.5
[schedule]
kind = "phases"
of = 3
phases = [{ epochs = 2, companions = true }, { epochs = 1, factor = 0.1 }]
[layers.conv2]
rate = 0.1
max_norm = 1.5
[tree_prior]
strength = 0.01
groups = { all = ["ant", "bee"] }
"#;

/// Layers whose filters or weights are not shared.
const UNSHARED: &str = r#"
name = "unshared"
input = [6, 6, 3]
classes = 2
layers = [
  { conv = 2, kernel = 3, stride = 2, channel_dropout = 0.1 },
  { local = 2, kernel = 3, dropout = 0.1 },
  { conv = 3, kernel = 3, padding = "valid", drop_connect = 0.5 },
  { conv = "classes", kernel = 1, activation = "identity" },
]
"#;

/// A field of a protocol buffer that holds bytes.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = varint(number << 3 | 2);
    out.extend(varint(bytes.len() as u32));
    out.extend(bytes);
    out
}

fn varint(mut number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// The small network's weights as Caffe writes them since 2014, and as it wrote them before.
fn caffemodels() -> Vec<Vec<u8>> {
    let values = |count: usize| [0, 0, 0x80, 0x3f].repeat(count);
    let sides = |shape: &[usize]| shape.iter().flat_map(|&side| varint(side as u32)).collect::<Vec<u8>>();
    let blob = |shape: &[usize]| {
        [field(7, &field(1, &sides(shape))), field(5, &values(shape.iter().product()))].concat()
    };
    let old = |shape: &[usize]| {
        let sides = shape
            .iter()
            .zip(1u32..)
            .flat_map(|(&side, number)| [varint(number << 3), varint(side as u32)].concat());
        [sides.collect(), field(5, &values(shape.iter().product()))].concat()
    };
    let layer = |(name, shape): (&str, &[usize; 4])| {
        let blobs = [field(7, &blob(shape)), field(7, &blob(&shape[..1]))].concat();
        field(100, &[field(1, name.as_bytes()), field(2, b"Convolution"), blobs].concat())
    };
    let old_layer = |(name, shape): (&str, &[usize; 4])| {
        let blobs = [field(6, &old(shape)), field(6, &old(&[1, 1, 1, shape[0]]))].concat();
        field(2, &[field(4, name.as_bytes()), varint(5 << 3), varint(4), blobs].concat())
    };
    let names = || ["conv1", "conv2", "conv3"].into_iter().zip(&SHAPES);
    vec![names().flat_map(layer).collect(), names().flat_map(old_layer).collect()]
}

/// The pickle in a file of PyTorch.
fn pickle(file: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let name = archive.file_names().find(|name| name.ends_with("data.pkl")).unwrap().to_string();
    let mut pickle = Vec::new();
    archive.by_name(&name).unwrap().read_to_end(&mut pickle).unwrap();
    pickle
}

fn preprocessed(method: Method) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (path, geometry) = (folder.path().join("a"), Geometry { height: 2, width: 2, channels: 3 });
    let pixels: Vec<u8> = (0..50 * geometry.len()).map(|place| (place * place % 251) as u8).collect();
    Preprocessor::fit(method, &pixels, geometry).unwrap().save(&path).unwrap();
    std::fs::read(path).unwrap()
}

fn record(fate: TrialOutcome) -> Vec<u8> {
    let row = |epoch| EpochRow {
        epoch,
        learning_rate: 0.1,
        train_loss: 2.0 / f64::from(epoch),
        train_error_pct: 50.0,
        test_loss: Some(1.5),
        test_error_pct: Some(60.0),
        images_per_s: 1e3,
        seconds: 12.5,
        validation_loss: None,
        validation_error_pct: (epoch > 1).then_some(61.0),
    };
    let record = Record {
        fate,
        seed: 3,
        seconds: 25.0,
        history: vec![row(1), row(2)],
        tested: None,
        test_images: Some(9),
    };
    serde_json::to_vec(&record).unwrap()
}

/// The settings of a fold of a cross-validation.
fn of_fold() -> String {
    let run = String::from_utf8(fixture("run-0.1.0/run.toml")).unwrap();
    format!("{run}\n[data.fold]\nnumber = 2\nof = 5\ngroup_by = \"patient\"\n")
}

/// The layers that no named network has.
const KINDS: &str = r#"
name = "kinds"
input = [8, 8, 3]
classes = 2
layers = [
  { conv = 4, kernel = 3 },
  { lwta = 2, dropout = 0.25 },
  { probout = 2, lambda = 3.0 },
  { pool = "stochastic", kernel = 2 },
  { pool = "learned-norm", kernel = 2 },
  { conv = "classes", kernel = 1 },
  { global_average = true },
]
"#;

fn seeds() -> Vec<Seeds> {
    let networks = [
        "model-a",
        "all-cnn-c",
        "convpool-cnn-b",
        "nin",
        "maxout",
        "fractional",
        "all-cnn-b-imagenet",
        "alexnet",
    ];
    let networks =
        networks.iter().filter_map(|name| Network::named(name, 10).ok()).map(|network| network.to_toml());
    let checkpoints = fixtures(&["run-0.1.0/best.safetensors", "run-0.1.0/last.safetensors"]);
    let fitted = [
        preprocessed(Method::GcnZca),
        preprocessed(Method::MeanStd),
        fixture("run-0.1.0/preprocess.safetensors"),
    ];
    let weights = [
        ["conv1", "conv2", "conv3"],
        ["0", "2", "4"],
        ["features.0", "features.2", "classifier.1"],
        ["stem", "body.1", "head"],
    ]
    .map(safetensors);
    let torch = fixtures(&[
        "import/state_dict.pt",
        "import/checkpoint.pt",
        "import/parallel.pt",
        "import/parameters.pt",
        "import/script.pt",
        "import/strided.pt",
        "import/types.pt",
        "import/whole_model.pt",
        "import/harmful.pt",
    ]);
    let plans = [PaperTable::Table3, PaperTable::Table4].map(Plan::paper);
    let few =
        Plan { models: vec!["model-a".into()], learning_rates: vec![0.1], ..Plan::paper(PaperTable::Table3) };
    vec![
        ("caffemodel", caffemodels()),
        (
            "calibration",
            texts([
                "temperature = 1.83\nepoch = 7\nimages = 500\nloss = [0.5, 0.4]\nexpected_calibration_error = [0.08, 0.02]\n",
            ]),
        ),
        ("checkpoint", [checkpoints.clone(), checkpoints.iter().map(|file| head(file)).collect()].concat()),
        (
            "claim",
            texts([
                "0b6f7d1c-9ac9-4d2a-8f5c-6b1f3b0f5a11 4711 host 1735689599\n",
                "free\n",
                "- 7 - -\n",
                "kernel 1\n",
            ]),
        ),
        ("class-names", texts(["ant\nbée\n", "\u{feff}\"ant\"\r\n 'bee' \t\r\n\r\n"])),
        ("network", [texts([SMALL, KINDS, UNSHARED]), texts(networks)].concat()),
        ("plan", texts(plans.iter().chain([&few]).map(|plan| toml::to_string(plan).unwrap()))),
        ("policy", vec![policy()]),
        ("preprocess", [fitted.to_vec(), fitted.iter().map(|file| head(file)).collect()].concat()),
        ("pytorch", torch.clone()),
        ("pytorch-pickle", torch.iter().map(|file| pickle(file)).collect()),
        (
            "recipe",
            [
                texts(
                    ["quick", "paper", "imagenet", "graham"]
                        .map(|name| Recipe::named(name).unwrap().to_toml().unwrap()),
                ),
                texts(["base = \"paper\"\nepochs = 2\nlearning_rate = 1e-3\n", SUPERVISED]),
            ]
            .concat(),
        ),
        ("record", [TrialOutcome::Finished, TrialOutcome::Diverged { step: 7 }].map(record).to_vec()),
        ("run", [fixtures(&["run-0.1.0/run.toml"]), texts([of_fold()])].concat()),
        ("safetensors", [weights.to_vec(), weights.iter().map(|file| head(file)).collect()].concat()),
    ]
}

#[test]
fn no_bytes_are_too_much_for_what_reads_networks_settings_and_weights() {
    smoke::run(&TARGETS, &seeds());
}

//! `allcnn bench`: what it measures and how it shows it.

use serde_json::Value;

use crate::support::{allcnn, command, finish, keys, workspace};

/// The keys of the JSON document, sorted.
const KEYS: [&str; 12] = [
    "batch",
    "device",
    "explain_images_per_s",
    "gflops",
    "infer_images_per_s",
    "machine",
    "model",
    "peak_gflops",
    "peak_memory_mb",
    "precision",
    "threads",
    "train_images_per_s",
];

fn is_positive(value: &Value) -> bool {
    value.as_f64().is_some_and(|value| value > 0.0)
}

#[test]
fn the_document_says_how_fast_and_how_large() {
    let folder = workspace();
    let arguments = ["bench", "--model", "tiny.toml", "--batch", "16", "--threads", "1", "--json"];
    let bench = allcnn(folder.path(), &arguments).done().json();
    assert_eq!(keys(&bench), KEYS);
    for figure in KEYS.iter().filter(|key| key.ends_with("_per_s") || key.ends_with("gflops")) {
        assert!(is_positive(&bench[figure]), "{figure}: {bench}");
    }
    assert!(bench["peak_memory_mb"].as_f64().unwrap() > 1.0);
    assert_eq!((&bench["threads"], &bench["batch"]), (&1.into(), &16.into()));
    assert_eq!((&bench["model"], &bench["precision"]), (&"tiny".into(), &"f32".into()));
}

#[test]
fn only_what_was_asked_for_is_measured() {
    let folder = workspace();
    for (what, measured) in [
        ("train", ["train_images_per_s"].as_slice()),
        ("infer", &["infer_images_per_s"]),
        ("explain", &["explain_images_per_s"]),
        ("explain,train", &["explain_images_per_s", "train_images_per_s"]),
    ] {
        let bench = ["bench", "--model", "tiny.toml", "--batch", "1", "--what", what, "--json"];
        let bench = allcnn(folder.path(), &bench).done().json();
        let figures = keys(&bench).into_iter().filter(|key| key.ends_with("_per_s"));
        let filled: Vec<&str> = figures.filter(|key| !bench[key].is_null()).collect();
        assert_eq!(filled, measured, "{bench}");
        assert!(measured.iter().all(|key| is_positive(&bench[key])), "{bench}");
    }
}

#[test]
fn the_layers_are_part_of_the_document_where_they_are_asked_for() {
    let folder = workspace();
    let bench = ["bench", "--model", "tiny.toml", "--batch", "4", "--what", "infer", "--layers", "--json"];
    let bench = allcnn(folder.path(), &bench).done().json();
    let layers = bench["layers"].as_array().unwrap();
    let passes = ["forward", "backward-data", "backward-weights"];
    let expected: Vec<(&str, &str)> =
        ["conv1", "conv2", "conv3"].iter().flat_map(|layer| passes.map(|pass| (*layer, pass))).collect();
    let found: Vec<(&str, &str)> =
        layers.iter().map(|row| (row["layer"].as_str().unwrap(), row["pass"].as_str().unwrap())).collect();
    assert_eq!(found, expected);
    for row in layers {
        assert_eq!(
            keys(row),
            ["algorithm", "executed_gflops", "gflops", "kind", "layer", "ms", "pass", "peak_share"]
        );
        for figure in ["ms", "gflops", "executed_gflops", "peak_share"] {
            assert!(is_positive(&row[figure]), "{figure}: {row}");
        }
        let share = row["executed_gflops"].as_f64().unwrap() / bench["peak_gflops"].as_f64().unwrap();
        assert!((row["peak_share"].as_f64().unwrap() / share - 1.0).abs() < 1e-9, "{row}");
    }
}

#[test]
fn the_peak_is_the_best_of_those_before_between_and_after_what_is_measured() {
    let folder = workspace();
    let bench = ["bench", "--model", "tiny.toml", "--batch", "4", "--what", "infer", "--layers", "--json"];
    let bench = allcnn(folder.path(), &bench).done().json();
    let machine = &bench["machine"];
    let known = ["disturbed", "peak_spread", "peaks_gflops", "stolen_share", "waited_share"];
    assert_eq!(keys(machine), known);
    let peaks: Vec<f64> =
        machine["peaks_gflops"].as_array().unwrap().iter().map(|peak| peak.as_f64().unwrap()).collect();
    // At the start, after inference, before each of three layers, at the end.
    assert_eq!(peaks.len(), 6, "{machine}");
    assert_eq!(bench["peak_gflops"].as_f64().unwrap(), peaks.iter().copied().fold(0.0, f64::max));
    for share in ["peak_spread", "stolen_share", "waited_share"] {
        let share = machine[share].as_f64();
        assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)), "{machine}");
    }
    assert!(machine["disturbed"].is_boolean(), "{machine}");
}

#[test]
fn scaling_is_predicted_for_many_threads_and_measured_for_those_of_this_machine() {
    let folder = workspace();
    let bench = ["bench", "--model", "tiny.toml", "--batch", "8", "--what", "train", "--repeat", "1"];
    let scaling = [&bench[..], &["--scaling", "--bandwidth", "100", "--device", "cpu", "--json"]].concat();
    let bench_json = allcnn(folder.path(), &scaling).done().json();
    let scaling = &bench_json["scaling"];
    assert_eq!(scaling["memory_gb_per_s_assumed"], 100.0);
    assert!(is_positive(&scaling["memory_gb_per_s_of_one_thread"]), "{scaling}");
    let processors = std::thread::available_parallelism().unwrap().get();
    let rows = scaling["threads"].as_array().unwrap();
    let threads: Vec<_> = rows.iter().map(|row| row["threads"].as_u64().unwrap()).collect();
    assert_eq!(threads, [1, 2, 4, 8, 16, 32, 64, 128]);
    for row in rows {
        assert!(is_positive(&row["images_per_s"]), "{row}");
        let is_measured = row["threads"].as_u64().unwrap() as usize <= processors;
        assert_eq!(is_positive(&row["measured_images_per_s"]), is_measured, "{row}");
        let (speed_up, threads) = (row["speed_up"].as_f64().unwrap(), row["threads"].as_f64().unwrap());
        assert!((row["efficiency"].as_f64().unwrap() / (speed_up / threads) - 1.0).abs() < 1e-9, "{row}");
    }
    assert_eq!(rows[0]["efficiency"], 1.0);
    let operations = scaling["operations"].as_array().unwrap();
    let mut found: Vec<_> = operations
        .iter()
        .filter_map(|row| Some((row["layer"].as_str()?, row["operation"].as_str().unwrap())))
        .collect();
    let passes = |layer| ["forward", "backward-data", "backward-weights"].map(|pass| (layer, pass));
    let mut expected = ["conv1", "conv2", "conv3"].map(passes).concat();
    expected.remove(1); // nobody asks for the signal to the images
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for row in operations {
        assert_eq!(row["threads"].as_array().unwrap().len(), 8, "{row}");
    }
    assert!(operations.iter().any(|row| row["operation"] == "optimizer"), "{operations:?}");

    let words = allcnn(folder.path(), &[&bench[..], &["--scaling", "--layers"]].concat()).done().stdout;
    assert!(words.contains("efficiency") && words.contains("no more than"), "{words}");
    assert!(words.lines().any(|line| line.starts_with("conv2") && line.contains("% (")), "{words}");
    allcnn(folder.path(), &["bench", "--bandwidth", "10"]).fails(2, &["--scaling"]);
    let negative = ["bench", "--scaling", "--bandwidth", "0"];
    allcnn(folder.path(), &negative).fails(2, &["'0' for '--bandwidth", "a number above 0"]);
}

#[test]
fn the_table_has_a_row_for_each_layer_and_pass() {
    let folder = workspace();
    let bench = ["bench", "--model", "tiny.toml", "--batch", "4", "--what", "infer", "--layers", "--verbose"];
    let words = allcnn(folder.path(), &bench).done().stdout;
    assert!(words.contains("images/s"), "{words}");
    let table: Vec<&str> = words.lines().skip_while(|line| !line.starts_with("layer")).collect();
    let heading: Vec<&str> = table[0].split_whitespace().collect();
    assert_eq!(heading, ["layer", "what", "pass", "algorithm", "ms", "GFLOP/s", "executed", "of", "peak"]);
    let rows = table[1..].iter().take_while(|line| !line.is_empty());
    assert_eq!(rows.clone().count(), 9, "three passes of three convolutions: {words}");
    assert!(rows.clone().all(|row| row.ends_with('%')), "{words}");
}

#[test]
fn what_cannot_be_measured_is_wrong_usage() {
    let folder = workspace();
    for (arguments, parts) in [
        (["--what", "sleep"], ["'sleep' for '--what", "train, infer, explain"]),
        (["--batch", "0"], ["'0' for '--batch", "from 1 to"]),
        (["--repeat", "0"], ["'0' for '--repeat", "from 1 to"]),
        (["--threads", "0"], ["'0' for '--threads", "from 1 to"]),
        (["--precision", "f8"], ["'f8' for '--precision", "f32 or bf16"]),
        (["--model", "all-cnn-x"], ["all-cnn-x", "all-cnn-c"]),
    ] {
        allcnn(folder.path(), &["bench", arguments[0], arguments[1]]).fails(2, &parts);
    }
    allcnn(folder.path(), &["bench", "--model", "missing.toml"]).fails(1, &["missing.toml"]);
}

#[test]
fn the_instruction_set_can_be_capped_from_outside() {
    let folder = workspace();
    let bench = ["bench", "--model", "tiny.toml", "--batch", "4", "--what", "infer", "--json"];
    let capped = |name: &str| finish(command(folder.path(), &bench).env("ALLCNN_MAX_ISA", name));
    for isa in allcnn_cpu::Isa::available() {
        let device = capped(&isa.to_string()).done().json()["device"].as_str().unwrap().to_owned();
        assert!(device.contains(&isa.to_string()), "{isa} was asked for: {device}");
    }
    capped("mmx").fails(1, &["ALLCNN_MAX_ISA", "'mmx'", "portable, neon, avx2, avx512"]);
}

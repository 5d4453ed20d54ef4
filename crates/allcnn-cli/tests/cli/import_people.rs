//! `allcnn import`: weights as people export them: PyTorch's own files, prefixes, other names, hostile files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Outcome, allcnn, tensors};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

/// The network of the fixtures.
const SMALL: &str = r#"
name = "small"
input = [8, 8, 3]
layers = [
  { conv = 4, kernel = 3 },
  { conv = 6, kernel = 3 },
  { conv = "classes", kernel = 1, activation = "identity" },
  { global_average = true },
]
"#;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import").join(name)
}

fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// The tensors of the fixtures, by the formula of their script.
fn expected() -> Tensors {
    let shapes = [vec![4, 3, 3, 3], vec![4], vec![6, 4, 3, 3], vec![6], vec![3, 6, 1, 1], vec![3]];
    let tensor = |(number, shape): (usize, Vec<usize>)| {
        let value = |i: usize| ((37 * i + 11 * number) % 101) as f32 - 50.0;
        let values = floats((0..shape.iter().product()).map(|i| value(i) / 64.0));
        let part = ["weight", "bias"][number % 2];
        (format!("conv{}.{part}", 1 + number / 2), (shape, values))
    };
    shapes.into_iter().enumerate().map(tensor).collect()
}

/// The tensors of the fixtures under other names.
fn renamed(name: impl Fn(&str) -> String) -> Tensors {
    expected().into_iter().map(|(old, tensor)| (name(&old), tensor)).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    folder
}

fn save(folder: &Path, tensors: &Tensors) {
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    fs::write(folder.join("w.bin"), safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Imports `w.bin`, whose name tells nothing.
fn import(folder: &Path, more: &[&str]) -> Outcome {
    allcnn(folder, &[&["import", "w.bin", "--model", "small.toml", "--out", "run", "--json"], more].concat())
}

/// Imports `w.bin` as the weights of the fixtures, with these notes and that of the preprocessing everywhere they belong.
#[track_caller]
fn expect(folder: &Path, weights: &Tensors, form: &str, notes: &[(&str, &str)]) {
    let outcome = import(folder, &[]).done();
    let told = outcome.json();
    assert_eq!((&told["form"], &told["classes"]), (&Value::from(form), &Value::from(3)));
    assert_eq!(&tensors(&folder.join("run/last.safetensors")), weights, "{form}");
    let given = told["notes"].as_array().unwrap();
    let manifest = fs::read_to_string(folder.join("run/run.toml")).unwrap();
    assert_eq!(given.len(), notes.len() + 1, "{outcome:#?}");
    for ((kind, part), given) in notes.iter().chain(&[("preprocess", "value / 255")]).zip(given) {
        let text = given["text"].as_str().unwrap();
        assert!(given["kind"] == *kind && text.contains(part), "expected {kind}, {part}: {given}");
        assert!(manifest.contains(&format!("\"{text}\"")), "{manifest}");
        assert!(outcome.stderr.contains(&format!("note: {text}\n")), "{outcome:#?}");
    }
    fs::remove_dir_all(folder.join("run")).unwrap();
}

#[test]
fn files_of_pytorch_are_read_whatever_lies_around_the_weights() {
    let folder = folder();
    let named = "PyTorch file named by convolutions";
    let module = ("prefix", "dropped module. ");
    for (file, form, notes) in [
        ("state_dict.pt", named, &[][..]),
        ("parallel.pt", named, &[module]),
        ("types.pt", named, &[]),
        ("strided.pt", named, &[]),
        ("parameters.pt", named, &[]),
        (
            "checkpoint.pt",
            named,
            &[
                ("dictionary", "under state_dict"),
                ("left-out", "epoch, loss, optimizer"),
                ("left-out", "counters of a training: n_averaged"),
                module,
            ],
        ),
        ("script.pt", "TorchScript archive named by convolutions", &[]),
    ] {
        fs::copy(fixture(file), folder.path().join("w.bin")).unwrap();
        expect(folder.path(), &expected(), form, notes);
    }
}

#[test]
fn what_pytorch_would_run_is_refused_by_name_and_not_run() {
    let folder = folder();
    for (file, parts) in [
        ("harmful.pt", &["posix.system", "nothing was run", "torch.save(model.state_dict()"][..]),
        ("whole_model.pt", &["__main__.Small", "nothing was run", "torch.save(model.state_dict()"]),
        ("legacy.pt", &["before version 1.6", "torch.save(torch.load("]),
        ("two_models.pt", &["several dictionaries of weights: model, ema", "torch.save(checkpoint["]),
    ] {
        fs::copy(fixture(file), folder.path().join("w.bin")).unwrap();
        import(folder.path(), &[]).fails(1, parts);
    }
    assert!(!folder.path().join("harmed").exists() && !folder.path().join("run").exists());
}

#[test]
fn a_damaged_file_of_pytorch_is_refused_wherever_it_is_damaged() {
    let folder = folder();
    let whole = fs::read(fixture("state_dict.pt")).unwrap();
    fs::write(folder.path().join("w.bin"), &whole[..whole.len() - 30]).unwrap();
    import(folder.path(), &[]).fails(1, &["damaged or cut short"]);
    let first = expected()["conv1.weight"].1.clone();
    let mut flipped = whole.clone();
    let place = whole.windows(first.len()).position(|window| window == first).unwrap();
    flipped[place + 7] ^= 1;
    fs::write(folder.path().join("w.bin"), flipped).unwrap();
    import(folder.path(), &[]).fails(1, &["data/0", "checksum"]);
}

#[test]
fn names_as_people_have_them_are_matched_and_said() {
    let folder = folder();
    let named = "safetensors named by convolutions";
    let own = "safetensors with names of its own";
    let in_a_row =
        |name: &str| name.replace("conv1", "net.0").replace("conv2", "net.2").replace("conv3", "net.4");
    for (names, form, notes) in [
        (
            renamed(|name| format!("_orig_mod.module.{name}")),
            named,
            &[("prefix", "dropped _orig_mod.module. ")][..],
        ),
        (renamed(in_a_row), "safetensors of an nn.Sequential", &[("prefix", "dropped net. ")]),
        (renamed(|name| name.replace("conv3", "class_conv")), own, &[("matched", "class_conv as conv3")]),
        (
            renamed(|name| in_a_row(name).replace("net.4", "fc")),
            own,
            &[("matched", "net.0 as conv1, net.2 as conv2, fc as conv3")],
        ),
        (
            renamed(|name| name.replace("conv2", "fc0").replace("conv3", "fc1")),
            own,
            &[("matched", "fc0 as conv2, fc1 as conv3")],
        ),
        (
            renamed(|name| {
                name.replace("conv1", "conv0").replace("conv2", "conv1").replace("conv3", "conv2")
            }),
            named,
            &[("matched", "conv0 as conv1, conv1 as conv2, conv2 as conv3")],
        ),
    ] {
        save(folder.path(), &names);
        expect(folder.path(), &expected(), form, notes);
    }
}

#[test]
fn a_missing_bias_is_zero() {
    let folder = folder();
    let mut weights = expected();
    weights.remove("conv2.bias");
    save(folder.path(), &weights);
    weights.insert("conv2.bias".into(), (vec![6], vec![0; 24]));
    let note = ("missing-bias", "zero for the biases of conv2");
    expect(folder.path(), &weights, "safetensors named by convolutions", &[note]);
}

#[test]
fn names_that_leave_more_than_one_way_or_none_are_refused_with_both_sides() {
    let folder = folder();
    let twins = SMALL
        .replace("conv = 6", "conv = 4")
        .replace("conv = \"classes\"", "conv = 4, kernel = 3 }, { conv = \"classes\"");
    fs::write(folder.path().join("small.toml"), twins).unwrap();
    let tensor = |shape: &[usize]| (shape.to_vec(), vec![0; 4 * shape.iter().product::<usize>()]);
    let layers =
        [("conv1", [4, 3, 3, 3]), ("left", [4, 4, 3, 3]), ("right", [4, 4, 3, 3]), ("head", [2, 4, 1, 1])];
    let mut weights: Tensors =
        layers.iter().map(|(name, shape)| (format!("{name}.weight"), tensor(shape))).collect();
    save(folder.path(), &weights);
    let sides =
        ["left [4, 4, 3, 3] is conv2 or conv3", "right [4, 4, 3, 3] is conv3 or conv2", "allcnn models"];
    import(folder.path(), &[]).fails(1, &sides);
    weights.insert("head.weight".into(), tensor(&[2, 5, 1, 1]));
    save(folder.path(), &weights);
    let sides = ["head [2, 5, 1, 1]", "do not fit", "conv4 [classes, 4, 1, 1]"];
    import(folder.path(), &[]).fails(1, &sides);
    weights.insert("tail.weight".into(), tensor(&[2, 5, 1, 1]));
    save(folder.path(), &weights);
    import(folder.path(), &[])
        .fails(1, &["5 layers with weights (conv1, head, left, right, tail), expected 4"]);
}

#[test]
fn values_that_no_training_leaves_are_refused_by_tensor() {
    let folder = folder();
    for (tensor, value, said) in [
        ("conv2.weight", f32::NAN, "conv2.weight holds NaN"),
        ("conv3.bias", f32::NEG_INFINITY, "conv3.bias holds -inf"),
    ] {
        let mut weights = expected();
        weights.get_mut(tensor).unwrap().1[4..8].copy_from_slice(&value.to_le_bytes());
        save(folder.path(), &weights);
        import(folder.path(), &[]).fails(1, &[said, "finite"]);
    }
}

/// The fields of a `.caffemodel` with one convolution of this shape and no values.
fn caffemodel(shape: &[u8]) -> Vec<u8> {
    let field = |tag: &[u8], content: &[u8]| {
        let mut length = content.len();
        let mut bytes = tag.to_vec();
        while length >= 128 {
            bytes.push(length as u8 | 128);
            length >>= 7;
        }
        bytes.push(length as u8);
        [bytes.as_slice(), content].concat()
    };
    let blob = field(&[0x3a], &field(&[0x3a], &field(&[0x0a], shape)));
    field(&[0xa2, 0x06], &[field(&[0x0a], b"c"), field(&[0x12], b"Convolution"), blob].concat())
}

#[test]
fn shapes_without_values_and_with_endless_dimensions_are_refused() {
    let folder = folder();
    let dimensions = "300000 dimensions; expected at most 8";
    for (shape, said) in [
        (vec![0, 3, 0, 42], "shape [0, 3, 0, 42], which holds no values"),
        (vec![2; 300_000], dimensions),
        ([vec![1; 299_999], vec![2]].concat(), "0 values in shape [1, 1, 1, 2]"),
    ] {
        fs::write(folder.path().join("w.bin"), caffemodel(&shape)).unwrap();
        import(folder.path(), &[]).fails(1, &[said]);
    }
    let mut weights = expected();
    weights.insert("conv1.weight".into(), (vec![4, 3, 0, 3], vec![]));
    save(folder.path(), &weights);
    import(folder.path(), &[]).fails(1, &["conv1.weight has shape [4, 3, 0, 3], which holds no values"]);
}

#[test]
fn names_of_classes_come_from_any_system() {
    let folder = folder();
    save(folder.path(), &expected());
    let utf16: Vec<u8> =
        "\u{feff}\"ant\"\r\n bée \r\ncat\r\n\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.path().join("names.txt"), utf16).unwrap();
    let told = import(folder.path(), &["--classes-file", "names.txt"]).done().json();
    let notes: Vec<_> =
        told["notes"].as_array().unwrap().iter().filter(|note| note["kind"] == "classes").collect();
    assert_eq!(notes.len(), 2, "{told}");
    image::RgbImage::new(8, 8).save(folder.path().join("p.png")).unwrap();
    let guesses = allcnn(folder.path(), &["predict", "run", "p.png", "--top", "3", "--json"]).done().json();
    let mut names: Vec<&str> = guesses[0]["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|guess| guess["class"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["ant", "bée", "cat"]);
    fs::remove_dir_all(folder.path().join("run")).unwrap();
    for (text, said) in
        [(&b"a\n\nb\nc\n"[..], "line 2 names no class"), (b"a\nb\xe9\nc\n", "save it as UTF-8")]
    {
        fs::write(folder.path().join("names.txt"), text).unwrap();
        import(folder.path(), &["--classes-file", "names.txt"]).fails(1, &["names.txt", said]);
    }
}

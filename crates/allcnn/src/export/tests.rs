//! Exported networks of every layer kind agree with the program, and a file in which anything was changed does not.

use std::collections::BTreeSet;

use allcnn_device::Reference;
use allcnn_device::random::{Purpose, Stream};
use prost::Message;

use super::check::{Agreement, check};
use super::error::ExportError;
use super::onnx::proto::{AttributeProto, ModelProto, attribute_type};
use super::onnx::{self, ExplanationTarget, OnnxOptions};
use super::safetensors;
use super::trained::Trained;
use crate::input::InputTransform;
use crate::net::{Init, Network};
use crate::parameters::{Kind, Parameters};
use crate::preprocess::{Geometry, Method as Preprocessing, Preprocessor};
use crate::run::{Checkpoint, Manifest, Progress, WhichCheckpoint};
use crate::visualise::Method;

/// Convolutions: uneven strides, groups, a leaky activation, a border wider than the kernel needs.
const CHAIN: &str = "
  { conv = 6, kernel = 3, stride = 2 },
  { conv = 8, kernel = 2, stride = 3, padding = 1, groups = 2, activation = \"leaky:0.3\" },
  { conv = 8, kernel = 1, dropout = 0.5 },
  { conv = \"classes\", kernel = 1 },
  { global_average = true },
";

/// What competes, what is drawn in training, and what learns its norm.
const KINDS: &str = "
  { conv = 8, kernel = 3 },
  { lwta = 2, dropout = 0.5 },
  { probout = 2, lambda = 2.5, dropout = 0.5 },
  { conv = 6, kernel = 3 },
  { lwta = 3 },
  { pool = \"stochastic\", kernel = 3, stride = 2, padding = 1 },
  { pool = \"learned-norm\", kernel = 3, stride = 2, padding = 1, dropout = 0.5 },
  { conv = \"classes\", kernel = 1 },
  { global_average = true },
";

/// Filters and weights that are not shared; the strides leave rows and columns over.
const UNSHARED: &str = "
  { conv = 8, kernel = 3, stride = 2 },
  { local = 5, kernel = 3, stride = 2, padding = 1, activation = \"leaky:0.2\" },
  { local = 4, kernel = 2, padding = \"valid\" },
  { conv = 6, kernel = 2, padding = \"valid\", activation = \"leaky:0.3\", drop_connect = 0.4 },
  { conv = 7, kernel = 1, drop_connect = 0.5 },
  { conv = \"classes\", kernel = 1, activation = \"identity\" },
";

/// Every pooling, with borders and last windows that are cut off, and normalization.
const POOLS: &str = "
  { conv = 8, kernel = 3 },
  { pool = \"max\", kernel = 3, stride = 2, padding = 1, ceil = true },
  { lrn = 3, alpha = 0.8, beta = 0.75, k = 1 },
  { conv = 8, kernel = 3 },
  { maxout = 2 },
  { pool = \"average\", kernel = 3, stride = 2, padding = 1, ceil = true },
  { conv = 6, kernel = 3 },
  { pool = \"norm:2.5\", kernel = 2, stride = 1, padding = 1, ceil = false },
  { pool = \"max\", kernel = 2, stride = 3, ceil = false },
  { conv = \"classes\", kernel = 1, activation = \"identity\" },
  { global_average = true },
";

fn trained(layers: &str, preprocessing: Preprocessing, canvas: usize) -> Trained {
    let text = format!(
        "name = \"test\"\ninput = [{}, {}, 3]\nclasses = 4\nlayers = [{layers}]\n",
        11 + canvas,
        10 + canvas
    );
    let network = Network::from_toml(&text).unwrap();
    let values = Parameters::initialize(&Reference, &network, Init::He, 5).unwrap();
    let mut values = values.tensors(&Reference, Kind::Value).unwrap();
    let mut random = Stream::new(3, Purpose::Test, 0, 0).sequence();
    for bias in values.iter_mut().filter(|tensor| tensor.shape.len() == 1) {
        bias.values.fill_with(|| random.range(-0.2, 0.2));
    }
    let size = Geometry { height: 11, width: 10, channels: 3 };
    let pixels: Vec<u8> = (0..40 * size.len()).map(|_| random.below(256) as u8).collect();
    let preprocessor = Preprocessor::fit(preprocessing, &pixels, size).unwrap();
    let transform = InputTransform::new(preprocessor, Geometry::from(network.input()));
    let classes = ["ant", "bee", "cat", "dog"].map(String::from).to_vec();
    let progress = Progress::default();
    Trained {
        which: WhichCheckpoint::Best,
        manifest: Manifest::example(),
        checkpoint: Checkpoint { network, classes, values, velocities: vec![], averages: vec![], progress },
        transform,
    }
}

fn checked(trained: &Trained, options: &OnnxOptions, batch: usize) -> Result<Agreement, ExportError> {
    let model = onnx::model(trained, options).unwrap();
    check(&Reference, trained, options, &model.layers, &model.bytes, batch)
}

#[test]
fn every_layer_and_method_agrees_at_batch_5() {
    for layers in [CHAIN, POOLS, KINDS, UNSHARED] {
        let trained = trained(layers, Preprocessing::MeanStd, 0);
        for method in Method::ALL {
            for target in [ExplanationTarget::Top, ExplanationTarget::Input] {
                let options = OnnxOptions { explain: Some(method), target, raw: false };
                let agreement = checked(&trained, &options, 5).unwrap();
                let maps = agreement.explanation_difference.unwrap();
                assert!(agreement.logits_difference < 1e-5 && maps < 1e-5, "{method} {agreement:?}");
            }
        }
    }
}

#[test]
fn every_preprocessing_and_a_canvas_agree() {
    for preprocessing in [Preprocessing::GcnZca, Preprocessing::MeanStd, Preprocessing::None] {
        for (canvas, raw) in [(0, false), (3, false), (0, true)] {
            let trained = trained(CHAIN, preprocessing, canvas);
            let options = OnnxOptions { raw, ..OnnxOptions::default() };
            let agreement = checked(&trained, &options, 5).unwrap();
            assert!(agreement.layer_difference < 1e-4, "{preprocessing} {canvas} {agreement:?}");
        }
    }
}

/// The attribute with another value.
fn changed(attribute: &AttributeProto) -> AttributeProto {
    let mut changed = attribute.clone();
    match attribute.kind {
        attribute_type::INT => changed.i = attribute.i.map(|value| value + 1),
        attribute_type::INTS => changed.ints[0] += 1,
        attribute_type::FLOAT => changed.f = attribute.f.map(|value| 1.5 * value + 0.1),
        _ => changed.s = Some(b"none".to_vec()),
    }
    changed
}

/// Attributes that make no difference: no two logits are equal; what a zero of lwta2 sends that won against zeros does not
/// show (that of lwta1 does); a new shape follows; a kernel on a single place takes no further step.
const HARMLESS: [(&str, &str); 7] = [
    ("back/class", "select_last_index"),
    ("back/conv4", "strides"),
    ("conv4", "strides"),
    ("lwta2/winner", "select_last_index"),
    ("maxout1/largest", "keepdims"),
    ("pool1/means", "keepdims"),
    ("probout1/means", "keepdims"),
];

#[test]
fn a_changed_attribute_is_noticed() {
    let mut kinds = BTreeSet::new();
    let mut unnoticed = BTreeSet::new();
    for (layers, preprocessing, canvas) in [
        (CHAIN, Preprocessing::GcnZca, 3),
        (POOLS, Preprocessing::MeanStd, 3),
        (KINDS, Preprocessing::MeanStd, 3),
        (UNSHARED, Preprocessing::MeanStd, 0),
    ] {
        let trained = trained(layers, preprocessing, canvas);
        // Deconvnet lets a signal through where an activation is zero, so that it matters which of equal values wins.
        let explain = Some(Method::Deconvnet);
        let options = OnnxOptions { explain, ..OnnxOptions::default() };
        let written = onnx::model(&trained, &options).unwrap();
        let passes = |file: &[u8]| check(&Reference, &trained, &options, &written.layers, file, 5).is_ok();
        assert!(passes(&written.bytes));
        let model = ModelProto::decode(written.bytes.as_slice()).unwrap();
        for (at, node) in model.graph.iter().flat_map(|graph| graph.node.iter().enumerate()) {
            for (number, attribute) in node.attribute.iter().enumerate() {
                let mut other = model.clone();
                other.graph.as_mut().unwrap().node[at].attribute[number] = changed(attribute);
                kinds.insert(node.op_type.clone());
                if passes(&other.encode_to_vec()) {
                    unnoticed.insert((node.name.clone(), attribute.name.clone()));
                }
            }
        }
    }
    let harmless = HARMLESS.map(|(node, attribute)| (node.to_owned(), attribute.to_owned()));
    assert_eq!(unnoticed, BTreeSet::from(harmless));
    for kind in ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "LRN", "ScatterElements", "ArgMax", "Pad"]
    {
        assert!(kinds.contains(kind), "{kind} was not changed");
    }
}

#[test]
fn an_operation_taken_for_another_is_noticed() {
    for (from, to) in [
        ("Sub", "Add"),
        ("Div", "Mul"),
        ("Greater", "Less"),
        ("Sqrt", "Abs"),
        ("Relu", "Abs"),
        ("Pow", "Mul"),
        ("ReduceSum", "Relu"),
        ("GlobalAveragePool", "Relu"),
        ("Softmax", "Relu"),
        ("Erf", "Abs"),
        ("Exp", "Relu"),
    ] {
        let layers = match from {
            "Pow" => POOLS,
            "Erf" | "Exp" => UNSHARED,
            _ => CHAIN,
        };
        let trained = trained(layers, Preprocessing::GcnZca, 0);
        let options = OnnxOptions { explain: Some(Method::Guided), ..OnnxOptions::default() };
        let written = onnx::model(&trained, &options).unwrap();
        check(&Reference, &trained, &options, &written.layers, &written.bytes, 2).unwrap();
        let mut model = ModelProto::decode(written.bytes.as_slice()).unwrap();
        let node = model.graph.as_mut().unwrap().node.iter_mut().find(|node| node.op_type == from);
        node.unwrap_or_else(|| panic!("no {from}")).op_type = to.into();
        let noticed = check(&Reference, &trained, &options, &written.layers, &model.encode_to_vec(), 2);
        assert!(noticed.is_err(), "{from} as {to}: {noticed:?}");
    }
}

#[test]
fn fractional_pooling_is_refused_by_name() {
    let layers = "{ conv = 4, kernel = 3 }, { pool = \"max\", fractional = 1.4 }, { conv = \"classes\", kernel = 1 }, { global_average = true }";
    let trained = trained(layers, Preprocessing::None, 0);
    let refused = onnx::model(&trained, &OnnxOptions::default()).err().unwrap().to_string();
    assert!(refused.starts_with("pool1 is a fractional pooling"), "{refused}");
}

#[test]
fn equal_runs_make_equal_files_with_what_they_say_of_themselves() {
    let trained = trained(POOLS, Preprocessing::None, 0);
    let model = || onnx::model(&trained, &OnnxOptions::default()).unwrap().bytes;
    assert!(model() == model());
    let read = ModelProto::decode(model().as_slice()).unwrap();
    let said = |key: &str| read.metadata_props.iter().find(|entry| entry.key == key).unwrap().value.clone();
    assert_eq!(said("classes"), r#"["ant","bee","cat","dog"]"#);
    assert_eq!((said("model"), said("preprocess")), ("test".into(), "none".into()));
    assert_eq!(said("weights_sha256"), safetensors::sha256(&trained).unwrap());
    assert!(read.graph.unwrap().node.iter().all(|node| !node.name.contains("back/")));
}

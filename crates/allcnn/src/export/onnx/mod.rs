//! A trained network as ONNX, opset 17: preprocessing, layers, probabilities, and the way back to the picture.
//!
//! Input `image`: uint8 `[N, height, width, 3]`, RGB, of the size that the preprocessing was fitted for; or float32
//! `[N, 3, height, width]`, already preprocessed. Outputs `logits`, `probabilities` and `explanation`, the signal at the
//! network's input, float32 `[N, height, width, 3]`. The batch is open.

mod backward;
mod forward;
mod graph;
mod input;
pub(super) mod proto;
mod unshared;
mod windows;

use allcnn_device::{ReluRule, Windows};
use prost::Message;

use self::backward::gate;
use self::forward::{Step, Trace};
use self::graph::{Graph, int, ints, value_info};
use self::proto::{ModelProto, OperatorSetId, StringEntry, data_type};
use super::error::ExportError;
use super::safetensors;
use super::trained::Trained;
use crate::net::{LayerKind, Network, Operation, Pool};
use crate::visualise::Method;

/// The operator set.
const OPSET: i64 = 17;
/// The version of the format that belongs to it.
const IR_VERSION: i64 = 8;
/// What a protobuf message can hold.
const MAX_BYTES: usize = i32::MAX as usize;

/// Where the signal of an explanation starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExplanationTarget {
    /// The logit of the most probable class.
    #[default]
    Top,
    /// The logit of the class in the int64 input `class`, `[N]`.
    Input,
}

/// What an ONNX file contains besides the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// The method of the output `explanation`; `None` for no such output.
    pub explain: Option<Method>,
    /// Where its signal starts.
    pub target: ExplanationTarget,
    /// Whether the input is already preprocessed.
    pub raw: bool,
}

/// A written model.
pub(super) struct OnnxModel {
    pub(super) bytes: Vec<u8>,
    /// The name of each layer's output in the graph.
    pub(super) layers: Vec<String>,
}

/// Refuses layers that ONNX cannot express.
pub(super) fn expect_expressible(network: &Network) -> Result<(), ExportError> {
    let fractional =
        |kind: &LayerKind| matches!(kind, LayerKind::Pool(Pool { windows: Windows::Fractional(_), .. }));
    match network.layers().iter().find(|layer| fractional(layer.kind())) {
        Some(layer) => Err(ExportError::Fractional { layer: layer.name().into() }),
        None => Ok(()),
    }
}

/// Writes the network of a run.
pub(super) fn model(trained: &Trained, options: &OnnxOptions) -> Result<OnnxModel, ExportError> {
    let network = &trained.checkpoint.network;
    expect_expressible(network)?;
    let (size, pictures) = (network.input(), trained.transform.pictures());
    let mut graph = Graph::default();
    let (picture, input) = if options.raw {
        let sizes = [size.channels, size.height, size.width];
        (value_info("image", data_type::FLOAT, &sizes), "image".into())
    } else {
        let sizes = [pictures.height, pictures.width, pictures.channels];
        let input = input::preprocess(&mut graph, "image", &trained.transform);
        (value_info("image", data_type::UINT8, &sizes), input)
    };
    let passed = forward(&mut graph, trained, input, options.explain.is_some());
    let top = passed.last().map_or("image", |layer| &layer.output).to_owned();
    graph.node("Flatten", "logits", &[&top], [int("axis", 1)]);
    graph.node("Softmax", "probabilities", &["logits"], [int("axis", 1)]);
    let classes = network.classes();
    let mut inputs = vec![picture];
    let mut outputs = vec![
        value_info("logits", data_type::FLOAT, &[classes]),
        value_info("probabilities", data_type::FLOAT, &[classes]),
    ];
    if let Some(method) = options.explain {
        if options.target == ExplanationTarget::Input {
            inputs.push(value_info("class", data_type::INT64, &[]));
        }
        explain(&mut graph, network, &passed, method, options.target);
        let sizes = [size.height, size.width, size.channels];
        outputs.push(value_info("explanation", data_type::FLOAT, &sizes));
    }
    let proto = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "allcnn".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph.finished(network.name(), inputs, outputs)),
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: OPSET }],
        metadata_props: metadata(trained)?,
    };
    if proto.encoded_len() > MAX_BYTES {
        return Err(ExportError::TooLarge { bytes: proto.encoded_len(), most: MAX_BYTES });
    }
    let layers = passed.into_iter().map(|layer| layer.output).collect();
    Ok(OnnxModel { bytes: proto.encode_to_vec(), layers })
}

/// A layer in the graph.
struct Passed {
    input: String,
    output: String,
    trace: Trace,
}

/// Appends every layer.
fn forward(graph: &mut Graph, trained: &Trained, input: String, traced: bool) -> Vec<Passed> {
    let network = &trained.checkpoint.network;
    let mut passed: Vec<Passed> = vec![];
    for (layer, operation) in network.layers().iter().zip(network.operations(1)) {
        let tensors = match operation {
            Operation::Conv(_) | Operation::Local(_) | Operation::Pool(_) => trained.tensors_of(layer.name()),
            _ => None,
        };
        let step = Step { name: layer.name(), kind: layer.kind(), operation, tensors, traced };
        let input = passed.last().map_or(&input, |below| &below.output).clone();
        let (output, trace) = step.forward(graph, &input);
        passed.push(Passed { input, output, trace });
    }
    passed
}

/// Appends the way back from a logit to the input.
fn explain(
    graph: &mut Graph,
    network: &Network,
    passed: &[Passed],
    method: Method,
    target: ExplanationTarget,
) {
    let first = [int("axis", 1), int("keepdims", 1), int("select_last_index", 0)];
    let class = match target {
        ExplanationTarget::Top => graph.node("ArgMax", "back/class", &["logits"], first),
        ExplanationTarget::Input => graph.reshape("back/class", "class", &[1]),
    };
    let classes = network.classes();
    let numbers = graph.count(classes, &[1, classes]);
    let chosen = graph.node("Equal", "back/chosen", &[&class, &numbers], []);
    let [zero, one] = [0.0, 1.0].map(|value| graph.number(value));
    let start = graph.node("Where", "back/start", &[&chosen, &one, &zero], []);
    let mut signal = graph.reshape("back/signal", &start, &[classes, 1, 1]);
    for (layer, Passed { input, output, trace }) in network.layers().iter().zip(passed).rev() {
        let (name, activation) = (layer.name(), layer.kind().activation());
        signal = match trace {
            // Its way back has the activation's in it; the rules keep what they keep of a signal.
            Trace::DropConnect(_) if method.rule() == ReluRule::Backprop => signal,
            Trace::DropConnect(_) => gate(graph, name, activation, ReluRule::Deconvnet, output, signal),
            _ => gate(graph, name, activation, method.rule(), output, signal),
        };
        signal = trace.backward(graph, name, input, &signal);
    }
    graph.node("Transpose", "explanation", &[&signal], [ints("perm", &[0, 2, 3, 1])]);
}

fn metadata(trained: &Trained) -> Result<Vec<StringEntry>, ExportError> {
    let entries = [
        ("classes", trained.classes_json()?),
        ("allcnn_version", env!("CARGO_PKG_VERSION").into()),
        ("model", trained.checkpoint.network.name().into()),
        ("preprocess", trained.transform.preprocessor().method().to_string()),
        ("weights_sha256", safetensors::sha256(trained)?),
    ];
    Ok(entries.map(|(key, value)| StringEntry { key: key.into(), value }).into())
}

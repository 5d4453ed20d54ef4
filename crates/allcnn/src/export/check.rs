//! The check of an exported network: the file is run by the interpreter on pictures, and every layer, the answers and the maps are
//! compared with the program's own.

use std::collections::HashMap;

use allcnn_device::Device;
use allcnn_device::random::{Purpose, Stream};
use serde::Serialize;

use super::error::ExportError;
use super::interpret::{self, Numbers, Tensor};
use super::onnx::{ExplanationTarget, OnnxOptions};
use super::trained::Trained;
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::preprocess::Geometry;
use crate::score::probabilities;
use crate::visualise::{Explainer, Explanation, Method, Target, Unit};

/// Pictures of the check; more than one, as indices run over the batch.
pub(super) const PICTURES: usize = 2;
/// The largest difference of a layer's output (and of logits and probabilities), relative to its largest value: rounding through
/// the layers below.
pub const LAYER_TOLERANCE: f64 = 1e-3;
/// The difference of a map, relative to its norm. A value that is zero but for rounding may open another gate: of some
/// ten thousand gates that is one or two, each of which sends on less than a hundredth of the map.
pub const MAP_TOLERANCE: f64 = 1e-2;

/// How far a file is from the program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// The pictures compared.
    pub pictures: usize,
    /// The layer that differs most.
    pub layer: String,
    /// Its largest difference, relative to its largest value.
    pub layer_difference: f64,
    /// The largest difference of the logits, relative to the largest logit.
    pub logits_difference: f64,
    /// The difference of the maps, relative to their norm; `None` without maps.
    pub explanation_difference: Option<f64>,
}

/// Runs `file`, in which `outputs` are the names of the layers' outputs, on a batch of `batch` pictures, and compares what it says
/// with what the program says.
pub(super) fn check<D: Device>(
    device: &D,
    trained: &Trained,
    options: &OnnxOptions,
    outputs: &[String],
    file: &[u8],
    batch: usize,
) -> Result<Agreement, ExportError> {
    let shown = Shown::new(trained, batch);
    let answers = answers(trained, options, &shown, file).map_err(ExportError::Wrong)?;
    let own = own_layers(device, trained, &shown)?;
    let mut agreement = Agreement {
        pictures: batch,
        layer: String::new(),
        layer_difference: 0.0,
        logits_difference: 0.0,
        explanation_difference: None,
    };
    let layers = trained.checkpoint.network.layers();
    for ((layer, name), expected) in layers.iter().zip(outputs).zip(&own) {
        let difference = compare(layer.name(), &answers, name, expected, LAYER_TOLERANCE, of_largest)?;
        if difference >= agreement.layer_difference {
            (agreement.layer, agreement.layer_difference) = (layer.name().into(), difference);
        }
    }
    let logits = own.last().map(|layer| layer.values.clone()).unwrap_or_default();
    let classes = trained.checkpoint.classes.len();
    let shares = logits.chunks_exact(classes).flat_map(probabilities).collect();
    let flat = |values| Expected { values, shape: [batch, 1, 1, classes] };
    for (name, values) in [("probabilities", shares), ("logits", logits)] {
        agreement.logits_difference =
            compare(name, &answers, name, &flat(values), LAYER_TOLERANCE, of_largest)?;
    }
    if let Some(method) = options.explain {
        let expected = own_maps(device, trained, options.target, method, &shown)?;
        let difference = compare("explanation", &answers, "explanation", &expected, MAP_TOLERANCE, of_norm)?;
        agreement.explanation_difference = Some(difference);
    }
    Ok(agreement)
}

/// What both are shown.
struct Shown {
    batch: usize,
    /// uint8 `[batch, height, width, 3]`.
    pictures: Vec<u8>,
    /// The same, as the network's input.
    images: Vec<f32>,
    /// The classes that are explained where the input says which.
    classes: Vec<usize>,
}

impl Shown {
    fn new(trained: &Trained, batch: usize) -> Self {
        let pictures = pictures(trained.transform.pictures(), batch);
        let mut images = vec![0.0; batch * trained.transform.input().len()];
        trained.transform.apply(&pictures, &mut images);
        let classes = trained.checkpoint.classes.len();
        Self {
            batch,
            pictures,
            images,
            classes: (1..=batch).map(|picture| classes - 1 - picture % classes).collect(),
        }
    }
}

/// What the file says.
fn answers(
    trained: &Trained,
    options: &OnnxOptions,
    shown: &Shown,
    file: &[u8],
) -> Result<HashMap<String, Tensor>, String> {
    let (size, input) = (trained.transform.pictures(), trained.transform.input());
    let image = if options.raw {
        let shape = vec![shown.batch, input.channels, input.height, input.width];
        Tensor::new(shape, Numbers::Float(channels_first(&shown.images, input)))?
    } else {
        let shape = vec![shown.batch, size.height, size.width, size.channels];
        Tensor::new(shape, Numbers::Byte(shown.pictures.clone()))?
    };
    let mut inputs = vec![("image", image)];
    if options.explain.is_some() && options.target == ExplanationTarget::Input {
        let classes = shown.classes.iter().map(|&class| class as i64).collect();
        inputs.push(("class", Tensor::new(vec![shown.batch], Numbers::Integer(classes))?));
    }
    interpret::run(file, inputs)
}

/// Colored waves with noise: no two regions alike, nothing flat.
fn pictures(size: Geometry, count: usize) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(count * size.len());
    for picture in 0..count {
        let mut random = Stream::new(picture as u64, Purpose::Test, 0, 0).sequence();
        let waves: Vec<[f32; 3]> = (0..size.channels)
            .map(|_| [random.range(0.1, 0.7), random.range(0.1, 0.7), random.range(0.0, 6.0)])
            .collect();
        for index in 0..size.height * size.width {
            let (row, column) = ((index / size.width) as f32, (index % size.width) as f32);
            for [down, across, phase] in &waves {
                let wave = 60.0 * (row * down + column * across + phase).sin();
                pixels.push((128.0 + wave + random.range(-40.0, 40.0)) as u8);
            }
        }
    }
    pixels
}

/// Values of the program, in its layout.
struct Expected {
    values: Vec<f32>,
    /// `[batch, height, width, channels]`.
    shape: [usize; 4],
}

/// The output of every layer.
fn own_layers<D: Device>(device: &D, trained: &Trained, shown: &Shown) -> Result<Vec<Expected>, ExportError> {
    let network = &trained.checkpoint.network;
    let parameters = trained.checkpoint.parameters(device)?;
    let mut plan = Plan::new(device, network, shown.batch, PlanPurpose::Explanation)?;
    plan.upload(&shown.images, &vec![0.0; shown.batch * network.classes()])?;
    plan.forward(&parameters, Mode::Evaluate);
    let outputs = network.operations(shown.batch).into_iter().enumerate().map(|(layer, operation)| {
        let shape = operation.output();
        let mut values = vec![0.0; shape.len()];
        plan.output(layer, &mut values)?;
        Ok(Expected { values, shape: [shape.batch, shape.height, shape.width, shape.channels] })
    });
    outputs.collect()
}

/// The maps of the pictures.
fn own_maps<D: Device>(
    device: &D,
    trained: &Trained,
    target: ExplanationTarget,
    method: Method,
    shown: &Shown,
) -> Result<Expected, ExportError> {
    let network = &trained.checkpoint.network;
    let parameters = trained.checkpoint.parameters(device)?;
    let pairs: Vec<(usize, Unit)> = match target {
        ExplanationTarget::Top => (0..shown.batch).map(|picture| (picture, Unit::STRONGEST)).collect(),
        ExplanationTarget::Input => shown.classes.iter().copied().map(Unit::Channel).enumerate().collect(),
    };
    let classes = Target::of_classes(network, vec![])?;
    let mut explainer = Explainer::new(device, network, shown.batch)?;
    let explained = explainer.explain_pairs(&parameters, &shown.images, &classes, &pairs, &[method])?;
    let values =
        explained.into_iter().flat_map(|Explanation { maps, .. }| maps.into_iter().flatten()).collect();
    let input = network.input();
    Ok(Expected { values, shape: [shown.batch, input.height, input.width, input.channels] })
}

/// `[batch, channels, height, width]` of `[batch, height, width, channels]`.
fn channels_first(values: &[f32], size: Geometry) -> Vec<f32> {
    let Geometry { height, width, channels } = size;
    let planes = values.chunks_exact(size.len()).flat_map(|image| {
        (0..channels)
            .flat_map(move |channel| image.iter().skip(channel).step_by(channels).take(height * width))
    });
    planes.copied().collect()
}

/// The difference of a value of the graph from the program's; an error above the tolerance.
fn compare(
    what: &str,
    answers: &HashMap<String, Tensor>,
    name: &str,
    expected: &Expected,
    allowed: f64,
    measure: fn(&[f32], &[f32]) -> f64,
) -> Result<f64, ExportError> {
    let wrong = |problem: &str| ExportError::Wrong(format!("{name}: {problem}"));
    let given = answers.get(name).ok_or_else(|| wrong("it is missing"))?;
    let values = given.floats().map_err(|problem| wrong(&problem))?;
    let [batch, height, width, channels] = expected.shape;
    let first = channels_first(&expected.values, Geometry { height, width, channels });
    let own: &[f32] = match given.shape.as_slice() {
        shape if shape == [batch, channels, height, width] => &first,
        shape if shape == expected.shape || shape == [batch, channels] => &expected.values,
        shape => return Err(wrong(&format!("its shape is {shape:?}"))),
    };
    let difference = measure(values, own);
    if difference <= allowed {
        return Ok(difference);
    }
    Err(ExportError::Disagrees { what: what.into(), difference, allowed })
}

/// The largest difference, relative to the largest value; NaN differs by NaN, which no tolerance allows.
fn of_largest(given: &[f32], expected: &[f32]) -> f64 {
    let largest = expected.iter().fold(0.0f64, |largest, &value| largest.max(f64::from(value).abs()));
    let differences = given.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs());
    let difference =
        differences.fold(0.0, |most: f64, next| if next.is_nan() || next > most { next } else { most });
    difference / if largest > 0.0 { largest } else { 1.0 }
}

/// The norm of the difference, relative to the norm.
fn of_norm(given: &[f32], expected: &[f32]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let norm = squares(&mut expected.iter().map(|&value| f64::from(value)));
    let difference = squares(&mut given.iter().zip(expected).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    difference / if norm > 0.0 { norm } else { 1.0 }
}

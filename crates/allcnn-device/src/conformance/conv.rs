//! Convolution: three passes against the reference, and against differences of the device's own forward pass.

use super::arena::{Arena, Results, dot, moved, numbers};
use super::cases::Case;
use crate::{Activation, ConvShape, Device, Dropout, Epilogue, Gate, ReluRule, StoredOutput};

/// Sums of f32 products in some order against f64.
pub(super) const TOLERANCE: f64 = 1e-5;
const PLAIN: Epilogue = Epilogue { activation: Activation::Identity, dropout: None };

struct Inputs {
    input: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    d_output: Vec<f32>,
}

pub(super) fn compare<D: Device>(arena: &Arena<'_, D>, case: &Case<ConvShape>, results: &mut Results) {
    let shape = case.shape;
    let inputs = Inputs {
        input: numbers(shape.input.len(), 1),
        weights: numbers(shape.weights_len(), 2),
        bias: numbers(shape.out_channels, 3),
        d_output: numbers(shape.output().len(), 4),
    };
    let name = |what: &str| format!("{}: {what}", case.name);
    for (what, epilogue) in epilogues(shape.out_channels) {
        results.push(name(what), forward(arena, shape, &inputs, epilogue), TOLERANCE);
    }
    for (what, gate) in gates() {
        results.push(name(what), backward_data(arena, shape, &inputs, gate), TOLERANCE);
    }
    let (d_weights, d_bias) = backward_weights(arena, shape, &inputs);
    results.push(name("d_weights"), d_weights, TOLERANCE);
    results.push(name("d_bias"), d_bias, TOLERANCE);
    differences(arena, shape, &inputs, name, results);
}

fn epilogues(channels: usize) -> [(&'static str, Epilogue); 5] {
    let dropout = |rate| Some(Dropout { rate, seed: 11, layer: 3, channels: None });
    let of_channels = dropout(0.3).map(|dropout| Dropout { channels: Some(channels), ..dropout });
    [
        ("forward", PLAIN),
        ("forward, ReLU", Epilogue { activation: Activation::Relu, dropout: None }),
        ("forward, ReLU, dropout", Epilogue { activation: Activation::Relu, dropout: dropout(0.5) }),
        (
            "forward, leaky ReLU, dropout",
            Epilogue { activation: Activation::LeakyRelu { slope: 0.25 }, dropout: dropout(0.1) },
        ),
        (
            "forward, leaky ReLU, dropout of channels",
            Epilogue { activation: Activation::LeakyRelu { slope: 0.25 }, dropout: of_channels },
        ),
    ]
}

fn gates() -> [(&'static str, Option<Gate>); 4] {
    let gate = |activation, rule, dropout_rate| Some(Gate { activation, rule, dropout_rate });
    [
        ("d_input", None),
        ("d_input through ReLU and dropout", gate(Activation::Relu, ReluRule::Backprop, 0.5)),
        ("d_input, guided", gate(Activation::Relu, ReluRule::Guided, 0.0)),
        ("d_input, leaky deconvnet", gate(Activation::LeakyRelu { slope: 0.25 }, ReluRule::Deconvnet, 0.0)),
    ]
}

fn forward<D: Device>(
    arena: &Arena<'_, D>,
    shape: ConvShape,
    inputs: &Inputs,
    epilogue: Epilogue,
) -> Vec<f32> {
    let mut conv = arena.device.conv(shape).expect("a conformance case is a valid shape");
    let mut output = arena.output(shape.output().len());
    let [input, weights, bias] =
        [&inputs.input, &inputs.weights, &inputs.bias].map(|values| arena.put(values));
    let step = arena.step(5, 0.0);
    arena.device.conv_forward(&mut conv, &input, &weights, &bias, epilogue, &step, &mut output);
    arena.get(&output, shape.output().len())
}

fn backward_data<D: Device>(
    arena: &Arena<'_, D>,
    shape: ConvShape,
    inputs: &Inputs,
    gate: Option<Gate>,
) -> Vec<f32> {
    let mut conv = arena.device.conv(shape).expect("a conformance case is a valid shape");
    let mut d_input = arena.output(shape.input.len());
    // Some stored outputs are exact zeros, as dropout and ReLU leave them.
    let stored: Vec<f32> = inputs.input.iter().map(|&x| if x.abs() < 0.3 { 0.0 } else { x }).collect();
    let [d_output, weights, stored] =
        [&inputs.d_output, &inputs.weights, &stored].map(|values| arena.put(values));
    let below = gate.map(|gate| StoredOutput { output: &stored, gate });
    arena.device.conv_backward_data(&mut conv, &d_output, &weights, below, &mut d_input);
    arena.get(&d_input, shape.input.len())
}

fn backward_weights<D: Device>(
    arena: &Arena<'_, D>,
    shape: ConvShape,
    inputs: &Inputs,
) -> (Vec<f32>, Vec<f32>) {
    let mut conv = arena.device.conv(shape).expect("a conformance case is a valid shape");
    let (mut d_weights, mut d_bias) = (arena.output(shape.weights_len()), arena.output(shape.out_channels));
    let [input, d_output] = [&inputs.input, &inputs.d_output].map(|values| arena.put(values));
    arena.device.conv_backward_weights(&mut conv, &input, &d_output, &mut d_weights, &mut d_bias);
    (arena.get(&d_weights, shape.weights_len()), arena.get(&d_bias, shape.out_channels))
}

/// A convolution is linear in its input and in its weights, so a difference of any length is its derivative:
/// <d_output, f(a + v) - f(a - v)> / 2 = <gradient, v>.
fn differences<D: Device>(
    device: &Arena<'_, D>,
    shape: ConvShape,
    inputs: &Inputs,
    name: impl Fn(&str) -> String,
    results: &mut Results,
) {
    let Inputs { input, weights, bias, d_output } = inputs;
    let slope = |changed: [Inputs; 2]| {
        let [plus, minus] = changed.map(|inputs| forward(device, shape, &inputs, PLAIN));
        (dot(d_output, &plus) - dot(d_output, &minus)) / 2.0
    };
    let with = |input: &[f32], weights: &[f32]| Inputs {
        input: input.to_vec(),
        weights: weights.to_vec(),
        bias: bias.clone(),
        d_output: Vec::new(),
    };
    let v = numbers(input.len(), 5);
    let gradient = backward_data(device, shape, inputs, None);
    let difference = slope([1.0, -1.0].map(|sign| with(&moved(input, sign, &v), weights)));
    results.push_difference(name("d_input by differences"), difference, &gradient, &v, TOLERANCE);

    let v = numbers(weights.len(), 6);
    let (gradient, _) = backward_weights(device, shape, inputs);
    let difference = slope([1.0, -1.0].map(|sign| with(input, &moved(weights, sign, &v))));
    results.push_difference(name("d_weights by differences"), difference, &gradient, &v, TOLERANCE);
}

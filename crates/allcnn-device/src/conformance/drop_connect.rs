//! DropConnect in training and in testing, and the windows of unshared convolutions.

use super::arena::{Arena, Results, numbers};
use super::other::{TOLERANCE, differences};
use crate::{Activation, ConvShape, DenseShape, Device, Dropout, Shape};

struct Given<'a> {
    input: &'a [f32],
    weights: &'a [f32],
    bias: &'a [f32],
    d_output: &'a [f32],
}

pub(super) fn compare<D: Device>(arena: &Arena<'_, D>, shape: DenseShape, results: &mut Results) {
    let DenseShape { batch, inputs, outputs } = shape;
    let (input, weights) = (numbers(batch * inputs, 1), numbers(outputs * inputs, 2));
    let (bias, d_output) = (numbers(outputs, 3), numbers(batch * outputs, 4));
    let given = Given { input: &input, weights: &weights, bias: &bias, d_output: &d_output };
    for rate in [0.5, 0.2] {
        let name = |what: &str| format!("{shape:?}, rate {rate}: {what}");
        let [sums, d_input, d_weights, d_bias] = trained(arena, shape, rate, &given);
        let by_input = |input: &[f32]| trained(arena, shape, rate, &Given { input, ..given })[0].clone();
        differences(name("input by differences"), by_input, &input, &d_output, &d_input, results);
        let by_weights =
            |weights: &[f32]| trained(arena, shape, rate, &Given { weights, ..given })[0].clone();
        differences(name("weights by differences"), by_weights, &weights, &d_output, &d_weights, results);
        let by_bias = |bias: &[f32]| trained(arena, shape, rate, &Given { bias, ..given })[0].clone();
        differences(name("bias by differences"), by_bias, &bias, &d_output, &d_bias, results);
        let all = [("sums", sums), ("d_input", d_input), ("d_weights", d_weights), ("d_bias", d_bias)];
        all.into_iter().for_each(|(what, values)| results.push(name(what), values, TOLERANCE));
        for activation in [Activation::Relu, Activation::LeakyRelu { slope: 0.25 }, Activation::Identity] {
            let name = |what: &str| format!("{shape:?}, rate {rate}, testing with {activation:?}: {what}");
            let layer = (shape, rate, activation);
            let [output, d_input] = tested(arena, layer, &given);
            let by_input = |input: &[f32]| tested(arena, layer, &Given { input, ..given })[0].clone();
            differences(name("differences"), by_input, &input, &d_output, &d_input, results);
            results.push(name("output"), output, TOLERANCE);
            results.push(name("d_input"), d_input, TOLERANCE);
        }
    }
    // Nothing that could be dropped: no deviation.
    let (still, none) = (vec![0.0; batch * inputs], vec![0.0; outputs]);
    let given = Given { input: &still, bias: &none, ..given };
    let [output, d_input] = tested(arena, (shape, 0.5, Activation::Relu), &given);
    results.push(format!("{shape:?}: testing without a deviation"), [output, d_input].concat(), 0.0);
}

/// Sums of a training step, and their gradients by input, weights and bias.
fn trained<D: Device>(
    arena: &Arena<'_, D>,
    shape: DenseShape,
    rate: f32,
    given: &Given<'_>,
) -> [Vec<f32>; 4] {
    let device = arena.device;
    let step = arena.step(7, 0.0);
    let masks = (Dropout { rate, seed: 5, layer: 2, channels: None }, &step);
    let [input, weights, bias, d_sums] =
        [given.input, given.weights, given.bias, given.d_output].map(|values| arena.put(values));
    let lens = [given.d_output, given.input, given.weights, given.bias].map(<[f32]>::len);
    let [mut sums, mut d_input, mut d_weights, mut d_bias] = lens.map(|len| arena.output(len));
    device.drop_connect_forward(shape, masks, &input, &weights, &bias, &mut sums);
    device.drop_connect_backward_data(shape, masks, &d_sums, &weights, &mut d_input);
    device.drop_connect_backward_weights(shape, masks, &input, &d_sums, &mut d_weights, &mut d_bias);
    let [sums_len, input_len, weights_len, bias_len] = lens;
    [
        arena.get(&sums, sums_len),
        arena.get(&d_input, input_len),
        arena.get(&d_weights, weights_len),
        arena.get(&d_bias, bias_len),
    ]
}

/// The output in testing, and its gradient by the input.
fn tested<D: Device>(
    arena: &Arena<'_, D>,
    layer: (DenseShape, f32, Activation),
    given: &Given<'_>,
) -> [Vec<f32>; 2] {
    let [input, weights, bias, d_output] =
        [given.input, given.weights, given.bias, given.d_output].map(|values| arena.put(values));
    let (mut output, mut d_input) = (arena.output(given.d_output.len()), arena.output(given.input.len()));
    arena.device.drop_connect_expected(layer, &input, &weights, &bias, &mut output);
    arena.device.drop_connect_expected_backward(layer, &input, &weights, &bias, &d_output, &mut d_input);
    [arena.get(&output, given.d_output.len()), arena.get(&d_input, given.input.len())]
}

/// Windows side by side, and their sums.
pub(super) fn windows<D: Device>(arena: &Arena<'_, D>, results: &mut Results) {
    let shape = |batch, (height, width), channels, kernel, stride, padding| {
        let input = Shape { batch, height, width, channels };
        ConvShape { input, out_channels: 1, kernel, stride, padding, groups: 1 }
    };
    for shape in [
        shape(2, (6, 6), 3, 3, 1, 1),
        shape(1, (7, 5), 8, 3, 2, 0),
        shape(3, (4, 4), 1, 4, 1, 2),
        shape(2, (3, 9), 17, 1, 3, 0),
        shape(1, (1, 1), 5, 3, 1, 1),
    ] {
        let (input, mut windows) =
            (arena.put(&numbers(shape.input.len(), 1)), arena.output(shape.windows_len()));
        arena.device.unfold(shape, &input, &mut windows);
        results.push(format!("windows of {shape:?}"), arena.get(&windows, shape.windows_len()), 0.0);
        let (signals, mut d_input) =
            (arena.put(&numbers(shape.windows_len(), 2)), arena.output(shape.input.len()));
        arena.device.fold(shape, &signals, &mut d_input);
        results.push(
            format!("sums of windows of {shape:?}"),
            arena.get(&d_input, shape.input.len()),
            TOLERANCE,
        );
    }
}

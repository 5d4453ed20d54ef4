//! Two linked convolutions: every value that one of them stores for the other.

use super::arena::{Arena, Results, numbers};
use super::cases::Case;
use super::conv::TOLERANCE;
use crate::{Activation, ConvShape, Device, Dropout, Epilogue, Gate, ReluRule, StoredOutput};

pub(super) fn compare<D: Device>(arena: &Arena<'_, D>, case: &Case<[ConvShape; 2]>, results: &mut Results) {
    let device = arena.device;
    let [below, above] = case.shape;
    let [mut lower, mut upper] =
        case.shape.map(|shape| device.conv(shape).expect("a conformance case is a valid shape"));
    device.conv_link(&mut lower, &mut upper);

    let weights = |shape: ConvShape, id| {
        // Short sums beside long biases: rounding moves no value of the lower output over ReLU's edge.
        let values = numbers(shape.weights_len(), id).iter().map(|w| w / 32.0).collect::<Vec<_>>();
        let bias = (0..shape.out_channels).map(|channel| if channel % 3 == 0 { -20.0 } else { 20.0 });
        (arena.put(&values), arena.put(&bias.collect::<Vec<_>>()))
    };
    let ((lower_weights, lower_bias), (upper_weights, upper_bias)) = (weights(below, 1), weights(above, 2));
    let input = arena.put(&numbers(below.input.len(), 3));
    let d_output = arena.put(&numbers(above.output().len(), 4));
    let rate = 0.5;
    let epilogue = Epilogue {
        activation: Activation::Relu,
        dropout: Some(Dropout { rate, seed: 11, layer: 3, channels: None }),
    };
    let plain = Epilogue { activation: Activation::Identity, dropout: None };
    let step = arena.step(5, 0.0);

    let (mut middle, mut output) = (arena.output(below.output().len()), arena.output(above.output().len()));
    device.conv_forward(&mut lower, &input, &lower_weights, &lower_bias, epilogue, &step, &mut middle);
    device.conv_forward(&mut upper, &middle, &upper_weights, &upper_bias, plain, &step, &mut output);

    let (mut d_middle, mut d_input) = (arena.output(below.output().len()), arena.output(below.input.len()));
    let gate = Gate { activation: Activation::Relu, rule: ReluRule::Backprop, dropout_rate: rate };
    let stored = StoredOutput { output: &middle, gate };
    device.conv_backward_data(&mut upper, &d_output, &upper_weights, Some(stored), &mut d_middle);
    device.conv_backward_data(&mut lower, &d_middle, &lower_weights, None, &mut d_input);

    let [mut lower_gradients, mut upper_gradients] =
        case.shape.map(|shape| (arena.output(shape.weights_len()), arena.output(shape.out_channels)));
    let (d_weights, d_bias) = &mut lower_gradients;
    device.conv_backward_weights(&mut lower, &input, &d_middle, d_weights, d_bias);
    let (d_weights, d_bias) = &mut upper_gradients;
    device.conv_backward_weights(&mut upper, &middle, &d_output, d_weights, d_bias);

    for (what, buffer, len) in [
        ("the lower output", &middle, below.output().len()),
        ("the upper output", &output, above.output().len()),
        ("the upper d_input", &d_middle, below.output().len()),
        ("the lower d_input", &d_input, below.input.len()),
        ("the lower d_weights", &lower_gradients.0, below.weights_len()),
        ("the lower d_bias", &lower_gradients.1, below.out_channels),
        ("the upper d_weights", &upper_gradients.0, above.weights_len()),
        ("the upper d_bias", &upper_gradients.1, above.out_channels),
    ] {
        results.push(format!("{}: {what}", case.name), arena.get(buffer, len), TOLERANCE);
    }
}

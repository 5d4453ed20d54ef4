//! Layers whose filters or weights are not shared: locally connected layers, and DropConnect in its form for testing.

use allcnn_device::ConvShape;

use super::graph::{Graph, int, ints};
use crate::parameters::Tensor;

/// A locally connected layer in a graph: its windows are taken by a convolution with one filter a tap and channel, then
/// convolved by filters of their own, one group a place.
pub(super) struct Local {
    shape: ConvShape,
    taps: String,
    weights: String,
}

impl Local {
    /// Appends it; returns it and its sums.
    pub(super) fn forward(
        graph: &mut Graph,
        name: &str,
        input: &str,
        shape: ConvShape,
        [weight, bias]: [&Tensor; 2],
    ) -> (Self, String) {
        let at = |part: &str| format!("{name}/{part}");
        let (taps, channels, places) = (shape.kernel * shape.kernel, shape.input.channels, shape.unshared());
        // Channel by channel, each tap of its window.
        let picks: Vec<f32> =
            (0..channels * taps * taps).map(|index| f32::from(index % taps == index / taps % taps)).collect();
        let picks =
            graph.floats(&format!("{name}.taps"), &[channels * taps, 1, shape.kernel, shape.kernel], &picks);
        let windows = graph.node("Conv", &at("windows"), &[input, &picks], Self::window_attributes(&shape));
        let windows = graph.node("Transpose", &at("by_place"), &[&windows], [ints("perm", &[0, 2, 3, 1])]);
        let windows = graph.reshape(&at("side_by_side"), &windows, &[places.input.channels, 1, 1]);
        // A filter has its taps channel by channel here, its channels tap by tap in the checkpoint.
        let by_channel = weight.values.chunks_exact(taps * channels).flat_map(|filter| {
            (0..channels * taps).map(move |index| filter[index % taps * channels + index / taps])
        });
        let by_channel: Vec<f32> = by_channel.collect();
        let weights = graph.floats(&weight.name, &weight.shape, &by_channel);
        let bias = graph.floats(&bias.name, &bias.shape, &bias.values);
        let sums =
            graph.node("Conv", &at("sums"), &[&windows, &weights, &bias], Self::place_attributes(&places));
        let output = shape.output();
        let sums = graph.reshape(&at("places"), &sums, &[output.height, output.width, output.channels]);
        let sums = graph.node("Transpose", name, &[&sums], [ints("perm", &[0, 3, 1, 2])]);
        (Self { shape, taps: picks, weights }, sums)
    }

    /// Appends the way back.
    pub(super) fn backward(&self, graph: &mut Graph, name: &str, signal: &str) -> String {
        let at = |part: &str| format!("{name}/{part}");
        let (shape, places) = (&self.shape, self.shape.unshared());
        let signal = graph.node("Transpose", &at("by_place"), &[signal], [ints("perm", &[0, 2, 3, 1])]);
        let signal = graph.reshape(&at("side_by_side"), &signal, &[places.out_channels, 1, 1]);
        let windows = graph.node(
            "ConvTranspose",
            &at("windows"),
            &[&signal, &self.weights],
            Self::place_attributes(&places),
        );
        let (output, taps) = (shape.output(), shape.kernel * shape.kernel);
        let sizes = [output.height, output.width, taps * shape.input.channels];
        let windows = graph.reshape(&at("places"), &windows, &sizes);
        let windows = graph.node("Transpose", &at("of_taps"), &[&windows], [ints("perm", &[0, 3, 1, 2])]);
        let [pads, strides, group, kernel] = Self::window_attributes(shape);
        let left = [shape.input.height, shape.input.width]
            .map(|size| (size + 2 * shape.padding - shape.kernel) % shape.stride);
        let attributes = [pads, strides, group, kernel, ints("output_padding", &left)];
        graph.node("ConvTranspose", name, &[&windows, &self.taps], attributes)
    }

    fn window_attributes(shape: &ConvShape) -> [super::graph::Attribute; 4] {
        [
            ints("pads", &[shape.padding; 4]),
            ints("strides", &[shape.stride; 2]),
            int("group", shape.input.channels),
            ints("kernel_shape", &[shape.kernel; 2]),
        ]
    }

    fn place_attributes(places: &ConvShape) -> [super::graph::Attribute; 2] {
        [int("group", places.groups), ints("kernel_shape", &[1; 2])]
    }
}

/// A layer with DropConnect in a graph: its weights and their squares, and the derivatives of the expected activation.
pub(super) struct DropConnect {
    kernel: usize,
    weights: String,
    squares: String,
    /// By the mean, and by the deviation over the deviation, times rate / (1 - rate).
    by_mean: String,
    by_square: String,
}

impl DropConnect {
    /// Appends it, with the activation that is expected (`NormalSum::activated`); returns it and its output.
    pub(super) fn forward(
        graph: &mut Graph,
        name: &str,
        input: &str,
        (shape, rate, slope): (ConvShape, f32, f32),
        [weight, bias]: [&Tensor; 2],
    ) -> (Self, String) {
        let at = |part: &str| format!("{name}/{part}");
        let ratio = rate / (1.0 - rate);
        let squared = |tensor: &Tensor| tensor.values.iter().map(|value| value * value).collect::<Vec<f32>>();
        let mut constant = |tensor: &Tensor, kind: &str, values: &[f32]| {
            graph.floats(&format!("{}{kind}", tensor.name), &tensor.shape, values)
        };
        let [weights, biases] = [weight, bias].map(|tensor| constant(tensor, "", &tensor.values));
        let [squares, square_biases] =
            [weight, bias].map(|tensor| constant(tensor, ".squares", &squared(tensor)));
        let whole = || [ints("kernel_shape", &[shape.kernel; 2])];
        let mean = graph.node("Conv", &at("mean"), &[input, &weights, &biases], whole());
        let powers = graph.node("Mul", &at("powers"), &[input, input], []);
        let sum = graph.node("Conv", &at("squares"), &[&powers, &squares, &square_biases], whole());
        let number = |graph: &mut Graph, part: &str, kind: &str, value: &str, constant: f32| {
            let constant = graph.number(constant);
            graph.node(kind, &at(part), &[value, &constant], [])
        };
        let variance = number(graph, "variance", "Mul", &sum, ratio);
        let deviation = graph.node("Sqrt", &at("deviation"), &[&variance], []);
        let divisor = graph.positive(&at("divisor"), &deviation);
        let z = graph.node("Div", &at("z"), &[&mean, &divisor], []);
        let scaled = number(graph, "scaled", "Mul", &z, std::f32::consts::FRAC_1_SQRT_2);
        let error = graph.node("Erf", &at("error_function"), &[&scaled], []);
        let twice = number(graph, "twice_above", "Add", &error, 1.0);
        let above = number(graph, "above", "Mul", &twice, 0.5);
        let square = graph.node("Mul", &at("z_square"), &[&z, &z], []);
        let exponent = number(graph, "exponent", "Mul", &square, -0.5);
        let bell = graph.node("Exp", &at("bell"), &[&exponent], []);
        let density = number(graph, "density", "Mul", &bell, 1.0 / (2.0 * std::f32::consts::PI).sqrt());

        // slope + (1 - slope) x, for the mean's derivative and, with the mean outside, for the activation.
        let weighted = number(graph, "weighted_above", "Mul", &above, 1.0 - slope);
        let expected = number(graph, "expected_slope", "Add", &weighted, slope);
        let zero = graph.number(0.0);
        let varies = graph.node("Greater", &at("varies"), &[&deviation, &zero], []);
        let fixed = graph.number(slope);
        let by_mean = graph.node("Where", &at("by_mean"), &[&varies, &expected, &fixed], []);
        let weighted = number(graph, "by_deviation", "Mul", &density, 1.0 - slope);
        let relative = graph.node("Div", &at("relative"), &[&weighted, &divisor], []);
        let by_square = number(graph, "by_square", "Mul", &relative, ratio);
        let of_mean = graph.node("Mul", &at("of_mean"), &[&mean, &expected], []);
        let of_deviation = graph.node("Mul", &at("of_deviation"), &[&deviation, &weighted], []);
        let output = graph.node("Add", name, &[&of_mean, &of_deviation], []);
        (Self { kernel: shape.kernel, weights, squares, by_mean, by_square }, output)
    }

    /// Appends the way back, the activation's included.
    pub(super) fn backward(&self, graph: &mut Graph, name: &str, input: &str, signal: &str) -> String {
        let at = |part: &str| format!("{name}/{part}");
        let whole = || [ints("kernel_shape", &[self.kernel; 2])];
        let by_mean = graph.node("Mul", &at("by_mean"), &[signal, &self.by_mean], []);
        let of_weights = graph.node("ConvTranspose", &at("of_weights"), &[&by_mean, &self.weights], whole());
        let by_square = graph.node("Mul", &at("by_square"), &[signal, &self.by_square], []);
        let of_squares =
            graph.node("ConvTranspose", &at("of_squares"), &[&by_square, &self.squares], whole());
        let of_deviation = graph.node("Mul", &at("of_deviation"), &[&of_squares, input], []);
        graph.node("Add", name, &[&of_weights, &of_deviation], [])
    }
}

//! The nodes before the first layer: from a picture to the network's input, as the run's preprocessing has it.

use super::graph::{Graph, int, ints, word};
use crate::input::InputTransform;
use crate::preprocess::{FittedValues, Geometry};

/// Appends the preprocessing of `image`, uint8 `[N, height, width, channels]`, and returns the input,
/// `[N, channels, height, width]`.
pub(super) fn preprocess(graph: &mut Graph, image: &str, transform: &InputTransform) -> String {
    let size = transform.pictures();
    let pixels = graph.node("Cast", "preprocess/float", &[image], [int("to", 1)]);
    let prepared = match transform.preprocessor().values() {
        FittedValues::GcnZca { scale, mean, matrix } => {
            let white = whiten(graph, &pixels, scale, &mean, &matrix);
            graph.reshape("preprocess/picture", &white, &[size.height, size.width, size.channels])
        }
        FittedValues::MeanStd { mean, std } => {
            let unit = unit(graph, &pixels);
            let mean = graph.floats("preprocess.mean", &[size.channels], &mean);
            let std = graph.floats("preprocess.std", &[size.channels], &std);
            let centered = graph.node("Sub", "preprocess/minus_mean", &[&unit, &mean], []);
            graph.node("Div", "preprocess/over_std", &[&centered, &std], [])
        }
        FittedValues::None => unit(graph, &pixels),
    };
    let input = graph.node("Transpose", "input", &[&prepared], [ints("perm", &[0, 3, 1, 2])]);
    on_canvas(graph, input, size, transform.input())
}

/// value / 255
fn unit(graph: &mut Graph, pixels: &str) -> String {
    let white = graph.number(255.0);
    graph.node("Div", "preprocess/unit", &[pixels, &white], [])
}

/// Contrast normalization and whitening of `[N, d]`. With n v - sum of v for v - mean, every value before the square root is a
/// whole number that f32 holds exactly, so dark and flat pictures lose nothing; a picture of one color becomes zeros.
fn whiten(graph: &mut Graph, pixels: &str, scale: f32, mean: &[f32], matrix: &[f32]) -> String {
    let values = mean.len();
    let flat = graph.node("Flatten", "preprocess/flat", &[pixels], [int("axis", 1)]);
    let (number, axes) = (graph.number(values as f32), graph.integers(&[1]));
    let sum = graph.node("ReduceSum", "preprocess/sum", &[&flat, &axes], [int("keepdims", 1)]);
    let scaled = graph.node("Mul", "preprocess/times_count", &[&flat, &number], []);
    let centered = graph.node("Sub", "preprocess/minus_sum", &[&scaled, &sum], []);
    let squares = graph.node("Mul", "preprocess/squares", &[&centered, &centered], []);
    let squares =
        graph.node("ReduceSum", "preprocess/sum_of_squares", &[&squares, &axes], [int("keepdims", 1)]);
    let norm = graph.node("Sqrt", "preprocess/norm", &[&squares], []);
    let one = graph.number(1.0);
    let norm = graph.node("Max", "preprocess/norm_or_one", &[&norm, &one], []);
    let scale = graph.number(scale);
    let scaled = graph.node("Mul", "preprocess/times_scale", &[&centered, &scale], []);
    let contrast = graph.node("Div", "preprocess/contrast", &[&scaled, &norm], []);
    let (mean, matrix) = (
        graph.floats("preprocess.mean", &[values], mean),
        graph.floats("preprocess.zca", &[values, values], matrix),
    );
    let centered = graph.node("Sub", "preprocess/minus_mean", &[&contrast, &mean], []);
    graph.node("MatMul", "preprocess/white", &[&centered, &matrix], [])
}

/// Centers pictures that are smaller than the network's input in zeros.
fn on_canvas(graph: &mut Graph, input: String, size: Geometry, canvas: Geometry) -> String {
    if size == canvas {
        return input;
    }
    let (rows, columns) = (canvas.height - size.height, canvas.width - size.width);
    let (top, left) = (rows / 2, columns / 2);
    let pads = [0, 0, top, left, 0, 0, rows - top, columns - left].map(|pad| pad as i64);
    let (pads, zero) = (graph.integers(&pads), graph.number(0.0));
    graph.node("Pad", "canvas", &[&input, &pads, &zero], [word("mode", "constant")])
}

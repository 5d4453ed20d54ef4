//! The nodes of a layer's forward pass. Layouts are `[N, channels, height, width]`.

use allcnn_device::{Activation, ConvShape, Grid, LrnShape, PoolKind, PoolShape, Shape, Windows};

use super::graph::{Graph, float, int, ints};
use super::windows::{Bordered, pooling_attributes};
use crate::net::{LayerKind, Operation};
use crate::parameters::Tensor;

/// What a layer's way back needs of its forward pass, besides input and output.
pub(super) enum Trace {
    /// A convolution: its weights.
    Conv { shape: ConvShape, weights: String },
    /// A maximum over windows: where each came from, and the bordered input.
    Max { windows: Bordered, indices: String, bordered: String },
    /// A mean over windows, and the share of each value.
    Average { windows: Bordered, shares: String },
    /// A norm over windows: their values, and the norms `[N C, 1, windows]`.
    Norm { windows: Bordered, p: f32, values: String, norms: String },
    /// The number of the largest of neighboring channels, `[N, groups, 1, height width]`.
    Maxout { input: Shape, pieces: usize, winner: String },
    /// Local response normalization.
    Lrn(LrnShape),
    /// The mean over this input.
    GlobalAverage(Shape),
}

/// A layer to append.
pub(super) struct Step<'a> {
    pub(super) name: &'a str,
    pub(super) kind: &'a LayerKind,
    pub(super) operation: Operation,
    /// Its weights and bias, if it has any.
    pub(super) tensors: Option<[&'a Tensor; 2]>,
    /// Whether the way back will be asked for.
    pub(super) traced: bool,
}

impl Step<'_> {
    /// Appends the layer to `input` and returns its output. Dropout is the identity; fractional pooling was refused.
    pub(super) fn forward(&self, graph: &mut Graph, input: &str) -> (String, Trace) {
        match self.operation {
            Operation::Conv(shape) => self.conv(graph, input, shape),
            Operation::Pool(pool) => match pool.windows {
                Windows::Channels { pieces } => self.maxout(graph, input, pool.input, pieces),
                Windows::Grid(grid) => self.pool(graph, input, grid, pool),
                Windows::Fractional(_) => unreachable!("{} was refused", self.name),
            },
            Operation::Lrn(lrn) => {
                let attributes = [
                    int("size", lrn.size),
                    float("alpha", lrn.alpha),
                    float("beta", lrn.beta),
                    float("bias", lrn.k),
                ];
                (graph.node("LRN", self.name, &[input], attributes), Trace::Lrn(lrn))
            }
            Operation::GlobalAverage(shape) => {
                (graph.node("GlobalAveragePool", self.name, &[input], []), Trace::GlobalAverage(shape))
            }
        }
    }

    fn conv(&self, graph: &mut Graph, input: &str, shape: ConvShape) -> (String, Trace) {
        let constants = self
            .tensors
            .map(|tensors| tensors.map(|tensor| graph.floats(&tensor.name, &tensor.shape, &tensor.values)));
        let Some([weights, bias]) = constants else { unreachable!("{} has weights", self.name) };
        let attributes = [
            ints("kernel_shape", &[shape.kernel; 2]),
            ints("strides", &[shape.stride; 2]),
            ints("pads", &[shape.padding; 4]),
            int("group", shape.groups),
        ];
        let sum = graph.node("Conv", self.name, &[input, &weights, &bias], attributes);
        let output = match self.kind.activation() {
            Some(Activation::Relu) => graph.node("Relu", &format!("{}/relu", self.name), &[&sum], []),
            Some(Activation::LeakyRelu { slope }) => {
                let name = format!("{}/leaky_relu", self.name);
                graph.node("LeakyRelu", &name, &[&sum], [float("alpha", slope)])
            }
            _ => sum,
        };
        (output, Trace::Conv { shape, weights })
    }

    fn pool(&self, graph: &mut Graph, input: &str, grid: Grid, pool: PoolShape) -> (String, Trace) {
        let windows = Bordered::new(grid, &pool);
        match pool.kind {
            PoolKind::Max => {
                let bordered = windows.pad(graph, self.name, input, f32::NEG_INFINITY);
                let indices = format!("{}/indices", self.name);
                let outputs = [self.name, &indices];
                let outputs = if self.traced { &outputs[..] } else { &outputs[..1] };
                graph.node_of("MaxPool", self.name, &[&bordered], outputs, pooling_attributes(grid));
                (self.name.into(), Trace::Max { windows, indices, bordered })
            }
            PoolKind::Average => {
                let bordered = windows.pad(graph, self.name, input, 0.0);
                let name = format!("{}/mean", self.name);
                let mean = graph.node("AveragePool", &name, &[&bordered], pooling_attributes(grid));
                let shares = windows.shares(graph, self.name, &pool);
                let values = graph.number((grid.kernel * grid.kernel) as f32);
                let sums = graph.node("Mul", &format!("{}/sum", self.name), &[&mean, &values], []);
                let output = graph.node("Mul", self.name, &[&sums, &shares], []);
                (output, Trace::Average { windows, shares })
            }
            PoolKind::PNorm { p } => self.norm(graph, input, windows, p),
        }
    }

    /// (sum |x|^p)^(1/p), scaled by the largest |x| of the window, so that no power overflows.
    fn norm(&self, graph: &mut Graph, input: &str, windows: Bordered, p: f32) -> (String, Trace) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let bordered = windows.pad(graph, self.name, input, 0.0);
        let values = windows.unfold(graph, self.name, &bordered);
        let sizes = graph.node("Abs", &at("sizes"), &[&values], []);
        let over_window = [ints("axes", &[1]), int("keepdims", 1)];
        let largest = graph.node("ReduceMax", &at("largest"), &[&sizes], over_window);
        let divisor = positive(graph, &at("divisor"), &largest);
        let scaled = graph.node("Div", &at("scaled"), &[&sizes, &divisor], []);
        let [order, root] = [p, 1.0 / p].map(|exponent| graph.number(exponent));
        let powers = graph.node("Pow", &at("powers"), &[&scaled, &order], []);
        let axes = graph.integers(&[1]);
        let sum = graph.node("ReduceSum", &at("sum"), &[&powers, &axes], [int("keepdims", 1)]);
        let scaled_norm = graph.node("Pow", &at("root"), &[&sum, &root], []);
        let norms = graph.node("Mul", &at("norms"), &[&scaled_norm, &largest], []);
        let Shape { height, width, channels, .. } = windows.output;
        let output = graph.reshape(self.name, &norms, &[channels, height, width]);
        (output, Trace::Norm { windows, p, values, norms })
    }

    /// The maximum of neighboring channels, and which it was: the first of equals.
    fn maxout(&self, graph: &mut Graph, input: &str, shape: Shape, pieces: usize) -> (String, Trace) {
        let Shape { height, width, channels, .. } = shape;
        let groups = channels / pieces;
        let pieces_of =
            graph.reshape(&format!("{}/pieces", self.name), input, &[groups, pieces, height * width]);
        let winner = format!("{}/winner", self.name);
        if self.traced {
            let first = [int("axis", 2), int("keepdims", 1), int("select_last_index", 0)];
            graph.node("ArgMax", &winner, &[&pieces_of], first);
        }
        let over_pieces = [ints("axes", &[2]), int("keepdims", 1)];
        let largest = graph.node("ReduceMax", &format!("{}/largest", self.name), &[&pieces_of], over_pieces);
        let output = graph.reshape(self.name, &largest, &[groups, height, width]);
        (output, Trace::Maxout { input: shape, pieces, winner })
    }
}

/// The value where it is above 0, and 1 elsewhere: a divisor.
pub(super) fn positive(graph: &mut Graph, name: &str, value: &str) -> String {
    let (zero, one) = (graph.number(0.0), graph.number(1.0));
    let above = graph.node("Greater", &format!("{name}/above_zero"), &[value, &zero], []);
    graph.node("Where", name, &[&above, value, &one], [])
}

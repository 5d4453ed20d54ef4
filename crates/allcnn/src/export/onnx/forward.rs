//! The nodes of a layer's forward pass. Layouts are `[N, channels, height, width]`.

use allcnn_device::learned_norm::order;
use allcnn_device::{Activation, ConvShape, Grid, LrnShape, LwtaShape, PoolKind, PoolShape, Shape, Windows};

use super::graph::{Graph, float, int, ints};
use super::unshared::{DropConnect, Local};
use super::windows::{Bordered, pooling_attributes};
use crate::net::{LayerKind, Operation};
use crate::parameters::Tensor;

/// What a layer's way back needs of its forward pass, besides input and output.
pub(super) enum Trace {
    /// A convolution: its weights.
    Conv { shape: ConvShape, weights: String },
    /// A locally connected layer.
    Local(Local),
    /// A layer with DropConnect.
    DropConnect(DropConnect),
    /// A maximum over windows: where each came from, and the bordered input.
    Max { windows: Bordered, indices: String, bordered: String },
    /// A mean over windows, and the share of each value.
    Average { windows: Bordered, shares: String },
    /// A norm over windows: their values, and the norms `[N C, 1, windows]`.
    Norm { windows: Bordered, p: f32, values: String, norms: String },
    /// Stochastic pooling in testing: each value's share of its window, and what to divide by, `[N C, 1, windows]`.
    Stochastic { windows: Bordered, shares: String, divisor: String },
    /// A learned norm: its inputs less the center, the absolute values of these, each window's share, and the orders.
    LearnedNorm { windows: Bordered, away: String, sizes: String, shares: String, orders: Vec<f32> },
    /// The number of the largest of neighboring channels, `[N, groups, 1, height width]`.
    Maxout { input: Shape, pieces: usize, winner: String },
    /// A probabilistic maxout: its groups and their probabilities, `[N, groups, pieces, height width]`.
    Probout { input: Shape, pieces: usize, lambda: f32, groups: String, probabilities: String },
    /// Which of neighboring channels are the largest of their group, `[N, groups, size, height width]`.
    Lwta { shape: LwtaShape, won: String },
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
            Operation::Local(shape) => self.local(graph, input, shape),
            Operation::Pool(pool) => match pool.windows {
                Windows::Channels { pieces } => match pool.kind {
                    PoolKind::Probabilistic { lambda } => {
                        self.probout(graph, input, pool.input, pieces, lambda)
                    }
                    _ => self.maxout(graph, input, pool.input, pieces),
                },
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
            Operation::Lwta(shape) => self.lwta(graph, input, shape),
            Operation::GlobalAverage(shape) => {
                (graph.node("GlobalAveragePool", self.name, &[input], []), Trace::GlobalAverage(shape))
            }
        }
    }

    /// Its weights and bias.
    fn filters(&self) -> [&Tensor; 2] {
        let Some(tensors) = self.tensors else { unreachable!("{} has weights", self.name) };
        tensors
    }

    fn conv(&self, graph: &mut Graph, input: &str, shape: ConvShape) -> (String, Trace) {
        if let LayerKind::Conv(conv) = self.kind
            && conv.drop_connect > 0.0
        {
            let settings = (shape, conv.drop_connect, conv.activation.negative_slope());
            let (layer, output) = DropConnect::forward(graph, self.name, input, settings, self.filters());
            return (output, Trace::DropConnect(layer));
        }
        let [weights, bias] =
            self.filters().map(|tensor| graph.floats(&tensor.name, &tensor.shape, &tensor.values));
        let attributes = [
            ints("kernel_shape", &[shape.kernel; 2]),
            ints("strides", &[shape.stride; 2]),
            ints("pads", &[shape.padding; 4]),
            int("group", shape.groups),
        ];
        let sum = graph.node("Conv", self.name, &[input, &weights, &bias], attributes);
        (self.activated(graph, sum), Trace::Conv { shape, weights })
    }

    fn local(&self, graph: &mut Graph, input: &str, shape: ConvShape) -> (String, Trace) {
        let (layer, sums) = Local::forward(graph, self.name, input, shape, self.filters());
        (self.activated(graph, sums), Trace::Local(layer))
    }

    fn activated(&self, graph: &mut Graph, sums: String) -> String {
        match self.kind.activation() {
            Some(Activation::Relu) => graph.node("Relu", &format!("{}/relu", self.name), &[&sums], []),
            Some(Activation::LeakyRelu { slope }) => {
                let name = format!("{}/leaky_relu", self.name);
                graph.node("LeakyRelu", &name, &[&sums], [float("alpha", slope)])
            }
            _ => sums,
        }
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
                let (output, shares) = self.mean(graph, self.name, input, windows, &pool);
                (output, Trace::Average { windows, shares })
            }
            PoolKind::PNorm { p } => self.norm(graph, input, windows, p),
            PoolKind::Stochastic => self.stochastic(graph, input, windows),
            PoolKind::LearnedNorm => self.learned_norm(graph, input, windows, &pool),
            PoolKind::Probabilistic { .. } => unreachable!("the windows of {} are channels", self.name),
        }
    }

    /// The mean of the values of each window, by this name, and each value's share.
    fn mean(
        &self,
        graph: &mut Graph,
        name: &str,
        input: &str,
        windows: Bordered,
        pool: &PoolShape,
    ) -> (String, String) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let bordered = windows.pad(graph, self.name, input, 0.0);
        let mean = graph.node("AveragePool", &at("mean"), &[&bordered], pooling_attributes(windows.grid));
        let shares = windows.shares(graph, self.name, pool);
        let values = graph.number((windows.grid.kernel * windows.grid.kernel) as f32);
        let sums = graph.node("Mul", &at("sum"), &[&mean, &values], []);
        (graph.node("Mul", name, &[&sums, &shares], []), shares)
    }

    /// (mean of |x - c|^p)^(1/p), with the orders p as numbers.
    fn learned_norm(
        &self,
        graph: &mut Graph,
        input: &str,
        windows: Bordered,
        pool: &PoolShape,
    ) -> (String, Trace) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let Some([center, rho]) = self.tensors else { unreachable!("{} has a center and rho", self.name) };
        let orders: Vec<f32> = rho.values.iter().map(|&rho| order(rho) as f32).collect();
        let center = by_channel(graph, &center.name, &center.values);
        let order = by_channel(graph, &format!("{}.order", self.name), &orders);
        let roots: Vec<f32> = orders.iter().map(|p| 1.0 / p).collect();
        let root = by_channel(graph, &format!("{}.root", self.name), &roots);
        let away = graph.node("Sub", &at("away"), &[input, &center], []);
        let sizes = graph.node("Abs", &at("sizes"), &[&away], []);
        let powers = graph.node("Pow", &at("powers"), &[&sizes, &order], []);
        let (means, shares) = self.mean(graph, &at("means"), &powers, windows, pool);
        let output = graph.node("Pow", self.name, &[&means, &root], []);
        (output, Trace::LearnedNorm { windows, away, sizes, shares, orders })
    }

    /// (sum |x|^p)^(1/p), scaled by the largest |x| of the window, so that no power overflows.
    fn norm(&self, graph: &mut Graph, input: &str, windows: Bordered, p: f32) -> (String, Trace) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let bordered = windows.pad(graph, self.name, input, 0.0);
        let values = windows.unfold(graph, self.name, &bordered);
        let sizes = graph.node("Abs", &at("sizes"), &[&values], []);
        let over_window = [ints("axes", &[1]), int("keepdims", 1)];
        let largest = graph.node("ReduceMax", &at("largest"), &[&sizes], over_window);
        let divisor = graph.positive(&at("divisor"), &largest);
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

    /// sum x^2 / sum x, and 0 for a window of zeros.
    fn stochastic(&self, graph: &mut Graph, input: &str, windows: Bordered) -> (String, Trace) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let bordered = windows.pad(graph, self.name, input, 0.0);
        let values = windows.unfold(graph, self.name, &bordered);
        let axes = graph.integers(&[1]);
        let total = graph.node("ReduceSum", &at("total"), &[&values, &axes], [int("keepdims", 1)]);
        let divisor = graph.positive(&at("divisor"), &total);
        let shares = graph.node("Div", &at("shares"), &[&values, &divisor], []);
        let weighted = graph.node("Mul", &at("weighted"), &[&values, &shares], []);
        let means = graph.node("ReduceSum", &at("means"), &[&weighted, &axes], [int("keepdims", 1)]);
        let Shape { height, width, channels, .. } = windows.output;
        let output = graph.reshape(self.name, &means, &[channels, height, width]);
        (output, Trace::Stochastic { windows, shares, divisor })
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

    /// sum p z, p = softmax(lambda z) over neighboring channels.
    fn probout(
        &self,
        graph: &mut Graph,
        input: &str,
        shape: Shape,
        pieces: usize,
        lambda: f32,
    ) -> (String, Trace) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let Shape { height, width, channels, .. } = shape;
        let groups = graph.reshape(&at("groups"), input, &[channels / pieces, pieces, height * width]);
        let lambda_number = graph.number(lambda);
        let scaled = graph.node("Mul", &at("scaled"), &[&groups, &lambda_number], []);
        let probabilities = graph.node("Softmax", &at("probabilities"), &[&scaled], [int("axis", 2)]);
        let weighted = graph.node("Mul", &at("weighted"), &[&groups, &probabilities], []);
        let axes = graph.integers(&[2]);
        let means = graph.node("ReduceSum", &at("means"), &[&weighted, &axes], [int("keepdims", 1)]);
        let output = graph.reshape(self.name, &means, &[channels / pieces, height, width]);
        (output, Trace::Probout { input: shape, pieces, lambda, groups, probabilities })
    }

    /// The largest of neighboring channels, the first of equals, and zeros.
    fn lwta(&self, graph: &mut Graph, input: &str, shape: LwtaShape) -> (String, Trace) {
        let at = |part: &str| format!("{}/{part}", self.name);
        let Shape { height, width, channels, .. } = shape.input;
        let groups =
            graph.reshape(&at("groups"), input, &[channels / shape.size, shape.size, height * width]);
        let first = [int("axis", 2), int("keepdims", 1), int("select_last_index", 0)];
        let winner = graph.node("ArgMax", &at("winner"), &[&groups], first);
        let numbers = graph.count(shape.size, &[1, 1, shape.size, 1]);
        let won = graph.node("Equal", &at("won"), &[&winner, &numbers], []);
        let zero = graph.number(0.0);
        let kept = graph.node("Where", &at("kept"), &[&won, &groups, &zero], []);
        let output = graph.reshape(self.name, &kept, &[channels, height, width]);
        (output, Trace::Lwta { shape, won })
    }
}

/// A constant with a number for each channel.
pub(super) fn by_channel(graph: &mut Graph, name: &str, numbers: &[f32]) -> String {
    graph.floats(name, &[1, numbers.len(), 1, 1], numbers)
}

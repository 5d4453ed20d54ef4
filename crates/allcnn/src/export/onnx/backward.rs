//! The nodes by which a signal goes back through a layer, and through the activation of the layer below.

use allcnn_device::{Activation, ConvShape, LrnShape, LwtaShape, ReluRule, Shape};

use super::forward::{Trace, by_channel};
use super::graph::{Graph, int, ints};
use super::windows::{Bordered, neighbor_sums};

impl Trace {
    /// Appends the way back of `signal` through the layer called `layer`, from its output to its `input`.
    pub(super) fn backward(&self, graph: &mut Graph, layer: &str, input: &str, signal: &str) -> String {
        let name = format!("back/{layer}");
        match self {
            Self::Conv { shape, weights } => conv(graph, &name, shape, weights, signal),
            Self::Local(local) => local.backward(graph, &name, signal),
            Self::DropConnect(layer) => layer.backward(graph, &name, input, signal),
            Self::Max { windows, indices, bordered } => {
                maximum(graph, &name, windows, [indices, bordered], signal)
            }
            Self::Average { windows, shares } => {
                let shared = graph.node("Mul", &format!("{name}/share"), &[signal, shares], []);
                windows.spread(graph, &name, &shared)
            }
            Self::Norm { windows, p, values, norms } => {
                norm(graph, &name, windows, *p, [values, norms], signal)
            }
            Self::Stochastic { windows, shares, divisor } => {
                stochastic(graph, &name, windows, [shares, divisor, layer], signal)
            }
            Self::LearnedNorm { windows, away, sizes, shares, orders } => {
                let norms = LearnedNorms { layer, away, sizes, shares, orders };
                norms.backward(graph, &name, windows, signal)
            }
            Self::Maxout { input, pieces, winner } => maxout(graph, &name, *input, *pieces, winner, signal),
            Self::Probout { input, pieces, lambda, groups, probabilities } => {
                let probout = Probout { layer, input: *input, pieces: *pieces, lambda: *lambda };
                probout.backward(graph, &name, [groups, probabilities], signal)
            }
            Self::Lwta { shape, won } => lwta(graph, &name, shape, won, signal),
            Self::Lrn(lrn) => lrn_back(graph, &name, lrn, input, signal),
            Self::GlobalAverage(shape) => {
                let Shape { height, width, .. } = *shape;
                let area = height * width;
                let shares = vec![1.0 / area as f32; area];
                let shares = graph.floats(&format!("{layer}.shares"), &[1, 1, height, width], &shares);
                graph.node("Mul", &name, &[signal, &shares], [])
            }
        }
    }
}

/// How the signal passes an activation with this output ([`ReluRule`] has the table).
pub(super) fn gate(
    graph: &mut Graph,
    layer: &str,
    activation: Option<Activation>,
    rule: ReluRule,
    output: &str,
    signal: String,
) -> String {
    let slope = match activation {
        None | Some(Activation::Identity) => return signal,
        Some(activation) => activation.negative_slope(),
    };
    let at = |part: &str| format!("back/{layer}/{part}");
    let zero = graph.number(0.0);
    let scaled = |graph: &mut Graph, part: &str, value: &str| match slope {
        0.0 => zero.clone(),
        _ => {
            let slope = graph.number(slope);
            graph.node("Mul", &at(part), &[value, &slope], [])
        }
    };
    let mut signal = signal;
    if rule != ReluRule::Deconvnet {
        let active = graph.node("Greater", &at("active"), &[output, &zero], []);
        let otherwise = scaled(graph, "inactive", &signal);
        signal = graph.node("Where", &at("gate"), &[&active, &signal, &otherwise], []);
    }
    if rule != ReluRule::Backprop {
        let positive = graph.node("Greater", &at("positive"), &[&signal, &zero], []);
        let otherwise = scaled(graph, "negative", &signal);
        signal = graph.node("Where", &at("rectified"), &[&positive, &signal, &otherwise], []);
    }
    signal
}

/// A transposed convolution with the same weights; what the strides left over is padded at the end.
fn conv(graph: &mut Graph, name: &str, shape: &ConvShape, weights: &str, signal: &str) -> String {
    let ConvShape { input, kernel, stride, padding, groups, .. } = *shape;
    let output_padding = [input.height, input.width].map(|size| (size + 2 * padding - kernel) % stride);
    let attributes = [
        ints("kernel_shape", &[kernel; 2]),
        ints("strides", &[stride; 2]),
        ints("pads", &[padding; 4]),
        ints("output_padding", &output_padding),
        int("group", groups),
    ];
    graph.node("ConvTranspose", name, &[signal, weights], attributes)
}

/// Adds each window's signal where its maximum came from. The indices run over the whole batch.
fn maximum(
    graph: &mut Graph,
    name: &str,
    windows: &Bordered,
    [indices, bordered]: [&str; 2],
    signal: &str,
) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let flat = |graph: &mut Graph, part: &str, value: &str| graph.reshape(&at(part), value, &[]);
    let places = flat(graph, "places", indices);
    let signals = flat(graph, "signals", signal);
    let all = flat(graph, "all", bordered);
    let shape = graph.node("Shape", &at("shape"), &[&all], []);
    let zeros = graph.node("ConstantOfShape", &at("zeros"), &[&shape], []);
    let attributes = [int("axis", 0), super::graph::word("reduction", "add")];
    let sums = graph.node("ScatterElements", &at("sums"), &[&zeros, &places, &signals], attributes);
    let [rows, columns] = windows.size;
    let whole = graph.reshape(&at("whole"), &sums, &[windows.input.channels, rows, columns]);
    windows.crop(graph, name, &whole)
}

/// g sign(x) (|x| / norm)^(p - 1) in each window, and 0 where the norm is 0.
fn norm(
    graph: &mut Graph,
    name: &str,
    windows: &Bordered,
    p: f32,
    [values, norms]: [&str; 2],
    signal: &str,
) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let Shape { height, width, .. } = windows.output;
    let single = graph.reshape(&at("signal"), signal, &[1, height, width]);
    let divisor = graph.positive(&at("divisor"), norms);
    let zero = graph.number(0.0);
    let above = graph.node("Greater", &at("above_zero"), &[norms, &zero], []);
    let lost = graph.node("Where", &at("passing"), &[&above, &single, &zero], []);
    let sizes = graph.node("Abs", &at("sizes"), &[values], []);
    let relative = graph.node("Div", &at("relative"), &[&sizes, &divisor], []);
    let order = graph.number(p - 1.0);
    let slopes = graph.node("Pow", &at("slopes"), &[&relative, &order], []);
    let below = graph.node("Less", &at("below_zero"), &[values, &zero], []);
    let [minus, plus] = [-1.0, 1.0].map(|sign| graph.number(sign));
    let signs = graph.node("Where", &at("signs"), &[&below, &minus, &plus], []);
    let signed = graph.node("Mul", &at("signed"), &[&slopes, &signs], []);
    let sent = graph.node("Mul", &at("sent"), &[&signed, &lost], []);
    windows.fold(graph, name, &sent)
}

/// What a learned norm left in the graph.
struct LearnedNorms<'a> {
    /// Its name, and that of its output.
    layer: &'a str,
    away: &'a str,
    sizes: &'a str,
    shares: &'a str,
    orders: &'a [f32],
}

impl LearnedNorms<'_> {
    /// g / n y^(1 - p) of each window to its values, times sign(x - c) |x - c|^(p - 1), and 0 where the norm is 0.
    fn backward(&self, graph: &mut Graph, name: &str, windows: &Bordered, signal: &str) -> String {
        let at = |part: &str| format!("{name}/{part}");
        let less: Vec<f32> = self.orders.iter().map(|p| p - 1.0).collect();
        let less_one = by_channel(graph, &format!("{}.order_less_one", self.layer), &less);
        let divisor = graph.positive(&at("divisor"), self.layer);
        let zero = graph.number(0.0);
        let above = graph.node("Greater", &at("above_zero"), &[self.layer, &zero], []);
        let powers = graph.node("Pow", &at("powers"), &[&divisor, &less_one], []);
        let shared = graph.node("Mul", &at("share"), &[signal, self.shares], []);
        let relative = graph.node("Div", &at("relative"), &[&shared, &powers], []);
        let passing = graph.node("Where", &at("passing"), &[&above, &relative, &zero], []);
        let spread = windows.spread(graph, name, &passing);
        let slopes = graph.node("Pow", &at("slopes"), &[self.sizes, &less_one], []);
        let below = graph.node("Less", &at("below_zero"), &[self.away, &zero], []);
        let [minus, plus] = [-1.0, 1.0].map(|sign| graph.number(sign));
        let signs = graph.node("Where", &at("signs"), &[&below, &minus, &plus], []);
        let signed = graph.node("Mul", &at("signed"), &[&slopes, &signs], []);
        graph.node("Mul", name, &[&spread, &signed], [])
    }
}

/// g (2 x - y) / (sum of x) in each window.
fn stochastic(
    graph: &mut Graph,
    name: &str,
    windows: &Bordered,
    [shares, divisor, output]: [&str; 3],
    signal: &str,
) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let Shape { height, width, .. } = windows.output;
    let [means, single] = [("means", output), ("signal", signal)]
        .map(|(part, value)| graph.reshape(&at(part), value, &[1, height, width]));
    let two = graph.number(2.0);
    let twice = graph.node("Mul", &at("twice"), &[shares, &two], []);
    let relative = graph.node("Div", &at("relative"), &[&means, divisor], []);
    let slopes = graph.node("Sub", &at("slopes"), &[&twice, &relative], []);
    let sent = graph.node("Mul", &at("sent"), &[&slopes, &single], []);
    windows.fold(graph, name, &sent)
}

/// The signal of a group goes to the channel that won it.
fn maxout(graph: &mut Graph, name: &str, input: Shape, pieces: usize, winner: &str, signal: &str) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let Shape { height, width, channels, .. } = input;
    let single = graph.reshape(&at("signal"), signal, &[channels / pieces, 1, height * width]);
    let numbers = graph.count(pieces, &[1, 1, pieces, 1]);
    let won = graph.node("Equal", &at("won"), &[winner, &numbers], []);
    let zero = graph.number(0.0);
    let sent = graph.node("Where", &at("sent"), &[&won, &single, &zero], []);
    graph.reshape(name, &sent, &[channels, height, width])
}

/// A probabilistic maxout.
struct Probout<'a> {
    /// Its name, and that of its output.
    layer: &'a str,
    input: Shape,
    pieces: usize,
    lambda: f32,
}

impl Probout<'_> {
    /// g p (1 + lambda (z - y)).
    fn backward(
        &self,
        graph: &mut Graph,
        name: &str,
        [groups, probabilities]: [&str; 2],
        signal: &str,
    ) -> String {
        let at = |part: &str| format!("{name}/{part}");
        let Shape { height, width, channels, .. } = self.input;
        let [means, single] = [("means", self.layer), ("signal", signal)].map(|(part, value)| {
            graph.reshape(&at(part), value, &[channels / self.pieces, 1, height * width])
        });
        let [lambda, one] = [self.lambda, 1.0].map(|number| graph.number(number));
        let away = graph.node("Sub", &at("away"), &[groups, &means], []);
        let scaled = graph.node("Mul", &at("scaled"), &[&away, &lambda], []);
        let slopes = graph.node("Add", &at("slopes"), &[&scaled, &one], []);
        let weighted = graph.node("Mul", &at("weighted"), &[&slopes, probabilities], []);
        let sent = graph.node("Mul", &at("sent"), &[&weighted, &single], []);
        graph.reshape(name, &sent, &[channels, height, width])
    }
}

/// The signal of a channel that won its group; the others get none.
fn lwta(graph: &mut Graph, name: &str, shape: &LwtaShape, won: &str, signal: &str) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let Shape { height, width, channels, .. } = shape.input;
    let groups = graph.reshape(&at("groups"), signal, &[channels / shape.size, shape.size, height * width]);
    let zero = graph.number(0.0);
    let sent = graph.node("Where", &at("sent"), &[won, &groups, &zero], []);
    graph.reshape(name, &sent, &[channels, height, width])
}

/// g s^-beta - 2 alpha beta / size x (sum over the channels around of g x s^(-beta - 1)), s = k + alpha / size (sum of x^2).
fn lrn_back(graph: &mut Graph, name: &str, lrn: &LrnShape, input: &str, signal: &str) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let share = lrn.alpha / lrn.size as f32;
    let numbers = [lrn.k, share, -lrn.beta, -lrn.beta - 1.0, 2.0 * share * lrn.beta];
    let [k, share, beta, beta_one, factor] = numbers.map(|number| graph.number(number));
    let squares = graph.node("Mul", &at("squares"), &[input, input], []);
    let near = neighbor_sums(graph, &at("squares"), &squares, lrn.input, lrn.size);
    let weighted = graph.node("Mul", &at("weighted"), &[&near, &share], []);
    let base = graph.node("Add", &at("base"), &[&weighted, &k], []);
    let power = graph.node("Pow", &at("power"), &[&base, &beta], []);
    let own = graph.node("Mul", &at("own"), &[signal, &power], []);
    let power = graph.node("Pow", &at("power_one"), &[&base, &beta_one], []);
    let product = graph.node("Mul", &at("product"), &[signal, input], []);
    let product = graph.node("Mul", &at("powered"), &[&product, &power], []);
    let crossed = neighbor_sums(graph, &at("crossed"), &product, lrn.input, lrn.size);
    let crossed = graph.node("Mul", &at("crossed"), &[&crossed, input], []);
    let crossed = graph.node("Mul", &at("crossed_share"), &[&crossed, &factor], []);
    graph.node("Sub", name, &[&own, &crossed], [])
}

//! Spatially sparse computation (Graham 2014): around a picture in the middle of a larger input that is 0 elsewhere, each layer that
//! treats all places alike gives one constant for each channel. Such rows and columns are left out but for one on each side; copies
//! of that take their place where a layer needs more of them. In the backward pass it gets the sum of their signals, and since what
//! they are multiplied with is the same, all gradients are those of the whole input.

use allcnn_device::{Device, EdgePad, Error, Grid, PoolKind, Shape, Windows};

use crate::net::{Conv, LayerKind, Lwta, Network, Operation, Pool};
use crate::preprocess::Geometry;

/// What is computed of a layer.
pub(super) struct Part {
    /// Rows, and columns, that are left out of the layer's input on each side.
    pub(super) margin: [usize; 2],
    /// The layer's operation on the rest.
    pub(super) operation: Operation,
    /// How the rest is made of what is computed of the layer below, if that is less.
    pub(super) pad: Option<EdgePad>,
}

/// The part of each layer that has to be computed for pictures of up to this size in the middle of the input.
pub(super) fn parts(network: &Network, batch: usize, pictures: Geometry) -> Vec<Part> {
    let whole = network.operations(batch);
    let rows = margins(network, &whole, |shape| shape.height, pictures.height);
    let columns = margins(network, &whole, |shape| shape.width, pictures.width);
    let mut below = None;
    let margins = rows.into_iter().zip(columns);
    let layers = network.layers().iter().zip(whole).zip(margins);
    layers
        .map(|((layer, operation), (rows, columns))| {
            let input = operation.input();
            let rest = Shape { height: input.height - 2 * rows, width: input.width - 2 * columns, ..input };
            let operation = layer.kind().on(rest);
            let pad = below.filter(|&below| below != rest).map(|below: Shape| EdgePad {
                input: below,
                rows: (rest.height - below.height) / 2,
                columns: (rest.width - below.width) / 2,
            });
            below = Some(operation.output());
            Part { margin: [rows, columns], operation, pad }
        })
        .collect()
}

/// The rows or columns (`side` of a shape) that are left out of each layer's input on both sides, given those of the pictures. They
/// are chosen anew after each layer with a stride, where maps are small and copies cost little.
fn margins(
    network: &Network,
    operations: &[Operation],
    side: fn(Shape) -> usize,
    pictures: usize,
) -> Vec<usize> {
    let mut margins = vec![0; operations.len()];
    if !network.is_sparse() || network.input_dropout() > 0.0 {
        return margins;
    }
    let mut constant = side(network.input().shape(1)).saturating_sub(pictures) / 2; // rows on either side of the layer's input
    let mut strides = vec![]; // of the layers since the last choice
    for (index, (layer, operation)) in network.layers().iter().zip(operations).enumerate() {
        let Some((kernel, stride)) = alike(layer.kind()) else { break };
        if !(side(operation.input()) - kernel).is_multiple_of(stride) {
            break; // what is left over lies on one side, or makes a smaller window there
        }
        constant = (constant + stride).saturating_sub(kernel) / stride;
        strides.push(stride);
        if stride > 1 {
            let mut margin = constant.saturating_sub(1);
            for (below, stride) in strides.drain(..).rev().enumerate() {
                margin *= stride;
                margins[index - below] = margin;
            }
        }
    }
    margins
}

/// Kernel and stride of a layer that treats all places alike, in training too.
fn alike(kind: &LayerKind) -> Option<(usize, usize)> {
    match *kind {
        LayerKind::Conv(Conv {
            padding: 0,
            unshared: false,
            kernel,
            stride,
            dropout,
            drops_channels,
            drop_connect,
            ..
        }) => (drop_connect == 0.0 && (dropout == 0.0 || drops_channels)).then_some((kernel, stride)),
        LayerKind::Pool(Pool {
            kind: PoolKind::Max | PoolKind::Average | PoolKind::PNorm { .. } | PoolKind::LearnedNorm,
            windows,
            dropout: 0.0,
        }) => match windows {
            Windows::Grid(Grid { kernel, stride, padding: 0, .. }) => Some((kernel, stride)),
            Windows::Channels { .. } => Some((1, 1)),
            Windows::Grid(_) | Windows::Fractional(_) => None,
        },
        LayerKind::Lrn(_) | LayerKind::Lwta(Lwta { dropout: 0.0, .. }) => Some((1, 1)),
        LayerKind::Conv(_) | LayerKind::Pool(_) | LayerKind::Lwta(_) | LayerKind::GlobalAverage => None,
    }
}

/// A layer's input, padded from what is computed of the layer below, and the signal there.
pub(super) struct Padded<D: Device> {
    pad: EdgePad,
    pub(super) values: D::Buffer,
    /// In a plan that goes backward.
    signal: Option<D::Buffer>,
}

impl<D: Device> Padded<D> {
    pub(super) fn new(device: &D, pad: EdgePad, trained: bool) -> Result<Self, Error> {
        let len = pad.output().len();
        let signal = trained.then(|| device.alloc(len)).transpose()?;
        Ok(Self { pad, values: device.alloc(len)?, signal })
    }

    /// Pads the values of the layer below.
    pub(super) fn forward(&mut self, device: &D, below: &D::Buffer) -> &D::Buffer {
        device.edge_pad_forward(self.pad, below, &mut self.values);
        &self.values
    }

    /// The padded values, and room for the signal there. Panics in a plan that does not go backward.
    pub(super) fn values_and_signal(&mut self) -> (&D::Buffer, &mut D::Buffer) {
        (&self.values, self.signal.as_mut().expect(GOES_BACKWARD))
    }

    /// Brings the signal to the layer below. Panics in a plan that does not go backward.
    pub(super) fn backward(&self, device: &D, d_below: &mut D::Buffer) {
        device.edge_pad_backward(self.pad, self.signal.as_ref().expect(GOES_BACKWARD), d_below);
    }
}

const GOES_BACKWARD: &str = "a plan that goes backward";

/// Leaves the margin out of `images`, `[batch, height, width, channels]` of this size. Panics if it is not 0 everywhere.
pub(super) fn crop(images: &[f32], size: Geometry, [rows, columns]: [usize; 2], rest: &mut [f32]) {
    let Geometry { height, width, channels } = size;
    let mut lines = rest.chunks_exact_mut((width - 2 * columns) * channels);
    for (row, line) in images.chunks_exact(width * channels).enumerate() {
        let inside = (rows..height - rows).contains(&(row % height));
        let (left, right) = (columns * channels, (width - columns) * channels);
        let (before, middle, after) = (&line[..left], &line[left..right], &line[right..]);
        let margin = [before, after, if inside { &[] } else { middle }];
        assert!(
            margin.into_iter().flatten().all(|&value| value == 0.0),
            "a picture larger than the plan is for"
        );
        if let Some(line) = inside.then(|| lines.next()).flatten() {
            line.copy_from_slice(middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use allcnn_device::random::{Purpose, Stream};
    use allcnn_device::{Loss, Reference};

    use super::*;
    use crate::net::Init;
    use crate::parameters::Parameters;
    use crate::plan::{Mode, Plan};

    fn network(layers: &str) -> Network {
        let text =
            format!("name = \"n\"\ninput = [47, 39, 3]\nclasses = 2\nsparse = true\nlayers = [\n{layers}\n]");
        Network::from_toml(&text).unwrap()
    }

    /// Pictures of this size in the middle of the input.
    fn batch(network: &Network, pictures: Geometry, images: usize) -> Vec<f32> {
        let canvas = Geometry::from(network.input());
        let mut numbers = Stream::new(5, Purpose::Augmentation, 0, 0).sequence();
        let image = |_| {
            let picture: Vec<f32> = (0..pictures.len()).map(|_| numbers.range(-1.0, 1.0)).collect();
            let mut placed = vec![0.0; canvas.len()];
            crate::augment::center(&picture, pictures, &mut placed, canvas, 0.0);
            placed
        };
        (0..images).flat_map(image).collect()
    }

    /// Logits, losses and parameter gradients of a training step.
    fn step(network: &Network, pictures: Geometry, batch: &[f32], images: usize) -> Vec<Vec<f32>> {
        let mut parameters = Parameters::initialize(&Reference, network, Init::He, 3).unwrap();
        for parameter in parameters.list_mut().iter_mut().filter(|parameter| parameter.value.len() < 10) {
            parameter.value.fill(0.1); // biases, so that nothing around the pictures is 0
        }
        let mut plan = Plan::for_training(&Reference, network, images, 0, &[], pictures).unwrap();
        let targets: Vec<f32> =
            (0..images).flat_map(|image| [(image % 2) as f32, ((image + 1) % 2) as f32]).collect();
        plan.upload(batch, &targets).unwrap();
        let mut number = Reference.new_step().unwrap();
        Reference.set_step(&mut number, 2, 0.1);
        let mode = Mode::Train { step: &number, seed: 1, shard: 0 };
        plan.forward(&parameters, mode);
        plan.loss(Loss::CrossEntropy, 1.0 / images as f32);
        plan.backward(&mut parameters, mode);
        let mut logits = vec![0.0; images * 2];
        plan.logits(&mut logits).unwrap();
        std::iter::once(logits)
            .chain(parameters.list().iter().map(|parameter| parameter.gradient.clone()))
            .collect()
    }

    /// Chains whose last layers see the whole input, and the layers of which less is computed for pictures of 11x6.
    const CHAINS: [(&str, usize); 4] = [
        (
            "{ conv = 5, kernel = 2, padding = 0, activation = \"leaky:0.3\" },
             { conv = 6, kernel = 3, padding = 0, activation = \"leaky:0.3\", channel_dropout = 0.5 },
             { pool = \"max\", kernel = 2, stride = 2 },
             { conv = 6, kernel = 2, padding = 0, activation = \"leaky:0.3\" },
             { pool = \"average\", kernel = 3, stride = 2 },
             { conv = 4, kernel = 3 },
             { conv = \"classes\", kernel = 1, activation = \"identity\" },
             { global_average = true }",
            5,
        ),
        (
            "{ conv = 5, kernel = 3, padding = 0 },
             { conv = 6, kernel = 3, padding = 0, stride = 2, channel_dropout = 0.3 },
             { lrn = 3 },
             { conv = 6, kernel = 2, padding = 0, stride = 2 },
             { conv = \"classes\", kernel = 3, padding = 0, activation = \"identity\" },
             { global_average = true }",
            4,
        ),
        (
            "{ conv = 8, kernel = 3, padding = 0, activation = \"identity\" },
             { maxout = 2 },
             { pool = \"norm:3\", kernel = 3, stride = 2 },
             { conv = 4, kernel = 3, padding = 0, dropout = 0.5 },
             { conv = \"classes\", kernel = 1 },
             { global_average = true }",
            3,
        ),
        (
            "{ conv = 4, kernel = 3, dropout = 0.5 },
             { pool = \"max\", kernel = 2, stride = 2 },
             { conv = \"classes\", kernel = 1 },
             { global_average = true }",
            0,
        ),
    ];

    #[test]
    fn a_training_step_is_that_of_the_whole_input() {
        for (layers, less) in CHAINS {
            let network = network(layers);
            let (input, pictures) =
                (Geometry::from(network.input()), Geometry { height: 11, width: 6, channels: 3 });
            let parts = parts(&network, 3, pictures);
            assert_eq!(parts.iter().take_while(|part| part.margin[0] > 0).count(), less, "{layers}");
            let batch = batch(&network, pictures, 3);
            let [sparse, whole] = [pictures, input].map(|pictures| step(&network, pictures, &batch, 3));
            for (sparse, whole) in sparse.iter().zip(&whole) {
                let scale = whole.iter().fold(1e-3f32, |scale, value| scale.max(value.abs()));
                let difference = sparse.iter().zip(whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(difference <= 1e-5 * scale, "{layers}: {difference} of {scale}");
            }
            let scored = |pictures| {
                let parameters = Parameters::initialize(&Reference, &network, Init::He, 3).unwrap();
                let mut plan = Plan::for_scoring(&Reference, &network, 3, pictures).unwrap();
                plan.upload(&batch, &[0.0; 6]).unwrap();
                plan.forward(&parameters, Mode::Evaluate);
                let mut logits = vec![0.0; 6];
                plan.logits(&mut logits).unwrap();
                logits
            };
            let (sparse, whole) = (scored(pictures), scored(input));
            assert!(sparse.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5), "{sparse:?} {whole:?}");
        }
    }

    #[test]
    fn a_network_that_is_not_sparse_and_one_with_noise_on_its_input_are_computed_whole() {
        let sparse = network(CHAINS[0].0);
        let pictures = Geometry { height: 4, width: 4, channels: 3 };
        let noisy = sparse.with_input_dropout(0.2).unwrap();
        for network in [sparse.with_sparse(false), noisy] {
            assert!(
                parts(&network, 1, pictures).iter().all(|part| part.margin == [0; 2] && part.pad.is_none())
            );
        }
    }

    /// The share of the multiply-adds of Graham's network that is left.
    #[test]
    fn of_grahams_network_a_quarter_is_computed_for_pictures_of_32x32_and_three_quarters_for_augmented_ones()
    {
        let network = Network::named("spatially-sparse", 10).unwrap();
        let image = Geometry { height: 32, width: 32, channels: 3 };
        let multiply_adds = |pictures| -> usize {
            let parts = parts(&network, 1, pictures);
            parts.iter().filter_map(|part| part.operation.filters()).map(|conv| conv.multiply_adds()).sum()
        };
        let whole = multiply_adds(network.input().into()) as f64;
        let share = |pictures| (100.0 * multiply_adds(pictures) as f64 / whole).round();
        assert_eq!([share(image), share(crate::augment::Augment::Heavy.extent(image))], [26.0, 72.0]);
    }

    #[test]
    #[should_panic(expected = "a picture larger than the plan is for")]
    fn a_larger_picture_is_not_cut() {
        let network = network(CHAINS[0].0);
        let [small, large] = [4, 20].map(|side| Geometry { height: side, width: side, channels: 3 });
        step(&network, small, &batch(&network, large, 1), 1);
    }
}

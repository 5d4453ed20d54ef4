//! Cost and receptive fields of a network.

use std::ops::Range;

use allcnn_device::{PoolKind, PoolShape, RegionDraw, Regions, Windows};
use serde::Serialize;

use super::layer::{LayerKind, Operation, Pool};
use super::network::Network;
use super::text::activation_word;

/// What `allcnn models` shows of a network; as JSON, an entry of its list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// The network's name.
    pub name: String,
    /// Number of trained values.
    pub parameters: usize,
    /// Multiply-adds of a forward pass of one image (padding counted).
    pub multiply_adds: usize,
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// The input dropout rate, if any.
    pub input_dropout: Option<f32>,
    /// The layers, the softmax last.
    pub layers: Vec<LayerInfo>,
}

/// What `allcnn models` shows of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerInfo {
    /// The layer's name.
    pub name: String,
    /// `conv`, `local`, `pool`, `maxout`, `probout`, `lrn`, `lwta`, `global_average` or `softmax`.
    pub kind: &'static str,
    /// The layer in the notation of the paper's tables, such as `3x3-96/2`.
    #[serde(skip)]
    pub description: String,
    /// Height, width and channels of the output.
    pub output: [usize; 3],
    /// Number of trained values.
    pub parameters: usize,
    /// Multiply-adds for one image.
    #[serde(skip)]
    pub multiply_adds: usize,
    /// The activation of a convolution, as written in network files.
    pub activation: Option<String>,
    /// The dropout rate after the layer, if any.
    pub dropout: Option<f32>,
    /// Whether that dropout drops whole channels.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drops_channels: bool,
    /// The receptive field; in JSON only its height.
    #[serde(serialize_with = "rows")]
    pub receptive_field: ReceptiveField,
}

fn rows<S: serde::Serializer>(field: &ReceptiveField, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(field.height as u64)
}

/// The receptive field of a layer's units, ignoring the image border: unit (y, x) depends on the rows from
/// `offset + y * stride` and the columns from `offset + x * stride`. Above a fractional pooling, whose regions vary, the
/// size is the maximum and positions are means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceptiveField {
    /// Rows of the receptive field.
    pub height: usize,
    /// Columns of the receptive field.
    pub width: usize,
    /// Distance in image rows (and columns) between adjacent units.
    pub stride: f64,
    /// First row (and column) of unit (0, 0); negative in the padding.
    pub offset: f64,
}

impl ReceptiveField {
    /// The receptive field after this sequence of operations.
    fn of(operations: &[Operation]) -> Self {
        let (mut stride, mut offset) = (1.0, 0.0);
        for operation in operations {
            let (step, padding) = step(operation);
            offset -= padding as f64 * stride;
            stride *= step;
        }
        let [height, width] = [0, 1].map(|side| {
            operations.iter().rev().fold(1, |units, operation| {
                let input = operation.input();
                extent(operation, units, [input.height, input.width][side])
            })
        });
        Self { height, width, stride, offset }
    }
}

/// The stride and the padding of an operation, in input rows.
fn step(operation: &Operation) -> (f64, usize) {
    match operation {
        Operation::Conv(conv) | Operation::Local(conv) => (conv.stride as f64, conv.padding),
        Operation::Pool(pool) => match pool.windows {
            Windows::Grid(grid) => (grid.stride as f64, grid.padding),
            Windows::Fractional(fractional) => (fractional.mean_increment(pool.input.height), 0),
            Windows::Channels { .. } => (1.0, 0),
        },
        Operation::Lrn(_) | Operation::Lwta(_) | Operation::GlobalAverage(_) => (1.0, 0),
    }
}

/// The number of input rows, of `size`, that `units` adjacent units cover, ignoring the border.
fn extent(operation: &Operation, units: usize, size: usize) -> usize {
    let windows = |kernel: usize, stride: usize| kernel.saturating_add((units - 1).saturating_mul(stride));
    match operation {
        Operation::Conv(conv) | Operation::Local(conv) => windows(conv.kernel, conv.stride),
        Operation::Pool(pool) => match pool.windows {
            Windows::Grid(grid) => windows(grid.kernel, grid.stride),
            Windows::Fractional(fractional) => fractional.extent(units, size),
            Windows::Channels { .. } => units,
        },
        Operation::Lrn(_) | Operation::Lwta(_) => units,
        Operation::GlobalAverage(_) => size,
    }
}

/// A range of rows and columns of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// The rows.
    pub rows: Range<usize>,
    /// The columns.
    pub columns: Range<usize>,
}

impl Rectangle {
    /// Cuts this part out of a picture or map `[height, width, 3]`.
    pub fn cut<T: Copy>(&self, values: &[T], width: usize) -> Vec<T> {
        let row = |row| &values[3 * (row * width + self.columns.start)..3 * (row * width + self.columns.end)];
        self.rows.clone().flat_map(row).copied().collect()
    }
}

impl Network {
    /// Computes cost, sizes and receptive fields.
    pub fn info(&self) -> ModelInfo {
        let operations = self.operations(1);
        let rate = |dropout: f32| Some(dropout).filter(|rate| *rate > 0.0);
        let mut layers: Vec<LayerInfo> = Vec::new();
        for (index, (layer, operation)) in self.layers().iter().zip(&operations).enumerate() {
            let output = operation.output();
            let (parameters, multiply_adds) = cost(operation);
            layers.push(LayerInfo {
                name: layer.name().into(),
                kind: layer.kind().word(),
                description: layer.kind().to_string(),
                output: [output.height, output.width, output.channels],
                parameters,
                multiply_adds,
                activation: layer.kind().activation().map(activation_word),
                dropout: rate(layer.kind().dropout()),
                drops_channels: layer.kind().dropped_channels().is_some(),
                receptive_field: ReceptiveField::of(&operations[..=index]),
            });
        }
        layers.push(LayerInfo {
            name: "softmax".into(),
            kind: "softmax",
            description: format!("{}-way softmax", self.classes()),
            output: [1, 1, self.classes()],
            parameters: 0,
            multiply_adds: 0,
            activation: None,
            dropout: None,
            drops_channels: false,
            receptive_field: ReceptiveField::of(&operations),
        });
        let input = self.input();
        ModelInfo {
            name: self.name().into(),
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            multiply_adds: layers.iter().map(|layer| layer.multiply_adds).sum(),
            input: [input.height, input.width, input.channels],
            input_dropout: rate(self.input_dropout()),
            layers,
        }
    }

    /// The part of the image that unit (`row`, `column`) of a layer depends on: the receptive field minus what
    /// lies in padding at any layer, with the fractional pooling regions used in evaluation (a fixed draw). Panics
    /// if there is no such layer or unit.
    pub fn input_rectangle(&self, layer: usize, row: usize, column: usize) -> Rectangle {
        let operations = self.operations(1);
        let output = operations[layer].output();
        assert!(
            row < output.height && column < output.width,
            "unit ({row}, {column}) of a {}x{} layer",
            output.height,
            output.width
        );
        let (mut rows, mut columns) = (row..row + 1, column..column + 1);
        for (index, operation) in operations[..=layer].iter().enumerate().rev() {
            match operation {
                Operation::Conv(conv) | Operation::Local(conv) => {
                    rows = seen(rows, conv.kernel, conv.stride, conv.padding, conv.input.height);
                    columns = seen(columns, conv.kernel, conv.stride, conv.padding, conv.input.width);
                }
                Operation::Pool(pool) => {
                    let regions = evaluation_regions(pool, index + 1);
                    rows = hull(&regions.rows[rows]);
                    columns = hull(&regions.columns[columns]);
                }
                Operation::Lrn(_) | Operation::Lwta(_) => {}
                Operation::GlobalAverage(input) => (rows, columns) = (0..input.height, 0..input.width),
            }
        }
        Rectangle { rows, columns }
    }
}

/// The random draw of fractional pooling regions outside training; the step is 0 or, for further views of an
/// image, the view's number. It depends only on `layer`, the index of the pooling's output in a plan.
pub(crate) fn evaluation_draw(layer: usize) -> RegionDraw {
    RegionDraw { seed: 0, layer: layer as u32 }
}

/// The evaluation regions of the pooling whose output has index `layer` in a plan.
fn evaluation_regions(pool: &PoolShape, layer: usize) -> Regions {
    let mut regions = pool.regions();
    regions.draw(pool, evaluation_draw(layer), 0);
    regions
}

/// The range from the first to the last of adjacent windows.
fn hull(windows: &[Range<usize>]) -> Range<usize> {
    match windows {
        [] => 0..0,
        [first, ..] => first.start..windows[windows.len() - 1].end,
    }
}

/// The input rows, of `size`, covered by the windows of these output rows.
fn seen(output: Range<usize>, kernel: usize, stride: usize, padding: usize, size: usize) -> Range<usize> {
    if output.is_empty() {
        return 0..0;
    }
    let start = (output.start * stride).saturating_sub(padding).min(size);
    let end = ((output.end - 1) * stride + kernel).saturating_sub(padding).min(size);
    start..end.max(start)
}

/// Number of parameters, and multiply-adds for one image.
fn cost(operation: &Operation) -> (usize, usize) {
    match operation {
        Operation::Pool(pool) if pool.kind == PoolKind::LearnedNorm => (2 * pool.input.channels, 0),
        other => other
            .filters()
            .map_or((0, 0), |conv| (conv.weights_len() + conv.out_channels, conv.multiply_adds())),
    }
}

impl LayerKind {
    /// Whether the layer has weights.
    pub fn is_conv(&self) -> bool {
        matches!(self, Self::Conv(_))
    }

    /// Whether the layer has parameters, of which it then has two: a convolution's weights and bias, a learned norm's center and
    /// rho.
    pub fn has_parameters(&self) -> bool {
        self.is_conv() || matches!(self, Self::Pool(Pool { kind: PoolKind::LearnedNorm, .. }))
    }
}

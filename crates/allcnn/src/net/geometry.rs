//! What a network costs and what each of its units sees.

use std::ops::Range;

use allcnn_device::{PoolShape, RegionDraw, Regions, Windows};
use serde::Serialize;

use super::layer::{LayerKind, Operation};
use super::network::Network;
use super::text::activation_word;

/// What `allcnn models` tells of a network; as JSON, an entry of its list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo {
    /// The network's name.
    pub name: String,
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-adds of one forward pass of one picture (padding counted).
    pub multiply_adds: usize,
    /// Height, width and channels of the picture.
    pub input: [usize; 3],
    /// The rate of the dropout on the picture, where there is one.
    pub input_dropout: Option<f32>,
    /// The layers, the softmax last.
    pub layers: Vec<LayerInfo>,
}

/// What `allcnn models` tells of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerInfo {
    /// The layer's name.
    pub name: String,
    /// `conv`, `pool`, `maxout`, `lrn`, `global_average` or `softmax`.
    pub kind: &'static str,
    /// The layer as the paper's tables write it, such as `3x3-96/2`.
    #[serde(skip)]
    pub description: String,
    /// Height, width and channels of what comes out.
    pub output: [usize; 3],
    /// Weights and biases.
    pub parameters: usize,
    /// Multiply-adds for one picture.
    #[serde(skip)]
    pub multiply_adds: usize,
    /// The activation of a convolution, as a network's file has it.
    pub activation: Option<String>,
    /// The rate of the dropout behind the layer, where there is one.
    pub dropout: Option<f32>,
    /// What a unit sees; in JSON the number of rows.
    #[serde(serialize_with = "rows")]
    pub receptive_field: ReceptiveField,
}

fn rows<S: serde::Serializer>(field: &ReceptiveField, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(field.height as u64)
}

/// The part of the picture that the units of a layer see, the picture's border not regarded: unit (y, x) sees the
/// rows from `offset + y * stride` and the columns from `offset + x * stride`. Above a fractional pooling, whose regions
/// vary, the size is the largest that a unit can see, and the positions are means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReceptiveField {
    /// Rows that a unit sees.
    pub height: usize,
    /// Columns that a unit sees.
    pub width: usize,
    /// Rows (and columns) of the picture from a unit to the next.
    pub stride: f64,
    /// First row (and column) of unit (0, 0); below 0 where padding is seen.
    pub offset: f64,
}

impl ReceptiveField {
    /// What the units see that come out of these operations.
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

/// Input rows from a unit to the next, and the padding before the first.
fn step(operation: &Operation) -> (f64, usize) {
    match operation {
        Operation::Conv(conv) => (conv.stride as f64, conv.padding),
        Operation::Pool(pool) => match pool.windows {
            Windows::Grid(grid) => (grid.stride as f64, grid.padding),
            Windows::Fractional(fractional) => (fractional.mean_increment(pool.input.height), 0),
            Windows::Channels { .. } => (1.0, 0),
        },
        Operation::Lrn(_) | Operation::GlobalAverage(_) => (1.0, 0),
    }
}

/// How many of an input's `size` rows `units` neighboring units see together, its border not regarded.
fn extent(operation: &Operation, units: usize, size: usize) -> usize {
    let windows = |kernel: usize, stride: usize| kernel.saturating_add((units - 1).saturating_mul(stride));
    match operation {
        Operation::Conv(conv) => windows(conv.kernel, conv.stride),
        Operation::Pool(pool) => match pool.windows {
            Windows::Grid(grid) => windows(grid.kernel, grid.stride),
            Windows::Fractional(fractional) => fractional.extent(units, size),
            Windows::Channels { .. } => units,
        },
        Operation::Lrn(_) => units,
        Operation::GlobalAverage(_) => size,
    }
}

/// Rows and columns of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rectangle {
    /// The rows.
    pub rows: Range<usize>,
    /// The columns.
    pub columns: Range<usize>,
}

impl Network {
    /// Cost, sizes and receptive fields.
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

    /// The part of the picture that can change unit (`row`, `column`) of a layer: the receptive field without what
    /// lies in padding, at any layer on the way, and with the regions of fractional poolings that evaluation has
    /// (a fixed draw). Panics when there is no such layer or unit.
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
                Operation::Conv(conv) => {
                    rows = seen(rows, conv.kernel, conv.stride, conv.padding, conv.input.height);
                    columns = seen(columns, conv.kernel, conv.stride, conv.padding, conv.input.width);
                }
                Operation::Pool(pool) => {
                    let regions = evaluation_regions(pool, index + 1);
                    rows = hull(&regions.rows[rows]);
                    columns = hull(&regions.columns[columns]);
                }
                Operation::Lrn(_) => {}
                Operation::GlobalAverage(input) => (rows, columns) = (0..input.height, 0..input.width),
            }
        }
        Rectangle { rows, columns }
    }
}

/// What regions are drawn from outside training, at step 0 or, for other views of an image, at another one: the same
/// for every network with a fractional pooling there. `layer` is the index of the pooling's output in a plan.
pub(crate) fn evaluation_draw(layer: usize) -> RegionDraw {
    RegionDraw { seed: 0, layer: layer as u32 }
}

/// The regions of the pooling whose output has the index `layer` in a plan, as evaluation draws them.
fn evaluation_regions(pool: &PoolShape, layer: usize) -> Regions {
    let mut regions = pool.regions();
    regions.draw(pool, evaluation_draw(layer), 0);
    regions
}

/// Everything from the first to the last of neighboring windows.
fn hull(windows: &[Range<usize>]) -> Range<usize> {
    match windows {
        [] => 0..0,
        [first, ..] => first.start..windows[windows.len() - 1].end,
    }
}

/// The rows of an input of `size` rows in the windows of these output rows.
fn seen(output: Range<usize>, kernel: usize, stride: usize, padding: usize, size: usize) -> Range<usize> {
    if output.is_empty() {
        return 0..0;
    }
    let start = (output.start * stride).saturating_sub(padding).min(size);
    let end = ((output.end - 1) * stride + kernel).saturating_sub(padding).min(size);
    start..end.max(start)
}

/// Parameters, and multiply-adds for one picture.
fn cost(operation: &Operation) -> (usize, usize) {
    match operation {
        Operation::Conv(conv) => (conv.weights_len() + conv.out_channels, conv.multiply_adds()),
        _ => (0, 0),
    }
}

impl LayerKind {
    /// True for layers with weights.
    pub fn is_conv(&self) -> bool {
        matches!(self, Self::Conv(_))
    }
}

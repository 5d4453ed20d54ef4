//! What a network costs and what each of its units sees.

use std::ops::Range;

use serde::Serialize;

use super::{LayerKind, Network, Operation};

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
    /// The layers, the softmax last.
    pub layers: Vec<LayerInfo>,
}

/// What `allcnn models` tells of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerInfo {
    /// The layer's name.
    pub name: String,
    /// `conv`, `pool`, `lrn`, `global_average` or `softmax`.
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
    /// What a unit sees; in JSON the number of rows.
    #[serde(serialize_with = "rows")]
    pub receptive_field: ReceptiveField,
}

fn rows<S: serde::Serializer>(field: &ReceptiveField, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(field.height as u64)
}

/// The part of the picture that the units of a layer see, the picture's border not regarded: unit (y, x) sees the
/// rows from `offset + y * stride` and the columns from `offset + x * stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Rows that a unit sees.
    pub height: usize,
    /// Columns that a unit sees.
    pub width: usize,
    /// Rows (and columns) of the picture from a unit to the next.
    pub stride: usize,
    /// First row (and column) of unit (0, 0); below 0 where padding is seen.
    pub offset: isize,
}

impl ReceptiveField {
    /// What a pixel of the picture sees: itself.
    const PIXEL: Self = Self { height: 1, width: 1, stride: 1, offset: 0 };

    fn through(self, operation: &Operation) -> Self {
        let (height, width, stride, padding) = match operation {
            Operation::Conv(conv) => (conv.kernel, conv.kernel, conv.stride, conv.padding),
            Operation::Pool(pool) => (pool.kernel, pool.kernel, pool.stride, pool.padding),
            Operation::Lrn(_) => (1, 1, 1, 0),
            Operation::GlobalAverage(input) => (input.height, input.width, 1, 0),
        };
        Self {
            height: self.height + (height - 1) * self.stride,
            width: self.width + (width - 1) * self.stride,
            stride: self.stride * stride,
            offset: self.offset - (padding * self.stride) as isize,
        }
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
        let mut field = ReceptiveField::PIXEL;
        let mut layers: Vec<LayerInfo> = Vec::new();
        for (layer, operation) in self.layers().iter().zip(self.operations(1)) {
            field = field.through(&operation);
            let output = operation.output();
            let (parameters, multiply_adds) = cost(&operation);
            layers.push(LayerInfo {
                name: layer.name().into(),
                kind: layer.kind().word(),
                description: layer.kind().to_string(),
                output: [output.height, output.width, output.channels],
                parameters,
                multiply_adds,
                receptive_field: field,
            });
        }
        layers.push(LayerInfo {
            name: "softmax".into(),
            kind: "softmax",
            description: format!("{}-way softmax", self.classes()),
            output: [1, 1, self.classes()],
            parameters: 0,
            multiply_adds: 0,
            receptive_field: field,
        });
        let input = self.input();
        ModelInfo {
            name: self.name().into(),
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            multiply_adds: layers.iter().map(|layer| layer.multiply_adds).sum(),
            input: [input.height, input.width, input.channels],
            layers,
        }
    }

    /// The part of the picture that can change unit (`row`, `column`) of a layer: the receptive field without what
    /// lies in padding, at any layer on the way. Panics when there is no such layer or unit.
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
        for operation in operations[..=layer].iter().rev() {
            let (kernel, stride, padding, input) = match operation {
                Operation::Conv(conv) => (conv.kernel, conv.stride, conv.padding, conv.input),
                Operation::Pool(pool) => (pool.kernel, pool.stride, pool.padding, pool.input),
                Operation::Lrn(_) => continue,
                Operation::GlobalAverage(input) => {
                    (rows, columns) = (0..input.height, 0..input.width);
                    continue;
                }
            };
            rows = seen(rows, kernel, stride, padding, input.height);
            columns = seen(columns, kernel, stride, padding, input.width);
        }
        Rectangle { rows, columns }
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

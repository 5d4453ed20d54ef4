//! A network: a checked chain of layers.

use std::collections::HashMap;
use std::fmt;

use allcnn_device::{Activation, ConvShape, Fractional, Grid, LrnShape, PoolKind, PoolShape, Shape, Windows};

use super::error::Error;

/// No size in a network may be larger than this.
const LARGEST_SIZE: usize = 1 << 16;
/// No layer may have more values an image, or more weights, than this.
const MOST_VALUES: u128 = 1 << 31;

/// No network may have more layers: deeper than any chain that was ever trained.
pub(super) const MOST_LAYERS: usize = 16_384;

/// The pictures that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels; 3 for RGB.
    pub channels: usize,
}

impl Input {
    /// The shape of a batch of such pictures.
    pub fn shape(self, batch: usize) -> Shape {
        Shape { batch, height: self.height, width: self.width, channels: self.channels }
    }
}

/// A convolution (Equation 2 of the paper), its activation and the dropout behind them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Filters.
    pub channels: usize,
    /// Height and width of a filter.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// The activation.
    pub activation: Activation,
    /// Rate of the dropout after the activation; 0 for none.
    pub dropout: f32,
}

impl Conv {
    /// A ReLU convolution of stride 1 that keeps the size: padding (kernel - 1) / 2, so the kernel is odd.
    pub fn same(kernel: usize, channels: usize) -> Self {
        Self { padding: (kernel - 1) / 2, ..Self::valid(kernel, channels) }
    }

    /// A ReLU convolution of stride 1 without padding.
    pub fn valid(kernel: usize, channels: usize) -> Self {
        let activation = Activation::Relu;
        Self { channels, kernel, stride: 1, padding: 0, groups: 1, activation, dropout: 0.0 }
    }

    /// The same with another stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The same with another dropout rate.
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }
}

/// A pooling (Equation 1 of the paper; fractional, Graham 2015; over channels it is maxout, Goodfellow et al. 2013) and
/// the dropout behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Maximum, mean or p-norm.
    pub kind: PoolKind,
    /// Which values each output sees.
    pub windows: Windows,
    /// Rate of the dropout after the pooling; 0 for none.
    pub dropout: f32,
}

impl Pool {
    /// A pooling over square windows without padding, a last partial window counted.
    pub fn square(kind: PoolKind, kernel: usize, stride: usize) -> Self {
        let windows = Windows::Grid(Grid { kernel, stride, padding: 0, ceil: true });
        Self { kind, windows, dropout: 0.0 }
    }

    /// The maximum over `pieces` neighboring channels.
    pub fn maxout(pieces: usize) -> Self {
        Self { kind: PoolKind::Max, windows: Windows::Channels { pieces }, dropout: 0.0 }
    }

    /// The same with another dropout rate.
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }
}

impl From<Pool> for LayerKind {
    fn from(pool: Pool) -> Self {
        Self::Pool(pool)
    }
}

/// Local response normalization: y = x / (k + alpha / size * sum of x^2 over `size` channels)^beta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lrn {
    /// Channels in a neighborhood; odd.
    pub size: usize,
    /// Weight of the neighborhood.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Constant in the base.
    pub k: f32,
}

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerKind {
    /// Convolution, activation, dropout.
    Conv(Conv),
    /// Pooling, dropout.
    Pool(Pool),
    /// Local response normalization.
    Lrn(Lrn),
    /// Mean over height and width.
    GlobalAverage,
}

impl From<Conv> for LayerKind {
    fn from(conv: Conv) -> Self {
        Self::Conv(conv)
    }
}

/// The operation of a layer on an input of a certain size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A convolution.
    Conv(ConvShape),
    /// A pooling.
    Pool(PoolShape),
    /// Local response normalization.
    Lrn(LrnShape),
    /// The mean over height and width of this input.
    GlobalAverage(Shape),
}

impl Operation {
    /// The shape that goes in.
    pub fn input(&self) -> Shape {
        match self {
            Self::Conv(conv) => conv.input,
            Self::Pool(pool) => pool.input,
            Self::Lrn(lrn) => lrn.input,
            Self::GlobalAverage(input) => *input,
        }
    }

    /// The shape that comes out.
    pub fn output(&self) -> Shape {
        match self {
            Self::Conv(conv) => conv.output(),
            Self::Pool(pool) => pool.output(),
            Self::Lrn(lrn) => lrn.input,
            Self::GlobalAverage(input) => Shape { height: 1, width: 1, ..*input },
        }
    }
}

impl LayerKind {
    /// What the layer is called in listings: `conv`, `pool`, `maxout`, `lrn` or `global_average`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::Pool(Pool { windows: Windows::Channels { .. }, .. }) => "maxout",
            Self::Pool(_) => "pool",
            Self::Lrn(_) => "lrn",
            Self::GlobalAverage => "global_average",
        }
    }

    /// The activation of a convolution.
    pub fn activation(&self) -> Option<Activation> {
        if let Self::Conv(conv) = self { Some(conv.activation) } else { None }
    }

    /// The rate of the layer's dropout; 0 for none.
    pub fn dropout(&self) -> f32 {
        match self {
            Self::Conv(conv) => conv.dropout,
            Self::Pool(pool) => pool.dropout,
            Self::Lrn(_) | Self::GlobalAverage => 0.0,
        }
    }

    fn set_dropout(&mut self, rate: f32) {
        match self {
            Self::Conv(conv) => conv.dropout = rate,
            Self::Pool(pool) => pool.dropout = rate,
            Self::Lrn(_) | Self::GlobalAverage => {}
        }
    }

    /// The layer on `input`, not yet checked.
    fn on(&self, input: Shape) -> Operation {
        match *self {
            Self::Conv(Conv { channels, kernel, stride, padding, groups, .. }) => {
                Operation::Conv(ConvShape { input, out_channels: channels, kernel, stride, padding, groups })
            }
            Self::Pool(Pool { kind, windows, .. }) => Operation::Pool(PoolShape { input, windows, kind }),
            Self::Lrn(Lrn { size, alpha, beta, k }) => {
                Operation::Lrn(LrnShape { input, size, alpha, beta, k })
            }
            Self::GlobalAverage => Operation::GlobalAverage(input),
        }
    }

    /// The layer on `input`, or what is wrong with it.
    fn checked_on(&self, input: Shape) -> Result<Operation, String> {
        self.check_settings()?;
        let operation = self.on(input);
        match operation {
            Operation::Conv(conv) => conv.checked().map(drop),
            Operation::Pool(pool) => pool.checked().map(drop),
            Operation::Lrn(lrn) => lrn.checked().map(drop),
            Operation::GlobalAverage(_) => Ok(()),
        }
        .map_err(|error| error.to_string())?;
        check_extent(&operation)?;
        Ok(operation)
    }

    /// Checks what no shape knows: size limits, rates and slopes.
    fn check_settings(&self) -> Result<(), String> {
        let sizes = match *self {
            Self::Conv(conv) => vec![conv.channels, conv.kernel, conv.stride, conv.padding, conv.groups],
            Self::Pool(Pool { windows: Windows::Grid(grid), .. }) => {
                vec![grid.kernel, grid.stride, grid.padding]
            }
            Self::Lrn(lrn) => vec![lrn.size],
            Self::Pool(_) | Self::GlobalAverage => vec![],
        };
        if let Some(size) = sizes.into_iter().find(|&size| size > LARGEST_SIZE) {
            return Err(format!("a size of {size}; expected at most {LARGEST_SIZE}"));
        }
        check_rate(self.dropout())?;
        match *self {
            Self::Conv(Conv { activation: Activation::LeakyRelu { slope }, .. })
                if !(slope > 0.0 && slope < 1.0) =>
            {
                Err(format!("a leaky slope of {slope}; expected one between 0 and 1, such as 0.333"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for LayerKind {
    /// As the paper's tables write it: `3x3-96/2` is 96 filters of 3x3 with stride 2.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = |stride| if stride == 1 { String::new() } else { format!("/{stride}") };
        match *self {
            Self::Conv(Conv { channels, kernel, stride, groups, .. }) => {
                write!(f, "{kernel}x{kernel}-{channels}{}", step(stride))?;
                if groups > 1 { write!(f, " in {groups} groups") } else { Ok(()) }
            }
            Self::Pool(Pool { kind, windows, .. }) => {
                let what = match kind {
                    PoolKind::Max => "max".into(),
                    PoolKind::Average => "average".into(),
                    PoolKind::PNorm { p } => format!("{p}-norm"),
                };
                match windows {
                    Windows::Grid(Grid { kernel, stride, .. }) => {
                        write!(f, "{kernel}x{kernel} {what}{}", step(stride))
                    }
                    Windows::Fractional(Fractional { alpha, .. }) => write!(f, "fractional {what}/{alpha}"),
                    Windows::Channels { pieces } => write!(f, "{what} of {pieces} channels"),
                }
            }
            Self::Lrn(Lrn { size, .. }) => write!(f, "local response normalization over {size}"),
            Self::GlobalAverage => write!(f, "global average"),
        }
    }
}

fn check_rate(rate: f32) -> Result<(), String> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(format!("a dropout rate of {rate}; expected at least 0 and below 1"))
}

/// Refuses layers whose size no machine could hold (and whose products would not fit a machine word).
fn check_extent(operation: &Operation) -> Result<(), String> {
    let product = |sizes: &[usize]| sizes.iter().map(|&size| size as u128).product::<u128>();
    let Shape { height, width, channels, .. } = operation.output();
    let weights = match operation {
        Operation::Conv(conv) => {
            product(&[conv.out_channels, conv.kernel, conv.kernel, conv.group_in_channels()])
        }
        _ => 0,
    };
    let values = product(&[height, width, channels]);
    if values.max(weights) > MOST_VALUES {
        return Err(format!(
            "{height}x{width}x{channels} values and {weights} weights; expected at most {MOST_VALUES} of each"
        ));
    }
    Ok(())
}

/// A layer of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    name: String,
    kind: LayerKind,
}

impl Layer {
    /// `conv1`, `conv2`, ..., `pool1`, ..., `maxout1`, ..., `lrn1`, ..., `global_pool`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn kind(&self) -> &LayerKind {
        &self.kind
    }
}

/// A chain of layers from a picture to one logit a class; checked when it is made, so that every layer fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    name: String,
    input: Input,
    classes: usize,
    input_dropout: f32,
    layers: Vec<Layer>,
}

impl Network {
    /// Checks that the layers fit together and end in one value a class.
    ///
    /// # Errors
    /// [`Error::Layer`] names the first layer that does not fit, [`Error::Network`] says what the whole lacks.
    pub fn new(
        name: impl Into<String>,
        input: Input,
        classes: usize,
        input_dropout: f32,
        layers: Vec<LayerKind>,
    ) -> Result<Self, Error> {
        if layers.len() > MOST_LAYERS {
            return Err(Error::Network { name: name.into(), problem: too_many(layers.len()) });
        }
        let names = names_of(&layers);
        let layers = names.into_iter().zip(layers).map(|(name, kind)| Layer { name, kind }).collect();
        let network = Self { name: name.into(), input, classes, input_dropout, layers };
        network.check()?;
        Ok(network)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |problem| Err(Error::Network { name: self.name.clone(), problem });
        let Input { height, width, channels } = self.input;
        let sizes = [height, width, channels, self.classes];
        if sizes.iter().any(|size| !(1..=LARGEST_SIZE).contains(size)) {
            return refuse(format!(
                "input {height}x{width}x{channels} and {} classes; expected each from 1 to {LARGEST_SIZE}",
                self.classes
            ));
        }
        if let Err(problem) = check_rate(self.input_dropout) {
            return refuse(format!("input_dropout: {problem}"));
        }
        let mut shape = self.input.shape(1);
        for layer in &self.layers {
            let operation = layer.kind.checked_on(shape).map_err(|problem| Error::Layer {
                name: layer.name.clone(),
                line: None,
                problem,
            })?;
            shape = operation.output();
        }
        let averages = self.layers.iter().filter(|layer| layer.kind == LayerKind::GlobalAverage).count();
        if averages > 1 {
            return refuse(format!("{averages} global averages; expected at most one"));
        }
        if !self.layers.iter().any(|layer| matches!(layer.kind, LayerKind::Conv(_))) {
            return refuse("no convolution, so nothing could be learned; expected at least one".into());
        }
        if (shape.height, shape.width, shape.channels) != (1, 1, self.classes) {
            return refuse(format!(
                "it ends in {}x{}x{} values; expected 1x1x{}, one for each class\n\
                 end with a convolution of \"classes\" channels and, unless it leaves 1x1, a global_average",
                shape.height, shape.width, shape.channels, self.classes
            ));
        }
        Ok(())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pictures it takes.
    pub fn input(&self) -> Input {
        self.input
    }

    /// How many classes it tells apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rate of the dropout on the picture; 0 for none.
    pub fn input_dropout(&self) -> f32 {
        self.input_dropout
    }

    /// The layers from the picture to the logits.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The place of the layer of this name.
    pub fn layer_index(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }

    /// What each layer computes for `batch` pictures.
    pub fn operations(&self, batch: usize) -> Vec<Operation> {
        let mut shape = self.input.shape(batch);
        self.layers
            .iter()
            .map(|layer| {
                let operation = layer.kind.on(shape);
                shape = operation.output();
                operation
            })
            .collect()
    }

    /// The same layers for pictures of another size.
    ///
    /// # Errors
    /// [`Error::Layer`] or [`Error::Network`] where the layers do not allow it.
    pub fn planned_for(&self, height: usize, width: usize) -> Result<Self, Error> {
        let network = Self { input: Input { height, width, ..self.input }, ..self.clone() };
        network.check()?;
        Ok(network)
    }

    /// The same network with another rate of dropout on the picture.
    ///
    /// # Errors
    /// [`Error::Network`] when the rate is not in [0, 1).
    pub fn with_input_dropout(&self, rate: f32) -> Result<Self, Error> {
        let network = Self { input_dropout: rate, ..self.clone() };
        network.check()?;
        Ok(network)
    }

    /// The same network with another rate wherever a layer has dropout; 0 turns dropout off.
    ///
    /// # Errors
    /// [`Error::Layer`] when the rate is not in [0, 1).
    pub fn with_layer_dropout(&self, rate: f32) -> Result<Self, Error> {
        let mut network = self.clone();
        for layer in network.layers.iter_mut().filter(|layer| layer.kind.dropout() > 0.0) {
            layer.kind.set_dropout(rate);
        }
        network.check()?;
        Ok(network)
    }
}

/// What is wrong with a network of so many layers.
pub(super) fn too_many(layers: usize) -> String {
    format!("{layers} layers; expected at most {MOST_LAYERS}")
}

/// The names of a list of layers.
pub(super) fn names_of(kinds: &[LayerKind]) -> Vec<String> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let name = |kind: &LayerKind| {
        let number = numbers.entry(kind.word()).or_default();
        *number += 1;
        match kind {
            LayerKind::GlobalAverage => "global_pool".into(),
            _ => format!("{}{number}", kind.word()),
        }
    };
    kinds.iter().map(name).collect()
}

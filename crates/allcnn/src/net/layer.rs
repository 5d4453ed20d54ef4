//! The kinds of layers, and what each computes for an input of a certain size.

use std::fmt;

use allcnn_device::{Activation, ConvShape, Fractional, Grid, LrnShape, PoolKind, PoolShape, Shape, Windows};

/// No size in a network may be larger than this.
pub(super) const LARGEST_SIZE: usize = 1 << 16;
/// No layer may have more values an image, or more weights, than this.
const MOST_VALUES: u128 = 1 << 31;

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

    /// Returns it with another stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Returns it with another dropout rate.
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

    /// Returns it with another dropout rate.
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

    pub(super) fn set_dropout(&mut self, rate: f32) {
        match self {
            Self::Conv(conv) => conv.dropout = rate,
            Self::Pool(pool) => pool.dropout = rate,
            Self::Lrn(_) | Self::GlobalAverage => {}
        }
    }

    /// The layer on `input`, not yet checked.
    pub(super) fn on(&self, input: Shape) -> Operation {
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
    pub(super) fn checked_on(&self, input: Shape) -> Result<Operation, String> {
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

pub(super) fn check_rate(rate: f32) -> Result<(), String> {
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

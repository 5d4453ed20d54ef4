//! The kinds of layers, and their operations on an input of a given size.

use std::fmt;

use allcnn_device::{
    Activation, ConvShape, Fractional, Grid, LrnShape, LwtaShape, PoolKind, PoolShape, Shape, Windows,
};

/// The largest allowed size (of kernels, strides, channels, ...) in a network.
pub(super) const MAX_SIZE: usize = 1 << 16;
/// The most values per image, or weights, of a layer.
const MAX_VALUES: u128 = 1 << 31;

/// A convolution (Equation 2 of the paper) with its activation and dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Number of filters.
    pub channels: usize,
    /// Height and width of a filter.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zero padding in rows and columns on each side.
    pub padding: usize,
    /// Number of channel groups.
    pub groups: usize,
    /// The activation.
    pub activation: Activation,
    /// Dropout rate after the activation; 0 for none.
    pub dropout: f32,
    /// Whether dropout drops whole channels, drawn once for a batch, in the place of single values; false without dropout.
    pub drops_channels: bool,
    /// Whether its filters differ from place to place: a locally connected layer.
    pub unshared: bool,
    /// In a fully connected layer, the rate at which training drops each weight for each image (Wan et al. 2013); 0 for none.
    pub drop_connect: f32,
}

impl Conv {
    /// A ReLU convolution of stride 1 that keeps the size: padding (kernel - 1) / 2, so the kernel is odd.
    pub fn same(kernel: usize, channels: usize) -> Self {
        Self { padding: (kernel - 1) / 2, ..Self::valid(kernel, channels) }
    }

    /// A ReLU convolution of stride 1 without padding.
    pub fn valid(kernel: usize, channels: usize) -> Self {
        Self {
            channels,
            kernel,
            stride: 1,
            padding: 0,
            groups: 1,
            activation: Activation::Relu,
            dropout: 0.0,
            drops_channels: false,
            unshared: false,
            drop_connect: 0.0,
        }
    }

    /// A locally connected ReLU layer of stride 1 that keeps the size.
    pub fn local(kernel: usize, channels: usize) -> Self {
        Self { unshared: true, ..Self::same(kernel, channels) }
    }

    /// Returns the layer with another stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Returns the layer with another dropout rate.
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout, drops_channels: self.drops_channels && dropout > 0.0, ..self }
    }
}

/// A pooling (Equation 1 of the paper; fractional: Graham 2015; over channels, that is maxout: Goodfellow et al.
/// 2013) with its dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Maximum, mean, p-norm, a drawn value or a learned norm.
    pub kind: PoolKind,
    /// The windows that it reduces.
    pub windows: Windows,
    /// Dropout rate after the pooling; 0 for none.
    pub dropout: f32,
}

impl Pool {
    /// A pooling over square windows without padding, including a last partial window.
    pub fn square(kind: PoolKind, kernel: usize, stride: usize) -> Self {
        let windows = Windows::Grid(Grid { kernel, stride, padding: 0, ceil: true });
        Self { kind, windows, dropout: 0.0 }
    }

    /// The maximum over groups of `pieces` consecutive channels.
    pub fn maxout(pieces: usize) -> Self {
        Self { kind: PoolKind::Max, windows: Windows::Channels { pieces }, dropout: 0.0 }
    }

    /// Probabilistic maxout over groups of `pieces` consecutive channels.
    pub fn probout(pieces: usize, lambda: f32) -> Self {
        Self { kind: PoolKind::Probabilistic { lambda }, ..Self::maxout(pieces) }
    }

    /// Returns the layer with another dropout rate.
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
    /// Channels per neighborhood; odd.
    pub size: usize,
    /// Weight of the neighborhood.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// The additive constant.
    pub k: f32,
}

/// Local winner-take-all (Srivastava et al. 2013) with its dropout: of each group of neighboring channels the largest stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lwta {
    /// Channels in a group.
    pub size: usize,
    /// Dropout rate after it; 0 for none.
    pub dropout: f32,
}

impl From<Lwta> for LayerKind {
    fn from(lwta: Lwta) -> Self {
        Self::Lwta(lwta)
    }
}

/// The kinds of layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LayerKind {
    /// Convolution, activation, dropout.
    Conv(Conv),
    /// Pooling, dropout.
    Pool(Pool),
    /// Local response normalization.
    Lrn(Lrn),
    /// Local winner-take-all, dropout.
    Lwta(Lwta),
    /// Mean over height and width.
    GlobalAverage,
}

impl From<Conv> for LayerKind {
    fn from(conv: Conv) -> Self {
        Self::Conv(conv)
    }
}

/// The operation of a layer on an input of a given shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A convolution.
    Conv(ConvShape),
    /// A convolution whose filters differ from place to place; the shape is that of a place.
    Local(ConvShape),
    /// A pooling.
    Pool(PoolShape),
    /// Local response normalization.
    Lrn(LrnShape),
    /// Local winner-take-all.
    Lwta(LwtaShape),
    /// The mean over height and width of this input.
    GlobalAverage(Shape),
}

impl Operation {
    /// The input shape.
    pub fn input(&self) -> Shape {
        match self {
            Self::Conv(conv) | Self::Local(conv) => conv.input,
            Self::Pool(pool) => pool.input,
            Self::Lrn(lrn) => lrn.input,
            Self::Lwta(lwta) => lwta.input,
            Self::GlobalAverage(input) => *input,
        }
    }

    /// The convolution that its weights are those of, if it has filters.
    pub(crate) fn filters(&self) -> Option<ConvShape> {
        match self {
            Self::Conv(conv) => Some(*conv),
            Self::Local(conv) => Some(conv.unshared()),
            _ => None,
        }
    }

    /// The output shape.
    pub fn output(&self) -> Shape {
        match self {
            Self::Conv(conv) | Self::Local(conv) => conv.output(),
            Self::Pool(pool) => pool.output(),
            Self::Lrn(lrn) => lrn.input,
            Self::Lwta(lwta) => lwta.input,
            Self::GlobalAverage(input) => Shape { height: 1, width: 1, ..*input },
        }
    }
}

impl LayerKind {
    /// The layer's kind in listings: `conv`, `local`, `pool`, `maxout`, `probout`, `lrn`, `lwta` or `global_average`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Conv(Conv { unshared: true, .. }) => "local",
            Self::Conv(_) => "conv",
            Self::Pool(Pool { kind: PoolKind::Probabilistic { .. }, .. }) => "probout",
            Self::Pool(Pool { windows: Windows::Channels { .. }, .. }) => "maxout",
            Self::Pool(_) => "pool",
            Self::Lrn(_) => "lrn",
            Self::Lwta(_) => "lwta",
            Self::GlobalAverage => "global_average",
        }
    }

    /// The activation of a convolution.
    pub fn activation(&self) -> Option<Activation> {
        if let Self::Conv(conv) = self { Some(conv.activation) } else { None }
    }

    /// The layer's dropout rate; 0 for none.
    pub fn dropout(&self) -> f32 {
        match self {
            Self::Conv(conv) => conv.dropout,
            Self::Pool(pool) => pool.dropout,
            Self::Lwta(lwta) => lwta.dropout,
            Self::Lrn(_) | Self::GlobalAverage => 0.0,
        }
    }

    /// The number of channels that its dropout keeps or drops as a whole; `None` where it drops single values.
    pub fn dropped_channels(&self) -> Option<usize> {
        if let Self::Conv(conv) = self { conv.drops_channels.then_some(conv.channels) } else { None }
    }

    pub(super) fn set_dropout(&mut self, rate: f32) {
        match self {
            Self::Conv(conv) => *conv = conv.dropout(rate),
            Self::Pool(pool) => pool.dropout = rate,
            Self::Lwta(lwta) => lwta.dropout = rate,
            Self::Lrn(_) | Self::GlobalAverage => {}
        }
    }

    /// Whether no output is negative, where no input is if `input` says so.
    pub(super) fn is_non_negative(&self, input: bool) -> bool {
        match self {
            Self::Conv(conv) => conv.activation == Activation::Relu,
            Self::Pool(Pool { kind: PoolKind::PNorm { .. } | PoolKind::LearnedNorm, .. }) => true,
            Self::Pool(_) | Self::Lrn(_) | Self::Lwta(_) | Self::GlobalAverage => input,
        }
    }

    /// Whether it is defined for inputs that are not negative alone.
    pub(super) fn needs_non_negative(&self) -> bool {
        matches!(self, Self::Pool(Pool { kind: PoolKind::Stochastic, .. }))
    }

    /// The layer's operation on `input`, unchecked.
    pub(crate) fn on(&self, input: Shape) -> Operation {
        match *self {
            Self::Conv(Conv { channels, kernel, stride, padding, groups, unshared, .. }) => {
                let shape = ConvShape { input, out_channels: channels, kernel, stride, padding, groups };
                if unshared { Operation::Local(shape) } else { Operation::Conv(shape) }
            }
            Self::Pool(Pool { kind, windows, .. }) => Operation::Pool(PoolShape { input, windows, kind }),
            Self::Lrn(Lrn { size, alpha, beta, k }) => {
                Operation::Lrn(LrnShape { input, size, alpha, beta, k })
            }
            Self::Lwta(Lwta { size, .. }) => Operation::Lwta(LwtaShape { input, size }),
            Self::GlobalAverage => Operation::GlobalAverage(input),
        }
    }

    /// The layer's operation on `input`, or a description of what is wrong.
    pub(super) fn checked_on(&self, input: Shape) -> Result<Operation, String> {
        self.check_settings()?;
        let operation = self.on(input);
        match operation {
            Operation::Conv(conv) | Operation::Local(conv) => conv.checked().map(drop),
            Operation::Pool(pool) => pool.checked().map(drop),
            Operation::Lrn(lrn) => lrn.checked().map(drop),
            Operation::Lwta(lwta) => lwta.checked().map(drop),
            Operation::GlobalAverage(_) => Ok(()),
        }
        .map_err(|error| error.to_string())?;
        check_extent(&operation)?;
        let output = operation.output();
        match *self {
            Self::Conv(Conv { drop_connect, kernel, .. })
                if drop_connect > 0.0 && (output.height, output.width, kernel) != (1, 1, input.height) =>
            {
                Err(format!(
                    "drop_connect in a convolution of {}x{} with a {kernel}x{kernel} kernel; expected a fully connected layer, \
                     whose kernel and padding \"valid\" leave one place",
                    input.height, input.width
                ))
            }
            _ => Ok(operation),
        }
    }

    /// Checks what the shapes do not: size limits, rates and slopes.
    fn check_settings(&self) -> Result<(), String> {
        let sizes = match *self {
            Self::Conv(conv) => vec![conv.channels, conv.kernel, conv.stride, conv.padding, conv.groups],
            Self::Pool(Pool { windows: Windows::Grid(grid), .. }) => {
                vec![grid.kernel, grid.stride, grid.padding]
            }
            Self::Lrn(lrn) => vec![lrn.size],
            Self::Lwta(_) | Self::Pool(_) | Self::GlobalAverage => vec![],
        };
        if let Some(size) = sizes.into_iter().find(|&size| size > MAX_SIZE) {
            return Err(format!("a size of {size}; expected at most {MAX_SIZE}"));
        }
        check_rate(self.dropout())?;
        if let Self::Conv(Conv { drop_connect, groups, unshared, .. }) = *self {
            check_rate(drop_connect)?;
            if groups > 1 && (drop_connect > 0.0 || unshared) {
                return Err(format!("{groups} groups; expected none with drop_connect or in a local layer"));
            }
        }
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
    /// In the notation of the paper's tables: `3x3-96/2` is 96 filters of 3x3 with stride 2.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = |stride| if stride == 1 { String::new() } else { format!("/{stride}") };
        match *self {
            Self::Conv(Conv { channels, kernel, stride, groups, .. }) => {
                write!(f, "{kernel}x{kernel}-{channels}{}", step(stride))?;
                match *self {
                    Self::Conv(Conv { unshared: true, .. }) => write!(f, " local"),
                    Self::Conv(Conv { drop_connect, .. }) if drop_connect > 0.0 => {
                        write!(f, " with DropConnect {drop_connect}")
                    }
                    _ if groups > 1 => write!(f, " in {groups} groups"),
                    _ => Ok(()),
                }
            }
            Self::Pool(Pool { kind, windows, .. }) => {
                let what = match kind {
                    PoolKind::Max => "max".into(),
                    PoolKind::Average => "average".into(),
                    PoolKind::PNorm { p } => format!("{p}-norm"),
                    PoolKind::Stochastic => "stochastic".into(),
                    PoolKind::LearnedNorm => "learned norm".into(),
                    PoolKind::Probabilistic { lambda } => format!("{lambda}-probout"),
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
            Self::Lwta(Lwta { size, .. }) => write!(f, "winner of {size} channels"),
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

/// Rejects layers too large for any machine (whose sizes might overflow `usize`).
fn check_extent(operation: &Operation) -> Result<(), String> {
    let product = |sizes: &[usize]| sizes.iter().map(|&size| size as u128).product::<u128>();
    let Shape { height, width, channels, .. } = operation.output();
    let weights = match operation {
        Operation::Conv(conv) => {
            product(&[conv.out_channels, conv.kernel, conv.kernel, conv.group_in_channels()])
        }
        Operation::Local(conv) => {
            product(&[height, width, conv.out_channels, conv.kernel, conv.kernel, conv.input.channels])
        }
        _ => 0,
    };
    let values = product(&[height, width, channels]);
    if values.max(weights) > MAX_VALUES {
        return Err(format!(
            "{height}x{width}x{channels} values and {weights} weights; expected at most {MAX_VALUES} of each"
        ));
    }
    Ok(())
}

//! The layers of a network, prepared on a device.

use allcnn_device::{
    Activation, ConvShape, DenseShape, Device, Error, Gate, LearnedNorm, LrnShape, LwtaShape, Parameter,
    PoolKind, ReluRule, Shape, StoredOutput,
};

use crate::net::{LayerKind, Operation};

/// A prepared layer.
pub(super) enum Prepared<D: Device> {
    /// `weight` is the index of its weights in the parameters; the bias follows.
    Conv {
        conv: D::Conv,
        activation: Activation,
        weight: usize,
    },
    /// A convolution of the windows side by side, each by filters of its own.
    Local {
        shape: ConvShape,
        windows: D::Buffer,
        d_windows: D::Buffer,
        conv: D::Conv,
        activation: Activation,
        weight: usize,
    },
    /// A fully connected layer whose weights are dropped for each image.
    DropConnect {
        shape: DenseShape,
        rate: f32,
        sums: D::Buffer,
        activation: Activation,
        weight: usize,
    },
    /// `norms` stores a norm's output before dropout, by which the backward pass divides; `learned` is the index of the center
    /// of a learned norm in the parameters; its rho follows.
    Pool {
        pool: D::Pool,
        norms: Option<D::Buffer>,
        learned: Option<usize>,
    },
    Lrn(LrnShape),
    Lwta(LwtaShape),
    GlobalAverage(Shape),
}

impl<D: Device> Prepared<D> {
    /// Whether dropout belongs to the end of the layer itself, and to its gate.
    pub(super) fn is_gated(&self) -> bool {
        matches!(self, Self::Conv { .. } | Self::Local { .. } | Self::DropConnect { .. })
    }
}

/// The values of weights, which have this index in the parameters, and of the bias behind them.
pub(super) fn values<B>(list: &[Parameter<B>], weight: usize) -> [&B; 2] {
    [&list[weight].value, &list[weight + 1].value]
}

/// The parameters of a learned norm, whose center has this index.
pub(super) fn learned_norm<B>(list: &[Parameter<B>], center: usize) -> LearnedNorm<'_, B> {
    LearnedNorm { center: &list[center].value, rho: &list[center + 1].value }
}

/// output = activation(sums): what an activation lets pass of its own input.
pub(super) fn activate<D: Device>(
    device: &D,
    activation: Activation,
    sums: &D::Buffer,
    output: &mut D::Buffer,
) {
    device.copy(sums, output, 0);
    let gate = Gate { activation, rule: ReluRule::Backprop, dropout_rate: 0.0 };
    device.activation_backward(StoredOutput { output: sums, gate }, output);
}

/// Tells the device which convolutions are consecutive and exchange nothing with `companions`. Not for explanations, whose signals
/// start at any layer.
pub(super) fn link<D: Device>(device: &D, layers: &mut [Prepared<D>], companions: &[usize]) {
    for above in (1..layers.len()).filter(|above| !companions.contains(&(above - 1))) {
        if let [Prepared::Conv { conv: below, .. }, Prepared::Conv { conv: above, .. }] =
            &mut layers[above - 1..=above]
        {
            device.conv_link(below, above);
        }
    }
}

pub(super) fn prepare<D: Device>(
    device: &D,
    kind: &LayerKind,
    operation: &Operation,
    weight: usize,
    trained: bool,
) -> Result<Prepared<D>, Error> {
    Ok(match (*operation, kind) {
        (Operation::Conv(shape), LayerKind::Conv(conv)) if conv.drop_connect > 0.0 => {
            let (batch, outputs) = (shape.input.batch, shape.out_channels);
            let dense = DenseShape { batch, inputs: shape.input.len() / batch, outputs };
            let (rate, activation) = (conv.drop_connect, conv.activation);
            Prepared::DropConnect {
                shape: dense,
                rate,
                sums: device.alloc(batch * outputs)?,
                activation,
                weight,
            }
        }
        (Operation::Local(shape), LayerKind::Conv(conv)) => Prepared::Local {
            shape,
            windows: device.alloc(shape.windows_len())?,
            d_windows: device.alloc(shape.windows_len())?,
            conv: device.conv(shape.unshared())?,
            activation: conv.activation,
            weight,
        },
        (Operation::Conv(shape), LayerKind::Conv(conv)) => {
            Prepared::Conv { conv: device.conv(shape)?, activation: conv.activation, weight }
        }
        (Operation::Pool(shape), kind) => {
            let is_norm = matches!(shape.kind, PoolKind::PNorm { .. } | PoolKind::LearnedNorm);
            let learned = (shape.kind == PoolKind::LearnedNorm).then_some(weight);
            let norms = (kind.dropout() > 0.0 && is_norm && trained)
                .then(|| device.alloc(shape.output().len()))
                .transpose()?;
            Prepared::Pool { pool: device.pool(shape)?, norms, learned }
        }
        (Operation::Lrn(shape), _) => Prepared::Lrn(shape),
        (Operation::Lwta(shape), _) => Prepared::Lwta(shape),
        (Operation::GlobalAverage(shape), _) => Prepared::GlobalAverage(shape),
        (Operation::Conv(shape) | Operation::Local(shape), kind) => {
            unreachable!("{shape:?} belongs to {kind}")
        }
    })
}

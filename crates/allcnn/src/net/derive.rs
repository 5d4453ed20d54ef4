//! Network transformations: the paper's three ways to change the pools of a base network (section 3.1, Table 2),
//! and its addition of pooling switches to a trained network without pools (section 3.4).

use allcnn_device::{Grid, PoolKind, Windows};

use super::error::NetError;
use super::layer::{Conv, LayerKind, Pool};
use super::network::Network;

/// What replaces a network's pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Nothing; the network is unchanged.
    Base,
    /// Removes the pools; the convolution before each takes over its stride.
    Strided,
    /// Keeps the pools and inserts before each a dense convolution with the pool's kernel size and the same number
    /// of channels.
    ConvPool,
    /// Replaces each by a convolution with its kernel size, stride and number of channels.
    AllCnn,
}

impl Variant {
    /// All four, in the order of Table 3.
    pub const ALL: [Self; 4] = [Self::Base, Self::Strided, Self::ConvPool, Self::AllCnn];

    /// The name prefix of such a network: `model`, `strided-cnn`, `convpool-cnn` or `all-cnn`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Base => "model",
            Self::Strided => "strided-cnn",
            Self::ConvPool => "convpool-cnn",
            Self::AllCnn => "all-cnn",
        }
    }
}

impl Network {
    /// Returns the network with its pools replaced according to `variant`. New convolutions have "same" padding
    /// and the activation of the convolution before; the dropout after a pool moves behind its replacement.
    /// `model-c` becomes `all-cnn-c`; other names are prefixed with the variant.
    ///
    /// # Errors
    /// [`NetError::Layer`] if a pool does not follow a convolution, is fractional or has an even kernel; also if the
    /// resulting layers do not fit together.
    pub fn derive(&self, variant: Variant) -> Result<Self, NetError> {
        let mut layers: Vec<LayerKind> = Vec::new();
        for layer in self.layers() {
            match *layer.kind() {
                // Maxout is an activation here; it does not downsample.
                maxout @ LayerKind::Pool(Pool { windows: Windows::Channels { .. }, .. }) => {
                    layers.push(maxout)
                }
                LayerKind::Pool(pool) if variant != Variant::Base => {
                    replace_pool(&mut layers, pool, variant).map_err(|problem| NetError::Layer {
                        name: layer.name().into(),
                        line: None,
                        problem,
                    })?;
                }
                kind => layers.push(kind),
            }
        }
        let name = match self.name().strip_prefix("model-") {
            _ if variant == Variant::Base => self.name().into(),
            Some(letter) => format!("{}-{letter}", variant.prefix()),
            None => format!("{}-{}", variant.prefix(), self.name()),
        };
        Self::new(name, self.input(), self.classes(), self.input_dropout(), layers)
    }

    /// Returns the network with its last convolution changed such that it tells `classes` classes apart.
    ///
    /// # Errors
    /// [`NetError::Network`] if the layers do not fit together then.
    pub fn with_classes(&self, classes: usize) -> Result<Self, NetError> {
        let mut layers: Vec<LayerKind> = self.layers().iter().map(|layer| *layer.kind()).collect();
        if let Some(LayerKind::Conv(last)) = layers.iter_mut().rfind(|kind| kind.is_conv()) {
            last.channels = last.channels / self.classes() * classes; // a maxout takes several channels for a class
        }
        Self::new(self.name(), self.input(), classes, self.input_dropout(), layers)
    }

    /// Returns the network with each convolution of stride 2 changed to stride 1 and followed by a 2x2 max-pooling
    /// of stride 2: "with pooling + switches" in Figures 4 and 5. The paper does not state the window; this one
    /// has the output sizes of the strided layer and non-overlapping windows. The network's weights fit the new
    /// one. Also returns, for each layer, the index of its counterpart in the new network.
    ///
    /// # Errors
    /// [`NetError::Network`] if no convolution has stride 2.
    pub fn with_switches(&self) -> Result<(Self, Vec<usize>), NetError> {
        let (mut layers, mut indices) = (Vec::new(), Vec::new());
        for layer in self.layers() {
            match *layer.kind() {
                LayerKind::Conv(conv) if conv.stride == 2 => {
                    layers.push(conv.stride(1).dropout(0.0).into());
                    layers.push(Pool::square(PoolKind::Max, 2, 2).dropout(conv.dropout).into());
                }
                kind => layers.push(kind),
            }
            indices.push(layers.len() - 1);
        }
        if layers.len() == indices.len() {
            let problem =
                "no convolution of stride 2 that pooling could replace; expected at least one".into();
            return Err(NetError::Network { name: self.name().into(), problem });
        }
        let name = format!("{}-switches", self.name());
        Ok((Self::new(name, self.input(), self.classes(), self.input_dropout(), layers)?, indices))
    }
}

/// Appends to `layers` the replacement of `pool` in a derived network.
fn replace_pool(layers: &mut Vec<LayerKind>, pool: Pool, variant: Variant) -> Result<(), String> {
    let Some(LayerKind::Conv(before)) = layers.last_mut() else {
        return Err("it does not follow a convolution; expected one right before each pool".into());
    };
    let Windows::Grid(Grid { kernel, stride, .. }) = pool.windows else {
        return Err("fractional windows; expected windows at equal steps, as a convolution has them".into());
    };
    if variant == Variant::Strided {
        if before.drops_channels && before.dropout > 0.0 && pool.dropout > 0.0 {
            return Err(
                "dropout, and channel_dropout below it; expected one of them, since one layer takes both"
                    .into(),
            );
        }
        before.stride *= stride;
        before.drops_channels &= pool.dropout == 0.0;
        before.dropout = combined(before.dropout, pool.dropout);
        return Ok(());
    }
    if kernel.is_multiple_of(2) {
        return Err(format!(
            "a {kernel}x{kernel} window; expected an odd one, as a {kernel}x{kernel} convolution cannot keep the size"
        ));
    }
    let Conv { channels, activation, .. } = *before;
    let dense = Conv { activation, ..Conv::same(kernel, channels) };
    if variant == Variant::AllCnn {
        layers.push(dense.stride(stride).dropout(pool.dropout).into());
    } else {
        layers.push(dense.into());
        layers.push(LayerKind::Pool(pool));
    }
    Ok(())
}

/// The rate equivalent to two dropouts in sequence.
fn combined(first: f32, second: f32) -> f32 {
    if first == 0.0 { second } else { 1.0 - (1.0 - first) * (1.0 - second) }
}

//! Building blocks for the network tables.

use allcnn_device::{Activation, PoolKind};

use super::layer::{Conv, LayerKind, Pool};
use super::network::Input;

/// The leaky ReLU slope of the large networks. The paper does not state it; Graham's networks, on which they are
/// based, use 1/3.
pub(super) const LARGE_SLOPE: f32 = 1.0 / 3.0;

impl Conv {
    /// A fully connected last layer without activation.
    pub(super) fn logits(classes: usize) -> Self {
        Self { activation: Activation::Identity, ..Self::valid(1, classes) }
    }
}

impl Pool {
    /// A max-pooling over square windows without padding, including a last partial window.
    pub(super) fn max(kernel: usize, stride: usize) -> Self {
        Self::square(PoolKind::Max, kernel, stride)
    }
}

impl Input {
    /// A square RGB input.
    pub(super) fn square(side: usize) -> Self {
        Self { height: side, width: side, channels: 3 }
    }
}

/// A sequence of convolutions.
pub(super) fn convs(convs: impl IntoIterator<Item = Conv>) -> Vec<LayerKind> {
    convs.into_iter().map(LayerKind::Conv).collect()
}

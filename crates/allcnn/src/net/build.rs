//! Building blocks for the network tables.

use allcnn_device::{Activation, PoolKind};

use super::layer::{Conv, LayerKind, Pool};
use super::network::Input;

/// The leaky ReLU slope of the large networks. The paper does not state it; Graham's networks, on which they are
/// based, use 1/3.
const LARGE_SLOPE: f32 = 1.0 / 3.0;

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

/// An unpadded convolution with the large networks' activation.
pub(super) fn leaky(kernel: usize, channels: usize) -> Conv {
    Conv { activation: Activation::LeakyRelu { slope: LARGE_SLOPE }, ..Conv::valid(kernel, channels) }
}

/// The chain of Graham's network for CIFAR-10 and of the Large All-CNN (Table 5), all 2x2 and unpadded: five blocks of two
/// convolutions, each with the layer that halves the maps, given their channels; two more convolutions, the logits. `leaky` gives
/// a convolution of a kernel size, number of channels and dropout rate.
pub(super) fn large_chain(
    leaky: fn(usize, usize, f32) -> Conv,
    halving: fn(usize) -> LayerKind,
    classes: usize,
) -> Vec<LayerKind> {
    let mut layers: Vec<LayerKind> = Vec::new();
    for (channels, dropout) in [(320, 0.0), (640, 0.1), (960, 0.2), (1280, 0.3), (1600, 0.4)] {
        let dense = leaky(2, channels, dropout);
        layers.extend(convs([dense, dense]));
        layers.push(halving(channels));
    }
    layers.extend(convs([leaky(2, 1920, 0.5), leaky(1, 1920, 0.5), Conv::logits(classes)]));
    layers
}

/// A sequence of convolutions.
pub(super) fn convs(convs: impl IntoIterator<Item = Conv>) -> Vec<LayerKind> {
    convs.into_iter().map(LayerKind::Conv).collect()
}

//! The networks that the paper compares with (Table 4), as far as a list of layers can express them: layers,
//! widths and dropout. Other parts of the original trainings (max-norm constraints, learning rates per layer,
//! schedules) are not included, so trained under one recipe they may not reach the published errors.

use allcnn_device::{Activation, Fractional, PoolKind, RegionSequence, Windows};

use super::build::{convs, large_chain, leaky};
use super::layer::{Conv, LayerKind, Lrn, Pool};

/// Network in Network for CIFAR-10 (Lin et al. 2014), as in its Caffe definition: the second pooling is an
/// average.
pub(super) fn nin(classes: usize) -> Vec<LayerKind> {
    let mut layers = convs([Conv::same(5, 192), Conv::same(1, 160), Conv::same(1, 96)]);
    layers.push(Pool::max(3, 2).dropout(0.5).into());
    layers.extend(convs([Conv::same(5, 192), Conv::same(1, 192), Conv::same(1, 192)]));
    layers.push(Pool::square(PoolKind::Average, 3, 2).dropout(0.5).into());
    layers.extend(convs([Conv::same(3, 192), Conv::same(1, 192), Conv::same(1, classes)]));
    layers.push(LayerKind::GlobalAverage);
    layers
}

/// The network of the Deeply-Supervised Nets for CIFAR (Lee et al. 2015), as in its Caffe definition: that of Network in Network
/// with a maximum in both poolings, and no activation before the last mean. Its companion heads belong to the training
/// (`examples/recipe-dsn.toml`).
pub(super) fn dsn(classes: usize) -> Vec<LayerKind> {
    let mut layers = convs([Conv::same(5, 192), Conv::same(1, 160), Conv::same(1, 96)]);
    layers.push(Pool::max(3, 2).dropout(0.5).into());
    layers.extend(convs([Conv::same(5, 192), Conv::same(1, 192), Conv::same(1, 192)]));
    layers.push(Pool::max(3, 2).dropout(0.5).into());
    layers.extend(convs([Conv::same(3, 192), Conv::same(1, 192), Conv::logits(classes)]));
    layers.push(LayerKind::GlobalAverage);
    layers
}

/// The network for CIFAR-100 of Srivastava and Salakhutdinov (2013), which is that of the dropout paper (Srivastava et al. 2014):
/// three convolutions with max-pooling, two fully connected layers. Neither states its padding; with this one the maps before the
/// fully connected layers are 4x4. The prior belongs to the training (`examples/recipe-tree-prior.toml`).
pub(super) fn tree_prior(classes: usize) -> Vec<LayerKind> {
    let mut layers: Vec<LayerKind> = Vec::new();
    for (channels, dropout) in [(96, 0.25), (128, 0.25), (256, 0.5)] {
        layers.push(Conv::same(5, channels).into());
        layers.push(Pool::max(3, 2).dropout(dropout).into());
    }
    layers.extend(convs([
        Conv::valid(4, 2048).dropout(0.5),
        Conv::valid(1, 2048).dropout(0.5),
        Conv::logits(classes),
    ]));
    layers
}

/// The network for CIFAR-10 of DropConnect (Wan et al. 2013): that of cuda-convnet (`layers-conv-local-11pct`) on 24x24 pixels with a
/// fully connected layer of 128 before the last one.
pub(super) fn dropconnect(classes: usize) -> Vec<LayerKind> {
    let mut layers: Vec<LayerKind> = Vec::new();
    for _ in 0..2 {
        layers.push(Conv::same(5, 64).into());
        layers.push(LayerKind::Lrn(Lrn { size: 5, alpha: 0.001, beta: 0.75, k: 1.0 }));
        layers.push(Pool::max(3, 2).into());
    }
    layers.extend(convs([Conv::local(3, 32), Conv::local(3, 32)]));
    layers.push(Conv { drop_connect: 0.5, ..Conv::valid(6, 128) }.into());
    layers.push(Conv::logits(classes).into());
    layers
}

/// The Maxout network for CIFAR-10 (Goodfellow et al. 2013), as in its pylearn2 definition: each layer is the
/// maximum of two or five linear pieces; fully connected layers are written as convolutions.
pub(super) fn maxout(classes: usize) -> Vec<LayerKind> {
    let linear = |kernel, channels, padding| Conv {
        padding,
        activation: Activation::Identity,
        ..Conv::valid(kernel, channels)
    };
    vec![
        linear(8, 2 * 96, 4).into(),
        Pool::maxout(2).into(),
        Pool::max(4, 2).dropout(0.5).into(),
        linear(8, 2 * 192, 3).into(),
        Pool::maxout(2).into(),
        Pool::max(4, 2).dropout(0.5).into(),
        linear(5, 2 * 192, 3).into(),
        Pool::maxout(2).into(),
        Pool::max(2, 2).dropout(0.5).into(),
        linear(5, 5 * 500, 0).into(),
        Pool::maxout(5).dropout(0.5).into(),
        Conv::logits(classes).into(),
    ]
}

/// (64n C2 - FMP sqrt 2)_6 - C2 - C1 (Graham 2015) in its 36x36 form; the border around the 32x32 image is the
/// padding of the first convolution.
pub(super) fn fractional(classes: usize) -> Vec<LayerKind> {
    fractional_chain(64, 6, std::f32::consts::SQRT_2, 2, classes)
}

/// (160n C2 - FMP cbrt 2)_12 - C2 - C1 (Graham 2015), the network for CIFAR-10, with 94x94 input.
pub(super) fn large_fractional(classes: usize) -> Vec<LayerKind> {
    let cbrt_2 = 1.259_921_1;
    fractional_chain(160, 12, cbrt_2, 0, classes)
}

/// The spatially sparse network with which Graham won the CIFAR-10 competition of 2014: the Large All-CNN with 2x2
/// max-pooling in the place of its convolutions with stride 2. Dropout drops channels of a whole batch, below the pooling.
pub(super) fn spatially_sparse(classes: usize) -> Vec<LayerKind> {
    let conv = |kernel, channels, dropout| Conv {
        drops_channels: dropout > 0.0,
        ..leaky(kernel, channels).dropout(dropout)
    };
    large_chain(conv, |_| Pool::max(2, 2).into(), classes)
}

/// `levels` times a 2x2 convolution, each `width` channels wider, and a pseudorandom overlapping fractional
/// max-pooling; then a 2x2 and a 1x1 convolution. Dropout increases linearly from 0 after the first level to 0.5
/// after the last convolution.
fn fractional_chain(
    width: usize,
    levels: usize,
    alpha: f32,
    padding: usize,
    classes: usize,
) -> Vec<LayerKind> {
    let leaky = |kernel, number: usize| leaky(kernel, number * width);
    let dropout = |number: usize| 0.5 * (number - 1) as f32 / (levels + 1) as f32;
    let sequence = RegionSequence::Pseudorandom;
    let windows = Windows::Fractional(Fractional { alpha, sequence, overlapping: true });
    let mut layers: Vec<LayerKind> = Vec::new();
    for level in 1..=levels {
        layers.push(Conv { padding: if level == 1 { padding } else { 0 }, ..leaky(2, level) }.into());
        layers.push(Pool { kind: PoolKind::Max, windows, dropout: dropout(level) }.into());
    }
    let [wide, last] = [levels + 1, levels + 2];
    layers.push(leaky(2, wide).dropout(dropout(wide)).into());
    layers.push(leaky(1, last).dropout(dropout(last)).into());
    layers.push(Conv::logits(classes).into());
    layers
}

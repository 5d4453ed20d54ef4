//! All networks of the paper, as tables; those it compares with are in `table4`, those that ask its question again in `ablation`.

use super::ablation;
use super::build::{convs, large_chain, leaky};
use super::derive::Variant;
use super::error::NetError;
use super::layer::{Conv, LayerKind, Lrn, Pool};
use super::nearest::nearest;
use super::network::{Input, Network};
use super::table4;

/// The three base networks for CIFAR (Table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// One 5x5 convolution per stage.
    A,
    /// A 5x5 and a 1x1 convolution per stage, as in Network in Network.
    B,
    /// Two 3x3 convolutions per stage.
    C,
}

impl Base {
    /// All bases.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    /// The network `model-a`, `model-b` or `model-c`. Panics unless `classes` is from 1 to 65,536.
    pub fn network(self, classes: usize) -> Network {
        let stage = |channels| match self {
            Self::A => vec![Conv::same(5, channels)],
            Self::B => vec![Conv::same(5, channels), Conv::same(1, channels)],
            Self::C => vec![Conv::same(3, channels), Conv::same(3, channels)],
        };
        let pool = LayerKind::Pool(Pool::max(3, 2).dropout(0.5));
        let head = [Conv::valid(3, 192), Conv::valid(1, 192), Conv::valid(1, classes)];
        let mut layers = convs(stage(96));
        layers.push(pool);
        layers.extend(convs(stage(192)));
        layers.push(pool);
        layers.extend(convs(head));
        layers.push(LayerKind::GlobalAverage);
        sound(Network::new(format!("model-{}", self.letter()), Input::square(32), classes, 0.2, layers))
    }

    /// The network derived from this base by `variant`.
    pub fn derive(self, variant: Variant, classes: usize) -> Network {
        sound(self.network(classes).derive(variant))
    }

    /// Whether `name` is a base network, derived from one, or one with a part replaced.
    pub fn is_named(name: &str) -> bool {
        derived(name).is_some() || ablation::names().any(|ablation| ablation == name)
    }

    fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
            Self::C => 'c',
        }
    }
}

/// A network that is not derived from a base.
struct Named {
    name: &'static str,
    /// Height and width of its input.
    side: usize,
    input_dropout: f32,
    /// Whether it is [sparse](Network::is_sparse).
    sparse: bool,
    /// Its layers, given the number of classes.
    layers: fn(usize) -> Vec<LayerKind>,
}

/// The paper's own, then those it compares with (Table 4).
const NAMED: [Named; 12] = [
    Named { name: "large-all-cnn", side: 126, input_dropout: 0.0, sparse: false, layers: large },
    Named { name: "imagenet-all-cnn-b", side: 224, input_dropout: 0.0, sparse: false, layers: imagenet },
    Named { name: "caffenet", side: 227, input_dropout: 0.0, sparse: false, layers: caffenet },
    Named { name: "alexnet", side: 224, input_dropout: 0.0, sparse: false, layers: alexnet },
    Named { name: "nin", side: 32, input_dropout: 0.0, sparse: false, layers: table4::nin },
    Named { name: "maxout", side: 32, input_dropout: 0.2, sparse: false, layers: table4::maxout },
    Named { name: "fractional", side: 32, input_dropout: 0.0, sparse: false, layers: table4::fractional },
    Named {
        name: "large-fractional",
        side: 94,
        input_dropout: 0.0,
        sparse: false,
        layers: table4::large_fractional,
    },
    Named {
        name: "spatially-sparse",
        side: 126,
        input_dropout: 0.0,
        sparse: true,
        layers: table4::spatially_sparse,
    },
    Named { name: "dsn", side: 32, input_dropout: 0.0, sparse: false, layers: table4::dsn },
    Named { name: "dropconnect", side: 24, input_dropout: 0.0, sparse: false, layers: table4::dropconnect },
    Named { name: "tree-prior", side: 32, input_dropout: 0.1, sparse: false, layers: table4::tree_prior },
];

impl Network {
    /// The names of all networks: the paper's in its order, those it compares with, those with a part replaced.
    pub fn names() -> Vec<String> {
        let cifar = Base::ALL.into_iter().flat_map(|base| Variant::ALL.map(|variant| name_of(base, variant)));
        cifar.chain(NAMED.iter().map(|named| named.name.to_owned())).chain(ablation::names()).collect()
    }

    /// The names of base C with its pooling, then with the activation of its hidden layers, replaced.
    pub fn with_a_part_replaced() -> impl Iterator<Item = String> {
        ablation::names()
    }

    /// Returns the built-in network called `name`, for `classes` classes.
    ///
    /// # Errors
    /// [`NetError::UnknownModel`] with a suggestion, or [`NetError::Network`] if `classes` is out of range.
    pub fn named(name: &str, classes: usize) -> Result<Self, NetError> {
        if let Some(Named { side, input_dropout, sparse, layers, .. }) =
            NAMED.iter().find(|named| named.name == name)
        {
            let network = Self::new(name, Input::square(*side), classes, *input_dropout, layers(classes))?;
            return Ok(network.with_sparse(*sparse));
        }
        let base = Base::C.network(classes.clamp(1, 1 << 16)); // any valid number of classes works; `new` reports the others
        if let Some(layers) = ablation::layers(name, &base) {
            return Self::new(name, base.input(), classes, base.input_dropout(), layers);
        }
        let (base, variant) = derived(name).ok_or_else(|| unknown(name))?;
        let network = base.derive(variant, classes.clamp(1, 1 << 16));
        let layers = network.layers().iter().map(|layer| *layer.kind()).collect();
        Self::new(name, network.input(), classes, network.input_dropout(), layers)
    }
}

/// Table 5: each block of the large chain ends in a convolution with stride 2.
fn large(classes: usize) -> Vec<LayerKind> {
    let conv = |kernel, channels, dropout| leaky(kernel, channels).dropout(dropout);
    large_chain(conv, |channels| leaky(2, channels).stride(2).into(), classes)
}

/// Table 6: model B scaled up, every pool replaced by a convolution.
fn imagenet(classes: usize) -> Vec<LayerKind> {
    let mut layers = convs([
        Conv { padding: 1, ..Conv::valid(11, 96).stride(4) },
        Conv::same(1, 96),
        Conv::same(3, 96).stride(2),
        Conv::valid(5, 256),
        Conv::same(1, 256),
        Conv::same(3, 256).stride(2),
        Conv::same(3, 384),
        Conv::same(1, 384),
        Conv::same(3, 384).stride(2).dropout(0.5),
        Conv::same(3, 1024),
        Conv::same(1, 1024),
        Conv::same(1, classes),
    ]);
    layers.push(LayerKind::GlobalAverage);
    layers
}

/// Caffe's AlexNet (the network of Figure 6), its fully connected layers written as convolutions.
fn caffenet(classes: usize) -> Vec<LayerKind> {
    let pool = LayerKind::Pool(Pool::max(3, 2));
    let lrn = LayerKind::Lrn(Lrn { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 });
    let two_groups = |conv: Conv| Conv { groups: 2, ..conv };
    let mut layers = convs([Conv::valid(11, 96).stride(4)]);
    layers.extend([pool, lrn]);
    layers.extend(convs([two_groups(Conv::same(5, 256))]));
    layers.extend([pool, lrn]);
    layers.extend(convs([
        Conv::same(3, 384),
        two_groups(Conv::same(3, 384)),
        two_groups(Conv::same(3, 256)),
    ]));
    layers.push(pool);
    layers.extend(convs([
        Conv::valid(6, 4096).dropout(0.5),
        Conv::valid(1, 4096).dropout(0.5),
        Conv::logits(classes),
    ]));
    layers
}

/// torchvision's AlexNet: the single-tower form (Krizhevsky 2014, "One weird trick for parallelizing convolutional
/// neural networks") without normalization and groups. Its adaptive pooling is the identity at 224x224 and is
/// omitted.
fn alexnet(classes: usize) -> Vec<LayerKind> {
    let pool = LayerKind::Pool(Pool::max(3, 2));
    let mut layers = convs([Conv { padding: 2, ..Conv::valid(11, 64).stride(4) }]);
    layers.push(pool);
    layers.extend(convs([Conv::same(5, 192)]));
    layers.push(pool);
    layers.extend(convs([Conv::same(3, 384), Conv::same(3, 256), Conv::same(3, 256)]));
    layers.push(Pool::max(3, 2).dropout(0.5).into());
    layers.extend(convs([Conv::valid(6, 4096).dropout(0.5), Conv::valid(1, 4096), Conv::logits(classes)]));
    layers
}

/// The base and variant of the network called `name`.
fn derived(name: &str) -> Option<(Base, Variant)> {
    let mut pairs = Base::ALL.into_iter().flat_map(|base| Variant::ALL.map(|variant| (base, variant)));
    pairs.find(|&(base, variant)| name_of(base, variant) == name)
}

fn name_of(base: Base, variant: Variant) -> String {
    format!("{}-{}", variant.prefix(), base.letter())
}

/// Unwraps a built-in network: the tables are valid, and callers guarantee a valid number of classes.
fn sound(network: Result<Network, NetError>) -> Network {
    network.unwrap_or_else(|error| panic!("{error}"))
}

fn unknown(given: &str) -> NetError {
    let known = Network::names();
    NetError::UnknownModel { given: given.into(), suggestion: nearest(given, &known), known }
}

//! Base C with one part replaced: its pooling, or the activation of its hidden layers. The kinds are those that the paper compares and
//! those that its introduction names.

use allcnn_device::{Activation, Fractional, PoolKind, RegionSequence, Windows};

use super::layer::{Conv, LayerKind, Lwta, Pool};
use super::network::{Layer, Network};

/// What stands in the place of a part of base C.
#[derive(Clone, Copy)]
enum Part {
    /// Of each pooling: poolings that together halve height and width.
    Pooling(fn() -> Vec<Pool>),
    /// Of each hidden convolution.
    Convolution(fn(Conv) -> Vec<LayerKind>),
}

/// The replaced parts, by what follows `model-c-` in the network's name.
const ABLATIONS: [(&str, Part); 11] = [
    ("average", Part::Pooling(|| vec![Pool::square(PoolKind::Average, 3, 2)])),
    ("norm-2", Part::Pooling(|| vec![Pool::square(PoolKind::PNorm { p: 2.0 }, 3, 2)])),
    ("norm-4", Part::Pooling(|| vec![Pool::square(PoolKind::PNorm { p: 4.0 }, 3, 2)])),
    ("norm-8", Part::Pooling(|| vec![Pool::square(PoolKind::PNorm { p: 8.0 }, 3, 2)])),
    ("stochastic", Part::Pooling(|| vec![Pool::square(PoolKind::Stochastic, 3, 2)])),
    ("learned-norm", Part::Pooling(|| vec![Pool::square(PoolKind::LearnedNorm, 3, 2)])),
    ("fractional", Part::Pooling(|| vec![root_2(); 2])),
    ("leaky", Part::Convolution(|conv| vec![with(conv, Activation::LeakyRelu { slope: 0.1 })])),
    ("maxout", Part::Convolution(|conv| in_pairs(conv, Pool::maxout(2)))),
    ("probout", Part::Convolution(|conv| in_pairs(conv, Pool::probout(2, 1.0)))),
    ("winner", Part::Convolution(|conv| vec![with(conv, Activation::Identity), WINNER_OF_2])),
];

const WINNER_OF_2: LayerKind = LayerKind::Lwta(Lwta { size: 2, dropout: 0.0 });

/// The names of the networks.
pub(super) fn names() -> impl Iterator<Item = String> {
    ABLATIONS.iter().map(|(suffix, _)| format!("model-c-{suffix}"))
}

/// The layers of the network called `name`, if it is one of these, made of those of base C.
pub(super) fn layers(name: &str, base: &Network) -> Option<Vec<LayerKind>> {
    let suffix = name.strip_prefix("model-c-")?;
    let (_, part) = ABLATIONS.iter().find(|(known, _)| *known == suffix)?;
    let last = base.layers().iter().rposition(|layer| layer.kind().is_conv());
    let replaced = |(index, layer): (usize, &Layer)| match (*layer.kind(), part) {
        (LayerKind::Pool(pool), Part::Pooling(poolings)) => with_dropout(poolings(), pool.dropout),
        (LayerKind::Conv(conv), Part::Convolution(replace)) if Some(index) != last => replace(conv),
        (kind, _) => vec![kind],
    };
    Some(base.layers().iter().enumerate().flat_map(replaced).collect())
}

/// A maximum that divides height and width by the square root of 2.
fn root_2() -> Pool {
    let sequence = RegionSequence::Pseudorandom;
    let windows =
        Windows::Fractional(Fractional { alpha: std::f32::consts::SQRT_2, sequence, overlapping: true });
    Pool { kind: PoolKind::Max, windows, dropout: 0.0 }
}

/// The poolings, with dropout behind the last one.
fn with_dropout(mut poolings: Vec<Pool>, rate: f32) -> Vec<LayerKind> {
    if let Some(last) = poolings.last_mut() {
        last.dropout = rate;
    }
    poolings.into_iter().map(LayerKind::from).collect()
}

/// The convolution with another activation.
fn with(conv: Conv, activation: Activation) -> LayerKind {
    Conv { activation, ..conv }.into()
}

/// Twice as many filters, of which a pooling over channels makes one value of two.
fn in_pairs(conv: Conv, pairs: Pool) -> Vec<LayerKind> {
    vec![with(Conv { channels: 2 * conv.channels, ..conv }, Activation::Identity), pairs.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_is_base_c_but_for_its_part() {
        let base = Network::named("model-c", 10).unwrap();
        for name in names() {
            let network = Network::named(&name, 10).unwrap();
            assert_eq!((network.input(), network.input_dropout()), (base.input(), base.input_dropout()));
            let sizes = |network: &Network| -> Vec<_> {
                let convs = network
                    .layers()
                    .iter()
                    .zip(network.operations(1))
                    .filter(|(layer, _)| layer.kind().is_conv());
                convs.map(|(_, operation)| (operation.output().height, operation.output().width)).collect()
            };
            assert_eq!(sizes(&network), sizes(&base), "{name}");
            let dropout =
                |network: &Network| network.layers().iter().map(|layer| layer.kind().dropout()).sum::<f32>();
            assert_eq!(dropout(&network), dropout(&base), "{name}");
        }
    }

    #[test]
    fn pairs_double_the_filters_and_nothing_else_changes_the_parameters() {
        let parameters = |name: &str| Network::named(name, 10).unwrap().info().parameters;
        for name in
            ["model-c-average", "model-c-stochastic", "model-c-fractional", "model-c-leaky", "model-c-winner"]
        {
            assert_eq!(parameters(name), parameters("model-c"), "{name}");
        }
        assert_eq!(parameters("model-c-learned-norm"), parameters("model-c") + 2 * (96 + 192));
        assert_eq!(parameters("model-c-maxout"), parameters("model-c-probout"));
    }
}

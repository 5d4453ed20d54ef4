//! The layers of a network as plain values, for other frameworks.

use allcnn::device::{Activation, PoolKind, Windows};
use allcnn::net::{Layer, LayerKind, Network};
use serde_json::{Value, json};

/// The layers in order, each with its name, its kind and its settings; the error says which layer has no counterpart.
pub(crate) fn described(network: &Network) -> Result<Vec<Value>, String> {
    network.layers().iter().map(layer).collect()
}

fn layer(layer: &Layer) -> Result<Value, String> {
    let mut value = match layer.kind() {
        LayerKind::Conv(conv) if conv.unshared || conv.drop_connect > 0.0 => {
            return Err(format!("{} is {}, which PyTorch has no layer for", layer.name(), layer.kind()));
        }
        LayerKind::Conv(conv) => json!({
            "kind": "conv", "channels": conv.channels, "kernel": conv.kernel, "stride": conv.stride,
            "padding": conv.padding, "groups": conv.groups, "activation": activation(conv.activation),
        }),
        LayerKind::Pool(pool) => match (pool.windows, pool.kind) {
            (Windows::Channels { pieces }, PoolKind::Probabilistic { lambda }) => {
                json!({"kind": "probout", "pieces": pieces, "lambda": lambda})
            }
            (Windows::Channels { pieces }, _) => json!({"kind": "maxout", "pieces": pieces}),
            (Windows::Grid(grid), kind) => {
                let (of, p) = match kind {
                    PoolKind::Max => ("max", None),
                    PoolKind::Average => ("average", None),
                    PoolKind::PNorm { p } => ("p-norm", Some(p)),
                    PoolKind::Stochastic => ("stochastic", None),
                    PoolKind::LearnedNorm => ("learned-norm", None),
                    PoolKind::Probabilistic { .. } => unreachable!("its windows are channels"),
                };
                json!({
                    "kind": "pool", "of": of, "p": p, "kernel": grid.kernel, "stride": grid.stride,
                    "padding": grid.padding, "ceil": grid.ceil,
                })
            }
            (Windows::Fractional(_), _) => {
                return Err(format!(
                    "{} is a fractional pooling, which PyTorch draws otherwise",
                    layer.name()
                ));
            }
        },
        LayerKind::Lrn(lrn) => {
            json!({"kind": "lrn", "size": lrn.size, "alpha": lrn.alpha, "beta": lrn.beta, "k": lrn.k})
        }
        LayerKind::Lwta(lwta) => json!({"kind": "lwta", "size": lwta.size}),
        LayerKind::GlobalAverage => json!({"kind": "global_average"}),
    };
    value["name"] = layer.name().into();
    Ok(value)
}

/// The slope of a leaky ReLU, `"relu"`, or nothing.
fn activation(activation: Activation) -> Value {
    match activation {
        Activation::Identity => Value::Null,
        Activation::Relu => "relu".into(),
        Activation::LeakyRelu { slope } => slope.into(),
    }
}

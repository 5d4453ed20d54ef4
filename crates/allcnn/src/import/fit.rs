//! Layers of a file as the parameters of a network.

use super::{Error, Form, Layer, Weights};
use crate::net::{Network, Operation};
use crate::parameters::Tensor;

impl Weights {
    /// The weights as `network` names and shapes them: `conv1.weight` `[out, in / groups, height, width]`,
    /// `conv1.bias` `[out]`, ...
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] with the first difference.
    pub fn fit(self, network: &Network) -> Result<Vec<Tensor>, Error> {
        let other = |problem| Error::OtherNetwork { network: network.name().into(), problem };
        let convolutions = convolutions(network);
        let expected: Vec<&str> = convolutions.iter().map(|(name, _)| name.as_str()).collect();
        let given: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        if self.form == Form::Convolutions && given != expected {
            let only = |ours: &[&str], theirs: &[&str]| {
                let only: Vec<_> = ours.iter().filter(|name| !theirs.contains(name)).copied().collect();
                if only.is_empty() { "none".to_owned() } else { only.join(", ") }
            };
            return Err(other(format!(
                "missing are {}, too many are {}",
                only(&expected, &given),
                only(&given, &expected)
            )));
        }
        if given.len() != expected.len() {
            return Err(other(format!(
                "{} layers with weights ({}), expected {}",
                given.len(),
                given.join(", "),
                expected.len()
            )));
        }
        let fitted = self
            .layers
            .into_iter()
            .zip(convolutions)
            .map(|(layer, (name, shape))| fit_layer(layer, &name, shape).map_err(other));
        Ok(fitted.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
    }
}

/// Names and weight shapes of the convolutions.
fn convolutions(network: &Network) -> Vec<(String, [usize; 4])> {
    let each = network.layers().iter().zip(network.operations(1));
    each.filter_map(|(layer, operation)| match operation {
        Operation::Conv(conv) => {
            let shape = [conv.out_channels, conv.group_in_channels(), conv.kernel, conv.kernel];
            Some((layer.name().to_owned(), shape))
        }
        _ => None,
    })
    .collect()
}

fn fit_layer(layer: Layer, name: &str, expected: [usize; 4]) -> Result<[Tensor; 2], String> {
    let Layer { weight, bias, .. } = layer;
    let [out, channels, height, width] = expected;
    let same = weight.shape == expected || weight.shape == [out, channels * height * width];
    if !same {
        return Err(differs(&weight, name, &expected));
    }
    if bias.shape != [out] {
        return Err(differs(&bias, name, &[out]));
    }
    for tensor in [&weight, &bias] {
        if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
            return Err(format!("{} holds {value}", tensor.name));
        }
    }
    Ok([
        Tensor { name: format!("{name}.weight"), shape: expected.to_vec(), values: weight.values },
        Tensor { name: format!("{name}.bias"), shape: vec![out], values: bias.values },
    ])
}

fn differs(tensor: &Tensor, name: &str, expected: &[usize]) -> String {
    format!("{} has shape {:?}, {name} expects {expected:?}", tensor.name, tensor.shape)
}

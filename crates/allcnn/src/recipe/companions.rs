//! Companion heads: while a network is trained, hidden layers are made to tell the classes apart, too (Lee et al. 2015,
//! "Deeply-Supervised Nets").

use serde::{Deserialize, Serialize};

use super::error::RecipeError;
use crate::net::{LayerKind, Network};

/// The heads that a training adds to a network. Each is fully connected to all outputs of a convolution before its activation,
/// has the targets and the loss of the network itself, and is not part of the trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companions {
    /// The convolutions.
    pub layers: Vec<String>,
    /// The factor on the learning rate of the heads' own weights and biases; what they send down is not scaled.
    #[serde(default = "one")]
    pub rate: f32,
}

fn one() -> f32 {
    1.0
}

impl Companions {
    /// The indices of the layers in `network`, of which the first `frozen` are not trained.
    ///
    /// # Errors
    /// [`RecipeError::Setting`] names a layer that is no hidden convolution, is frozen or is named twice.
    pub fn layers_of(&self, network: &Network, frozen: usize) -> Result<Vec<usize>, RecipeError> {
        let is_plain = |kind: &LayerKind| matches!(kind, LayerKind::Conv(conv) if !conv.unshared && conv.drop_connect == 0.0);
        // The last one gives the network's own answer.
        let last = network.layers().iter().rposition(|layer| layer.kind().is_conv());
        let plain = network.layers().iter().enumerate();
        let plain = plain.filter(|(index, layer)| is_plain(layer.kind()) && Some(*index) != last);
        let hidden: Vec<(usize, &str)> = plain.map(|(index, layer)| (index, layer.name())).collect();
        let fault = |layer: &str, text: &str| {
            let names: Vec<&str> =
                hidden.iter().filter(|(index, _)| *index >= frozen).map(|(_, name)| *name).collect();
            RecipeError::Setting(format!(
                "companions.layers: '{layer}' {text}\nexpected some of {}",
                if names.is_empty() { "no layers: there are none".into() } else { names.join(", ") }
            ))
        };
        let mut indices = vec![];
        for layer in &self.layers {
            let Some((index, _)) = hidden.iter().find(|(_, name)| name == layer) else {
                return Err(fault(layer, &format!("is no hidden convolution of {}", network.name())));
            };
            if *index < frozen {
                return Err(fault(layer, "is frozen: nothing that a head sends down would change it"));
            }
            if indices.contains(index) {
                return Err(fault(layer, "is named twice"));
            }
            indices.push(*index);
        }
        indices.sort_unstable();
        Ok(indices)
    }

    /// Describes what is wrong with the numbers, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        if self.layers.is_empty() {
            return Some(
                "companions.layers names no layer, expected convolutions such as [\"conv1\"]".into(),
            );
        }
        (!(self.rate >= 0.0 && self.rate.is_finite()))
            .then(|| format!("companions.rate is {}, expected a factor of 0 or more", self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    fn companions(layers: &[&str]) -> Companions {
        Companions { layers: layers.iter().map(|&layer| layer.into()).collect(), rate: 1.0 }
    }

    #[test]
    fn heads_are_on_hidden_convolutions_that_are_trained() {
        let network = Network::named("dsn", 10).unwrap();
        let of = |layers: &[&str], frozen| {
            companions(layers).layers_of(&network, frozen).map_err(|e| e.to_string())
        };
        assert_eq!(of(&["conv4", "conv1"], 0).unwrap(), [0, 4]);
        for (layers, frozen, expected) in [
            (vec!["conv99"], 0, "'conv99' is no hidden convolution of dsn\nexpected some of conv1, conv2"),
            (vec!["pool1"], 0, "'pool1' is no hidden convolution"),
            (vec!["conv9"], 0, "'conv9' is no hidden convolution"),
            (vec!["conv1"], 1, "'conv1' is frozen"),
            (vec!["conv1", "conv1"], 0, "'conv1' is named twice"),
        ] {
            let error = of(&layers, frozen).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        for (text, expected) in [
            ("[companions]\nlayers = []", "companions.layers names no layer"),
            ("[companions]\nlayers = [\"conv1\"]\nrate = -1", "companions.rate is -1"),
        ] {
            let error = Recipe::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! What a recipe sets for single layers: factors on learning rate and weight decay, bounds on the norms of filters.

use std::collections::BTreeMap;

use allcnn_device::Factors;
use serde::{Deserialize, Serialize};

use super::error::RecipeError;
use crate::net::Network;

/// The name that stands for all layers.
const ALL: &str = "all";

/// The rules of layers by name; those of `all` hold for every layer whose own say nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerRules(BTreeMap<String, LayerRule>);

/// What is set for a layer; what is not is 1, or no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRule {
    /// The factor on the learning rate of weights and bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f32>,
    /// That of the bias, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_rate: Option<f32>,
    /// The factor on the weight decay of weights and bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<f32>,
    /// That of the bias, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_decay: Option<f32>,
    /// The largest L2 norm of a filter, the weights of an output channel, after each step (Srebro and Shraibman 2005; Hinton et
    /// al. 2012).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f32>,
}

impl LayerRule {
    /// The factors of the weights and of the bias.
    pub fn factors(&self) -> [Factors; 2] {
        let (rate, decay) = (self.rate.unwrap_or(1.0), self.decay.unwrap_or(1.0));
        let (bias_rate, bias_decay) = (self.bias_rate.unwrap_or(rate), self.bias_decay.unwrap_or(decay));
        [Factors { rate, decay }, Factors { rate: bias_rate, decay: bias_decay }]
    }

    /// These settings, and where there are none those of `others`.
    fn or(self, others: Self) -> Self {
        Self {
            rate: self.rate.or(others.rate),
            bias_rate: self.bias_rate.or(others.bias_rate),
            decay: self.decay.or(others.decay),
            bias_decay: self.bias_decay.or(others.bias_decay),
            max_norm: self.max_norm.or(others.max_norm),
        }
    }

    /// Describes what is wrong with the numbers, if anything.
    fn fault(&self) -> Option<String> {
        let factors = [
            ("rate", self.rate),
            ("bias_rate", self.bias_rate),
            ("decay", self.decay),
            ("bias_decay", self.bias_decay),
        ];
        let is_wrong = |factor: f32| !(factor >= 0.0 && factor.is_finite());
        let wrong =
            factors.into_iter().find_map(|(name, factor)| Some((name, factor.filter(|&f| is_wrong(f))?)));
        if let Some((name, factor)) = wrong {
            return Some(format!("{name} is {factor}, expected a factor of 0 or more"));
        }
        let norm = self.max_norm.filter(|&norm| norm.is_nan() || norm <= 0.0)?;
        Some(format!("max_norm is {norm}, expected a norm above 0"))
    }
}

impl LayerRules {
    /// The rules by name.
    pub fn new(rules: impl IntoIterator<Item = (&'static str, LayerRule)>) -> Self {
        Self(rules.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect())
    }

    /// Whether no layer has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule of a layer.
    pub fn of(&self, layer: &str) -> LayerRule {
        let [own, all] = [layer, ALL].map(|name| self.0.get(name).copied().unwrap_or_default());
        own.or(all)
    }

    /// Checks that the layers that are named are layers with weights of `network`.
    ///
    /// # Errors
    /// [`RecipeError::Setting`] names one that is not, and those that there are.
    pub fn check(&self, network: &Network) -> Result<(), RecipeError> {
        let with_weights = network.layers().iter().filter(|layer| layer.kind().has_parameters());
        let names: Vec<&str> = with_weights.map(|layer| layer.name()).collect();
        match self.0.keys().find(|name| *name != ALL && !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(RecipeError::Setting(format!(
                "[layers.{unknown}] is for a layer that {} does not have\nexpected one with weights ({}), or all",
                network.name(),
                names.join(", ")
            ))),
        }
    }

    /// Describes what is wrong with the numbers, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        self.0.iter().find_map(|(name, rule)| Some(format!("[layers.{name}] {}", rule.fault()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    const TEXT: &str = "[layers.all]\nbias_rate = 2\nbias_decay = 0\nmax_norm = 1.9\n[layers.conv2]\nrate = 0.1\nmax_norm = 4\n";

    #[test]
    fn a_layers_own_rule_goes_before_that_of_all() {
        let rules = Recipe::from_toml(TEXT).unwrap().layers;
        let first = LayerRule {
            bias_rate: Some(2.0),
            bias_decay: Some(0.0),
            max_norm: Some(1.9),
            ..Default::default()
        };
        assert_eq!(rules.of("conv1"), first);
        assert_eq!(first.factors(), [Factors::default(), Factors { rate: 2.0, decay: 0.0 }]);
        let second = rules.of("conv2");
        assert_eq!((second.max_norm, second.factors()[0]), (Some(4.0), Factors { rate: 0.1, decay: 1.0 }));
        assert_eq!(second.factors()[1], Factors { rate: 2.0, decay: 0.0 });
        let own = LayerRule { rate: Some(0.1), ..Default::default() };
        assert_eq!(own.factors()[1], Factors { rate: 0.1, decay: 1.0 }, "a bias is as its weights");
    }

    #[test]
    fn rules_survive_toml() {
        let recipe = Recipe::from_toml(TEXT).unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
        assert!(!Recipe::quick().to_toml().unwrap().contains("layers"));
    }

    #[test]
    fn unknown_layers_and_wrong_numbers_are_named() {
        let network = Network::named("all-cnn-c", 10).unwrap();
        let rules = |text: &str| Recipe::from_toml(text).unwrap().layers;
        assert!(rules(TEXT).check(&network).is_ok());
        let error = rules("[layers.conv99]\nrate = 0.1").check(&network).unwrap_err().to_string();
        assert!(error.contains("[layers.conv99]") && error.contains("conv1, conv2, "), "{error}");
        for (text, expected) in [
            ("rate = -1", "[layers.conv1] rate is -1, expected a factor"),
            ("bias_decay = nan", "bias_decay is NaN"),
            ("max_norm = 0", "max_norm is 0, expected a norm above 0"),
        ] {
            let error = Recipe::from_toml(&format!("[layers.conv1]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Recipe::from_toml("[layers.conv1]\nspeed = 1").is_err());
    }
}

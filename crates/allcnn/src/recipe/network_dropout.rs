//! The dropout rates that a network is trained with: its own, unless the recipe sets others.

use super::error::RecipeError;
use super::settings::Recipe;
use crate::net::{Base, Network};

impl Recipe {
    /// Returns `network` (named or read from the file `model`) with the dropout rates used for training.
    ///
    /// # Errors
    /// [`RecipeError::Network`] for a rate outside [0, 1); [`RecipeError::Setting`] if no layer has dropout to set
    /// a rate for.
    pub fn with_dropout(&self, model: &str, network: &Network) -> Result<Network, RecipeError> {
        let of_table1 = || self.table1_dropout.filter(|_| Base::is_named(model));
        let Some(rates) = self.dropout.or_else(of_table1) else { return Ok(network.clone()) };
        if rates.others > 0.0 && network.layers().iter().all(|layer| layer.kind().dropout() == 0.0) {
            return Err(RecipeError::Setting(format!(
                "dropout is {rates}, but no layer of {} has a dropout whose rate that could be\n\
                 write `dropout = {}` behind layers of its file, or give --dropout {},0",
                network.name(),
                rates.others,
                rates.input
            )));
        }
        Ok(network.with_input_dropout(rates.input)?.with_layer_dropout(rates.others)?)
    }

    /// Describes the dropout rates of the network to be trained, and their origin.
    pub(crate) fn dropout_words(&self, model: &str, network: &Network) -> String {
        let by = match (self.dropout, self.table1_dropout.filter(|_| Base::is_named(model))) {
            (Some(_), _) => "as was asked for".into(),
            (None, Some(_)) => format!("the recipe {}'s for this network", self.name),
            (None, None) => "the network's own".into(),
        };
        let input = Some(network.input_dropout()).filter(|&rate| rate > 0.0);
        let input = input.map(|rate| format!("{rate} on the picture"));
        let layers = network.layers().iter().map(|layer| (layer.name(), layer.kind().dropout()));
        let layers: Vec<(&str, f32)> = layers.filter(|&(_, rate)| rate > 0.0).collect();
        let same_rate = layers.chunk_by(|(_, one), (_, other)| one == other);
        let layers = same_rate.map(|layers| {
            let names: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
            format!("{} after {}", layers[0].1, names.join(", "))
        });
        let rates: Vec<String> = input.into_iter().chain(layers).collect();
        match rates.as_slice() {
            [] => format!("none ({by})"),
            rates => format!("{} ({by})", rates.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::DropoutRates;

    const OTHERS: DropoutRates = DropoutRates { input: 0.1, others: 0.3 };

    fn rates(recipe: &Recipe, model: &str) -> (f32, Vec<f32>) {
        let network = Network::named(model, 10).unwrap();
        let network = recipe.with_dropout(model, &network).unwrap();
        let layers = network.layers().iter().map(|layer| layer.kind().dropout());
        (network.input_dropout(), layers.filter(|&rate| rate > 0.0).collect())
    }

    #[test]
    fn the_networks_own_rates_win_unless_others_are_asked_for() {
        for recipe in [Recipe::quick(), Recipe::paper(), Recipe::imagenet()] {
            for model in ["large-all-cnn", "fractional", "nin", "imagenet-all-cnn-b", "alexnet"] {
                let own = rates(&Recipe { table1_dropout: None, ..recipe.clone() }, model);
                assert_eq!(rates(&recipe, model), own, "{model} by {}", recipe.name);
                let asked = Recipe { dropout: Some(OTHERS), ..recipe.clone() };
                assert_eq!(rates(&asked, model), (0.1, vec![0.3; own.1.len()]), "{model}");
            }
        }
        assert_eq!(rates(&Recipe::quick(), "all-cnn-c"), (0.0, vec![0.2; 2]));
        assert_eq!(rates(&Recipe::paper(), "strided-cnn-a"), (0.2, vec![0.5; 2]));
    }

    #[test]
    fn a_file_of_that_name_is_no_network_of_table_1() {
        let network = Network::named("all-cnn-c", 10).unwrap();
        assert_eq!(Recipe::quick().with_dropout("all-cnn-c.toml", &network).unwrap(), network);
    }

    #[test]
    fn rates_for_no_layer_are_refused() {
        let bare = Network::named("all-cnn-c", 10).unwrap().with_layer_dropout(0.0).unwrap();
        let recipe = Recipe { dropout: Some(OTHERS), ..Recipe::quick() };
        let error = recipe.with_dropout("bare.toml", &bare).unwrap_err().to_string();
        assert!(error.contains("no layer of all-cnn-c has a dropout") && error.contains("--dropout 0.1,0"));
    }

    #[test]
    fn what_was_taken_is_told() {
        let told = |recipe: &Recipe, model| {
            let network = Network::named(model, 10).unwrap();
            recipe.dropout_words(model, &recipe.with_dropout(model, &network).unwrap())
        };
        assert_eq!(
            told(&Recipe::quick(), "model-a"),
            "0.2 after pool1, pool2 (the recipe quick's for this network)"
        );
        assert_eq!(
            told(&Recipe::paper(), "maxout"),
            "0.2 on the picture; 0.5 after pool1, pool2, pool3, maxout4 (the network's own)"
        );
        let none = Recipe { dropout: "none".parse().ok(), ..Recipe::quick() };
        assert_eq!(told(&none, "model-a"), "none (as was asked for)");
    }
}

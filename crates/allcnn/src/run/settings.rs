//! The settings of a run as a list for people.

use super::manifest::Manifest;
use crate::net::Network;
use crate::recipe::Recipe;

impl Manifest {
    /// The settings needed to repeat the run, named as in `run.toml`, for show; a name may come twice.
    pub fn settings(&self) -> Vec<(String, String)> {
        let data = &self.data;
        let mut settings = vec![
            ("model".to_string(), self.model.clone()),
            ("data".into(), data.source.clone()),
            ("training images".into(), data.train_images.to_string()),
            ("test images".into(), data.test_images.to_string()),
            ("steps".into(), self.total_steps.to_string()),
            ("device".into(), self.session.device.clone()),
        ];
        if data.validation_images > 0 {
            settings.insert(3, ("validation images".into(), data.validation_images.to_string()));
        }
        if let Some(from) = &self.from {
            let drawn = if from.drawn.is_empty() { "none".into() } else { from.drawn.join(", ") };
            settings.push(("weights from".into(), from.source.clone()));
            settings.push(("layers drawn anew".into(), drawn));
            settings.extend(from.freeze.as_ref().map(|layer| ("frozen up to".into(), layer.clone())));
        }
        if let Ok(network) = Network::from_toml(&self.network) {
            settings.push(("dropout".into(), self.recipe.dropout_words(&self.model, &network)));
        }
        let recipe = Recipe { dropout: None, table1_dropout: None, ..self.recipe.clone() };
        let recipe = toml::Table::try_from(&recipe).unwrap_or_default();
        settings.extend(recipe.iter().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| plain(value), str::to_string);
            let name = if name == "name" { "recipe".to_owned() } else { name.replace('_', " ") };
            (name, text)
        }));
        settings
    }
}

/// A TOML value as text; numbers are printed with the precision of f32.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => (*number as f32).to_string(),
        toml::Value::Table(table) => table
            .iter()
            .map(|(name, value)| {
                let value = value.as_str().map_or_else(|| plain(value), Into::into);
                format!("{} {value}", name.replace('_', " "))
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

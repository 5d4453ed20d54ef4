//! The training that goes on from weights, by default.

use super::source::Source;
use crate::preprocess::Method;
use crate::recipe::Recipe;
use crate::run::TrainRequest;

/// The model of weights whose network is not known.
const MODEL: &str = "all-cnn-c";

impl Source {
    /// A training on `data` that begins with these weights: the recipe [`Recipe::fine_tuning`], with the network, the input
    /// size, the preprocessing and the framing of the run that they are from.
    pub fn request(&self, data: impl Into<String>) -> TrainRequest {
        let model = match (&self.run, &self.network) {
            (Some(run), _) => run.model.clone(),
            (None, Some(network)) => network.name().into(),
            (None, None) => MODEL.into(),
        };
        let recipe = Recipe { preprocess: self.preprocess(), ..Recipe::fine_tuning() };
        TrainRequest {
            network: self.network.clone(),
            from: Some(self.given.clone()),
            framing: self.run.as_ref().map(|run| run.framing),
            recipe,
            ..TrainRequest::new(model, data)
        }
    }

    /// The kind of preprocessing that the weights are trained with, or the usual one where that is not known.
    pub fn preprocess(&self) -> Method {
        self.run.as_ref().map_or(Recipe::quick().preprocess, |run| run.preprocessor.method())
    }
}

//! The inputs of a training.

use super::error::TrainError;
use crate::input::Samples;
use crate::net::Network;
use crate::parameters::Tensor;
use crate::preprocess::Geometry;
use crate::recipe::Recipe;
use crate::split::Split;

/// A training task: network, settings, data.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The network, with the dropout rates that apply.
    pub network: &'a Network,
    /// The names of the classes.
    pub classes: &'a [String],
    /// The settings.
    pub recipe: &'a Recipe,
    /// The training images.
    pub train: &'a Samples<'a>,
    /// The validation images, if any: they select the best epoch instead of the test images.
    pub validation: Option<&'a Samples<'a>>,
    /// The test images; may be empty.
    pub test: &'a Samples<'a>,
    /// Weights and biases to begin with, of whole layers; the other layers are initialized as the recipe says.
    pub begun: &'a [Tensor],
    /// The number of layers, from the first on, that keep the weights they begin with.
    pub frozen: usize,
}

impl<'a> Task<'a> {
    /// The images that are evaluated after each epoch to select the best one, and their split.
    pub(super) fn choosing(&self) -> (Split, &'a Samples<'a>) {
        self.validation.map_or((Split::Test, self.test), |validation| (Split::Validation, validation))
    }

    /// Checks that network, classes and images match.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let input = self.network.input();
        let expected = Geometry { height: input.height, width: input.width, channels: input.channels };
        let splits = [(Split::Train, self.train), (Split::Test, self.test)];
        let validation = self.validation.map(|samples| (Split::Validation, samples));
        for (split, samples) in splits.into_iter().chain(validation) {
            if samples.geometry() != expected {
                return Err(TrainError::Mismatch(format!(
                    "the {split} images are {}, the network {} takes {expected}: give another --input",
                    samples.geometry(),
                    self.network.name()
                )));
            }
            if let Some(label) = samples.labels().iter().find(|&&label| label as usize >= self.classes.len())
            {
                return Err(TrainError::Mismatch(format!(
                    "a {split} image has the label {label} of no class"
                )));
            }
        }
        if self.classes.len() != self.network.classes() {
            return Err(TrainError::Mismatch(format!(
                "the data has {} classes, the network {} has {}",
                self.classes.len(),
                self.network.name(),
                self.network.classes()
            )));
        }
        if self.train.is_empty() {
            return Err(TrainError::Mismatch("there are no training images".into()));
        }
        Ok(())
    }
}

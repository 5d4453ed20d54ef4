//! The input transform of a run's network.

use super::error::RunError;
use super::folder::RunFolder;
use crate::augment::Augment;
use crate::input::InputTransform;
use crate::net::Network;
use crate::preprocess::Geometry;

impl RunFolder {
    /// Returns the transform from images to the network's input: the stored preprocessing, centered in the input
    /// if the training used a larger canvas.
    ///
    /// # Errors
    /// A damaged run; preprocessing for another size, unless the training used a canvas.
    pub fn input_transform(&self, network: &Network) -> Result<InputTransform, RunError> {
        let (preprocessor, input) = (self.read_preprocessing()?, Geometry::from(network.input()));
        let Geometry { height, width, .. } = preprocessor.geometry();
        let heavy = self.manifest()?.recipe.augment == Augment::Heavy;
        if !heavy || height > input.height || width > input.width {
            preprocessor.check_geometry(input)?;
        }
        Ok(InputTransform::new(preprocessor, input))
    }
}

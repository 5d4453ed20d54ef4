//! How the network of a run takes pictures.

use super::error::RunError;
use super::folder::RunFolder;
use crate::augment::Augment;
use crate::input::InputTransform;
use crate::net::Network;
use crate::preprocess::Geometry;

impl RunFolder {
    /// What turns pictures into the input of the run's network: the stored preprocessing, in the middle of the input where
    /// the training moved its images on a canvas.
    ///
    /// # Errors
    /// A damaged run; preprocessing for another size, unless the images lay on a canvas.
    pub fn input_transform(&self, network: &Network) -> Result<InputTransform, RunError> {
        let (preprocessor, input) = (self.read_preprocessing()?, Geometry::from(network.input()));
        let Geometry { height, width, .. } = preprocessor.geometry();
        let heavy = self.manifest()?.recipe.augment == Augment::Heavy;
        if !heavy || height > input.height || width > input.width {
            preprocessor.expect(input)?;
        }
        Ok(InputTransform::new(preprocessor, input))
    }
}

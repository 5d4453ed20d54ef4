//! Images of a data set with the evidence for a class.

use allcnn_device::Device;

use super::error::VisualiseError;
use super::explainer::Explainer;
use super::method::Method;
use super::render::Shading;
use super::target::{Target, Unit};
use crate::augment::SeededAugment;
use crate::data::decode::Picture;
use crate::input::Samples;
use crate::parameters::Parameters;
use crate::run::Checkpoint;

/// Explains images by guided backpropagation from the logit of a class.
pub struct ExplainedSamples<'a, D: Device> {
    explainer: Explainer<'a, D>,
    parameters: Parameters<D>,
    samples: &'a Samples<'a>,
}

impl<'a, D: Device> ExplainedSamples<'a, D> {
    /// Prepares the network of a checkpoint.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(
        device: &'a D,
        checkpoint: &Checkpoint,
        samples: &'a Samples<'a>,
    ) -> Result<Self, VisualiseError> {
        let parameters = checkpoint.parameters(device)?;
        let explainer = Explainer::new(device, &checkpoint.network, samples.len())?;
        Ok(Self { explainer, parameters, samples })
    }

    /// Returns a picture of the evidence for each (image, class).
    pub fn pictures(&mut self, wanted: &[(usize, usize)]) -> Result<Vec<Picture>, VisualiseError> {
        let geometry = self.samples.geometry();
        let indices: Vec<u32> = wanted.iter().map(|&(image, _)| image as u32).collect();
        let mut images = vec![0.0; wanted.len() * geometry.len()];
        self.samples.fill(&indices, SeededAugment::NONE, &mut images)?;
        let pairs = wanted.iter().enumerate().map(|(index, &(_, class))| (index, Unit::Channel(class)));
        let pairs: Vec<(usize, Unit)> = pairs.collect();
        let target = Target::of_classes(self.explainer.network(), vec![])?;
        let methods = [Method::Guided];
        let explanations =
            self.explainer.explain_pairs(&self.parameters, &images, &target, &pairs, &methods)?;
        let picture = |map: &Vec<f32>| Shading::Signed.paint(map, geometry.height, geometry.width);
        Ok(explanations.iter().flat_map(|explanation| &explanation.maps).map(picture).collect())
    }
}

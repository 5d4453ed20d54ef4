//! One unit of one image, and the passes that explain it.

use allcnn_device::Device;

use super::super::error::VisualiseError;
use super::super::explainer::Explainer;
use super::super::method::Method;
use super::super::target::{Target, Unit};
use crate::parameters::Parameters;

/// One unit of one image, and what explains it.
pub(super) struct Subject<'s, 'd, D: Device> {
    pub(super) explainer: &'s mut Explainer<'d, D>,
    pub(super) parameters: &'s Parameters<D>,
    pub(super) target: &'s Target,
    /// `[height, width, channels]`, preprocessed.
    pub(super) image: &'s [f32],
    pub(super) unit: Unit,
}

impl<D: Device> Subject<'_, '_, D> {
    /// The gradient of the unit's activation at each of these images, `[images, height, width, channels]`.
    pub(super) fn gradients(&mut self, images: &[f32]) -> Result<Vec<Vec<f32>>, VisualiseError> {
        let pairs: Vec<_> = (0..images.len() / self.image.len()).map(|image| (image, self.unit)).collect();
        let Self { explainer, parameters, target, .. } = self;
        let explained = explainer.explain_pairs(parameters, images, target, &pairs, &[Method::Backprop])?;
        Ok(explained.into_iter().flat_map(|explanation| explanation.maps).collect())
    }

    /// The unit's activation at each of these images.
    pub(super) fn activations(&mut self, images: &[f32]) -> Result<Vec<f32>, VisualiseError> {
        let pairs: Vec<_> = (0..images.len() / self.image.len()).map(|image| (image, self.unit)).collect();
        let Self { explainer, parameters, target, .. } = self;
        let explained = explainer.explain_pairs(parameters, images, target, &pairs, &[])?;
        Ok(explained.into_iter().map(|explanation| explanation.unit.activation).collect())
    }
}

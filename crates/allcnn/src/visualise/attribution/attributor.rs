//! Explanations by any of the ways.

use allcnn_device::Device;

use super::super::error::VisualiseError;
use super::super::explainer::{Explainer, Explanation};
use super::super::method::Method;
use super::super::target::{Target, Unit};
use super::kind::Attribution;
use super::settings::AttributionSettings;
use super::subject::Subject;
use super::{cam, integrated_gradients, occlusion, smooth_grad};
use crate::net::Network;
use crate::parameters::Parameters;

impl Attribution {
    /// Whether it can explain units of `target`, a layer of `network`: class activation maps need a network that ends in a mean.
    pub fn is_of(self, network: &Network, target: &Target) -> bool {
        !self.needs_class_maps() || cam::check(network, target).is_ok()
    }
}

/// A network prepared for explanations by any of the ways.
pub struct Attributor<'d, D: Device> {
    explainer: Explainer<'d, D>,
    settings: AttributionSettings,
}

impl<'d, D: Device> Attributor<'d, D> {
    /// Explanations by `explainer`.
    pub fn new(explainer: Explainer<'d, D>, settings: AttributionSettings) -> Self {
        Self { explainer, settings }
    }

    /// What does the passes.
    pub fn explainer(&self) -> &Explainer<'d, D> {
        &self.explainer
    }

    /// What does the passes, for other passes.
    pub fn explainer_mut(&mut self) -> &mut Explainer<'d, D> {
        &mut self.explainer
    }

    /// Explains these pairs of image index and unit, each by all `ways`: like [`Explainer::explain_pairs`].
    ///
    /// # Errors
    /// [`VisualiseError::NoClassMaps`] for a class activation map that the network does not have; a device failure.
    pub fn explain_pairs(
        &mut self,
        parameters: &Parameters<D>,
        images: &[f32],
        target: &Target,
        pairs: &[(usize, Unit)],
        ways: &[Attribution],
    ) -> Result<Vec<Explanation>, VisualiseError> {
        let Self { explainer, settings } = self;
        if ways.iter().any(|way| way.needs_class_maps()) {
            cam::check(explainer.network(), target)?;
        }
        let rules: Vec<Method> = ways.iter().flat_map(|way| way.rule()).collect();
        let mut explanations = explainer.explain_pairs(parameters, images, target, pairs, &rules)?;
        let len = explainer.network().input().shape(1).len();
        for explanation in &mut explanations {
            let image = &images[explanation.image * len..][..len];
            let unit = Unit::from(explanation.unit);
            let mut by_rule = std::mem::take(&mut explanation.maps).into_iter();
            for way in ways {
                let mut subject = Subject { explainer, parameters, target, image, unit };
                explanation.maps.push(match way {
                    Attribution::Backward(_) => by_rule.next().unwrap_or_default(),
                    Attribution::Cam => cam::map(&mut subject)?,
                    Attribution::GuidedCam => {
                        let guided = by_rule.next().unwrap_or_default();
                        cam::gated(guided, &cam::map(&mut subject)?)
                    }
                    Attribution::SmoothGrad => smooth_grad::map(&mut subject, settings)?,
                    Attribution::IntegratedGradients => integrated_gradients::map(&mut subject, settings)?,
                    Attribution::Occlusion => occlusion::map(&mut subject, settings)?,
                });
            }
        }
        Ok(explanations)
    }
}

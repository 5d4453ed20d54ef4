//! A network on the device.

use std::sync::Arc;

use allcnn::export::Trained;
use allcnn::net::Network;
use allcnn::parameters::Parameters;
use allcnn::visualise::{
    Attribution, AttributionSettings, Attributor, Drawing, Explainer, FilterChoice, Target, Unit,
    VisualiseError, draw_without_image, randomized,
};
use allcnn_device::Device;

use super::error::EngineError;
use super::job::{Activations, ActivationsOf, Explain, View, Weights};
use crate::runs::OpenRun;

/// A network on the device.
pub(super) struct Loaded<'d, D: Device> {
    device: &'d D,
    weights: Weights,
    parameters: Parameters<D>,
    own: Attributor<'d, D>,
    /// The variant with pooling + switches, and the counterpart of each layer in it.
    switches: Option<(Attributor<'d, D>, Vec<usize>)>,
}

impl<'d, D: Device> Loaded<'d, D> {
    pub(super) fn new(device: &'d D, weights: &Weights) -> Result<Self, EngineError> {
        let Trained { checkpoint, manifest, .. } = &weights.run.trained;
        let mut parameters = checkpoint.parameters(device).map_err(VisualiseError::from)?;
        if let Some(layer) = &weights.random_from {
            // Trained weights resemble those that they began with, so these are others.
            let (init, seed) = (manifest.recipe.init, manifest.recipe.seed.wrapping_add(1));
            parameters = randomized(device, &checkpoint.network, &parameters, layer, init, seed)?;
        }
        let own = attributor(device, &checkpoint.network);
        Ok(Self { device, weights: weights.clone(), parameters, own, switches: None })
    }

    pub(super) fn run(&self) -> &Arc<OpenRun> {
        &self.weights.run
    }

    fn network(&self) -> &Network {
        &self.weights.run.trained.checkpoint.network
    }

    pub(super) fn is(&self, weights: &Weights) -> bool {
        self.weights == *weights
    }

    /// Answers questions that differ in picture and units only, in order.
    pub(super) fn explain(&mut self, questions: &[&Explain]) -> Result<Vec<Vec<View>>, EngineError> {
        let Explain { layer, ways, switches, .. } = questions[0];
        let transform = &self.weights.run.trained.transform;
        let len = transform.input().len();
        let mut images = vec![0.0; questions.len() * len];
        for (question, image) in questions.iter().zip(images.chunks_exact_mut(len)) {
            transform.apply(&question.picture, image);
        }
        let each = questions.iter().enumerate();
        let pairs: Vec<(usize, Unit)> = each
            .flat_map(|(image, question)| question.units.iter().map(move |&unit| (image, unit)))
            .collect();
        let target = Target::new(self.network(), layer, vec![])?;
        let explanations = self.own.explain_pairs(&self.parameters, &images, &target, &pairs, ways)?;
        let mut answers: Vec<Vec<View>> = questions.iter().map(|_| vec![]).collect();
        for explanation in explanations {
            answers[explanation.image].push(View { explanation, switches: false });
        }
        if *switches {
            self.explain_with_switches(&images, &target, ways, &mut answers)?;
        }
        Ok(answers)
    }

    /// Adds views by the variant with switches, of the units that were found without, where each is most active there.
    fn explain_with_switches(
        &mut self,
        images: &[f32],
        target: &Target,
        ways: &[Attribution],
        answers: &mut [Vec<View>],
    ) -> Result<(), EngineError> {
        let (pooled, layers) = match &mut self.switches {
            Some(variant) => variant,
            none => {
                let network = &self.weights.run.trained.checkpoint.network;
                let (pooled, layers) = network.with_switches().map_err(VisualiseError::from)?;
                none.insert((attributor(self.device, &pooled), layers))
            }
        };
        let found = answers.iter().flatten().map(|view| &view.explanation);
        let pairs: Vec<(usize, Unit)> =
            found.map(|one| (one.image, Unit::Channel(one.unit.channel))).collect();
        let layer = match target.name() {
            "softmax" => "softmax",
            _ => pooled.explainer().network().layers()[layers[target.layer()]].name(),
        };
        let target = Target::new(pooled.explainer().network(), layer, vec![])?;
        for explanation in pooled.explain_pairs(&self.parameters, images, &target, &pairs, ways)? {
            answers[explanation.image].push(View { explanation, switches: true });
        }
        Ok(())
    }

    /// What a unit draws without an image.
    pub(super) fn drawing(&self, layer: &str, unit: usize) -> Result<Drawing, EngineError> {
        let choice = FilterChoice::new(self.network(), layer, Some(unit..unit + 1))?;
        let mut drawings = draw_without_image(self.device, &choice, &self.parameters, &mut ())?;
        Ok(drawings.swap_remove(0))
    }

    pub(super) fn activations(&mut self, question: &Activations) -> Result<ActivationsOf, EngineError> {
        let target = Target::new(self.network(), &question.layer, vec![])?;
        let transform = &self.weights.run.trained.transform;
        let mut image = vec![0.0; transform.input().len()];
        transform.apply(&question.picture, &mut image);
        let values = self.own.explainer_mut().output(&self.parameters, &image, target.layer())?;
        Ok(ActivationsOf { shape: target.shape(), values })
    }
}

/// What explains questions of any size.
fn attributor<'d, D: Device>(device: &'d D, network: &Network) -> Attributor<'d, D> {
    Attributor::new(Explainer::on_demand(device, network), AttributionSettings::default())
}

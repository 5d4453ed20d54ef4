//! A network on the device, prepared for small and large passes.

use std::sync::Arc;

use allcnn::net::Network;
use allcnn::parameters::Parameters;
use allcnn::visualise::{
    Attribution, AttributionSettings, Attributor, Drawing, Explainer, FilterChoice, Target, Unit,
    VisualiseError, draw_without_image, randomized,
};
use allcnn_device::Device;

use super::error::EngineError;
use super::job::{Activations, ActivationsOf, Explain, View, Weights};
use super::queue::TOGETHER;
use crate::runs::OpenRun;

/// Pairs of picture and unit per pass: one alone, what waits together, and as many as memory allows for the ways that make many
/// pictures out of one.
const PASSES: [usize; 3] = [1, TOGETHER, usize::MAX];

/// A network on the device.
pub(super) struct Loaded<'d, D: Device> {
    weights: Weights,
    parameters: Parameters<D>,
    own: Prepared<'d, D>,
    /// The variant with pooling + switches, and the counterpart of each layer in it.
    switches: Option<(Prepared<'d, D>, Vec<usize>)>,
}

impl<'d, D: Device> Loaded<'d, D> {
    pub(super) fn new(device: &'d D, weights: &Weights) -> Result<Self, EngineError> {
        let OpenRun { checkpoint, manifest, .. } = &*weights.run;
        let mut parameters = checkpoint.parameters(device).map_err(VisualiseError::from)?;
        if let Some(layer) = &weights.random_from {
            // Trained weights resemble those that they began with, so these are others.
            let (init, seed) = (manifest.recipe.init, manifest.recipe.seed.wrapping_add(1));
            parameters = randomized(device, &checkpoint.network, &parameters, layer, init, seed)?;
        }
        let own = Prepared::new(device, checkpoint.network.clone());
        Ok(Self { weights: weights.clone(), parameters, own, switches: None })
    }

    pub(super) fn run(&self) -> &Arc<OpenRun> {
        &self.weights.run
    }

    pub(super) fn is(&self, weights: &Weights) -> bool {
        self.weights == *weights
    }

    /// Answers questions that differ in picture and units only, in order.
    pub(super) fn explain(&mut self, questions: &[&Explain]) -> Result<Vec<Vec<View>>, EngineError> {
        let Explain { layer, ways, switches, .. } = questions[0];
        let transform = &self.weights.run.transform;
        let len = transform.input().len();
        let mut images = vec![0.0; questions.len() * len];
        for (question, image) in questions.iter().zip(images.chunks_exact_mut(len)) {
            transform.apply(&question.picture, image);
        }
        let each = questions.iter().enumerate();
        let pairs: Vec<(usize, Unit)> = each
            .flat_map(|(image, question)| question.units.iter().map(move |&unit| (image, unit)))
            .collect();
        let target = Target::new(&self.own.network, layer, vec![])?;
        let explanations = self.own.attributor(pairs.len(), ways)?.explain_pairs(
            &self.parameters,
            &images,
            &target,
            &pairs,
            ways,
        )?;
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
                let (pooled, layers) = self.own.network.with_switches().map_err(VisualiseError::from)?;
                none.insert((Prepared::new(self.own.device, pooled), layers))
            }
        };
        let found = answers.iter().flatten().map(|view| &view.explanation);
        let pairs: Vec<(usize, Unit)> =
            found.map(|one| (one.image, Unit::Channel(one.unit.channel))).collect();
        let layer = match target.name() {
            "softmax" => "softmax",
            _ => pooled.network.layers()[layers[target.layer()]].name(),
        };
        let target = Target::new(&pooled.network, layer, vec![])?;
        let attributor = pooled.attributor(pairs.len(), ways)?;
        for explanation in attributor.explain_pairs(&self.parameters, images, &target, &pairs, ways)? {
            answers[explanation.image].push(View { explanation, switches: true });
        }
        Ok(())
    }

    /// What a unit draws without an image.
    pub(super) fn drawing(&self, layer: &str, unit: usize) -> Result<Drawing, EngineError> {
        let choice = FilterChoice::new(&self.own.network, layer, Some(unit..unit + 1))?;
        let mut drawings = draw_without_image(self.own.device, &choice, &self.parameters, &mut ())?;
        Ok(drawings.swap_remove(0))
    }

    pub(super) fn activations(&mut self, question: &Activations) -> Result<ActivationsOf, EngineError> {
        let target = Target::new(&self.own.network, &question.layer, vec![])?;
        let transform = &self.weights.run.transform;
        let mut image = vec![0.0; transform.input().len()];
        transform.apply(&question.picture, &mut image);
        let explainer = self.own.attributor(1, &[])?.explainer_mut();
        let values = explainer.output(&self.parameters, &image, target.layer())?;
        Ok(ActivationsOf { shape: target.shape(), values })
    }
}

/// A network with plans for passes of several sizes, each made when it is first needed.
struct Prepared<'d, D: Device> {
    device: &'d D,
    network: Network,
    passes: [Option<Attributor<'d, D>>; PASSES.len()],
}

impl<'d, D: Device> Prepared<'d, D> {
    fn new(device: &'d D, network: Network) -> Self {
        Self { device, network, passes: [const { None }; PASSES.len()] }
    }

    /// What explains `pairs` pairs by these ways.
    fn attributor(
        &mut self,
        pairs: usize,
        ways: &[Attribution],
    ) -> Result<&mut Attributor<'d, D>, EngineError> {
        let many = ways.iter().any(|way| way.makes_many());
        let size = PASSES.iter().position(|&size| !many && pairs <= size).unwrap_or(PASSES.len() - 1);
        match &mut self.passes[size] {
            Some(pass) => Ok(pass),
            none => {
                let explainer = Explainer::new(self.device, &self.network, PASSES[size])?;
                Ok(none.insert(Attributor::new(explainer, AttributionSettings::default())))
            }
        }
    }
}

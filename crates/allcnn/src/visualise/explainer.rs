//! Batched backward passes from units to the input image.

use allcnn_device::{Algorithm, Device};

use super::{Found, Method, Target, Unit, VisualiseError};
use crate::net::{Network, Operation};
use crate::parameters::Parameters;
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::plans::Plans;
use crate::score::{expect_finite, probabilities};

/// The largest batch; larger ones are not faster.
const MAX_BATCH: usize = 64;
/// The approximate memory limit of a batch.
const BATCH_BYTES: usize = 512 << 20;

/// The explanation of one unit in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The image's index.
    pub image: usize,
    /// The unit.
    pub unit: Found,
    /// The network's prediction: the probability of each class.
    pub probabilities: Vec<f32>,
    /// The map of each method, in the order given: the signal at the input, `[height, width, channels]`, in
    /// preprocessed coordinates.
    pub maps: Vec<Vec<f32>>,
}

/// A network prepared for explanations of any number of pairs of image and unit.
pub struct Explainer<'d, D: Device> {
    plans: Plans<'d, D>,
    /// The batch, then a map of each of its images.
    images: Vec<f32>,
}

impl<'d, D: Device> Explainer<'d, D> {
    /// Prepares `network` for `pairs` pairs of image and unit; the batch is that number if it is not too large.
    ///
    /// # Errors
    /// [`VisualiseError::Device`] if there is too little memory.
    pub fn new(device: &'d D, network: &Network, pairs: usize) -> Result<Self, VisualiseError> {
        let plans = Plans::new(device, network, batch(network, pairs), PlanPurpose::Explanation);
        Ok(Self { plans: plans.with_largest()?, images: vec![] })
    }

    /// Like [`Explainer::new`] for as many pairs as may come, but a batch is planned when the first pairs need one of its size: for
    /// questions that come one by one.
    pub fn on_demand(device: &'d D, network: &Network) -> Self {
        let most = batch(network, usize::MAX);
        Self { plans: Plans::new(device, network, most, PlanPurpose::Explanation), images: vec![] }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        self.plans.network()
    }

    /// The algorithms of each convolution in the largest batch: forward, backward-data, backward-weights.
    pub fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        self.plans.algorithms()
    }

    /// The largest batch: pairs of image and unit per pass.
    pub fn batch(&self) -> usize {
        self.plans.most()
    }

    /// Explains each of the target's units in each image (preprocessed, `[images, height, width, channels]`) by
    /// each method. Returns all units of the first image, then those of the second, and so on. Panics if the
    /// length of `images` is not a multiple of the input size.
    ///
    /// # Errors
    /// [`VisualiseError::Device`] if the device failed.
    pub fn explain(
        &mut self,
        parameters: &Parameters<D>,
        images: &[f32],
        target: &Target,
        methods: &[Method],
    ) -> Result<Vec<Explanation>, VisualiseError> {
        let length = self.network().input().shape(1).len();
        let pairs = (0..images.len() / length)
            .flat_map(|image| target.units().iter().map(move |&unit| (image, unit)));
        let pairs: Vec<(usize, Unit)> = pairs.collect();
        self.explain_pairs(parameters, images, target, &pairs, methods)
    }

    /// Like [`Explainer::explain`], but for these pairs of image index and unit of the target's layer.
    ///
    /// # Errors
    /// [`VisualiseError::Device`] if the device failed.
    pub fn explain_pairs(
        &mut self,
        parameters: &Parameters<D>,
        images: &[f32],
        target: &Target,
        pairs: &[(usize, Unit)],
        methods: &[Method],
    ) -> Result<Vec<Explanation>, VisualiseError> {
        let length = self.network().input().shape(1).len();
        assert!(
            images.len().is_multiple_of(length),
            "{} values are no whole images of {length}",
            images.len()
        );
        let mut explanations = Vec::with_capacity(pairs.len());
        let mut pairs = pairs;
        while !pairs.is_empty() {
            let plan = self.plans.next(pairs.len(), parameters)?;
            let (now, later) = pairs.split_at(plan.batch().min(pairs.len()));
            self.images.resize(plan.batch() * length, 0.0);
            for (row, (image, _)) in self.images.chunks_exact_mut(length).zip(now) {
                row.copy_from_slice(&images[image * length..][..length]);
            }
            forward(plan, parameters, &self.images)?;
            let start = explanations.len();
            let signal = begin(plan, target, now, &mut explanations)?;
            for method in methods {
                plan.explain(parameters, target.layer(), &signal, method.rule(), &mut self.images)?;
                let maps = self.images.chunks_exact(length);
                for (explanation, map) in explanations[start..].iter_mut().zip(maps) {
                    explanation.maps.push(map.to_vec());
                }
            }
            pairs = later;
        }
        Ok(explanations)
    }

    /// The output of a layer for one image, `[height, width, channels]`.
    ///
    /// # Errors
    /// [`VisualiseError::Device`] if the device failed.
    pub fn output(
        &mut self,
        parameters: &Parameters<D>,
        image: &[f32],
        layer: usize,
    ) -> Result<Vec<f32>, VisualiseError> {
        let plan = self.plans.next(1, parameters)?;
        forward(plan, parameters, image)?;
        let mut outputs = vec![0.0; plan.network().operations(1)[layer].output().len()];
        plan.output(layer, &mut outputs)?;
        Ok(outputs)
    }
}

/// The forward pass of a batch.
fn forward<D: Device>(
    plan: &mut Plan<'_, D>,
    parameters: &Parameters<D>,
    images: &[f32],
) -> Result<(), VisualiseError> {
    plan.upload(images, &vec![0.0; plan.batch() * plan.network().classes()])?;
    plan.forward(parameters, Mode::Evaluate);
    Ok(())
}

/// Locates the unit of each pair in the outputs of the forward pass, appends its explanation without maps, and returns the
/// batch's signal at the target layer.
fn begin<D: Device>(
    plan: &Plan<'_, D>,
    target: &Target,
    pairs: &[(usize, Unit)],
    explanations: &mut Vec<Explanation>,
) -> Result<Vec<f32>, VisualiseError> {
    let (classes, length) = (plan.network().classes(), target.shape().len());
    let mut logits = vec![0.0; plan.batch() * classes];
    plan.logits(&mut logits)?;
    expect_finite(&logits[..pairs.len() * classes])?;
    let mut outputs = vec![0.0; plan.batch() * length];
    plan.output(target.layer(), &mut outputs)?;
    let mut signal = vec![0.0; outputs.len()];
    let rows = logits.chunks_exact(classes);
    let rows = rows.zip(outputs.chunks_exact(length)).zip(signal.chunks_exact_mut(length));
    for (((logits, output), signal), &(image, unit)) in rows.zip(pairs) {
        let probabilities = probabilities(logits);
        let unit = target.find(unit, output, &probabilities);
        target.begin(unit, &probabilities, signal);
        explanations.push(Explanation { image, unit, probabilities, maps: Vec::new() });
    }
    Ok(signal)
}

/// The batch size for `pairs` pairs, limited by memory.
pub(super) fn batch(network: &Network, pairs: usize) -> usize {
    // The output of each layer, and about as much for signals and workspace.
    let values: usize = network.operations(1).iter().map(Operation::output).map(|shape| shape.len()).sum();
    let fitting = BATCH_BYTES / (2 * size_of::<f32>() * values);
    pairs.clamp(1, fitting.clamp(1, MAX_BATCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_no_larger_than_needed_and_fits_the_memory() {
        let batch = |name: &str, pairs| batch(&Network::named(name, 10).unwrap(), pairs);
        assert_eq!([0, 1, 3, 1000].map(|pairs| batch("all-cnn-c", pairs)), [1, 1, 3, MAX_BATCH]);
        assert!((2..20).contains(&batch("large-all-cnn", 1000)), "{}", batch("large-all-cnn", 1000));
    }
}

//! Sends signals back from units to pictures, many at a time.

use allcnn_device::Device;

use super::{Error, Found, Method, Target, Unit};
use crate::net::{Network, Operation};
use crate::parameters::Parameters;
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::score::{expect_finite, probabilities};

/// The largest batch: more is not faster.
const LARGEST_BATCH: usize = 64;
/// A batch may take about so much memory.
const BATCH_BYTES: usize = 512 << 20;

/// What one unit looks at in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The image's place among those given.
    pub image: usize,
    /// The unit.
    pub unit: Found,
    /// What the network says about the image: the probability of each class.
    pub probabilities: Vec<f32>,
    /// What arrived at the picture by each method, in the order given: `[height, width, channels]`, in the network's
    /// own coordinates.
    pub maps: Vec<Vec<f32>>,
}

/// A network prepared for explanations.
pub struct Explainer<'d, D: Device> {
    plan: Plan<'d, D>,
    images: Vec<f32>,
    targets: Vec<f32>,
    logits: Vec<f32>,
}

impl<'d, D: Device> Explainer<'d, D> {
    /// Prepares `network` for `pairs` pairs of an image and a unit: for as many at a time, if that is a sensible batch.
    ///
    /// # Errors
    /// [`Error::Device`] when the memory does not suffice.
    pub fn new(device: &'d D, network: &Network, pairs: usize) -> Result<Self, Error> {
        let batch = batch(network, pairs);
        let classes = network.classes();
        Ok(Self {
            plan: Plan::new(device, network, batch, PlanPurpose::Explanation)?,
            images: vec![0.0; network.input().shape(batch).len()],
            targets: vec![0.0; batch * classes],
            logits: vec![0.0; batch * classes],
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        self.plan.network()
    }

    /// Pairs of an image and a unit that go through the network together.
    pub fn batch(&self) -> usize {
        self.plan.batch()
    }

    /// Explains each unit of the target in each image (preprocessed, `[images, height, width, channels]`) by each
    /// method: the explanations of the first image's units, then those of the second image's, and so on. Panics when
    /// `images` are not whole images of the network's size.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed.
    pub fn explain(
        &mut self,
        parameters: &Parameters<D>,
        images: &[f32],
        target: &Target,
        methods: &[Method],
    ) -> Result<Vec<Explanation>, Error> {
        let length = self.network().input().shape(1).len();
        let pairs = (0..images.len() / length)
            .flat_map(|image| target.units().iter().map(move |&unit| (image, unit)));
        let pairs: Vec<(usize, Unit)> = pairs.collect();
        self.explain_pairs(parameters, images, target, &pairs, methods)
    }

    /// As [`Explainer::explain`], for these pairs of an image's place and a unit of the target's layer.
    ///
    /// # Errors
    /// [`Error::Device`] when the device failed.
    pub fn explain_pairs(
        &mut self,
        parameters: &Parameters<D>,
        images: &[f32],
        target: &Target,
        pairs: &[(usize, Unit)],
        methods: &[Method],
    ) -> Result<Vec<Explanation>, Error> {
        let length = self.network().input().shape(1).len();
        assert!(
            images.len().is_multiple_of(length),
            "{} values are no whole images of {length}",
            images.len()
        );
        self.plan.fix_weights(parameters)?;
        let mut explanations = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(self.plan.batch()) {
            for (row, (image, _)) in self.images.chunks_exact_mut(length).zip(pairs) {
                row.copy_from_slice(&images[image * length..][..length]);
            }
            self.plan.upload(&self.images, &self.targets)?;
            self.plan.forward(parameters, Mode::Evaluate);
            let start = explanations.len();
            let signal = self.begin(target, pairs, &mut explanations)?;
            for method in methods {
                self.plan.explain(parameters, target.layer(), &signal, method.rule(), &mut self.images)?;
                let maps = self.images.chunks_exact(length);
                for (explanation, map) in explanations[start..].iter_mut().zip(maps) {
                    explanation.maps.push(map.to_vec());
                }
            }
        }
        Ok(explanations)
    }

    /// Finds the unit of each pair in what the forward pass left, appends its explanation, yet without maps, and gives
    /// the signal of the whole batch.
    fn begin(
        &mut self,
        target: &Target,
        pairs: &[(usize, Unit)],
        explanations: &mut Vec<Explanation>,
    ) -> Result<Vec<f32>, Error> {
        self.plan.logits(&mut self.logits)?;
        expect_finite(&self.logits[..pairs.len() * self.plan.network().classes()])?;
        let length = target.shape().len();
        let mut outputs = vec![0.0; self.plan.batch() * length];
        self.plan.output(target.layer(), &mut outputs)?;
        let mut signal = vec![0.0; outputs.len()];
        let rows = self.logits.chunks_exact(self.plan.network().classes());
        let rows = rows.zip(outputs.chunks_exact(length)).zip(signal.chunks_exact_mut(length));
        for (((logits, output), signal), &(image, unit)) in rows.zip(pairs) {
            let probabilities = probabilities(logits);
            let unit = target.find(unit, output, &probabilities);
            target.begin(unit, &probabilities, signal);
            explanations.push(Explanation { image, unit, probabilities, maps: Vec::new() });
        }
        Ok(signal)
    }
}

/// As many pairs at a time as there are, or as fit into the memory that a batch may take.
pub(super) fn batch(network: &Network, pairs: usize) -> usize {
    // Each layer's output, and about as much again for signals and workspace.
    let values: usize = network.operations(1).iter().map(Operation::output).map(|shape| shape.len()).sum();
    let fitting = BATCH_BYTES / (2 * size_of::<f32>() * values);
    pairs.clamp(1, fitting.clamp(1, LARGEST_BATCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_no_larger_than_needed_and_fits_the_memory() {
        let batch = |name: &str, pairs| batch(&Network::named(name, 10).unwrap(), pairs);
        assert_eq!([0, 1, 3, 1000].map(|pairs| batch("all-cnn-c", pairs)), [1, 1, 3, LARGEST_BATCH]);
        assert!((2..20).contains(&batch("large-all-cnn", 1000)), "{}", batch("large-all-cnn", 1000));
    }
}

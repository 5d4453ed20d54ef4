//! `allcnn bench`: the times of whole steps of training, inference and explanation.

use std::time::Duration;

use allcnn::net::{Init, LayerKind, Network};
use allcnn::parameters::Parameters;
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_device::{Device, Error, Loss, ReluRule, Sgd};

use super::timing::median;
use crate::args::BenchWhat;

/// The optimizer's settings, which do not affect its speed.
const SGD: Sgd = Sgd { momentum: 0.9, weight_decay: 1e-3, nesterov: false, clip_norm: f32::INFINITY };

/// A network to measure.
pub(super) struct Subject<'a, D> {
    pub device: &'a D,
    pub network: &'a Network,
    pub batch: usize,
    /// Measured runs.
    pub repeat: usize,
}

impl<D> Clone for Subject<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Subject<'_, D> {}

impl<D: Device> Subject<'_, D> {
    /// Median time per batch.
    pub(super) fn time(&self, what: BenchWhat) -> anyhow::Result<Duration> {
        match what {
            BenchWhat::Train => self.train(),
            BenchWhat::Infer => self.infer(),
            BenchWhat::Explain => self.explain(),
        }
    }

    /// A whole step: upload, forward, loss, backward, update.
    fn train(&self) -> anyhow::Result<Duration> {
        self.train_with(|step| median(self.repeat, step))
    }

    /// What `work` makes of a step of training, which it may do any number of times.
    pub(super) fn train_with<T>(
        &self,
        work: impl FnOnce(&mut dyn FnMut() -> Result<(), Error>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Self { device, network, batch, .. } = *self;
        let mut plan = Plan::new(device, network, batch, PlanPurpose::Training)?;
        let mut parameters = Parameters::initialize(device, network, Init::He, 0)?;
        let mut step = device.new_step()?;
        let mut recording = D::Recording::default();
        let (images, targets) = self.data();
        let mut number = 0;
        work(&mut || {
            // Input dropout works in place, so each step needs its own upload.
            plan.upload(&images, &targets)?;
            device.set_step(&mut step, number, 1e-4);
            number += 1;
            device.replay(&mut recording, &mut || {
                let mode = Mode::Train { step: &step, seed: 0, shard: 0 };
                plan.forward(&parameters, mode);
                plan.loss(Loss::CrossEntropy, 1.0 / batch as f32);
                plan.backward(&mut parameters, mode);
                device.sgd(SGD, &step, parameters.list_mut());
            });
            device.synchronize()
        })
    }

    /// A forward pass.
    fn infer(&self) -> anyhow::Result<Duration> {
        let Self { device, network, batch, repeat } = *self;
        let mut plan = Plan::new(device, network, batch, PlanPurpose::Inference)?;
        let parameters = Parameters::initialize(device, network, Init::He, 0)?;
        let (images, targets) = self.data();
        plan.upload(&images, &targets)?;
        plan.fix_weights(&parameters)?;
        median(repeat, || {
            plan.forward(&parameters, Mode::Evaluate);
            device.synchronize()
        })
    }

    /// A forward pass, and guided backpropagation of each image's largest logit to the picture.
    fn explain(&self) -> anyhow::Result<Duration> {
        let Self { device, network, batch, repeat } = *self;
        let mut plan = Plan::new(device, network, batch, PlanPurpose::Explanation)?;
        let parameters = Parameters::initialize(device, network, Init::He, 0)?;
        let (images, targets) = self.data();
        plan.upload(&images, &targets)?;
        plan.fix_weights(&parameters)?;
        let (mut logits, mut signal) = (targets.clone(), targets);
        let mut pictures = images;
        let last = network.layers().len() - 1;
        median(repeat, || {
            plan.forward(&parameters, Mode::Evaluate);
            plan.logits(&mut logits)?;
            point_at_winners(network.classes(), &logits, &mut signal);
            plan.explain(&parameters, last, &signal, ReluRule::Guided, &mut pictures)
        })
    }

    /// Images and targets of a batch: arbitrary, but not zeros, whose products may be faster.
    fn data(&self) -> (Vec<f32>, Vec<f32>) {
        let len = self.network.input().shape(self.batch).len();
        let images = (0..len).map(|place| (place * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let classes = self.network.classes();
        let mut targets = vec![0.0; self.batch * classes];
        for (row, target) in targets.chunks_exact_mut(classes).enumerate() {
            target[row % classes] = 1.0;
        }
        (images, targets)
    }

    /// Floating point operations of the plain convolutions per image, two per multiply-add.
    ///
    /// Backward-data and backward-weights each cost as much as forward. Training needs no backward-data of the first
    /// convolution; an explanation needs all backward-data passes and no backward-weights.
    pub(super) fn flops(&self, what: BenchWhat) -> f64 {
        let info = self.network.info();
        let first = self.network.layers().iter().position(|layer| matches!(layer.kind(), LayerKind::Conv(_)));
        let to_the_picture = first.map_or(0, |layer| info.layers[layer].multiply_adds);
        let forward = info.multiply_adds;
        2.0 * match what {
            BenchWhat::Train => 3 * forward - to_the_picture,
            BenchWhat::Infer => forward,
            BenchWhat::Explain => 2 * forward,
        } as f64
    }
}

/// One at each row's largest logit, zero elsewhere.
fn point_at_winners(classes: usize, logits: &[f32], signal: &mut [f32]) {
    for (logits, signal) in logits.chunks_exact(classes).zip(signal.chunks_exact_mut(classes)) {
        let winner = (0..classes).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
        signal.fill(0.0);
        signal[winner] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_points_at_the_largest_logit_of_each_row() {
        let mut signal = [9.0; 6];
        point_at_winners(3, &[0.5, -1.0, 0.25, -3.0, -2.0, -5.0], &mut signal);
        assert_eq!(signal, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}

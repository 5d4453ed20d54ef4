//! The exponential moving average of the weights, which is evaluated and used instead of the weights of the last step.
//!
//! After step t (from 0) it is a := k a + (1 - k) w, with k = min(decay, (1 + t) / (10 + t)): the rule of TensorFlow's
//! `ExponentialMovingAverage` with `num_updates`. So the first weights, from which it starts, are forgotten in a few steps,
//! and it never reaches back further than about a ninth of the steps that were done.

use allcnn_device::{Device, Sgd};

use super::error::TrainError;
use crate::net::Network;
use crate::parameters::{Kind, Parameters, Tensor};

/// What moves the average by the only operation of a device that changes values: a step of gradient descent on
/// |a - w|^2 / 2, whose gradient is a - w. Its signs are turned, as w itself serves as the gradient: at learning rate k - 1
/// and weight decay -1, a becomes a - (k - 1) (w - a).
const STEP: Sgd = Sgd { momentum: 0.0, weight_decay: -1.0, nesterov: false, clip_norm: f32::INFINITY };

/// The averaged weights, on a device.
pub(super) struct Average<D: Device> {
    decay: f32,
    averages: Parameters<D>,
    step: D::Step,
}

impl<D: Device> Average<D> {
    /// Starts from these weights.
    ///
    /// # Errors
    /// Too little memory; a failure of the device.
    pub(super) fn new(
        device: &D,
        network: &Network,
        decay: f32,
        weights: &Parameters<D>,
    ) -> Result<Self, TrainError> {
        let mut averages = Parameters::zeros(device, network)?;
        averages.load(device, Kind::Value, &weights.tensors(device, Kind::Value)?[..weights.own()])?;
        Ok(Self { decay, averages, step: device.new_step()? })
    }

    /// The averaged weights.
    pub(super) fn weights(&self) -> &Parameters<D> {
        &self.averages
    }

    /// Copies the averaged weights from the device.
    ///
    /// # Errors
    /// A failure of the device.
    pub(super) fn tensors(&self, device: &D) -> Result<Vec<Tensor>, TrainError> {
        Ok(self.averages.tensors(device, Kind::Value)?)
    }

    /// Goes on from these averages.
    ///
    /// # Errors
    /// Tensors of another network; a failure of the device.
    pub(super) fn load(&mut self, device: &D, averages: &[Tensor]) -> Result<(), TrainError> {
        Ok(self.averages.load(device, Kind::Value, averages)?)
    }

    /// Sets the step (from 0) that [`Average::follow`] comes after.
    pub(super) fn set_step(&mut self, device: &D, number: u64) {
        device.set_step(&mut self.step, number, kept(self.decay, number) - 1.0);
    }

    /// Moves the averages towards the weights; the same operations each time, so that they can be recorded.
    pub(super) fn follow(&mut self, device: &D, weights: &Parameters<D>) {
        for (average, weight) in self.averages.list_mut().iter_mut().zip(weights.list()) {
            device.copy(&weight.value, &mut average.gradient, 0);
        }
        device.sgd(STEP, &self.step, self.averages.list_mut());
    }
}

/// The share of the averages that stays after a step.
fn kept(decay: f32, step: u64) -> f32 {
    decay.min(((1.0 + step as f64) / (10.0 + step as f64)) as f32)
}

#[cfg(test)]
mod tests {
    use allcnn_device::Reference;

    use super::*;
    use crate::net::Init;

    #[test]
    fn the_average_is_that_of_the_formula() {
        let network = Network::from_toml(
            "name = \"one\"\ninput = [2, 2, 3]\nclasses = 2\n\
             layers = [ { conv = \"classes\", kernel = 1 }, { global_average = true } ]\n",
        )
        .unwrap();
        let mut weights = Parameters::initialize(&Reference, &network, Init::He, 3).unwrap();
        let mut average = Average::new(&Reference, &network, 0.25, &weights).unwrap();
        let first = |parameters: &Parameters<Reference>| {
            f64::from(parameters.tensors(&Reference, Kind::Value).unwrap()[0].values[0])
        };
        let mut expected = first(&weights);
        for step in 0..5 {
            let mut tensors = weights.tensors(&Reference, Kind::Value).unwrap();
            tensors.iter_mut().flat_map(|tensor| &mut tensor.values).for_each(|value| *value += 0.5);
            weights.load(&Reference, Kind::Value, &tensors).unwrap();
            average.set_step(&Reference, step);
            average.follow(&Reference, &weights);
            let kept = [0.1, 2.0 / 11.0, 0.25, 0.25, 0.25][step as usize];
            expected = kept * expected + (1.0 - kept) * first(&weights);
            assert!((first(average.weights()) - expected).abs() < 1e-6, "step {step}");
        }
    }

    #[test]
    fn the_first_steps_are_forgotten_and_the_decay_is_reached() {
        assert_eq!(kept(0.999, 0), 0.1);
        assert_eq!(kept(0.999, 90), 0.91);
        assert_eq!(kept(0.999, 100_000), 0.999);
    }
}

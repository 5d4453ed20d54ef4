//! A companion head in a plan: a fully connected layer on the sums of a convolution, with a loss of its own.

use allcnn_device::{Activation, Device, Epilogue, Error, Loss};

use crate::net::Network;
use crate::parameters::Parameters;

/// What sums pass before a head, and a head's own before its loss: nothing.
pub(super) const PLAIN: Epilogue = Epilogue { activation: Activation::Identity, dropout: None };

/// A head, prepared for one batch size.
pub(super) struct Companion<D: Device> {
    /// The convolution that it is on.
    pub(super) layer: usize,
    /// That convolution's output before its activation.
    pub(super) sums: D::Buffer,
    d_sums: D::Buffer,
    head: D::Conv,
    /// The index of its weights in the parameters; the bias follows.
    weight: usize,
    scores: D::Buffer,
    d_scores: D::Buffer,
    losses: D::Buffer,
}

impl<D: Device> Companion<D> {
    /// Prepares a head on `layer`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn new(
        device: &D,
        network: &Network,
        layer: usize,
        batch: usize,
        weight: usize,
    ) -> Result<Self, Error> {
        let shape = network.head_on(layer, batch);
        let (sums, scores) = (shape.input.len(), shape.output().len());
        Ok(Self {
            layer,
            sums: device.alloc(sums)?,
            d_sums: device.alloc(sums)?,
            head: device.conv(shape)?,
            weight,
            scores: device.alloc(scores)?,
            d_scores: device.alloc(scores)?,
            losses: device.alloc(batch)?,
        })
    }

    /// Computes the scores from the sums.
    pub(super) fn forward(&mut self, device: &D, parameters: &Parameters<D>, step: &D::Step) {
        let [weight, bias] = [0, 1].map(|part| &parameters.list()[self.weight + part].value);
        device.conv_forward(&mut self.head, &self.sums, weight, bias, PLAIN, step, &mut self.scores);
    }

    /// Computes the losses of the scores, and their gradient.
    pub(super) fn loss(&mut self, device: &D, loss: Loss, classes: usize, targets: &D::Buffer, scale: f32) {
        device.loss(loss, classes, &self.scores, targets, scale, &mut self.losses, &mut self.d_scores);
    }

    /// Computes the gradients of the head's parameters, and adds that of the sums to `signal`.
    pub(super) fn backward(&mut self, device: &D, parameters: &mut Parameters<D>, signal: &mut D::Buffer) {
        let [weight, bias] = &mut parameters.list_mut()[self.weight..][..2] else { return };
        let (sums, d_scores) = (&self.sums, &self.d_scores);
        device.conv_backward_weights(
            &mut self.head,
            sums,
            d_scores,
            &mut weight.gradient,
            &mut bias.gradient,
        );
        device.conv_backward_data(&mut self.head, d_scores, &weight.value, None, &mut self.d_sums);
        device.add(&self.d_sums, signal);
    }

    /// Copies the loss of each image to the host.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub(super) fn losses(&self, device: &D, values: &mut [f32]) -> Result<(), Error> {
        device.download(&self.losses, values)
    }
}

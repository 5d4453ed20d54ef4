//! Factors on the channels of some layers' outputs in a plan, for each image, and the means of what comes out.

use allcnn_device::{Device, Error, Shape};

use crate::net::{Network, Operation};

/// The factors of some layers.
pub(super) struct ChannelFactors<D: Device> {
    layers: Vec<Scaled<D>>,
    /// Channels of all these layers.
    maps: usize,
}

/// Those of a layer.
struct Scaled<D: Device> {
    layer: usize,
    output: Shape,
    /// `[batch, channels]`.
    factors: D::Buffer,
    means: D::Buffer,
    values: Vec<f32>,
}

impl<D: Device> ChannelFactors<D> {
    /// Factors, all of them 1, of these layers of `network`, in their order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(super) fn new(device: &D, network: &Network, batch: usize, layers: &[usize]) -> Result<Self, Error> {
        let outputs: Vec<Shape> = network.operations(batch).iter().map(Operation::output).collect();
        let scaled = |&layer: &usize| {
            let (output, len) = (outputs[layer], batch * outputs[layer].channels);
            let mut factors = device.alloc(len)?;
            device.upload(&vec![1.0; len], &mut factors)?;
            Ok(Scaled { layer, output, factors, means: device.alloc(len)?, values: vec![0.0; len] })
        };
        let maps = layers.iter().map(|&layer| outputs[layer].channels).sum();
        Ok(Self { layers: layers.iter().map(scaled).collect::<Result<_, Error>>()?, maps })
    }

    /// Scales the output of `layer`, if it has factors, and takes the means.
    pub(super) fn pass(&mut self, device: &D, layer: usize, output: &mut D::Buffer) {
        let Some(scaled) = self.layers.iter_mut().find(|scaled| scaled.layer == layer) else { return };
        device.scale_channels(scaled.output, &scaled.factors, output);
        device.global_average_forward(scaled.output, output, &mut scaled.means);
    }

    /// Sets the factors `[batch, maps]`, an image's layer by layer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub(super) fn set(&mut self, device: &D, all: &[f32]) -> Result<(), Error> {
        let mut first = 0;
        for Scaled { output, factors, values, .. } in &mut self.layers {
            let channels = output.channels;
            for (to, image) in values.chunks_exact_mut(channels).zip(all.chunks_exact(self.maps)) {
                to.copy_from_slice(&image[first..first + channels]);
            }
            device.upload(values, factors)?;
            first += channels;
        }
        Ok(())
    }

    /// Copies the means of the last forward pass to `means`, `[batch, maps]`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub(super) fn means(&mut self, device: &D, all: &mut [f32]) -> Result<(), Error> {
        let mut first = 0;
        for Scaled { output, means, values, .. } in &mut self.layers {
            let channels = output.channels;
            device.download(means, values)?;
            for (image, from) in all.chunks_exact_mut(self.maps).zip(values.chunks_exact(channels)) {
                image[first..first + channels].copy_from_slice(from);
            }
            first += channels;
        }
        Ok(())
    }
}

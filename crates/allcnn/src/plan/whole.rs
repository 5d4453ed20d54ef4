//! A network planned for one batch size: what is prepared, and what goes to the device and comes back.

use allcnn_device::{Algorithm, Device, Error, View};

use super::buffers::Buffers;
use super::channel_factors::ChannelFactors;
use super::companion::Companion;
use super::prepared::{Prepared, link, prepare};
use super::sparse::{Padded, crop, parts};
use crate::net::Network;
use crate::parameters::Parameters;
use crate::preprocess::Geometry;

/// What a plan is used for, which decides what buffers it allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanPurpose {
    /// Forward passes only: a few buffers, reused in turn.
    Inference,
    /// Forward and backward passes, for parameter gradients.
    Training,
    /// Forward passes, and backward passes to the input image.
    Explanation,
}

/// A network prepared for batches of one size on a device.
pub struct Plan<'d, D: Device> {
    pub(super) device: &'d D,
    pub(super) network: Network,
    batch: usize,
    pub(super) purpose: PlanPurpose,
    /// The first layers, up to this one, are frozen: they compute as in evaluation and get no gradients.
    pub(super) frozen: usize,
    pub(super) layers: Vec<Prepared<D>>,
    /// The heads on hidden layers, and whether training passes compute them.
    pub(super) companions: Vec<Companion<D>>,
    pub(super) with_companions: bool,
    /// Factors on the channels of some layers.
    pub(super) factors: Option<ChannelFactors<D>>,
    pub(super) outputs: Buffers<D>,
    pub(super) signals: Buffers<D>,
    /// The inputs of layers that need more than is computed of the layer below.
    pub(super) padded: Vec<Option<Padded<D>>>,
    /// The margin that is left out of the input, and room for the rest.
    margin: [usize; 2],
    cropped: Vec<f32>,
    pub(super) targets: D::Buffer,
    pub(super) losses: D::Buffer,
    /// The version of the parameters whose weights are transformed.
    fixed: Option<u64>,
    /// The step for passes outside training; its number is the view's.
    pub(super) view: D::Step,
}

impl<'d, D: Device> Plan<'d, D> {
    /// Prepares every layer and allocates every buffer.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or [`Error::InvalidShape`] when `batch` is 0.
    pub fn new(device: &'d D, network: &Network, batch: usize, purpose: PlanPurpose) -> Result<Self, Error> {
        Self::prepared(device, network, batch, purpose, 0, &[], network.input().into())
    }

    /// Prepares forward passes over pictures that cover at most `pictures` in the middle of an input that is 0 elsewhere: a
    /// [sparse](Network::is_sparse) network computes no more than they need.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn for_scoring(
        device: &'d D,
        network: &Network,
        batch: usize,
        pictures: Geometry,
    ) -> Result<Self, Error> {
        Self::prepared(device, network, batch, PlanPurpose::Inference, 0, &[], pictures)
    }

    /// Prepares a training in which the first `frozen` layers are frozen: in every mode they compute as in
    /// [`Mode::Evaluate`](super::Mode::Evaluate), and the backward pass ends above them. The convolutions with the indices `companions`, which are not
    /// frozen, have companion heads, whose [parameters](Parameters::add_companions) are in the same order. Pictures are those of
    /// [`Plan::for_scoring`]; with frozen layers or companion heads the whole input is computed. Panics unless a layer is left to be
    /// trained.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn for_training(
        device: &'d D,
        network: &Network,
        batch: usize,
        frozen: usize,
        companions: &[usize],
        pictures: Geometry,
    ) -> Result<Self, Error> {
        let pictures = if frozen > 0 || !companions.is_empty() { network.input().into() } else { pictures };
        assert!(frozen < network.layers().len(), "a layer that is trained above {frozen} frozen ones");
        Self::prepared(device, network, batch, PlanPurpose::Training, frozen, companions, pictures)
    }

    fn prepared(
        device: &'d D,
        network: &Network,
        batch: usize,
        purpose: PlanPurpose,
        frozen: usize,
        companions: &[usize],
        pictures: Geometry,
    ) -> Result<Self, Error> {
        let parts = parts(network, batch, pictures);
        let shapes = parts.iter().take(1).map(|part| part.operation.input());
        let shapes = shapes.chain(parts.iter().map(|part| part.operation.output()));
        let lens: Vec<usize> = shapes.map(|shape| shape.len()).collect();
        let mut weight = 0;
        let layers = network.layers().iter().zip(&parts).map(|(layer, part)| {
            let prepared =
                prepare(device, layer.kind(), &part.operation, weight, purpose == PlanPurpose::Training)?;
            weight += 2 * usize::from(layer.kind().has_parameters());
            Ok(prepared)
        });
        let first_signal = match purpose {
            PlanPurpose::Inference => lens.len() - 1,
            PlanPurpose::Training => frozen + 1,
            PlanPurpose::Explanation => 0,
        };
        let mut layers = layers.collect::<Result<Vec<_>, Error>>()?;
        if purpose != PlanPurpose::Explanation {
            let (below, above) = layers.split_at_mut(frozen); // what passes between them can be read and written
            link(device, below, &[]);
            let padded = (1..parts.len()).filter(|&layer| parts[layer].pad.is_some()).map(|layer| layer - 1);
            let apart: Vec<usize> =
                companions.iter().copied().chain(padded).map(|layer| layer - frozen).collect();
            link(device, above, &apart);
        }
        let companions = companions.iter().zip((weight..).step_by(2));
        let companions =
            companions.map(|(&layer, weight)| Companion::new(device, network, layer, batch, weight));
        Ok(Self {
            device,
            network: network.clone(),
            batch,
            purpose,
            frozen,
            layers,
            companions: companions.collect::<Result<_, Error>>()?,
            with_companions: true,
            factors: None,
            outputs: Buffers::new(device, &lens, 0, purpose == PlanPurpose::Inference)?,
            signals: Buffers::new(device, &lens, first_signal, true)?,
            padded: parts
                .iter()
                .map(|part| {
                    part.pad.map(|pad| Padded::new(device, pad, purpose == PlanPurpose::Training)).transpose()
                })
                .collect::<Result<_, Error>>()?,
            margin: parts[0].margin,
            cropped: vec![0.0; if parts[0].margin == [0; 2] { 0 } else { lens[0] }],
            targets: device.alloc(batch * network.classes())?,
            losses: device.alloc(batch)?,
            fixed: None,
            view: device.new_step()?,
        })
    }

    /// Lets the device transform the weights once for all later passes; call it again when the weights change. It does nothing for
    /// parameters that are fixed already. Panics for a training plan, whose weights change every step.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn fix_weights(&mut self, parameters: &Parameters<D>) -> Result<(), Error> {
        assert_ne!(self.purpose, PlanPurpose::Training, "the purpose of a plan whose weights stay");
        let version = Some(parameters.version());
        if self.fixed == version {
            return Ok(());
        }
        self.fixed = None; // until all are
        let backward = self.purpose == PlanPurpose::Explanation;
        for layer in &mut self.layers {
            if let Prepared::Conv { conv, weight, .. } | Prepared::Local { conv, weight, .. } = layer {
                self.device.conv_fix_weights(conv, &parameters.list()[*weight].value, backward)?;
            }
        }
        self.fixed = version;
        Ok(())
    }

    /// Whether later training passes compute the companion heads; at first they do.
    pub fn set_companions(&mut self, on: bool) {
        self.with_companions = on;
    }

    /// Puts factors, which are 1 at first, on the channels of these layers, in their order, for each image. Panics unless the plan is
    /// for inference.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn scale_channels(&mut self, layers: &[usize]) -> Result<(), Error> {
        assert_eq!(self.purpose, PlanPurpose::Inference, "the purpose of a plan that scales channels");
        self.factors = Some(ChannelFactors::new(self.device, &self.network, self.batch, layers)?);
        Ok(())
    }

    /// Sets the factors, `[batch, channels of all scaled layers]`. Panics where no channels are scaled.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn set_channel_factors(&mut self, factors: &[f32]) -> Result<(), Error> {
        self.factors.as_mut().expect("scaled channels").set(self.device, factors)
    }

    /// Copies the mean of each scaled channel to the host, `[batch, channels of all scaled layers]`. Panics where no channels are
    /// scaled.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn channel_means(&mut self, means: &mut [f32]) -> Result<(), Error> {
        self.factors.as_mut().expect("scaled channels").means(self.device, means)
    }

    /// Selects the fractional pooling regions for later passes in [`Mode::Evaluate`](super::Mode::Evaluate); the default is view 0.
    /// Averaging over several views of an image is Graham's test procedure (2015, section 3).
    pub fn set_view(&mut self, view: u64) {
        self.device.set_step(&mut self.view, view, 0.0);
    }

    /// Images per batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The algorithms chosen for each convolution: forward, backward-data, backward-weights.
    pub fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        let each = self.network.layers().iter().zip(&self.layers);
        each.filter_map(|(layer, prepared)| match prepared {
            Prepared::Conv { conv, .. } | Prepared::Local { conv, .. } => {
                Some((layer.name(), self.device.conv_algorithms(conv)))
            }
            _ => None,
        })
        .collect()
    }

    /// Copies a batch to the device: images `[batch, height, width, channels]` and target distributions
    /// `[batch, classes]`, zero rows where the batch is not full. A training pass applies input dropout in place, so upload
    /// before each one. Panics if a length does not match the plan.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn upload(&mut self, images: &[f32], targets: &[f32]) -> Result<(), Error> {
        let expected = (self.network.input().shape(self.batch).len(), self.batch * self.network.classes());
        assert_eq!((images.len(), targets.len()), expected, "lengths of images and targets");
        let images = if self.margin == [0; 2] {
            images
        } else {
            crop(images, self.network.input().into(), self.margin, &mut self.cropped);
            &self.cropped
        };
        self.device.upload(images, self.outputs.at_mut(0))?;
        self.device.upload(targets, &mut self.targets)
    }

    /// Like [`Plan::upload`], but the device assembles the batch from images it stores, so less data is
    /// transferred. Panics if the plan leaves a part of the input out.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn gather(&mut self, images: &mut D::Images, views: &[View], targets: &[f32]) -> Result<(), Error> {
        assert_eq!(self.margin, [0; 2], "the margin of a plan for images that the device stores");
        self.device.gather(images, views, self.outputs.at_mut(0))?;
        self.device.upload(targets, &mut self.targets)
    }

    /// Copies the batch's features, the output of the last frozen layer, to the host. Panics without frozen layers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn features(&self, values: &mut [f32]) -> Result<(), Error> {
        self.output(self.frozen - 1, values)
    }

    /// Copies a batch of features, as [`Plan::features`] returned them, and its targets to the device, for
    /// [`Plan::forward_from_features`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn upload_features(&mut self, features: &[f32], targets: &[f32]) -> Result<(), Error> {
        self.device.upload(features, self.outputs.at_mut(self.frozen))?;
        self.device.upload(targets, &mut self.targets)
    }

    /// Copies the losses `[batch]` and the logits `[batch, classes]` into `log` on the device, from index `at` on.
    pub fn log(&self, log: &mut D::Buffer, at: usize) {
        self.device.copy(&self.losses, log, at);
        self.device.copy(self.outputs.at(self.layers.len()), log, at + self.batch);
    }

    /// Copies the loss of each image at each companion head to the host, from the first layer to the last.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn companion_losses(&self) -> Result<Vec<Vec<f32>>, Error> {
        let of = |companion: &Companion<D>| {
            let mut losses = vec![0.0; self.batch];
            companion.losses(self.device, &mut losses).map(|()| losses)
        };
        self.companions.iter().map(of).collect()
    }

    /// Copies the logits, `[batch, classes]`, to the host.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn logits(&self, values: &mut [f32]) -> Result<(), Error> {
        self.device.download(self.outputs.at(self.layers.len()), values)
    }

    /// Copies the output of a layer, `[batch, height, width, channels]`, to the host. Panics for an inference
    /// plan, which does not keep it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn output(&self, layer: usize, values: &mut [f32]) -> Result<(), Error> {
        assert_ne!(self.purpose, PlanPurpose::Inference, "the purpose of a plan that keeps outputs");
        self.device.download(self.outputs.at(layer + 1), values)
    }

    /// Copies the loss of each image to the host; 0 for a row without target.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn losses(&self, values: &mut [f32]) -> Result<(), Error> {
        self.device.download(&self.losses, values)
    }
}

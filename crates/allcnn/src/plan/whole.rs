//! A network planned for one batch size, and its passes.

use std::ops::Range;

use allcnn_device::{
    Activation, Algorithm, Device, Epilogue, Error, Gate, LearnedNorm, Loss, ReluRule, StoredOutput, View,
};

use super::buffers::Buffers;
use super::channel_factors::ChannelFactors;
use super::companion::Companion;
use super::mode::Mode;
use super::prepared::{Prepared, activate, learned_norm, link, prepare};
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
    device: &'d D,
    network: Network,
    batch: usize,
    purpose: PlanPurpose,
    /// The first layers, up to this one, are frozen: they compute as in evaluation and get no gradients.
    frozen: usize,
    layers: Vec<Prepared<D>>,
    /// The heads on hidden layers, and whether training passes compute them.
    companions: Vec<Companion<D>>,
    with_companions: bool,
    /// Factors on the channels of some layers.
    factors: Option<ChannelFactors<D>>,
    outputs: Buffers<D>,
    signals: Buffers<D>,
    /// The inputs of layers that need more than is computed of the layer below.
    padded: Vec<Option<Padded<D>>>,
    /// The margin that is left out of the input, and room for the rest.
    margin: [usize; 2],
    cropped: Vec<f32>,
    targets: D::Buffer,
    losses: D::Buffer,
    /// The version of the parameters whose weights are transformed.
    fixed: Option<u64>,
    /// The step for passes outside training; its number is the view's.
    view: D::Step,
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
    /// [`Mode::Evaluate`], and the backward pass ends above them. The convolutions with the indices `companions`, which are not
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
                .map(|part| part.pad.map(|pad| Padded::new(device, pad)).transpose())
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

    /// Selects the fractional pooling regions for later passes in [`Mode::Evaluate`]; the default is view 0.
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

    /// Computes every layer's output from the batch.
    pub fn forward(&mut self, parameters: &Parameters<D>, mode: Mode<'_, D>) {
        let of_input = if self.frozen > 0 { Mode::Evaluate } else { mode };
        if let Some((dropout, step)) = of_input.dropout(self.network.input_dropout(), 0) {
            self.device.dropout(dropout, step, self.outputs.at_mut(0));
        }
        self.forward_layers(0..self.frozen, parameters, Mode::Evaluate);
        self.forward_from_features(parameters, mode);
    }

    /// Computes the outputs of the layers that are not frozen, from the batch's features.
    pub fn forward_from_features(&mut self, parameters: &Parameters<D>, mode: Mode<'_, D>) {
        self.forward_layers(self.frozen..self.layers.len(), parameters, mode);
    }

    fn forward_layers(&mut self, layers: Range<usize>, parameters: &Parameters<D>, mode: Mode<'_, D>) {
        for layer in layers {
            let dropout = mode.layer_dropout(self.network.layers()[layer].kind(), layer + 1);
            let (below, output) = self.outputs.pair(layer, layer + 1);
            let input = match &mut self.padded[layer] {
                Some(padded) => {
                    padded.forward(self.device, below);
                    &padded.values
                }
                None => below,
            };
            let trains = self.with_companions && matches!(mode, Mode::Train { .. });
            let companion = self.companions.iter_mut().find(|companion| trains && companion.layer == layer);
            match (&mut self.layers[layer], companion) {
                (Prepared::Conv { conv, activation, weight }, Some(companion)) => {
                    let list = parameters.list();
                    let (weights, bias) = (&list[*weight].value, &list[*weight + 1].value);
                    let plain = Epilogue { activation: Activation::Identity, dropout: None };
                    self.device.conv_forward(
                        conv,
                        input,
                        weights,
                        bias,
                        plain,
                        &self.view,
                        &mut companion.sums,
                    );
                    companion.forward(self.device, parameters, &self.view);
                    activate(self.device, *activation, &companion.sums, output);
                    if let Some((dropout, step)) = dropout {
                        self.device.dropout(dropout, step, output);
                    }
                }
                (Prepared::Conv { conv, activation, weight }, None) => {
                    let epilogue =
                        Epilogue { activation: *activation, dropout: dropout.map(|(dropout, _)| dropout) };
                    let step = dropout.map_or(&self.view, |(_, step)| step);
                    let list = parameters.list();
                    let (weights, bias) = (&list[*weight].value, &list[*weight + 1].value);
                    self.device.conv_forward(conv, input, weights, bias, epilogue, step, output);
                }
                (Prepared::Local { shape, windows, conv, activation, weight, .. }, _) => {
                    self.device.unfold(*shape, input, windows);
                    let dropped = dropout.map(|(dropout, _)| dropout);
                    let epilogue = Epilogue { activation: *activation, dropout: dropped };
                    let step = dropout.map_or(&self.view, |(_, step)| step);
                    let list = parameters.list();
                    let (weights, bias) = (&list[*weight].value, &list[*weight + 1].value);
                    self.device.conv_forward(conv, windows, weights, bias, epilogue, step, output);
                }
                (Prepared::DropConnect { shape, rate, sums, activation, weight }, _) => {
                    let list = parameters.list();
                    let (weights, bias) = (&list[*weight].value, &list[*weight + 1].value);
                    match mode.drop_connect(*rate, layer + 1) {
                        Some(masks) => {
                            self.device.drop_connect_forward(*shape, masks, input, weights, bias, sums);
                            activate(self.device, *activation, sums, output);
                        }
                        None => {
                            let layer = (*shape, *rate, *activation);
                            self.device.drop_connect_expected(layer, input, weights, bias, output);
                        }
                    }
                    if let Some((dropout, step)) = dropout {
                        self.device.dropout(dropout, step, output);
                    }
                }
                (Prepared::Pool { pool, norms, learned }, _) => {
                    let (draw, step) = mode.regions(layer + 1, &self.view);
                    self.device.pool_draw(pool, draw, step);
                    for output in std::iter::once(output).chain(norms) {
                        match learned.map(|center| learned_norm(parameters.list(), center)) {
                            Some(norm) => self.device.learned_norm_forward(pool, input, norm, output),
                            None => self.device.pool_forward(pool, input, mode.sampling(layer + 1), output),
                        }
                    }
                }
                (Prepared::Lrn(shape), _) => self.device.lrn_forward(*shape, input, output),
                (Prepared::Lwta(shape), _) => self.device.lwta_forward(*shape, input, output),
                (Prepared::GlobalAverage(shape), _) => {
                    self.device.global_average_forward(*shape, input, output);
                }
            }
            if let (Some((dropout, step)), false) = (dropout, self.is_gated(layer)) {
                self.device.dropout(dropout, step, self.outputs.at_mut(layer + 1));
            }
            if let Some(factors) = &mut self.factors {
                factors.pass(self.device, layer, self.outputs.at_mut(layer + 1));
            }
        }
    }

    /// Computes the loss of the logits against the targets, of each row, and the gradient of the logits times `scale` (1 /
    /// number of filled rows for the gradient of the mean loss); the same of the companion heads.
    pub fn loss(&mut self, loss: Loss, scale: f32) {
        let top = self.layers.len();
        let (logits, d_logits) = (self.outputs.at(top), self.signals.at_mut(top));
        let classes = self.network.classes();
        self.device.loss(loss, classes, logits, &self.targets, scale, &mut self.losses, d_logits);
        for companion in self.companions.iter_mut().filter(|_| self.with_companions) {
            companion.loss(self.device, loss, classes, &self.targets, scale);
        }
    }

    /// Computes the parameter gradients of all layers that are not frozen from the logit gradient that [`Plan::loss`]
    /// stored. `mode` must be that of the forward pass. Panics unless the plan is for training, and for a layer with DropConnect
    /// outside of [`Mode::Train`].
    pub fn backward(&mut self, parameters: &mut Parameters<D>, mode: Mode<'_, D>) {
        assert_eq!(self.purpose, PlanPurpose::Training, "the purpose of a plan that goes backward");
        self.enter(self.layers.len(), mode, ReluRule::Backprop);
        for layer in (self.frozen..self.layers.len()).rev() {
            for companion in
                self.companions.iter_mut().filter(|own| self.with_companions && own.layer == layer)
            {
                companion.backward(self.device, parameters, self.signals.at_mut(layer + 1));
            }
            self.gradients(layer, parameters, mode);
            if layer > self.frozen {
                self.signal_down(layer, parameters, mode, ReluRule::Backprop);
            }
        }
    }

    /// Propagates a signal from the output of `layer` back to the input image under `rule` (section 3.4 of the
    /// paper), using the activations of the last forward pass in [`Mode::Evaluate`], and copies the result,
    /// `[batch, height, width, channels]`, to `picture`. Panics unless the plan is for explanation and the lengths
    /// match.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the device failed.
    pub fn explain(
        &mut self,
        parameters: &Parameters<D>,
        layer: usize,
        signal: &[f32],
        rule: ReluRule,
        picture: &mut [f32],
    ) -> Result<(), Error> {
        assert_eq!(self.purpose, PlanPurpose::Explanation, "the purpose of a plan that explains");
        self.device.upload(signal, self.signals.at_mut(layer + 1))?;
        self.enter(layer + 1, Mode::Evaluate, rule);
        for layer in (0..=layer).rev() {
            self.signal_down(layer, parameters, Mode::Evaluate, rule);
        }
        self.device.download(self.signals.at(0), picture)
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

    /// The gate (backward pass through activation and dropout) of the layer with an activation that writes `slot`; `None` if
    /// it is the identity.
    fn gate(&self, slot: usize, mode: Mode<'_, D>, rule: ReluRule) -> Option<Gate> {
        let layer = slot.checked_sub(1)?;
        let activation = match self.layers[layer] {
            Prepared::Conv { activation, .. } | Prepared::Local { activation, .. } => activation,
            // In testing the way back through its activation is its own; the rules keep what they keep of a signal.
            Prepared::DropConnect { activation, .. } if matches!(mode, Mode::Evaluate) => {
                let gate = Gate { activation, rule: ReluRule::Deconvnet, dropout_rate: 0.0 };
                return (rule != ReluRule::Backprop).then_some(gate);
            }
            Prepared::DropConnect { activation, .. } => activation,
            _ => return None,
        };
        let kind = self.network.layers()[layer].kind();
        let dropout_rate = mode.layer_dropout(kind, slot).map_or(0.0, |(dropout, _)| dropout.rate);
        let open = activation == Activation::Identity && dropout_rate == 0.0;
        (!open).then_some(Gate { activation, rule, dropout_rate })
    }

    /// Applies the gate of the convolution that writes `slot` to the signal there, in place.
    fn enter(&mut self, slot: usize, mode: Mode<'_, D>, rule: ReluRule) {
        if let Some(gate) = self.gate(slot, mode, rule) {
            let below = StoredOutput { output: self.outputs.at(slot), gate };
            self.device.activation_backward(below, self.signals.at_mut(slot));
        }
        self.undrop(slot, mode);
    }

    /// Whether dropout belongs to the end of the layer itself, and to its gate.
    fn is_gated(&self, layer: usize) -> bool {
        matches!(
            self.layers[layer],
            Prepared::Conv { .. } | Prepared::Local { .. } | Prepared::DropConnect { .. }
        )
    }

    /// Applies the dropout backward pass of the layer that writes `slot` to the signal there, where it is not part of its
    /// gate.
    fn undrop(&mut self, slot: usize, mode: Mode<'_, D>) {
        let Some(layer) = slot.checked_sub(1).filter(|&layer| !self.is_gated(layer)) else { return };
        let kind = self.network.layers()[layer].kind();
        let Some((dropout, step)) = mode.layer_dropout(kind, slot) else { return };
        self.device.dropout(dropout, step, self.signals.at_mut(slot));
    }

    /// Propagates the signal backward through `layer` and through the gate of the layer below.
    fn signal_down(&mut self, layer: usize, parameters: &Parameters<D>, mode: Mode<'_, D>, rule: ReluRule) {
        let gate = self.gate(layer, mode, rule);
        let (signal, d_below) = self.signals.pair(layer + 1, layer);
        let (below, output) = (self.outputs.at(layer), self.outputs.at(layer + 1));
        let (input, d_input, gate) = match &mut self.padded[layer] {
            Some(Padded { values, signal, .. }) => (&*values, signal, None),
            None => (below, &mut *d_below, gate),
        };
        match &mut self.layers[layer] {
            Prepared::Conv { conv, weight, .. } => {
                let below = gate.map(|gate| StoredOutput { output: input, gate });
                let weights = &parameters.list()[*weight].value;
                self.device.conv_backward_data(conv, signal, weights, below, d_input);
                if self.padded[layer].is_none() {
                    return self.undrop(layer, mode); // the gate is passed
                }
            }
            Prepared::Local { shape, d_windows, conv, weight, .. } => {
                let weights = &parameters.list()[*weight].value;
                self.device.conv_backward_data(conv, signal, weights, None, d_windows);
                self.device.fold(*shape, d_windows, d_input);
            }
            Prepared::DropConnect { shape, rate, activation, weight, .. } => {
                let list = parameters.list();
                let (weights, bias) = (&list[*weight].value, &list[*weight + 1].value);
                match mode.drop_connect(*rate, layer + 1) {
                    Some(masks) => {
                        self.device.drop_connect_backward_data(*shape, masks, signal, weights, d_input);
                    }
                    None => {
                        let layer = (*shape, *rate, *activation);
                        let device = self.device;
                        device.drop_connect_expected_backward(layer, input, weights, bias, signal, d_input);
                    }
                }
            }
            Prepared::Pool { pool, norms, learned } => {
                let output = norms.as_ref().unwrap_or(output);
                match learned.map(|center| learned_norm(parameters.list(), center)) {
                    Some(norm) => {
                        self.device.learned_norm_backward(pool, input, norm, output, signal, d_input);
                    }
                    None => self.device.pool_backward(pool, input, output, signal, d_input),
                }
            }
            Prepared::Lrn(shape) => self.device.lrn_backward(*shape, input, signal, d_input),
            Prepared::Lwta(shape) => self.device.lwta_backward(*shape, input, signal, d_input),
            Prepared::GlobalAverage(shape) => self.device.global_average_backward(*shape, signal, d_input),
        }
        if let Some(padded) = &self.padded[layer] {
            padded.backward(self.device, self.signals.at_mut(layer));
        }
        self.enter(layer, mode, rule);
    }

    /// Computes the gradients of a layer's parameters from the signal at its output.
    fn gradients(&mut self, layer: usize, parameters: &mut Parameters<D>, mode: Mode<'_, D>) {
        let first = match self.layers[layer] {
            Prepared::Conv { weight, .. }
            | Prepared::Local { weight, .. }
            | Prepared::DropConnect { weight, .. } => weight,
            Prepared::Pool { learned: Some(center), .. } => center,
            _ => return,
        };
        let [one, other] = &mut parameters.list_mut()[first..][..2] else { return };
        let (below, output) = (self.outputs.at(layer), self.outputs.at(layer + 1));
        let input = self.padded[layer].as_ref().map_or(below, |padded| &padded.values);
        let (signal, gradients) = (self.signals.at(layer + 1), (&mut one.gradient, &mut other.gradient));
        match &mut self.layers[layer] {
            Prepared::Conv { conv, .. } => {
                self.device.conv_backward_weights(conv, input, signal, gradients.0, gradients.1);
            }
            Prepared::Local { conv, windows, .. } => {
                self.device.conv_backward_weights(conv, windows, signal, gradients.0, gradients.1);
            }
            Prepared::DropConnect { shape, rate, .. } => {
                let masks = mode
                    .drop_connect(*rate, layer + 1)
                    .expect("gradients of DropConnect are those of training");
                let device = self.device;
                device.drop_connect_backward_weights(*shape, masks, input, signal, gradients.0, gradients.1);
            }
            Prepared::Pool { pool, norms, .. } => {
                let norm = LearnedNorm { center: &one.value, rho: &other.value };
                let output = norms.as_ref().unwrap_or(output);
                self.device.learned_norm_gradients(
                    pool,
                    input,
                    norm,
                    output,
                    signal,
                    gradients.0,
                    gradients.1,
                );
            }
            Prepared::Lrn(_) | Prepared::Lwta(_) | Prepared::GlobalAverage(_) => {}
        }
    }
}

//! The forward pass of a plan.

use std::ops::Range;

use allcnn_device::{Activation, Device, Dropout, Epilogue, Loss, Parameter};

use super::companion::{Companion, PLAIN};
use super::mode::Mode;
use super::prepared::{Prepared, activate, learned_norm, values};
use super::whole::Plan;
use crate::parameters::Parameters;

impl<D: Device> Plan<'_, D> {
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
            let (below, output) = self.outputs.pair(layer, layer + 1);
            let input = match &mut self.padded[layer] {
                Some(padded) => padded.forward(self.device, below),
                None => below,
            };
            let dropout = mode.layer_dropout(self.network.layers()[layer].kind(), layer + 1);
            let (prepared, list) = (&mut self.layers[layer], parameters.list());
            let pass = Pass { device: self.device, mode, slot: layer + 1, view: &self.view, dropout };
            let trains = self.with_companions && matches!(mode, Mode::Train { .. });
            match self.companions.iter_mut().find(|companion| trains && companion.layer == layer) {
                Some(companion) => prepared.forward_with(companion, &pass, parameters, input, output),
                None => prepared.forward(&pass, list, input, output),
            }
            if let (Some((dropout, step)), false) = (dropout, prepared.is_gated()) {
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
}

/// What a layer computes in.
struct Pass<'p, D: Device> {
    device: &'p D,
    mode: Mode<'p, D>,
    /// The slot that the layer writes.
    slot: usize,
    /// The step outside of training.
    view: &'p D::Step,
    /// The layer's dropout, and the step that seeds it.
    dropout: Option<(Dropout, &'p D::Step)>,
}

impl<'p, D: Device> Pass<'p, D> {
    /// What follows a convolution's sum, and the step of its dropout.
    fn epilogue(&self, activation: Activation) -> (Epilogue, &'p D::Step) {
        let epilogue = Epilogue { activation, dropout: self.dropout.map(|(dropout, _)| dropout) };
        (epilogue, self.dropout.map_or(self.view, |(_, step)| step))
    }
}

impl<D: Device> Prepared<D> {
    /// Computes the layer's output; dropout too, where that [belongs to it](Prepared::is_gated).
    fn forward(
        &mut self,
        pass: &Pass<'_, D>,
        list: &[Parameter<D::Buffer>],
        input: &D::Buffer,
        output: &mut D::Buffer,
    ) {
        let device = pass.device;
        match self {
            Self::Conv { conv, activation, weight } => {
                let ([weights, bias], (epilogue, step)) = (values(list, *weight), pass.epilogue(*activation));
                device.conv_forward(conv, input, weights, bias, epilogue, step, output);
            }
            Self::Local { shape, windows, conv, activation, weight, .. } => {
                device.unfold(*shape, input, windows);
                let ([weights, bias], (epilogue, step)) = (values(list, *weight), pass.epilogue(*activation));
                device.conv_forward(conv, windows, weights, bias, epilogue, step, output);
            }
            Self::DropConnect { shape, rate, sums, activation, weight } => {
                let [weights, bias] = values(list, *weight);
                match pass.mode.drop_connect(*rate, pass.slot) {
                    Some(masks) => {
                        device.drop_connect_forward(*shape, masks, input, weights, bias, sums);
                        activate(device, *activation, sums, output);
                    }
                    None => {
                        let layer = (*shape, *rate, *activation);
                        device.drop_connect_expected(layer, input, weights, bias, output);
                    }
                }
                if let Some((dropout, step)) = pass.dropout {
                    device.dropout(dropout, step, output);
                }
            }
            Self::Pool { pool, norms, learned } => {
                let (draw, step) = pass.mode.regions(pass.slot, pass.view);
                device.pool_draw(pool, draw, step);
                for output in std::iter::once(output).chain(norms) {
                    match learned.map(|center| learned_norm(list, center)) {
                        Some(norm) => device.learned_norm_forward(pool, input, norm, output),
                        None => device.pool_forward(pool, input, pass.mode.sampling(pass.slot), output),
                    }
                }
            }
            Self::Lrn(shape) => device.lrn_forward(*shape, input, output),
            Self::Lwta(shape) => device.lwta_forward(*shape, input, output),
            Self::GlobalAverage(shape) => device.global_average_forward(*shape, input, output),
        }
    }

    /// [`Prepared::forward`] of a convolution with a companion head on its sums. Panics for other layers.
    fn forward_with(
        &mut self,
        companion: &mut Companion<D>,
        pass: &Pass<'_, D>,
        parameters: &Parameters<D>,
        input: &D::Buffer,
        output: &mut D::Buffer,
    ) {
        let Self::Conv { conv, activation, weight } = self else {
            unreachable!("a companion head on layer {}, which is no convolution", pass.slot - 1)
        };
        let [weights, bias] = values(parameters.list(), *weight);
        pass.device.conv_forward(conv, input, weights, bias, PLAIN, pass.view, &mut companion.sums);
        companion.forward(pass.device, parameters, pass.view);
        activate(pass.device, *activation, &companion.sums, output);
        if let Some((dropout, step)) = pass.dropout {
            pass.device.dropout(dropout, step, output);
        }
    }
}

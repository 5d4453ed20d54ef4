//! The backward pass of a plan: to the parameters, and to the input image.

use allcnn_device::{Activation, Device, Error, Gate, LearnedNorm, Parameter, ReluRule, StoredOutput};

use super::mode::Mode;
use super::prepared::{Prepared, learned_norm, values};
use super::whole::{Plan, PlanPurpose};
use crate::parameters::Parameters;

impl<D: Device> Plan<'_, D> {
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

    /// Applies the dropout backward pass of the layer that writes `slot` to the signal there, where it is not part of its
    /// gate.
    fn undrop(&mut self, slot: usize, mode: Mode<'_, D>) {
        let Some(layer) = slot.checked_sub(1).filter(|&layer| !self.layers[layer].is_gated()) else { return };
        let kind = self.network.layers()[layer].kind();
        let Some((dropout, step)) = mode.layer_dropout(kind, slot) else { return };
        self.device.dropout(dropout, step, self.signals.at_mut(slot));
    }

    /// Propagates the signal backward through `layer` and through the gate of the layer below.
    fn signal_down(&mut self, layer: usize, parameters: &Parameters<D>, mode: Mode<'_, D>, rule: ReluRule) {
        let gate = self.gate(layer, mode, rule);
        let (signal, d_below) = self.signals.pair(layer + 1, layer);
        let (below, output) = (self.outputs.at(layer), self.outputs.at(layer + 1));
        let pass = Pass { device: self.device, mode, slot: layer + 1 };
        let (prepared, list) = (&mut self.layers[layer], parameters.list());
        match &mut self.padded[layer] {
            Some(padded) => {
                let (input, d_input) = padded.values_and_signal();
                prepared.backward(&pass, list, [input, output, signal], None, d_input);
                padded.backward(self.device, d_below);
            }
            None => prepared.backward(&pass, list, [below, output, signal], gate, d_below),
        }
        if prepared.passes_gates() && self.padded[layer].is_none() {
            self.undrop(layer, mode);
        } else {
            self.enter(layer, mode, rule);
        }
    }

    /// Computes the gradients of a layer's parameters from the signal at its output.
    fn gradients(&mut self, layer: usize, parameters: &mut Parameters<D>, mode: Mode<'_, D>) {
        let prepared = &mut self.layers[layer];
        let Some(first) = prepared.parameters() else { return };
        let [one, other] = &mut parameters.list_mut()[first..][..2] else { return };
        let (below, output) = (self.outputs.at(layer), self.outputs.at(layer + 1));
        let input = self.padded[layer].as_ref().map_or(below, |padded| &padded.values);
        let pass = Pass { device: self.device, mode, slot: layer + 1 };
        prepared.gradients(&pass, [input, output, self.signals.at(layer + 1)], one, other);
    }
}

/// What a layer computes in.
struct Pass<'p, D: Device> {
    device: &'p D,
    mode: Mode<'p, D>,
    /// The slot that the layer writes.
    slot: usize,
}

impl<D: Device> Prepared<D> {
    /// Whether its backward pass goes through the gate of the layer below, too.
    fn passes_gates(&self) -> bool {
        matches!(self, Self::Conv { .. })
    }

    /// The index of the first of its two parameters.
    fn parameters(&self) -> Option<usize> {
        match *self {
            Self::Conv { weight, .. } | Self::Local { weight, .. } | Self::DropConnect { weight, .. } => {
                Some(weight)
            }
            Self::Pool { learned, .. } => learned,
            Self::Lrn(_) | Self::Lwta(_) | Self::GlobalAverage(_) => None,
        }
    }

    /// Propagates the signal at the layer's output to its input; through a gate there only where the layer
    /// [passes gates](Prepared::passes_gates).
    fn backward(
        &mut self,
        pass: &Pass<'_, D>,
        list: &[Parameter<D::Buffer>],
        [input, output, signal]: [&D::Buffer; 3],
        gate: Option<Gate>,
        d_input: &mut D::Buffer,
    ) {
        let device = pass.device;
        match self {
            Self::Conv { conv, weight, .. } => {
                let below = gate.map(|gate| StoredOutput { output: input, gate });
                device.conv_backward_data(conv, signal, &list[*weight].value, below, d_input);
            }
            Self::Local { shape, d_windows, conv, weight, .. } => {
                device.conv_backward_data(conv, signal, &list[*weight].value, None, d_windows);
                device.fold(*shape, d_windows, d_input);
            }
            Self::DropConnect { shape, rate, activation, weight, .. } => {
                let [weights, bias] = values(list, *weight);
                match pass.mode.drop_connect(*rate, pass.slot) {
                    Some(masks) => device.drop_connect_backward_data(*shape, masks, signal, weights, d_input),
                    None => {
                        let layer = (*shape, *rate, *activation);
                        device.drop_connect_expected_backward(layer, input, weights, bias, signal, d_input);
                    }
                }
            }
            Self::Pool { pool, norms, learned } => {
                let output = norms.as_ref().unwrap_or(output);
                match learned.map(|center| learned_norm(list, center)) {
                    Some(norm) => device.learned_norm_backward(pool, input, norm, output, signal, d_input),
                    None => device.pool_backward(pool, input, output, signal, d_input),
                }
            }
            Self::Lrn(shape) => device.lrn_backward(*shape, input, signal, d_input),
            Self::Lwta(shape) => device.lwta_backward(*shape, input, signal, d_input),
            Self::GlobalAverage(shape) => device.global_average_backward(*shape, signal, d_input),
        }
    }

    /// Computes the gradients of the layer's two parameters.
    fn gradients(
        &mut self,
        pass: &Pass<'_, D>,
        [input, output, signal]: [&D::Buffer; 3],
        one: &mut Parameter<D::Buffer>,
        other: &mut Parameter<D::Buffer>,
    ) {
        let (device, d_one, d_other) = (pass.device, &mut one.gradient, &mut other.gradient);
        match self {
            Self::Conv { conv, .. } => device.conv_backward_weights(conv, input, signal, d_one, d_other),
            Self::Local { conv, windows, .. } => {
                device.conv_backward_weights(conv, windows, signal, d_one, d_other);
            }
            Self::DropConnect { shape, rate, .. } => {
                let masks = pass.mode.drop_connect(*rate, pass.slot);
                let masks = masks.expect("gradients of DropConnect are those of training");
                device.drop_connect_backward_weights(*shape, masks, input, signal, d_one, d_other);
            }
            Self::Pool { pool, norms, .. } => {
                let norm = LearnedNorm { center: &one.value, rho: &other.value };
                let output = norms.as_ref().unwrap_or(output);
                device.learned_norm_gradients(pool, input, norm, output, signal, d_one, d_other);
            }
            Self::Lrn(_) | Self::Lwta(_) | Self::GlobalAverage(_) => {}
        }
    }
}

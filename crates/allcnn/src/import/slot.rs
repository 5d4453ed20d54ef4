//! Slots: the convolutions of a network to which weights are assigned.

use std::fmt;

use super::layer::Layer;
use crate::net::Network;
use crate::parameters::Tensor;

/// A convolution to which weights are assigned.
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) shape: [usize; 4],
    /// Whether its outputs are the classes: then any number fits.
    last: bool,
}

impl Slot {
    /// The weight shape expected here; a fully connected layer's may have two dimensions.
    fn shape_for(&self, layer: &Layer) -> [usize; 4] {
        let [out, channels, height, width] = self.shape;
        [if self.last { layer.outputs() } else { out }, channels, height, width]
    }

    /// Whether the layer has the expected shapes.
    pub(super) fn fits(&self, layer: &Layer) -> bool {
        self.difference(layer).is_none()
    }

    pub(super) fn difference(&self, layer: &Layer) -> Option<String> {
        let expected = self.shape_for(layer);
        let [out, channels, height, width] = expected;
        let Layer { weight, bias, .. } = layer;
        if weight.shape != expected && weight.shape != [out, channels * height * width] {
            return Some(differs(&weight.name, &weight.shape, &self.name, &expected));
        }
        match bias {
            Some(bias) if bias.shape != [out] => Some(differs(&bias.name, &bias.shape, &self.name, &[out])),
            _ => None,
        }
    }

    /// Converts the layer to this convolution's weight and bias.
    pub(super) fn take(&self, layer: Layer) -> Result<[Tensor; 2], String> {
        if let Some(difference) = self.difference(&layer) {
            return Err(difference);
        }
        let shape = self.shape_for(&layer).to_vec();
        let out = shape[0];
        let bias = layer.bias.map_or_else(|| vec![0.0; out], |bias| bias.values);
        let tensor =
            |part: &str, shape, values| Tensor { name: format!("{}.{part}", self.name), shape, values };
        Ok([tensor("weight", shape, layer.weight.values), tensor("bias", vec![out], bias)])
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [out, channels, height, width] = self.shape;
        let out = if self.last { "classes".into() } else { out.to_string() };
        write!(f, "{} [{out}, {channels}, {height}, {width}]", self.name)
    }
}

/// The convolutions of a network.
pub(super) fn slots(network: &Network) -> Vec<Slot> {
    let each = network.layers().iter().zip(network.operations(1));
    let convolutions = each.filter_map(|(layer, operation)| {
        let conv = operation.filters()?;
        let shape = [conv.out_channels, conv.group_in_channels(), conv.kernel, conv.kernel];
        Some(Slot { name: layer.name().into(), shape, last: false })
    });
    let mut slots: Vec<Slot> = convolutions.collect();
    if let Some(last) = slots.last_mut() {
        last.last = true;
    }
    slots
}

pub(super) fn differs(tensor: &str, given: &[usize], name: &str, expected: &[usize]) -> String {
    format!("{tensor} has shape {given:?}, {name} expects {expected:?}")
}

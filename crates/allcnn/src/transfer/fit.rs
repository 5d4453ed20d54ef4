//! Which layers take their weights from a source.

use super::error::TransferError;
use super::source::Source;
use crate::data::Identity;
use crate::net::Network;
use crate::parameters::{LayerShapes, Tensor, layer_shapes};

/// The weights that a network takes from a source, by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Weights and biases of the layers that take them.
    pub values: Vec<Tensor>,
    /// Those layers, from the first to the last.
    pub taken: Vec<String>,
    /// The other layers with weights, each with the reason in words.
    pub drawn: Vec<(String, String)>,
}

impl Source {
    /// The weights that `network`, which tells `classes` apart, takes: those of every layer whose parameters have
    /// the same name and shape here. The last layer's only if the classes are the same, or not known here.
    ///
    /// # Errors
    /// [`TransferError::NothingFits`] if there is no such layer.
    pub fn fit(&self, network: &Network, classes: &[String]) -> Result<Transfer, TransferError> {
        let mut transfer = Transfer { values: vec![], taken: vec![], drawn: vec![] };
        let layers = layer_shapes(network);
        let last = layers.iter().rposition(|(_, [(part, _), _])| *part == "weight");
        for (at, (name, parts)) in layers.iter().enumerate() {
            if last == Some(at) && self.has_other_classes(classes) {
                transfer.drawn.push((name.clone(), "other classes".into()));
                continue;
            }
            match self.tensors_of(name, parts) {
                Ok(tensors) => {
                    transfer.values.extend(tensors);
                    transfer.taken.push(name.clone());
                }
                Err(why) => transfer.drawn.push((name.clone(), why)),
            }
        }
        if transfer.taken.is_empty() {
            return Err(self.nothing_fits(network, &layers));
        }
        Ok(transfer)
    }

    fn has_other_classes(&self, classes: &[String]) -> bool {
        self.classes.as_ref().is_some_and(|own| own != classes)
    }

    /// The parameters of a layer, or why they do not fit.
    fn tensors_of(&self, layer: &str, parts: &[(&str, Vec<usize>); 2]) -> Result<Vec<Tensor>, String> {
        let tensor = |(part, shape): &(&str, Vec<usize>)| {
            let name = format!("{layer}.{part}");
            let found = self.values.iter().find(|tensor| tensor.name == name).ok_or("not there")?;
            if found.shape == *shape { Ok(found.clone()) } else { Err(format!("{:?} there", found.shape)) }
        };
        parts.iter().map(tensor).collect()
    }

    fn nothing_fits(&self, network: &Network, layers: &[LayerShapes]) -> TransferError {
        let first = |names: Vec<String>| match names.len() {
            0 => "no tensors".into(),
            all => format!("{}{}", names[..all.min(3)].join(", "), if all > 3 { ", ..." } else { "" }),
        };
        let has = self.values.iter().filter(|tensor| tensor.shape.len() > 1);
        let expected = layers.iter().map(|(name, [(part, shape), _])| format!("{name}.{part} {shape:?}"));
        let has = first(has.map(|tensor| format!("{} {:?}", tensor.name, tensor.shape)).collect());
        TransferError::NothingFits {
            network: network.name().into(),
            from: self.given.clone(),
            difference: format!("{has}, expected {}", first(expected.collect())),
        }
    }
}

impl Transfer {
    /// What was taken from where, and what was drawn anew and why.
    pub(crate) fn words(&self, from: &str) -> String {
        let taken = self.taken.join(", ");
        let drawn: Vec<String> = self.drawn.iter().map(|(layer, why)| format!("{layer} ({why})")).collect();
        match drawn.as_slice() {
            [] => format!("weights of {from}: all layers ({taken})"),
            drawn => format!("weights of {from}: {taken}; drawn anew: {}", drawn.join(", ")),
        }
    }

    /// SHA-256 in hex over names, shapes and values.
    pub(crate) fn sha256(&self) -> String {
        let mut bytes = Vec::new();
        for Tensor { name, shape, values } in &self.values {
            bytes.extend_from_slice(format!("{name} {shape:?}\n").as_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Identity::of(&bytes).to_string()
    }

    /// The number of layers that are frozen if those up to `layer` are.
    ///
    /// # Errors
    /// [`TransferError::Freeze`] for an unknown layer, one below which weights are drawn anew, and the last with weights.
    pub fn frozen_layers(&self, network: &Network, layer: &str) -> Result<usize, TransferError> {
        let names = || network.layers().iter().map(|layer| layer.name()).collect::<Vec<_>>().join(", ");
        let last = network.layer_index(layer).ok_or_else(|| {
            let known = names();
            TransferError::Freeze(format!(
                "--freeze {layer}: no layer of {} has that name\nexpected one of {known}",
                network.name()
            ))
        })?;
        let frozen = &network.layers()[..=last];
        let is_drawn = |name: &str| self.drawn.iter().any(|(drawn, _)| drawn == name);
        if let Some(drawn) = frozen.iter().find(|layer| is_drawn(layer.name())) {
            return Err(TransferError::Freeze(format!(
                "--freeze {layer}: the weights of {} are drawn anew, so there is nothing to keep\n\
                 freeze a layer below it, or begin from weights that it can take",
                drawn.name()
            )));
        }
        if !network.layers()[last + 1..].iter().any(|layer| layer.kind().is_conv()) {
            return Err(TransferError::Freeze(format!(
                "--freeze {layer}: no layer above it has weights, so there is nothing to train\nfreeze a layer below the last convolution"
            )));
        }
        Ok(last + 1)
    }
}

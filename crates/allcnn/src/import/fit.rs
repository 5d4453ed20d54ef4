//! Fits a file's layers to a network's parameters.

use super::error::ImportError;
use super::layer::Layer;
use super::naming::Naming;
use super::note::list;
use super::note::{Note, NoteKind};
use super::order::{Chain, in_a_row};
use super::search::{Found, ways};
use super::slot::{Slot, differs, slots};
use super::weights::Weights;
use crate::net::Network;
use crate::parameters::{Tensor, layer_shapes};

/// Weights with the names and shapes of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// `conv1.weight` `[out, in / groups, height, width]`, `conv1.bias` `[out]`, ...
    pub tensors: Vec<Tensor>,
    /// The number of classes: the outputs of the last layer.
    pub classes: usize,
    /// The names of the classes, if the file has one for each.
    pub class_names: Option<Vec<String>>,
    /// The decisions made.
    pub notes: Vec<Note>,
}

impl Weights {
    /// Assigns the weights to the convolutions of `network`. The number of classes comes from the weights: the
    /// network's last convolution may have any number of outputs.
    ///
    /// Layers are ordered by their names. If these leave the order open, as with a last layer of another name,
    /// slots and shapes must allow exactly one assignment, which is then noted.
    ///
    /// # Errors
    /// [`ImportError::OtherNetwork`] with the first difference, [`ImportError::Ambiguous`],
    /// [`ImportError::NotFinite`].
    pub fn fit(self, network: &Network) -> Result<Fitted, ImportError> {
        let Self { naming, chains, norms, classes: class_names, mut notes, .. } = self;
        let slots = slots(network);
        let other = |problem| ImportError::OtherNetwork { network: network.name().into(), problem };
        expect_count(naming, &chains, &slots).map_err(other)?;
        let layers = put_in_order(chains, &slots, network)?;
        if !matches!(naming, Naming::Sequential | Naming::FeaturesClassifier | Naming::Caffe) {
            notes.extend(renamed(&layers, &slots));
        }
        let classes = layers.last().map_or(0, Layer::outputs);
        let mut tensors = Vec::new();
        for (layer, slot) in layers.into_iter().zip(&slots) {
            expect_finite(std::iter::once(&layer.weight).chain(&layer.bias))?;
            tensors.extend(slot.take(layer).map_err(other)?);
        }
        tensors.extend(fit_norms(norms, network)?);
        let class_names = class_names.filter(|names| names.len() == classes);
        Ok(Fitted { tensors, classes, class_names, notes })
    }
}

impl Fitted {
    /// Checks that the weights have the shapes of `network`, which now has their number of classes.
    pub(super) fn check_network(&self, network: &Network) -> Result<(), ImportError> {
        for (slot, weight) in slots(network).iter().zip(self.tensors.iter().step_by(2)) {
            if weight.shape != slot.shape {
                let problem = differs(&weight.name, &weight.shape, &slot.name, &slot.shape);
                return Err(ImportError::OtherNetwork { network: network.name().into(), problem });
            }
        }
        Ok(())
    }
}

/// The centers and rhos that the network's learned norms take, which have the names that they have there.
fn fit_norms(given: Vec<Tensor>, network: &Network) -> Result<Vec<Tensor>, ImportError> {
    let other = |problem| ImportError::OtherNetwork { network: network.name().into(), problem };
    let layers = layer_shapes(network).into_iter().flat_map(|(layer, parts)| {
        parts.map(|(part, shape)| (part, format!("{layer}.{part}"), shape)).into_iter()
    });
    let expected: Vec<_> = layers.filter(|(part, ..)| ["center", "rho"].contains(part)).collect();
    for (_, name, shape) in &expected {
        match given.iter().find(|tensor| tensor.name == *name) {
            None => return Err(other(format!("it has no {name}, which a learned norm takes"))),
            Some(tensor) if tensor.shape != *shape => {
                return Err(other(format!(
                    "its {name} has the shape {:?}, expected {shape:?}",
                    tensor.shape
                )));
            }
            Some(tensor) => expect_finite([tensor])?,
        }
    }
    match given.iter().find(|tensor| expected.iter().all(|(_, name, _)| tensor.name != *name)) {
        Some(tensor) => Err(other(format!("its {} belongs to no learned norm here", tensor.name))),
        None => Ok(given),
    }
}

/// Rejects values that no training can produce, naming the tensor in the file.
fn expect_finite<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<(), ImportError> {
    for tensor in tensors {
        if let Some(value) = tensor.absurd() {
            return Err(ImportError::NotFinite { tensor: tensor.name.clone(), value });
        }
    }
    Ok(())
}

/// Checks that the number of layers is the network's.
fn expect_count(naming: Naming, chains: &[Chain], slots: &[Slot]) -> Result<(), String> {
    let given: Vec<&str> = names(chains).collect();
    let expected: Vec<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
    if given.len() == expected.len() {
        return Ok(());
    }
    if naming == Naming::Convolutions {
        let only =
            |ours: &[&str], theirs: &[&str]| list(ours.iter().filter(|name| !theirs.contains(name)).copied());
        let (missing, extra) = (only(&expected, &given), only(&given, &expected));
        return Err(format!("missing are {missing}, too many are {extra}"));
    }
    Err(format!("{} layers with weights ({}), expected {}", given.len(), list(&given), expected.len()))
}

fn names(chains: &[Chain]) -> impl Iterator<Item = &str> {
    chains.iter().flat_map(|chain| &chain.layers).map(|layer| layer.name.as_str())
}

/// Orders the layers like the slots.
fn put_in_order(chains: Vec<Chain>, slots: &[Slot], network: &Network) -> Result<Vec<Layer>, ImportError> {
    if chains.len() == 1 {
        return Ok(in_a_row(chains).layers);
    }
    let other = |problem| ImportError::OtherNetwork { network: network.name().into(), problem };
    match ways(&chains, slots) {
        Found::One(way) => {
            let mut layers: Vec<_> = chains.into_iter().map(|chain| chain.layers.into_iter()).collect();
            Ok(way.into_iter().filter_map(|chain| layers[chain].next()).collect())
        }
        Found::None => {
            let given = chains.iter().flat_map(|chain| &chain.layers);
            let given = given.map(|layer| format!("{} {:?}", layer.name, layer.weight.shape));
            let expected = list(slots.iter().map(ToString::to_string));
            Err(other(format!("its layers {} do not fit\n{expected}", list(given))))
        }
        Found::Several(one, another) => Err(ImportError::Ambiguous {
            network: network.name().into(),
            choices: choices(&chains, slots, &one, &another),
        }),
        Found::TooMany => {
            Err(other(format!("the names of its layers ({}) tell no order", list(names(&chains)))))
        }
    }
}

/// Lists the layers that two assignments map to different slots, with both.
fn choices(chains: &[Chain], slots: &[Slot], one: &[usize], another: &[usize]) -> String {
    let slots_of = |way: &[usize], chain: usize| {
        let taken = way.iter().zip(slots).filter(move |(taken, _)| **taken == chain);
        taken.map(|(_, slot)| slot.name.clone()).collect::<Vec<String>>()
    };
    let mut choices = Vec::new();
    for (number, chain) in chains.iter().enumerate() {
        let both = slots_of(one, number).into_iter().zip(slots_of(another, number));
        for (layer, (one, another)) in chain.layers.iter().zip(both) {
            if one != another {
                choices.push(format!("{} {:?} is {one} or {another}", layer.name, layer.weight.shape));
            }
        }
    }
    list(choices)
}

/// A note listing the layers whose names differ from the network's.
fn renamed(layers: &[Layer], slots: &[Slot]) -> Option<Note> {
    let pairs = layers.iter().zip(slots).filter(|(layer, slot)| layer.name != slot.name);
    let pairs: Vec<String> = pairs.map(|(layer, slot)| format!("{} as {}", layer.name, slot.name)).collect();
    let text = || format!("took {}, by place and shape", list(&pairs));
    (!pairs.is_empty()).then(|| Note::new(NoteKind::Matched, text()))
}

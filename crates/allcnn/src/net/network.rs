//! A network: a checked chain of layers.

use std::collections::HashMap;

use allcnn_device::{ConvShape, Shape};

use super::error::NetError;
use super::layer::{LayerKind, MAX_SIZE, Operation, check_rate};

/// The most layers of a network, more than any chain that was ever trained.
pub(super) const MAX_LAYERS: usize = 16_384;

/// The size of a network's input images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels; 3 for RGB.
    pub channels: usize,
}

impl Input {
    /// The shape of a batch of such images.
    pub fn shape(self, batch: usize) -> Shape {
        Shape { batch, height: self.height, width: self.width, channels: self.channels }
    }
}

/// A layer of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    name: String,
    kind: LayerKind,
}

impl Layer {
    /// `conv1`, `conv2`, ..., `pool1`, ..., `maxout1`, ..., `probout1`, ..., `lrn1`, ..., `lwta1`, ..., `global_pool`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of the layer, with its settings.
    pub fn kind(&self) -> &LayerKind {
        &self.kind
    }
}

/// A chain of layers from an image to one logit per class; validated on construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    name: String,
    input: Input,
    classes: usize,
    input_dropout: f32,
    sparse: bool,
    layers: Vec<Layer>,
}

impl Network {
    /// Checks that the layers fit together and end in one value per class.
    ///
    /// # Errors
    /// [`NetError::Layer`] with the first layer that does not fit; [`NetError::Network`] if the network as a whole is
    /// invalid.
    pub fn new(
        name: impl Into<String>,
        input: Input,
        classes: usize,
        input_dropout: f32,
        layers: Vec<LayerKind>,
    ) -> Result<Self, NetError> {
        if layers.len() > MAX_LAYERS {
            return Err(NetError::Network { name: name.into(), problem: too_many(layers.len()) });
        }
        let names = names_of(&layers);
        let layers = names.into_iter().zip(layers).map(|(name, kind)| Layer { name, kind }).collect();
        let network = Self { name: name.into(), input, classes, input_dropout, sparse: false, layers };
        network.check()?;
        Ok(network)
    }

    fn check(&self) -> Result<(), NetError> {
        let refuse = |problem| Err(NetError::Network { name: self.name.clone(), problem });
        let Input { height, width, channels } = self.input;
        let sizes = [height, width, channels, self.classes];
        if sizes.iter().any(|size| !(1..=MAX_SIZE).contains(size)) {
            return refuse(format!(
                "input {height}x{width}x{channels} and {} classes; expected each from 1 to {MAX_SIZE}",
                self.classes
            ));
        }
        if let Err(problem) = check_rate(self.input_dropout) {
            return refuse(format!("input_dropout: {problem}"));
        }
        let mut shape = self.input.shape(1);
        let (mut below, mut non_negative) = ("the picture", false);
        for layer in &self.layers {
            let problem = |problem| NetError::Layer { name: layer.name.clone(), line: None, problem };
            shape = layer.kind.checked_on(shape).map_err(problem)?.output();
            if layer.kind.needs_non_negative() && !non_negative {
                return Err(problem(format!(
                    "it draws in proportion to its input, and values of {below} may be negative; expected a ReLU or a norm, \
                     and between it and here nothing but poolings, maxout, probout, lwta and lrn"
                )));
            }
            (below, non_negative) = (&layer.name, layer.kind.is_non_negative(non_negative));
        }
        let averages = self.layers.iter().filter(|layer| layer.kind == LayerKind::GlobalAverage).count();
        if averages > 1 {
            return refuse(format!("{averages} global averages; expected at most one"));
        }
        if !self.layers.iter().any(|layer| matches!(layer.kind, LayerKind::Conv(_))) {
            return refuse("no convolution, so nothing could be learned; expected at least one".into());
        }
        if (shape.height, shape.width, shape.channels) != (1, 1, self.classes) {
            return refuse(format!(
                "it ends in {}x{}x{} values; expected 1x1x{}, one for each class\n\
                 end with a convolution of \"classes\" channels and, unless it leaves 1x1, a global_average",
                shape.height, shape.width, shape.channels, self.classes
            ));
        }
        Ok(())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of its input.
    pub fn input(&self) -> Input {
        self.input
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Dropout rate on the input; 0 for none.
    pub fn input_dropout(&self) -> f32 {
        self.input_dropout
    }

    /// Whether training and evaluation leave out what is the same everywhere around a picture smaller than the input.
    pub fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// The layers from the input to the logits.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The index of the layer of this name.
    pub fn layer_index(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }

    /// The operation of each layer for a batch of `batch` images.
    pub fn operations(&self, batch: usize) -> Vec<Operation> {
        let mut shape = self.input.shape(batch);
        self.layers
            .iter()
            .map(|layer| {
                let operation = layer.kind.on(shape);
                shape = operation.output();
                operation
            })
            .collect()
    }

    /// The operation of a fully connected head that tells the classes apart by all outputs of `layer`: a 1x1 convolution, since
    /// an image's outputs lie one behind the other.
    pub(crate) fn head_on(&self, layer: usize, batch: usize) -> ConvShape {
        let channels = self.operations(1)[layer].output().len();
        let input = Shape { batch, height: 1, width: 1, channels };
        ConvShape { input, out_channels: self.classes, kernel: 1, stride: 1, padding: 0, groups: 1 }
    }

    /// Returns a network with these layers for another input size.
    ///
    /// # Errors
    /// [`NetError::Layer`] or [`NetError::Network`] if the layers do not fit that size.
    pub fn planned_for(&self, height: usize, width: usize) -> Result<Self, NetError> {
        let network = Self { input: Input { height, width, ..self.input }, ..self.clone() };
        network.check()?;
        Ok(network)
    }

    /// Returns the network, sparse ([`Network::is_sparse`]) or not.
    pub fn with_sparse(self, sparse: bool) -> Self {
        Self { sparse, ..self }
    }

    /// Returns the network with another input dropout rate.
    ///
    /// # Errors
    /// [`NetError::Network`] when the rate is not in [0, 1).
    pub fn with_input_dropout(&self, rate: f32) -> Result<Self, NetError> {
        let network = Self { input_dropout: rate, ..self.clone() };
        network.check()?;
        Ok(network)
    }

    /// Returns the network with this rate for every layer that has dropout; 0 turns dropout off.
    ///
    /// # Errors
    /// [`NetError::Layer`] when the rate is not in [0, 1).
    pub fn with_layer_dropout(&self, rate: f32) -> Result<Self, NetError> {
        let mut network = self.clone();
        for layer in network.layers.iter_mut().filter(|layer| layer.kind.dropout() > 0.0) {
            layer.kind.set_dropout(rate);
        }
        network.check()?;
        Ok(network)
    }
}

/// The message for a network of more than [`MAX_LAYERS`] layers.
pub(super) fn too_many(layers: usize) -> String {
    format!("{layers} layers; expected at most {MAX_LAYERS}")
}

/// The names for a list of layers.
pub(super) fn names_of(kinds: &[LayerKind]) -> Vec<String> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let name = |kind: &LayerKind| {
        let number = numbers.entry(kind.word()).or_default();
        *number += 1;
        match kind {
            LayerKind::GlobalAverage => "global_pool".into(),
            _ => format!("{}{number}", kind.word()),
        }
    };
    kinds.iter().map(name).collect()
}

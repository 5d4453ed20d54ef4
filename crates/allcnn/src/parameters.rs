//! The trained quantities of a network, on a device.
//!
//! While it is trained, a network may have companion heads ([`crate::recipe::Companions`]) behind its own layers, `companion.convN`.
//!
//! A convolution has `convN.weight` and `convN.bias`, a learned-norm pooling `poolN.center` and `poolN.rho`. Outside the device they
//! have PyTorch's layout (`[out, in / groups, height, width]` and `[out]`); on it, the device's own.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use allcnn_device::learned_norm::RHO_OF_2;
use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Activation, Device, Factors, Parameter, Sgd};

use crate::net::{Init, Layer, LayerKind, Network, Operation};
use crate::recipe::LayerRules;
use crate::text::shown::first_of;

/// Tensors that do not fit the network, or a device failure.
#[derive(Debug, thiserror::Error)]
pub enum ParametersError {
    /// A tensor is missing.
    #[error("tensor {name} is missing; expected one of shape {expected:?}")]
    Missing {
        /// The tensor.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
    },
    /// A tensor that the network does not have.
    #[error("tensor {name} of shape {given:?} is none of the network's; expected {}", first_of(.expected))]
    Extra {
        /// The tensor.
        name: String,
        /// Its shape.
        given: Vec<usize>,
        /// The network's tensors.
        expected: Vec<String>,
    },
    /// A tensor of another shape.
    #[error("tensor {name} has {values} values in shape {given:?}; expected shape {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        given: Vec<usize>,
        /// How many values it holds.
        values: usize,
        /// The shape that the network needs.
        expected: Vec<usize>,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] allcnn_device::Error),
}

/// One of the three quantities stored for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The value.
    Value,
    /// The gradient of the last backward pass.
    Gradient,
    /// The optimizer's velocity.
    Velocity,
}

impl Kind {
    fn of<B>(self, parameter: &Parameter<B>) -> &B {
        match self {
            Self::Value => &parameter.value,
            Self::Gradient => &parameter.gradient,
            Self::Velocity => &parameter.velocity,
        }
    }

    fn of_mut<B>(self, parameter: &mut Parameter<B>) -> &mut B {
        match self {
            Self::Value => &mut parameter.value,
            Self::Gradient => &mut parameter.gradient,
            Self::Velocity => &mut parameter.velocity,
        }
    }
}

/// A named tensor in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// `conv1.weight`, `conv1.bias`, ...
    pub name: String,
    /// `[out, in / groups, height, width]` or `[out]`.
    pub shape: Vec<usize>,
    /// The values in C order (last dimension contiguous).
    pub values: Vec<f32>,
}

/// An upper bound on weights of a network that learned: beyond it, products over a few layers overflow to
/// infinity.
const MAX_VALUE: f32 = 1e15;

impl Tensor {
    /// Returns the first value that no training can produce: NaN, infinite or larger than [`MAX_VALUE`].
    pub(crate) fn absurd(&self) -> Option<f32> {
        self.values.iter().copied().find(|value| value.is_nan() || value.abs() > MAX_VALUE)
    }
}

/// What the names of companion heads begin with.
pub(crate) const COMPANION: &str = "companion.";

/// Weights and biases of a network on a device, with their gradients and velocities.
pub struct Parameters<D: Device> {
    names: Vec<String>,
    shapes: Vec<Vec<usize>>,
    list: Vec<Parameter<D::Buffer>>,
    /// The largest norm of a row of each.
    longest: Vec<f32>,
    /// How many are the network's own; those of its companions follow.
    own: usize,
    version: u64,
}

impl<D: Device> Parameters<D> {
    /// Initializes the weights, each layer from its own random stream; learned norms have the order 2; biases, centers, gradients
    /// and velocities are zero.
    /// A seed gives the same weights on every device.
    ///
    /// # Errors
    /// [`ParametersError::Device`] when the device has too little memory.
    pub fn initialize(device: &D, network: &Network, init: Init, seed: u64) -> Result<Self, ParametersError> {
        let mut parameters = Self::zeros(device, network)?;
        let with_parameters = network.layers().iter().zip(network.operations(1)).enumerate();
        let with_parameters = with_parameters.filter(|(_, (layer, _))| layer.kind().has_parameters());
        for (number, (layer, (_, operation))) in with_parameters.enumerate() {
            let Some(conv) = operation.filters() else {
                let rho = vec![RHO_OF_2; operation.input().channels];
                parameters.upload(device, Kind::Value, 2 * number + 1, &rho)?;
                continue;
            };
            let inputs = conv.kernel * conv.kernel * conv.group_in_channels();
            let mut numbers = Stream::new(seed, Purpose::Initialization, 0, layer as u32).sequence();
            let mut weights = vec![0.0; conv.weights_len()];
            let activation = match network.layers()[layer].kind() {
                LayerKind::Conv(conv) => conv.activation,
                _ => Activation::Identity,
            };
            init.fill(inputs, activation, &mut numbers, &mut weights);
            parameters.upload(device, Kind::Value, 2 * number, &weights)?;
        }
        Ok(parameters)
    }

    /// Returns parameters with all values zero, to be filled by [`Parameters::load`].
    ///
    /// # Errors
    /// [`ParametersError::Device`] when the device has too little memory.
    pub fn zeros(device: &D, network: &Network) -> Result<Self, ParametersError> {
        let mut parameters = Self {
            names: vec![],
            shapes: vec![],
            list: vec![],
            longest: vec![],
            own: 0,
            version: next_version(),
        };
        layer_shapes(network).into_iter().try_for_each(|layer| parameters.append(device, layer))?;
        parameters.own = parameters.list.len();
        Ok(parameters)
    }

    /// Appends the zeros of a layer.
    fn append(&mut self, device: &D, (layer, parts): LayerShapes) -> Result<(), ParametersError> {
        for (part, shape) in parts {
            let len = shape.iter().product();
            self.names.push(format!("{layer}.{part}"));
            self.shapes.push(shape);
            self.longest.push(f32::INFINITY);
            self.list.push(Parameter {
                value: device.alloc(len)?,
                gradient: device.alloc(len)?,
                velocity: device.alloc(len)?,
                factors: Factors::default(),
            });
        }
        Ok(())
    }

    /// Appends fully connected heads on the outputs of these layers of `network`, with weights as by [`Init::Xavier`].
    ///
    /// # Errors
    /// [`ParametersError::Device`] when the device has too little memory.
    pub fn add_companions(
        &mut self,
        device: &D,
        network: &Network,
        layers: &[usize],
        seed: u64,
    ) -> Result<(), ParametersError> {
        for &layer in layers {
            let head = network.head_on(layer, 1);
            let (inputs, classes) = (head.input.channels, head.out_channels);
            let mut weights = vec![0.0; classes * inputs];
            let mut numbers = Stream::new(seed, Purpose::Initialization, 1, layer as u32).sequence();
            Init::Xavier.fill(inputs, Activation::Identity, &mut numbers, &mut weights);
            let name = format!("{COMPANION}{}", network.layers()[layer].name());
            let parts = [("weight", vec![classes, inputs, 1, 1]), ("bias", vec![classes])];
            self.append(device, (name, parts))?;
            self.upload(device, Kind::Value, self.list.len() - 2, &weights)?;
        }
        Ok(())
    }

    /// How many parameters are the network's own; those of its companion heads follow.
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// Has [`Parameters::descend`] follow a recipe's rules for single layers; the learning rate of companion heads has this factor,
    /// too.
    pub fn follow(&mut self, rules: &LayerRules, companions_rate: f32) {
        let each = self.names.iter().zip(&mut self.list).zip(&mut self.longest);
        for ((name, parameter), longest) in each {
            let (layer, part) = name.rsplit_once('.').expect("layer and part");
            let rule = rules.of(layer);
            parameter.factors = rule.factors()[usize::from(part == "bias")];
            if layer.starts_with(COMPANION) {
                parameter.factors.rate *= companions_rate;
            }
            *longest = rule.max_norm.filter(|_| part == "weight").unwrap_or(f32::INFINITY);
        }
    }

    /// One step of the optimizer for these parameters.
    pub fn descend(&mut self, device: &D, sgd: Sgd, step: &D::Step, trained: Range<usize>) {
        device.sgd(sgd, step, &mut self.list_mut()[trained.clone()]);
        let each = self.list.iter_mut().zip(&self.shapes).zip(&self.longest);
        let each = each.take(trained.end).skip(trained.start);
        for ((parameter, shape), &longest) in each.filter(|(_, longest)| longest.is_finite()) {
            device.shorten_rows(shape[0], longest, &mut parameter.value);
        }
    }

    /// The parameter names, weight before bias and center before rho, from the first layer to the last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of trainable values.
    pub fn count(&self) -> usize {
        self.lens().iter().sum()
    }

    /// The number of values of each, in the order of [`Parameters::names`].
    pub(crate) fn lens(&self) -> Vec<usize> {
        self.shapes.iter().map(|shape| shape.iter().product()).collect()
    }

    /// The parameters on the device, in the order of [`Parameters::names`].
    pub fn list(&self) -> &[Parameter<D::Buffer>] {
        &self.list
    }

    /// Like [`Parameters::list`], but mutable, for the optimizer.
    pub fn list_mut(&mut self) -> &mut [Parameter<D::Buffer>] {
        self.version = next_version();
        &mut self.list
    }

    /// A number that no other parameters of this process have, and that these had with no other values: what was computed from the
    /// values stays true as long as it does.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Copies all values, gradients or velocities to the host.
    ///
    /// # Errors
    /// [`ParametersError::Device`] when the device failed.
    pub fn tensors(&self, device: &D, kind: Kind) -> Result<Vec<Tensor>, ParametersError> {
        let each = self.list.iter().zip(self.names.iter().zip(&self.shapes));
        each.map(|(parameter, (name, shape))| {
            let mut stored = vec![0.0; shape.iter().product()];
            device.download(kind.of(parameter), &mut stored)?;
            Ok(Tensor { name: name.clone(), shape: shape.clone(), values: from_device(shape, stored) })
        })
        .collect()
    }

    /// Copies values, gradients or velocities to the device: exactly the network's tensors, in any order.
    ///
    /// # Errors
    /// [`ParametersError::Missing`], [`ParametersError::Extra`] or [`ParametersError::Shape`] when the tensors are
    /// not the network's, in which case nothing has changed; [`ParametersError::Device`] when the device failed.
    pub fn load(&mut self, device: &D, kind: Kind, tensors: &[Tensor]) -> Result<(), ParametersError> {
        for Tensor { name, shape, .. } in tensors {
            if !self.names.contains(name) {
                let (name, given, expected) = (name.clone(), shape.clone(), self.names.clone());
                return Err(ParametersError::Extra { name, given, expected });
            }
        }
        let each = self.names.iter().zip(&self.shapes);
        let ordered = each.map(|(name, shape)| find(tensors, name, shape)).collect::<Result<Vec<_>, _>>()?;
        for (index, tensor) in ordered.into_iter().enumerate() {
            self.upload(device, kind, index, &tensor.values)?;
        }
        Ok(())
    }

    /// Copies some of the network's tensors to the device, in any order; the others stay.
    ///
    /// # Errors
    /// As [`Parameters::load`].
    pub fn replace(&mut self, device: &D, kind: Kind, tensors: &[Tensor]) -> Result<(), ParametersError> {
        if tensors.is_empty() {
            return Ok(());
        }
        let mut all = self.tensors(device, kind)?;
        all.retain(|kept| tensors.iter().all(|tensor| tensor.name != kept.name));
        all.extend_from_slice(tensors);
        self.load(device, kind, &all)
    }

    /// Copies one tensor in PyTorch's layout to the device.
    fn upload(
        &mut self,
        device: &D,
        kind: Kind,
        index: usize,
        values: &[f32],
    ) -> Result<(), ParametersError> {
        let stored = to_device(&self.shapes[index], values);
        self.version = next_version();
        Ok(device.upload(&stored, kind.of_mut(&mut self.list[index]))?)
    }
}

/// A number that was not given before.
fn next_version() -> u64 {
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    GIVEN.fetch_add(1, Ordering::Relaxed)
}

/// Finds the tensor of this name and checks its shape.
fn find<'a>(tensors: &'a [Tensor], name: &str, expected: &[usize]) -> Result<&'a Tensor, ParametersError> {
    let (owned, expected_owned) = (name.to_owned(), expected.to_vec());
    let Some(tensor) = tensors.iter().find(|tensor| tensor.name == name) else {
        return Err(ParametersError::Missing { name: owned, expected: expected_owned });
    };
    let values = tensor.values.len();
    if tensor.shape != expected || values != expected.iter().product::<usize>() {
        let given = tensor.shape.clone();
        return Err(ParametersError::Shape { name: owned, given, values, expected: expected_owned });
    }
    Ok(tensor)
}

/// The name of a layer with parameters, and the names and shapes of these in PyTorch's layout.
pub(crate) type LayerShapes = (String, [(&'static str, Vec<usize>); 2]);

/// The layers with parameters.
pub(crate) fn layer_shapes(network: &Network) -> Vec<LayerShapes> {
    let layers = network.layers().iter().zip(network.operations(1));
    let layers = layers.filter(|(layer, _)| layer.kind().has_parameters());
    let of = |(layer, operation): (&Layer, Operation)| {
        let parts = match operation.filters() {
            Some(conv) => {
                let weight = vec![conv.out_channels, conv.group_in_channels(), conv.kernel, conv.kernel];
                [("weight", weight), ("bias", vec![conv.out_channels])]
            }
            None => ["center", "rho"].map(|part| (part, vec![operation.input().channels])),
        };
        (layer.name().to_owned(), parts)
    };
    layers.map(of).collect()
}

/// Permutes `[out, in, height, width]` to `[out, height, width, in]`; a bias is unchanged.
fn to_device(shape: &[usize], values: &[f32]) -> Vec<f32> {
    match *shape {
        [_, channels, height, width] => transposed(values, channels, height * width),
        _ => values.to_vec(),
    }
}

/// The inverse of [`to_device`].
fn from_device(shape: &[usize], values: Vec<f32>) -> Vec<f32> {
    match *shape {
        [_, channels, height, width] => transposed(&values, height * width, channels),
        _ => values,
    }
}

/// Transposes each `rows` x `columns` matrix of a stack.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    let size = rows * columns;
    for (matrix, out) in values.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
        for (column, out) in out.chunks_exact_mut(rows).enumerate() {
            for (row, out) in out.iter_mut().enumerate() {
                *out = matrix[row * columns + column];
            }
        }
    }
    out
}

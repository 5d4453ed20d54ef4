//! The trained quantities of a network, on a device.
//!
//! A convolution has `convN.weight` and `convN.bias`. Outside the device they have PyTorch's layout
//! (`[out, in / groups, height, width]` and `[out]`); on it, the device's own.

use allcnn_device::random::{Purpose, Stream};
use allcnn_device::{Activation, ConvShape, Device, Parameter};

use crate::net::{Init, LayerKind, Network, Operation};
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

/// Weights and biases of a network on a device, with their gradients and velocities.
pub struct Parameters<D: Device> {
    names: Vec<String>,
    shapes: Vec<Vec<usize>>,
    list: Vec<Parameter<D::Buffer>>,
}

impl<D: Device> Parameters<D> {
    /// Initializes the weights, each layer from its own random stream; biases, gradients and velocities are zero.
    /// A seed gives the same weights on every device.
    ///
    /// # Errors
    /// [`ParametersError::Device`] when the device has too little memory.
    pub fn initialize(device: &D, network: &Network, init: Init, seed: u64) -> Result<Self, ParametersError> {
        let mut parameters = Self::zeros(device, network)?;
        for (number, (layer, conv)) in convolutions(network).into_iter().enumerate() {
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
        let (mut names, mut shapes, mut list) = (Vec::new(), Vec::new(), Vec::new());
        for (layer, [weight, bias]) in layer_shapes(network) {
            for (part, shape) in [("weight", weight), ("bias", bias)] {
                let len = shape.iter().product();
                names.push(format!("{layer}.{part}"));
                shapes.push(shape);
                list.push(Parameter {
                    value: device.alloc(len)?,
                    gradient: device.alloc(len)?,
                    velocity: device.alloc(len)?,
                });
            }
        }
        Ok(Self { names, shapes, list })
    }

    /// The parameter names, weight before bias, from the first layer to the last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of trainable values.
    pub fn count(&self) -> usize {
        self.shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// The parameters on the device, in the order of [`Parameters::names`].
    pub fn list(&self) -> &[Parameter<D::Buffer>] {
        &self.list
    }

    /// Like [`Parameters::list`], but mutable, for the optimizer.
    pub fn list_mut(&mut self) -> &mut [Parameter<D::Buffer>] {
        &mut self.list
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
        Ok(device.upload(&stored, kind.of_mut(&mut self.list[index]))?)
    }
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

/// The layers with weights, and the shapes of weight and bias in PyTorch's layout.
pub(crate) fn layer_shapes(network: &Network) -> Vec<(String, [Vec<usize>; 2])> {
    let of = |(layer, conv): (usize, ConvShape)| {
        let weight = vec![conv.out_channels, conv.group_in_channels(), conv.kernel, conv.kernel];
        (network.layers()[layer].name().to_owned(), [weight, vec![conv.out_channels]])
    };
    convolutions(network).into_iter().map(of).collect()
}

/// The convolutions of a network with their layer indices.
fn convolutions(network: &Network) -> Vec<(usize, ConvShape)> {
    let operations = network.operations(1).into_iter().enumerate();
    operations
        .filter_map(|(layer, operation)| match operation {
            Operation::Conv(conv) => Some((layer, conv)),
            _ => None,
        })
        .collect()
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

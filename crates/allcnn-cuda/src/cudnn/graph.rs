//! The passes of a convolution as operation graphs.
//!
//! Tensors are NHWC, weights KRSC (`[out, kernel, kernel, in / groups]`), described to cuDNN as dimensions N, C, H, W with
//! the strides of that layout. Sums are f32; a convolution fused with bias and ReLU does not store them.

use allcnn_device::{ConvShape, Error, Shape};
use cudarc::cudnn::sys::{
    cudnnBackendAttributeName_t as Name, cudnnBackendDescriptorType_t as Kind, cudnnConvolutionMode_t,
    cudnnDataType_t, cudnnPointwiseMode_t as Mode,
};

use super::{Descriptor, Target};
use crate::memory::Storage;

/// A pass of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    /// y = x * w
    Forward,
    /// y = max(x * w + bias, 0)
    ForwardRelu,
    /// dx from dy and w
    BackwardData,
    /// dw from x and dy
    BackwardWeights,
}

/// What a graph computes: all that its plans depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    pub pass: Pass,
    /// With the channels as they are stored, padding included.
    pub shape: ConvShape,
    /// How x, w, y, the bias and their gradients are stored. In bf16 cuDNN has no engine that takes a bias or stores
    /// gradients of weights in f32.
    pub storage: Storage,
}

/// The tensors of a graph, with the numbers by which a plan knows their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum Tensor {
    /// x or dx
    Input = 1,
    /// w or dw
    Weights,
    /// y or dy
    Output,
    Bias,
    /// x * w on its way to the bias
    Sum,
    /// x * w + bias on its way to the ReLU
    Biased,
}

/// A tensor and its address on the GPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorAddress {
    pub tensor: Tensor,
    pub address: u64,
}

impl Storage {
    fn data_type(self) -> cudnnDataType_t {
        match self {
            Storage::F32 => cudnnDataType_t::CUDNN_DATA_FLOAT,
            Storage::Bf16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        }
    }
}

impl Work {
    /// The tensors that an execution of the graph needs addresses for.
    pub(crate) fn tensors(&self) -> &'static [Tensor] {
        match self.pass {
            Pass::ForwardRelu => &[Tensor::Input, Tensor::Weights, Tensor::Output, Tensor::Bias],
            _ => &[Tensor::Input, Tensor::Weights, Tensor::Output],
        }
    }

    /// The finalized graph; `None` if cuDNN does not support it.
    pub(crate) fn graph(&self, target: &Target) -> Result<Option<Descriptor>, Error> {
        let convolution = self.convolution()?;
        let input = image(Tensor::Input, self.shape.input, self.storage)?;
        let output = image(Tensor::Output, self.shape.output(), self.storage)?;
        let sum = virtual_image(Tensor::Sum, self.shape.output())?;
        let weights = self.weights()?;
        match self.pass {
            Pass::Forward => finish(target, &[&forward(&convolution, &input, &weights, &output)?]),
            Pass::ForwardRelu => {
                let bias_shape = Shape { batch: 1, height: 1, width: 1, channels: self.shape.out_channels };
                let bias = image(Tensor::Bias, bias_shape, self.storage)?;
                let biased = virtual_image(Tensor::Biased, self.shape.output())?;
                let product = forward(&convolution, &input, &weights, &sum)?;
                let add = pointwise(Mode::CUDNN_POINTWISE_ADD, &sum, Some(&bias), &biased)?;
                let relu = pointwise(Mode::CUDNN_POINTWISE_RELU_FWD, &biased, None, &output)?;
                finish(target, &[&product, &add, &relu])
            }
            Pass::BackwardData => finish(target, &[&backward_data(&convolution, &input, &weights, &output)?]),
            Pass::BackwardWeights => {
                finish(target, &[&backward_weights(&convolution, &input, &weights, &output)?])
            }
        }
    }

    fn convolution(&self) -> Result<Descriptor, Error> {
        let ConvShape { stride, padding, .. } = self.shape;
        let both = |value: usize| [value as i64; 2];
        Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?
            .set(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &[cudnnDataType_t::CUDNN_DATA_FLOAT])?
            .set(Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE, &[cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION])?
            .set(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2i64])?
            .set(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &both(1))?
            .set(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &both(stride))?
            .set(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &both(padding))?
            .set(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &both(padding))?
            .finalize()
    }

    /// The groups follow from the weights having fewer input channels than the input.
    fn weights(&self) -> Result<Descriptor, Error> {
        let ConvShape { kernel, out_channels, .. } = self.shape;
        let shape = Shape {
            batch: out_channels,
            height: kernel,
            width: kernel,
            channels: self.shape.group_in_channels(),
        };
        image(Tensor::Weights, shape, self.storage)
    }
}

/// Dimensions N, C, H, W and their strides in NHWC.
pub(crate) fn dimensions(shape: Shape) -> ([i64; 4], [i64; 4]) {
    let [n, h, w, c] = [shape.batch, shape.height, shape.width, shape.channels].map(|size| size as i64);
    ([n, c, h, w], [h * w * c, 1, w * c, c])
}

fn image(tensor: Tensor, shape: Shape, storage: Storage) -> Result<Descriptor, Error> {
    describe(tensor, shape, storage, false)
}

/// A tensor that is never stored.
fn virtual_image(tensor: Tensor, shape: Shape) -> Result<Descriptor, Error> {
    describe(tensor, shape, Storage::F32, true)
}

fn describe(tensor: Tensor, shape: Shape, storage: Storage, is_virtual: bool) -> Result<Descriptor, Error> {
    let (dimensions, strides) = dimensions(shape);
    Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?
        .set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[tensor as i64])?
        .set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, &[storage.data_type()])?
        .set(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, &dimensions)?
        .set(Name::CUDNN_ATTR_TENSOR_STRIDES, &strides)?
        .set(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[16i64])?
        .set(Name::CUDNN_ATTR_TENSOR_IS_VIRTUAL, &[is_virtual])?
        .finalize()
}

fn forward(
    convolution: &Descriptor,
    x: &Descriptor,
    w: &Descriptor,
    y: &Descriptor,
) -> Result<Descriptor, Error> {
    Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, &[convolution])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, &[x])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, &[w])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, &[y])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, &[1f32])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, &[0f32])?
        .finalize()
}

fn backward_data(
    convolution: &Descriptor,
    dx: &Descriptor,
    w: &Descriptor,
    dy: &Descriptor,
) -> Result<Descriptor, Error> {
    Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, &[convolution])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, &[dx])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, &[w])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, &[dy])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, &[1f32])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, &[0f32])?
        .finalize()
}

fn backward_weights(
    convolution: &Descriptor,
    x: &Descriptor,
    dw: &Descriptor,
    dy: &Descriptor,
) -> Result<Descriptor, Error> {
    Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, &[convolution])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, &[x])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, &[dw])?
        .refer(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, &[dy])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, &[1f32])?
        .set(Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, &[0f32])?
        .finalize()
}

fn pointwise(
    mode: Mode,
    x: &Descriptor,
    b: Option<&Descriptor>,
    y: &Descriptor,
) -> Result<Descriptor, Error> {
    let function = Descriptor::new(Kind::CUDNN_BACKEND_POINTWISE_DESCRIPTOR)?
        .set(Name::CUDNN_ATTR_POINTWISE_MODE, &[mode])?
        .set(Name::CUDNN_ATTR_POINTWISE_MATH_PREC, &[cudnnDataType_t::CUDNN_DATA_FLOAT])?
        .finalize()?;
    let mut operation = Descriptor::new(Kind::CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)?
        .refer(Name::CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, &[&function])?
        .refer(Name::CUDNN_ATTR_OPERATION_POINTWISE_XDESC, &[x])?
        .refer(Name::CUDNN_ATTR_OPERATION_POINTWISE_YDESC, &[y])?;
    if let Some(b) = b {
        operation = operation.refer(Name::CUDNN_ATTR_OPERATION_POINTWISE_BDESC, &[b])?;
    }
    operation.finalize()
}

fn finish(target: &Target, operations: &[&Descriptor]) -> Result<Option<Descriptor>, Error> {
    let graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?
        .refer(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, operations)?;
    match target {
        Target::Handle(handle) => graph.set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &[*handle])?,
        Target::Properties(_) => graph,
    }
    .finalize_if_supported()
}

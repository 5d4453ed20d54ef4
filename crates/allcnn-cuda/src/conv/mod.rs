//! Convolution: cuDNN's engines and cuBLASLt's products over tensors in the storage format that they are fastest with, and
//! the plain sum where there is neither.
//!
//! In bf16 what one convolution stores is what the next one reads. Everything else (pictures, f32 weights, channel
//! counts that tensor cores do not take) is repacked into and out of staging buffers.
//!
//! | file | concept |
//! |---|---|
//! | `choice` | which engine or algorithm of the libraries does a pass |
//! | `staging` | buffers for what is repacked |
//! | `direct` | the plain sums |

mod choice;
mod direct;
mod staging;

use std::sync::Arc;

use allcnn_device::{Activation, Algorithm, ConvShape, Epilogue, Error};
use cudarc::driver::{CudaSlice, DevicePtr};

pub(crate) use self::choice::Choices;
use self::choice::Chosen;
use self::staging::{Staging, repack};
use crate::cudnn::graph::{Pass, Tensor, TensorAddress, Work};
use crate::elementwise;
use crate::engine::{Engine, Numbers, Queue};
use crate::error::memory_error;
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Matrix, MatrixShape, Storage, Values, assert_len};
use crate::step::Step;

/// Rows of an output that a block adds up for the bias's gradient, at least.
const ROWS_PER_PART: usize = 64;
/// Blocks that share the rows, at most.
const MAX_PARTS: usize = 512;
/// Columns and rows of a block of `column_parts`.
const PART_BLOCK: [u32; 2] = [32, 8];

/// A prepared convolution.
#[derive(Debug)]
pub struct Conv {
    shape: ConvShape,
    /// With the channels padded to what tensor cores take.
    padded: ConvShape,
    numbers: Numbers,
    /// The padded weights, where they stay as they are.
    fixed: Option<CudaSlice<u8>>,
}

impl Conv {
    pub(crate) fn new(shape: ConvShape, numbers: Numbers) -> Self {
        Self { shape, padded: padded(shape, numbers.channel_multiple()), numbers, fixed: None }
    }

    fn work(&self, pass: Pass) -> Work {
        Work { pass, shape: self.padded, storage: self.numbers.storage }
    }

    /// The choice for a forward pass with this activation: fused with the ReLU where a library does that.
    fn choose_forward(
        &self,
        choices: &Choices,
        queue: &mut Queue,
        activation: Activation,
    ) -> Result<(Work, Arc<Chosen>), Error> {
        if activation == Activation::Relu {
            let work = self.work(Pass::ForwardRelu);
            let chosen = choices.choose(queue, work)?;
            if !chosen.is_none() {
                return Ok((work, chosen));
            }
        }
        let work = self.work(Pass::Forward);
        Ok((work, choices.choose(queue, work)?))
    }

    pub(crate) fn algorithms(&self, engine: &Engine, choices: &Choices) -> [Algorithm; 3] {
        let mut algorithms = [Algorithm { name: "none", multiply_adds: self.shape.multiply_adds() }; 3];
        engine.enqueue(|queue| {
            let (_, forward) = self.choose_forward(choices, queue, Activation::Relu)?;
            let data = choices.choose(queue, self.work(Pass::BackwardData))?;
            let weights = choices.choose(queue, self.work(Pass::BackwardWeights))?;
            for (algorithm, chosen) in algorithms.iter_mut().zip([forward, data, weights]) {
                let shape = if chosen.is_none() { self.shape } else { self.padded };
                *algorithm = Algorithm { name: chosen.name(), multiply_adds: shape.multiply_adds() };
            }
            Ok(())
        });
        algorithms
    }

    /// Pads weights that stay as they are.
    pub(crate) fn fix_weights(&mut self, engine: &Engine, weights: &Buffer) -> Result<(), Error> {
        assert_len(weights, self.shape.weights_len(), "weights");
        let mut queue = engine.queue();
        if !self.is_padded(Tensor::Weights) {
            return Ok(()); // read where they are, or in their bf16 copy
        }
        let from = queue.read(weights);
        let bytes = self.padded.weights_len() * self.numbers.storage.bytes();
        let memory = match self.fixed.take() {
            Some(memory) => memory,
            // SAFETY: uninitialized memory, which `repack` fills below before anything reads it.
            None => unsafe { engine.stream.alloc(bytes) }.map_err(memory_error("packed weights", bytes))?,
        };
        let address = memory.device_ptr(&engine.stream).0;
        repack(&mut queue, self.stored(Tensor::Weights, from), self.packed(Tensor::Weights, address))?;
        self.fixed = Some(memory);
        Ok(())
    }

    /// output = dropout(activation(input * weights + bias))
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn forward(
        &self,
        choices: &Choices,
        queue: &mut Queue,
        input: &Buffer,
        weights: &Buffer,
        bias: &Buffer,
        epilogue: Epilogue,
        step: &Step,
        output: &mut Buffer,
    ) -> Result<(), Error> {
        assert_len(input, self.shape.input.len(), "input");
        assert_len(weights, self.shape.weights_len(), "weights");
        assert_len(bias, self.shape.out_channels, "bias");
        assert_len(output, self.shape.output().len(), "output");
        let (work, chosen) = self.choose_forward(choices, queue, epilogue.activation)?;
        let staging = Staging::new(queue, &work, chosen.workspace())?;
        let from = queue.read(input);
        let (storage, is_native) = self.result_storage(Tensor::Output);
        if chosen.is_none() {
            let [weights, bias] = [weights, bias].map(|buffer| queue.read(buffer));
            let to = queue.write(output, storage);
            direct::forward(queue, &self.shape, from, weights, to)?;
            let sums = self.stored(Tensor::Output, to);
            return elementwise::finish(queue, sums, sums, bias, epilogue, step);
        }
        let x = self.operand(queue, &staging, Tensor::Input, from)?;
        let w = self.weights(queue, &staging, weights)?;
        let to = queue.write(output, storage);
        let y = if is_native { to.address } else { staging.address(Tensor::Output) };
        let mut tensors = tensors(x, w, y).to_vec();
        if work.pass == Pass::ForwardRelu {
            let address = self.parameter(queue, &staging, Tensor::Bias, bias)?;
            tensors.push(TensorAddress { tensor: Tensor::Bias, address });
        }
        // SAFETY: every address is that of a buffer or staging buffer with the padded shape's length, aligned to 256 bytes;
        // buffers and scratch memory are freed in the stream's order, behind this work.
        unsafe { chosen.enqueue(queue, &tensors, staging.workspace) }?;
        if work.pass == Pass::Forward {
            let (sums, output) = (self.packed(Tensor::Output, y), self.stored(Tensor::Output, to));
            let bias = queue.read(bias);
            return elementwise::finish(queue, sums, output, bias, epilogue, step);
        }
        if !is_native {
            self.unpack(queue, Tensor::Output, y, to)?;
        }
        match epilogue.dropout {
            Some(dropout) => elementwise::dropout(queue, dropout, to, output.len(), step),
            None => Ok(()),
        }
    }

    /// d_input, before it passes the activation below.
    pub(crate) fn backward_data(
        &self,
        choices: &Choices,
        queue: &mut Queue,
        d_output: &Buffer,
        weights: &Buffer,
        d_input: &mut Buffer,
    ) -> Result<(), Error> {
        assert_len(d_output, self.shape.output().len(), "d_output");
        assert_len(weights, self.shape.weights_len(), "weights");
        assert_len(d_input, self.shape.input.len(), "d_input");
        let work = self.work(Pass::BackwardData);
        let chosen = choices.choose(queue, work)?;
        let staging = Staging::new(queue, &work, chosen.workspace())?;
        let from = queue.read(d_output);
        let (storage, is_native) = self.result_storage(Tensor::Input);
        if chosen.is_none() {
            let weights = queue.read(weights);
            let to = queue.write(d_input, storage);
            return direct::backward_data(queue, &self.shape, from, weights, to);
        }
        let dy = self.operand(queue, &staging, Tensor::Output, from)?;
        let w = self.weights(queue, &staging, weights)?;
        let to = queue.write(d_input, storage);
        let dx = if is_native { to.address } else { staging.address(Tensor::Input) };
        // SAFETY: every address is that of a buffer or staging buffer with the padded shape's length, aligned to 256 bytes;
        // buffers and scratch memory are freed in the stream's order, behind this work.
        unsafe { chosen.enqueue(queue, &tensors(dx, w, dy), staging.workspace) }?;
        if is_native { Ok(()) } else { self.unpack(queue, Tensor::Input, dx, to) }
    }

    /// d_weights, in the format that a library computes them in, and d_bias, in f32.
    pub(crate) fn backward_weights(
        &self,
        choices: &Choices,
        queue: &mut Queue,
        input: &Buffer,
        d_output: &Buffer,
        d_weights: &mut Buffer,
        d_bias: &mut Buffer,
    ) -> Result<(), Error> {
        assert_len(input, self.shape.input.len(), "input");
        assert_len(d_output, self.shape.output().len(), "d_output");
        assert_len(d_weights, self.shape.weights_len(), "d_weights");
        assert_len(d_bias, self.shape.out_channels, "d_bias");
        let work = self.work(Pass::BackwardWeights);
        let chosen = choices.choose(queue, work)?;
        let [from_input, from_output] = [input, d_output].map(|buffer| queue.read(buffer));
        let bias = queue.write(d_bias, Storage::F32);
        if !chosen.is_none() {
            let (storage, is_native) = self.result_storage(Tensor::Weights);
            let to = queue.write(d_weights, storage);
            let staging = Staging::new(queue, &work, chosen.workspace())?;
            let x = self.operand(queue, &staging, Tensor::Input, from_input)?;
            let dy = self.operand(queue, &staging, Tensor::Output, from_output)?;
            let dw = if is_native { to.address } else { staging.address(Tensor::Weights) };
            // SAFETY: every address is that of a buffer or staging buffer with the padded shape's length, aligned to 256
            // bytes; buffers and scratch memory are freed in the stream's order, behind this work.
            unsafe { chosen.enqueue(queue, &tensors(x, dw, dy), staging.workspace) }?;
            if !is_native {
                self.unpack(queue, Tensor::Weights, dw, to)?;
            }
        } else {
            let to = queue.write(d_weights, Storage::F32);
            direct::backward_weights(queue, &self.shape, from_input, from_output, to)?;
        }
        self.bias_gradient(queue, from_output, bias)
    }

    /// The sums of d_output over everything but the channels.
    fn bias_gradient(&self, queue: &mut Queue, d_output: Values, d_bias: Values) -> Result<(), Error> {
        let MatrixShape { rows, columns } = MatrixShape::of(self.shape.output());
        let rows_per_part = rows.div_ceil(MAX_PARTS).max(ROWS_PER_PART);
        let part_count = rows.div_ceil(rows_per_part);
        let [parts] = queue.scratch([part_count * columns * Storage::F32.bytes()])?;
        let blocks = [(columns as u32).div_ceil(PART_BLOCK[0]), part_count as u32];
        let grid = Grid { blocks, threads: PART_BLOCK };
        let [columns, part_count] = [columns as u32, part_count as u32];
        // SAFETY: d_output holds rows x columns values, `parts` part_count x columns, and d_bias one for each column.
        unsafe {
            let arguments = (rows as u64, rows_per_part as u64);
            queue.launch(
                Kernel::ColumnParts,
                grid,
                &[&d_output, &arguments.0, &columns, &arguments.1, &parts],
            )?;
            let grid = Grid::over(columns as usize);
            queue.launch(Kernel::ColumnTotals, grid, &[&parts, &part_count, &columns, &d_bias.address])
        }
    }

    /// The address of a tensor as the libraries read it: its own, or that of a staging buffer that it is packed into.
    fn operand(
        &self,
        queue: &mut Queue,
        staging: &Staging,
        tensor: Tensor,
        values: Values,
    ) -> Result<u64, Error> {
        if self.is_native(values, tensor) {
            return Ok(values.address);
        }
        let address = staging.address(tensor);
        repack(queue, self.stored(tensor, values), self.packed(tensor, address))?;
        Ok(address)
    }

    fn weights(&self, queue: &mut Queue, staging: &Staging, weights: &Buffer) -> Result<u64, Error> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.device_ptr(&queue.stream).0);
        }
        self.parameter(queue, staging, Tensor::Weights, weights)
    }

    /// The address of a parameter as the libraries read it.
    fn parameter(
        &self,
        queue: &mut Queue,
        staging: &Staging,
        tensor: Tensor,
        parameter: &Buffer,
    ) -> Result<u64, Error> {
        let values = queue.read(parameter);
        if !self.is_native(values, tensor) && !self.is_padded(tensor) {
            return queue.read_copy(parameter);
        }
        self.operand(queue, staging, tensor, values)
    }

    /// Copies a result out of its staging buffer.
    fn unpack(&self, queue: &mut Queue, tensor: Tensor, address: u64, to: Values) -> Result<(), Error> {
        repack(queue, self.packed(tensor, address), self.stored(tensor, to))
    }

    /// Whether the libraries can read or write the values where they are.
    fn is_native(&self, values: Values, tensor: Tensor) -> bool {
        values.storage() == self.numbers.storage && !self.is_padded(tensor)
    }

    /// Whether the libraries see the tensor with more rows or columns than it has.
    fn is_padded(&self, tensor: Tensor) -> bool {
        matrix_shape(&self.shape, tensor) != matrix_shape(&self.padded, tensor)
    }

    /// The storage format of a result, and whether a library can write it there itself.
    fn result_storage(&self, tensor: Tensor) -> (Storage, bool) {
        if self.is_padded(tensor) { (Storage::F32, false) } else { (self.numbers.storage, true) }
    }

    /// A tensor as buffers hold it.
    fn stored(&self, tensor: Tensor, values: Values) -> Matrix {
        Matrix { values, shape: matrix_shape(&self.shape, tensor) }
    }

    /// A tensor as the libraries see it.
    fn packed(&self, tensor: Tensor, address: u64) -> Matrix {
        let values = Values::new(address, self.numbers.storage);
        Matrix { values, shape: matrix_shape(&self.padded, tensor) }
    }
}

/// The tensors that every pass has.
fn tensors(input: u64, weights: u64, output: u64) -> [TensorAddress; 3] {
    [(Tensor::Input, input), (Tensor::Weights, weights), (Tensor::Output, output)]
        .map(|(tensor, address)| TensorAddress { tensor, address })
}

/// The shape with channels padded to a multiple; groups stay as they are.
fn padded(shape: ConvShape, multiple: usize) -> ConvShape {
    if shape.groups > 1 {
        return shape;
    }
    let mut padded = shape;
    padded.input.channels = shape.input.channels.next_multiple_of(multiple);
    padded.out_channels = shape.out_channels.next_multiple_of(multiple);
    padded
}

/// Rows and columns of a tensor. The columns are channels, which are padded; padded output channels are rows of the weights.
fn matrix_shape(shape: &ConvShape, tensor: Tensor) -> MatrixShape {
    match tensor {
        Tensor::Input => MatrixShape::of(shape.input),
        Tensor::Weights => {
            let columns = shape.group_in_channels();
            MatrixShape { rows: shape.weights_len() / columns, columns }
        }
        Tensor::Bias => MatrixShape { rows: 1, columns: shape.out_channels },
        Tensor::Output | Tensor::Sum | Tensor::Biased => MatrixShape::of(shape.output()),
    }
}

/// The work of a pass, for tests.
#[cfg(test)]
pub(crate) fn padded_work(shape: ConvShape, numbers: Numbers, pass: Pass) -> Work {
    Conv::new(shape, numbers).work(pass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use allcnn_device::{Precision, Shape};

    fn conv(channels: usize, out_channels: usize, groups: usize, precision: Precision) -> Conv {
        let input = Shape { batch: 2, height: 6, width: 5, channels };
        let shape = ConvShape { input, out_channels, kernel: 3, stride: 1, padding: 1, groups };
        Conv::new(shape, Numbers::new(precision, true))
    }

    #[test]
    fn channels_are_padded_to_what_tensor_cores_take() {
        let channels = |conv: &Conv| (conv.padded.input.channels, conv.padded.out_channels);
        assert_eq!(channels(&conv(3, 10, 1, Precision::Bf16)), (8, 16));
        assert_eq!(channels(&conv(3, 10, 1, Precision::F32)), (4, 12));
        assert_eq!(channels(&conv(96, 192, 1, Precision::Bf16)), (96, 192));
        assert_eq!(channels(&conv(6, 6, 2, Precision::Bf16)), (6, 6));
    }

    #[test]
    fn what_the_libraries_can_read_is_not_copied() {
        let [f32, bf16] = [Storage::F32, Storage::Bf16].map(|storage| Values::new(64, storage));
        let pictures = conv(3, 96, 1, Precision::Bf16);
        assert!(!pictures.is_native(f32, Tensor::Input) && !pictures.is_native(bf16, Tensor::Input));
        assert!(pictures.is_native(bf16, Tensor::Output) && !pictures.is_native(f32, Tensor::Output));
        assert_eq!(pictures.result_storage(Tensor::Output), (Storage::Bf16, true));
        assert_eq!(pictures.result_storage(Tensor::Input), (Storage::F32, false));
        let inner = conv(96, 96, 1, Precision::F32);
        assert!(inner.is_native(f32, Tensor::Input) && inner.is_native(f32, Tensor::Weights));
    }

    #[test]
    fn weights_are_rows_of_input_channels() {
        let conv = conv(3, 10, 1, Precision::Bf16);
        assert_eq!(matrix_shape(&conv.shape, Tensor::Weights), MatrixShape { rows: 90, columns: 3 });
        assert_eq!(matrix_shape(&conv.padded, Tensor::Weights), MatrixShape { rows: 144, columns: 8 });
        assert_eq!(matrix_shape(&conv.padded, Tensor::Output), MatrixShape { rows: 60, columns: 16 });
    }
}

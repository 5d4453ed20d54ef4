//! Convolution: cuDNN's engines and cuBLASLt's products over tensors in the form that they are fastest with, and the plain
//! sum where there is neither.
//!
//! In bf16 what one convolution stores is what the next one reads. Everything else (pictures, f32 weights, channel
//! counts that tensor cores do not take) is repacked on its way in and out.

pub mod choice;
mod direct;
mod room;

use std::sync::Arc;

use allcnn_device::{Activation, Algorithm, ConvShape, Dropout, Epilogue, Error};
use cudarc::driver::{CudaSlice, DevicePtr};

use self::choice::{Chosen, choose};
use self::room::{Matrix, Room, repack};
use crate::cudnn::graph::{Pass, Tensor, Work};
use crate::elementwise;
use crate::engine::{Engine, Numbers, Queue, memory_error};
use crate::kernels::{Grid, Kernel};
use crate::memory::{Buffer, Form, Values, assert_len};
use crate::step::Step;

/// Rows of an output whose gradients a block adds up for the bias, at least.
const ROWS_PER_PART: usize = 64;
/// Parts of those sums at most.
const MOST_PARTS: usize = 512;
/// Columns and rows of a block of `column_parts`.
const PART_BLOCK: [u32; 2] = [32, 8];

/// A prepared convolution.
#[derive(Debug)]
pub struct Conv {
    shape: ConvShape,
    /// With channels as they lie in memory.
    padded: ConvShape,
    numbers: Numbers,
    /// Weights that stay, padded.
    fixed: Option<CudaSlice<u8>>,
}

impl Conv {
    pub(crate) fn new(shape: ConvShape, numbers: Numbers) -> Self {
        Self { shape, padded: padded(shape, numbers.channel_multiple()), numbers, fixed: None }
    }

    fn work(&self, pass: Pass) -> Work {
        Work { pass, shape: self.padded, form: self.numbers.form }
    }

    /// The choice for a forward pass with this activation: fused with the ReLU where a library does that.
    fn choose_forward(
        &self,
        engine: &Engine,
        queue: &mut Queue,
        activation: Activation,
    ) -> Result<(Work, Arc<Chosen>), Error> {
        if activation == Activation::Relu {
            let work = self.work(Pass::ForwardRelu);
            let chosen = choose(engine, queue, work)?;
            if !chosen.is_none() {
                return Ok((work, chosen));
            }
        }
        let work = self.work(Pass::Forward);
        Ok((work, choose(engine, queue, work)?))
    }

    pub(crate) fn algorithms(&self, engine: &Engine) -> [Algorithm; 3] {
        let mut algorithms = [Algorithm { name: "none", multiply_adds: self.shape.multiply_adds() }; 3];
        engine.run(|queue| {
            let (_, forward) = self.choose_forward(engine, queue, Activation::Relu)?;
            let data = choose(engine, queue, self.work(Pass::BackwardData))?;
            let weights = choose(engine, queue, self.work(Pass::BackwardWeights))?;
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
        if matrix(&self.shape, Tensor::Weights) == matrix(&self.padded, Tensor::Weights) {
            return Ok(()); // read where they are, or in their copy
        }
        let from = queue.read(weights);
        let bytes = self.padded.weights_len() * self.numbers.form.bytes();
        let memory = match self.fixed.take() {
            Some(memory) => memory,
            // SAFETY: filled below before anything reads it.
            None => unsafe { engine.stream.alloc(bytes) }.map_err(memory_error("packed weights", bytes))?,
        };
        let address = memory.device_ptr(&engine.stream).0;
        let to = (Values::new(address, self.numbers.form), matrix(&self.padded, Tensor::Weights));
        repack(&mut queue, (from, matrix(&self.shape, Tensor::Weights)), to)?;
        self.fixed = Some(memory);
        Ok(())
    }

    /// output = dropout(activation(input * weights + bias))
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn forward(
        &self,
        engine: &Engine,
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
        let (work, chosen) = self.choose_forward(engine, queue, epilogue.activation)?;
        let room = Room::new(queue, &work, chosen.workspace())?;
        let from = queue.read(input);
        let (form, lies_right) = self.form_of_result(Tensor::Output);
        if chosen.is_none() {
            let [weights, bias] = [weights, bias].map(|buffer| queue.read(buffer));
            let to = queue.write(output, form);
            direct::forward(queue, &self.shape, from, weights, to)?;
            let rows = (to, self.shape.out_channels);
            return elementwise::finish(queue, rows, (to, self.shape.output()), bias, epilogue, step);
        }
        let x = self.operand(queue, &room, Tensor::Input, from)?;
        let w = self.weights(engine, queue, &room, weights)?;
        let to = queue.write(output, form);
        let y = if lies_right { to.address } else { room.address(Tensor::Output) };
        let mut tensors = vec![(Tensor::Input, x), (Tensor::Weights, w), (Tensor::Output, y)];
        if work.pass == Pass::ForwardRelu {
            tensors.push((Tensor::Bias, self.parameter(queue, &room, Tensor::Bias, bias)?));
        }
        // SAFETY: the operands have the sizes of the padded shape, in memory of the buffers or of the room.
        unsafe { chosen.run(queue, &tensors, room.workspace) }?;
        if work.pass == Pass::Forward {
            let (rows, bias) =
                ((Values::new(y, self.numbers.form), self.padded.out_channels), queue.read(bias));
            return elementwise::finish(queue, rows, (to, self.shape.output()), bias, epilogue, step);
        }
        if !lies_right {
            self.take_out(queue, Tensor::Output, y, to)?;
        }
        dropout_after(queue, epilogue.dropout, to, output.len(), step)
    }

    /// d_input, before it passes the activation below.
    pub(crate) fn backward_data(
        &self,
        engine: &Engine,
        queue: &mut Queue,
        d_output: &Buffer,
        weights: &Buffer,
        d_input: &mut Buffer,
    ) -> Result<(), Error> {
        assert_len(d_output, self.shape.output().len(), "d_output");
        assert_len(weights, self.shape.weights_len(), "weights");
        assert_len(d_input, self.shape.input.len(), "d_input");
        let work = self.work(Pass::BackwardData);
        let chosen = choose(engine, queue, work)?;
        let room = Room::new(queue, &work, chosen.workspace())?;
        let from = queue.read(d_output);
        let (form, lies_right) = self.form_of_result(Tensor::Input);
        if chosen.is_none() {
            let weights = queue.read(weights);
            let to = queue.write(d_input, form);
            return direct::backward_data(queue, &self.shape, from, weights, to);
        }
        let dy = self.operand(queue, &room, Tensor::Output, from)?;
        let w = self.weights(engine, queue, &room, weights)?;
        let to = queue.write(d_input, form);
        let dx = if lies_right { to.address } else { room.address(Tensor::Input) };
        let tensors = [(Tensor::Input, dx), (Tensor::Weights, w), (Tensor::Output, dy)];
        // SAFETY: as in `forward`.
        unsafe { chosen.run(queue, &tensors, room.workspace) }?;
        if lies_right { Ok(()) } else { self.take_out(queue, Tensor::Input, dx, to) }
    }

    /// d_weights, which a library leaves in the form that it computes them in, and d_bias, in f32.
    pub(crate) fn backward_weights(
        &self,
        engine: &Engine,
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
        let chosen = choose(engine, queue, work)?;
        let [from_input, from_output] = [input, d_output].map(|buffer| queue.read(buffer));
        let bias = queue.write(d_bias, Form::F32);
        if !chosen.is_none() {
            let (form, lies_right) = self.form_of_result(Tensor::Weights);
            let to = queue.write(d_weights, form);
            let room = Room::new(queue, &work, chosen.workspace())?;
            let x = self.operand(queue, &room, Tensor::Input, from_input)?;
            let dy = self.operand(queue, &room, Tensor::Output, from_output)?;
            let dw = if lies_right { to.address } else { room.address(Tensor::Weights) };
            let tensors = [(Tensor::Input, x), (Tensor::Weights, dw), (Tensor::Output, dy)];
            // SAFETY: as in `forward`.
            unsafe { chosen.run(queue, &tensors, room.workspace) }?;
            if !lies_right {
                self.take_out(queue, Tensor::Weights, dw, to)?;
            }
        } else {
            let to = queue.write(d_weights, Form::F32);
            direct::backward_weights(queue, &self.shape, from_input, from_output, to)?;
        }
        self.bias_gradient(queue, from_output, bias)
    }

    /// The sums of d_output over everything but the channels.
    fn bias_gradient(&self, queue: &mut Queue, d_output: Values, d_bias: Values) -> Result<(), Error> {
        let Matrix { rows, columns } = Matrix::of(self.shape.output());
        let rows_per_part = rows.div_ceil(MOST_PARTS).max(ROWS_PER_PART);
        let part_count = rows.div_ceil(rows_per_part);
        let [parts] = queue.scratch([part_count * columns * Form::F32.bytes()])?;
        let blocks = [(columns as u32).div_ceil(PART_BLOCK[0]), part_count as u32];
        let grid = Grid { blocks, threads: PART_BLOCK };
        let [columns, part_count] = [columns as u32, part_count as u32];
        // SAFETY: `parts` has a place for each part and column, and d_bias for each column.
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

    /// The address of a tensor as the libraries read it: where it is, or packed into the room.
    fn operand(&self, queue: &mut Queue, room: &Room, tensor: Tensor, values: Values) -> Result<u64, Error> {
        if self.lies_right(values, tensor) {
            return Ok(values.address);
        }
        let address = room.address(tensor);
        let to = (Values::new(address, self.numbers.form), matrix(&self.padded, tensor));
        repack(queue, (values, matrix(&self.shape, tensor)), to)?;
        Ok(address)
    }

    fn weights(
        &self,
        engine: &Engine,
        queue: &mut Queue,
        room: &Room,
        weights: &Buffer,
    ) -> Result<u64, Error> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.device_ptr(&engine.stream).0);
        }
        self.parameter(queue, room, Tensor::Weights, weights)
    }

    /// The address of a parameter as the libraries read it.
    fn parameter(
        &self,
        queue: &mut Queue,
        room: &Room,
        tensor: Tensor,
        parameter: &Buffer,
    ) -> Result<u64, Error> {
        let values = queue.read(parameter);
        if !self.lies_right(values, tensor) && matrix(&self.shape, tensor) == matrix(&self.padded, tensor) {
            return queue.read_copy(parameter);
        }
        self.operand(queue, room, tensor, values)
    }

    /// Takes a result out of the room.
    fn take_out(&self, queue: &mut Queue, tensor: Tensor, address: u64, to: Values) -> Result<(), Error> {
        let from = (Values::new(address, self.numbers.form), matrix(&self.padded, tensor));
        repack(queue, from, (to, matrix(&self.shape, tensor)))
    }

    fn lies_right(&self, values: Values, tensor: Tensor) -> bool {
        let same_form = values.is_bf16 == u64::from(self.numbers.form == Form::Bf16);
        same_form && matrix(&self.shape, tensor) == matrix(&self.padded, tensor)
    }

    /// The form that a result is left in, and whether a library can write it there itself.
    fn form_of_result(&self, tensor: Tensor) -> (Form, bool) {
        let lies_right = matrix(&self.shape, tensor) == matrix(&self.padded, tensor);
        (if lies_right { self.numbers.form } else { Form::F32 }, lies_right)
    }
}

fn dropout_after(
    queue: &mut Queue,
    dropout: Option<Dropout>,
    values: Values,
    len: usize,
    step: &Step,
) -> Result<(), Error> {
    dropout.map_or(Ok(()), |dropout| elementwise::dropout(queue, dropout, values, len, step))
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

/// Rows and columns of a tensor, the columns being what is padded: channels. Weights that only pad are rows of zeros.
fn matrix(shape: &ConvShape, tensor: Tensor) -> Matrix {
    match tensor {
        Tensor::Input => Matrix::of(shape.input),
        Tensor::Weights => {
            let columns = shape.group_in_channels();
            Matrix { rows: shape.weights_len() / columns, columns }
        }
        Tensor::Bias => Matrix { rows: 1, columns: shape.out_channels },
        Tensor::Output | Tensor::Sum | Tensor::Biased => Matrix::of(shape.output()),
    }
}

/// The work of a pass, for tests.
#[cfg(test)]
pub fn padded_work(shape: ConvShape, numbers: Numbers, pass: Pass) -> Work {
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
    fn what_lies_right_is_used_where_it_is() {
        let [f32, bf16] = [Form::F32, Form::Bf16].map(|form| Values::new(64, form));
        let pictures = conv(3, 96, 1, Precision::Bf16);
        assert!(!pictures.lies_right(f32, Tensor::Input) && !pictures.lies_right(bf16, Tensor::Input));
        assert!(pictures.lies_right(bf16, Tensor::Output) && !pictures.lies_right(f32, Tensor::Output));
        assert_eq!(pictures.form_of_result(Tensor::Output), (Form::Bf16, true));
        assert_eq!(pictures.form_of_result(Tensor::Input), (Form::F32, false));
        let inner = conv(96, 96, 1, Precision::F32);
        assert!(inner.lies_right(f32, Tensor::Input) && inner.lies_right(f32, Tensor::Weights));
    }

    #[test]
    fn weights_are_rows_of_input_channels() {
        let conv = conv(3, 10, 1, Precision::Bf16);
        assert_eq!(matrix(&conv.shape, Tensor::Weights), Matrix { rows: 90, columns: 3 });
        assert_eq!(matrix(&conv.padded, Tensor::Weights), Matrix { rows: 144, columns: 8 });
        assert_eq!(matrix(&conv.padded, Tensor::Output), Matrix { rows: 60, columns: 16 });
    }
}

//! Dropout, a convolution's epilogue, and the backward pass through both (`kernels/activation.cu`).

use allcnn_device::{Dropout, Epilogue, Error, Gate, ReluRule};

use crate::engine::Queue;
use crate::kernels::{Grid, Kernel};
use crate::memory::{Matrix, Values};
use crate::step::Step;

/// `struct Mask` of activation.cu. The stream of random numbers depends on the step's number too, which the kernel reads
/// from memory: these are the words of step 0.
pub(crate) fn mask(dropout: Dropout) -> [u32; 7] {
    let (key, [layer, _, purpose]) = dropout.stream(0).words();
    let channels = dropout.channels.map_or(0, |channels| channels as u32);
    [dropout.threshold(), dropout.scale().to_bits(), key[0], key[1], layer, purpose >> 24, channels]
}

/// The mask that keeps everything.
const KEEP: [u32; 7] = [0, 1f32.to_bits(), 0, 0, 0, 0, 0];

/// Multiplies values with the step's mask, in place.
pub(crate) fn dropout(
    queue: &mut Queue,
    dropout: Dropout,
    values: Values,
    len: usize,
    step: &Step,
) -> Result<(), Error> {
    let grid = Grid::over(len.div_ceil(4));
    // SAFETY: the caller gives a buffer's values with its length.
    unsafe { queue.launch(Kernel::Dropout, grid, &[&values, &(len as u64), &mask(dropout), &step.address()]) }
}

/// output = dropout(activation(sums + bias)). Rows of the sums may be zero-padded.
pub(crate) fn finish(
    queue: &mut Queue,
    sums: Matrix,
    output: Matrix,
    bias: Values,
    epilogue: Epilogue,
    step: &Step,
) -> Result<(), Error> {
    let len = output.shape.len();
    let [from_columns, columns] = [sums, output].map(|matrix| matrix.shape.columns as u32);
    let slope = epilogue.activation.negative_slope();
    let mask = epilogue.dropout.map_or(KEEP, mask);
    let has_dropout = u32::from(epilogue.dropout.is_some());
    let numbers = (len as u64, step.address());
    // SAFETY: sums and output have the same number of rows, and the bias has a value for each of the output's columns.
    unsafe {
        queue.launch(
            Kernel::Finish,
            Grid::over(len.div_ceil(4)),
            &[
                &sums.values,
                &output.values,
                &bias.address,
                &numbers.0,
                &from_columns,
                &columns,
                &slope,
                &has_dropout,
                &mask,
                &numbers.1,
            ],
        )
    }
}

/// Passes a signal back through an activation and its dropout, in place. `output` and `signal` hold `len` values.
pub(crate) fn pass_back(
    queue: &mut Queue,
    gate: Gate,
    output: Values,
    signal: Values,
    len: usize,
) -> Result<(), Error> {
    let rule = match gate.rule {
        ReluRule::Backprop => 0u32,
        ReluRule::Deconvnet => 1,
        ReluRule::Guided => 2,
    };
    let slope = gate.activation.negative_slope();
    let has_dropout = u32::from(gate.dropout_rate > 0.0);
    let scale = 1.0 / (1.0 - gate.dropout_rate);
    let grid = Grid::over(len.div_ceil(4));
    // SAFETY: the caller checked that both buffers hold `len` values.
    unsafe {
        queue.launch(
            Kernel::PassBack,
            grid,
            &[&output, &signal, &(len as u64), &slope, &rule, &has_dropout, &scale],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_the_words_of_its_stream_but_for_the_step() {
        let dropout = Dropout { rate: 0.5, seed: (3 << 32) + 9, layer: 4, channels: Some(96) };
        let [threshold, scale, key_0, key_1, layer, purpose, channels] = mask(dropout);
        assert_eq!((threshold, f32::from_bits(scale)), (1 << 31, 2.0));
        assert_eq!(channels, 96);
        for step in [0, 5, (9 << 32) + 2] {
            let counter = [layer, step as u32, purpose << 24 | (step >> 32) as u32];
            assert_eq!(dropout.stream(step).words(), ([key_0, key_1], counter));
        }
    }
}

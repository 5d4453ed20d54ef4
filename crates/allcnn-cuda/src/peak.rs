//! The measured peak: a large matrix product, as a 1x1 convolution, by the fastest way that the device has for it.

use std::time::Instant;

use allcnn_device::{Activation, ConvShape, Device, Epilogue, Error, Shape};

/// Rows, columns and depth of the product.
const SIDE: usize = 8192;
/// Products in a try, and tries.
const RUNS: u32 = 10;
const TRIES: usize = 3;

/// The best of several tries, in GFLOP/s (two operations a multiply-add).
pub(crate) fn measure_gflops<D: Device>(device: &D) -> Result<f64, Error> {
    let input = Shape { batch: 1, height: 64, width: SIDE / 64, channels: SIDE };
    let shape = ConvShape { input, out_channels: SIDE, kernel: 1, stride: 1, padding: 0, groups: 1 };
    let mut conv = device.conv(shape)?;
    let filled = |len: usize, scale: f32| -> Result<_, Error> {
        // Random-looking values: zeros take less power and so run faster.
        let values: Vec<f32> =
            (0..len).map(|index| ((index * 37 % 101) as f32 / 50.0 - 1.0) * scale).collect();
        let mut buffer = device.alloc(len)?;
        device.upload(&values, &mut buffer)?;
        Ok(buffer)
    };
    // Weights so small that repeated products neither grow nor vanish.
    let (input, weights) = (filled(shape.input.len(), 1.0)?, filled(shape.weights_len(), 1.0 / 64.0)?);
    let (bias, step) = (device.alloc(SIDE)?, device.new_step()?);
    let epilogue = Epilogue { activation: Activation::Relu, dropout: None };
    // What one convolution stores is what the next one reads: no conversion from f32 is measured.
    let (mut from, mut to) = (input, device.alloc(shape.output().len())?);
    device.conv_fix_weights(&mut conv, &weights, false)?;
    let mut best = 0f64;
    for attempt in 0..=TRIES {
        let begin = Instant::now();
        for _ in 0..RUNS {
            device.conv_forward(&mut conv, &from, &weights, &bias, epilogue, &step, &mut to);
            std::mem::swap(&mut from, &mut to);
        }
        device.synchronize()?;
        let operations = 2.0 * shape.multiply_adds() as f64 * f64::from(RUNS);
        if attempt > 0 {
            best = best.max(operations / begin.elapsed().as_secs_f64() / 1e9);
        }
    }
    Ok(best)
}

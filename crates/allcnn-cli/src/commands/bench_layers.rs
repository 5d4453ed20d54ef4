//! `allcnn bench --layers`: the time of each convolution, pass by pass, on its own.

use allcnn::net::{Network, Operation};
use allcnn_cpu::Cpu;
use allcnn_device::{Activation, ConvShape, Device, Epilogue, Gate, ReluRule, StoredOutput};

use super::bench_timing::median;
use crate::args::BenchArgs;
use crate::output::{Align, Table};

/// The time and the arithmetic of every convolution, pass by pass.
pub fn measure(device: &Cpu, network: &Network, arguments: &BenchArgs) -> anyhow::Result<Table> {
    let mut table = Table::new(&[
        ("layer", Align::Left),
        ("what", Align::Left),
        ("forward ms", Align::Right),
        ("GFLOP/s", Align::Right),
        ("backward-data ms", Align::Right),
        ("GFLOP/s", Align::Right),
        ("backward-weights ms", Align::Right),
        ("GFLOP/s", Align::Right),
    ]);
    for (layer, operation) in network.layers().iter().zip(network.operations(arguments.batch)) {
        let Operation::Conv(shape) = operation else { continue };
        let flops = 2.0 * shape.multiply_adds() as f64;
        let mut cells = vec![layer.name().to_owned(), layer.kind().to_string()];
        for seconds in passes(device, shape, arguments.repeat)? {
            cells.push(format!("{:.2}", seconds * 1e3));
            cells.push(format!("{:.0}", flops / seconds / 1e9));
        }
        table.row(cells);
    }
    Ok(table)
}

/// Seconds of forward, backward-data and backward-weights.
fn passes(device: &Cpu, shape: ConvShape, repeats: usize) -> anyhow::Result<[f64; 3]> {
    let mut conv = device.conv(shape)?;
    let step = device.new_step()?;
    let filled = |len: usize, scale: f32| -> anyhow::Result<_> {
        let values: Vec<f32> =
            (0..len).map(|place| ((place * 37 % 101) as f32 / 50.0 - 1.0) * scale).collect();
        let mut buffer = device.alloc(len)?;
        device.upload(&values, &mut buffer)?;
        Ok(buffer)
    };
    let input = filled(shape.input.len(), 1.0)?;
    let d_output = filled(shape.output().len(), 1.0)?;
    let weights = filled(shape.weights_len(), 0.05)?;
    let bias = filled(shape.out_channels, 0.1)?;
    let mut output = device.alloc(shape.output().len())?;
    let mut d_input = device.alloc(shape.input.len())?;
    let mut d_weights = device.alloc(shape.weights_len())?;
    let mut d_bias = device.alloc(shape.out_channels)?;
    let epilogue = Epilogue { activation: Activation::Relu, dropout: None };
    let gate = Gate { activation: Activation::Relu, rule: ReluRule::Backprop, dropout_rate: 0.0 };

    let forward = median(repeats, || {
        device.conv_forward(&mut conv, &input, &weights, &bias, epilogue, &step, &mut output);
        device.synchronize()
    })?;
    let backward_data = median(repeats, || {
        let below = Some(StoredOutput { output: &input, gate });
        device.conv_backward_data(&mut conv, &d_output, &weights, below, &mut d_input);
        device.synchronize()
    })?;
    let backward_weights = median(repeats, || {
        device.conv_backward_weights(&mut conv, &input, &d_output, &mut d_weights, &mut d_bias);
        device.synchronize()
    })?;
    Ok([forward, backward_data, backward_weights].map(|time| time.as_secs_f64().max(1e-9)))
}

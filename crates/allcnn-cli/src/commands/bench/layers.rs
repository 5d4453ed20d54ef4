//! `allcnn bench --layers`: the time of each pass of each convolution on its own.

use allcnn::net::Operation;
use allcnn_device::{Activation, ConvShape, Device, Epilogue, Gate, ReluRule, StoredOutput};
use serde::Serialize;

use super::machine::Machine;
use super::steps::Subject;
use super::timing::median;
use crate::device::MeasuresPeak;
use crate::output::{Align, Table};

/// The passes of a convolution, as [`Device::conv_algorithms`] orders them.
const PASSES: [&str; 3] = ["forward", "backward-data", "backward-weights"];

/// A pass of a convolution and its speed.
#[derive(Debug, Serialize)]
pub(super) struct LayerPass {
    layer: String,
    /// The layer in words.
    kind: String,
    pass: &'static str,
    algorithm: &'static str,
    ms: f64,
    /// Counting the operations of the plain convolution.
    gflops: f64,
    /// Counting the operations that the algorithm executes.
    executed_gflops: f64,
    /// The executed operations as a share of the machine's peak.
    peak_share: f64,
}

/// Every pass of every convolution, and the peak before, between and after them.
pub(super) fn measure<D: MeasuresPeak>(
    subject: Subject<'_, D>,
    machine: &mut Machine,
) -> anyhow::Result<Vec<LayerPass>> {
    let mut rows = Vec::new();
    let Subject { device, network, batch, repeat } = subject;
    for (layer, operation) in network.layers().iter().zip(network.operations(batch)) {
        let Operation::Conv(shape) = operation else { continue };
        let mut conv = device.conv(shape)?;
        let algorithms = device.conv_algorithms(&conv);
        machine.measure_peak(device)?;
        let seconds = passes(device, &mut conv, shape, repeat)?;
        for ((pass, algorithm), seconds) in PASSES.into_iter().zip(algorithms).zip(seconds) {
            let gflops = |multiply_adds: usize| 2.0 * multiply_adds as f64 / seconds / 1e9;
            let executed_gflops = gflops(algorithm.multiply_adds);
            rows.push(LayerPass {
                layer: layer.name().to_owned(),
                kind: layer.kind().to_string(),
                pass,
                algorithm: algorithm.name,
                ms: seconds * 1e3,
                gflops: gflops(shape.multiply_adds()),
                executed_gflops,
                peak_share: 0.0,
            });
        }
    }
    machine.measure_peak(device)?;
    let peak_gflops = machine.peak_gflops();
    rows.iter_mut().for_each(|row| row.peak_share = row.executed_gflops / peak_gflops);
    Ok(rows)
}

/// The passes as a table for people.
pub(super) fn table(rows: &[LayerPass]) -> Table {
    let mut table = Table::new(&[
        ("layer", Align::Left),
        ("what", Align::Left),
        ("pass", Align::Left),
        ("algorithm", Align::Left),
        ("ms", Align::Right),
        ("GFLOP/s", Align::Right),
        ("executed", Align::Right),
        ("of peak", Align::Right),
    ]);
    for row in rows {
        table.row([
            row.layer.clone(),
            row.kind.clone(),
            row.pass.to_owned(),
            row.algorithm.to_owned(),
            format!("{:.2}", row.ms),
            format!("{:.0}", row.gflops),
            format!("{:.0}", row.executed_gflops),
            format!("{:.0} %", 100.0 * row.peak_share),
        ]);
    }
    table
}

/// Seconds of each of [`PASSES`].
fn passes<D: Device>(
    device: &D,
    conv: &mut D::Conv,
    shape: ConvShape,
    repeats: usize,
) -> anyhow::Result<[f64; 3]> {
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
        device.conv_forward(conv, &input, &weights, &bias, epilogue, &step, &mut output);
        device.synchronize()
    })?;
    let backward_data = median(repeats, || {
        let below = Some(StoredOutput { output: &input, gate });
        device.conv_backward_data(conv, &d_output, &weights, below, &mut d_input);
        device.synchronize()
    })?;
    let backward_weights = median(repeats, || {
        device.conv_backward_weights(conv, &input, &d_output, &mut d_weights, &mut d_bias);
        device.synchronize()
    })?;
    Ok([forward, backward_data, backward_weights].map(|time| time.as_secs_f64().max(1e-9)))
}

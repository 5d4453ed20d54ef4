//! `allcnn bench`: how fast a network trains and infers here, as medians over repeats after a warm-up.

use std::process::ExitCode;
use std::time::Duration;

use allcnn::net::{Init, LayerKind, Network};
use allcnn::parameters::Parameters;
use allcnn::plan::{Mode, Plan, PlanPurpose};
use allcnn_cpu::Cpu;
use allcnn_device::{Device, Sgd};
use anyhow::Context;
use serde::Serialize;

use super::bench_layers;
use super::bench_timing::median;
use super::network_choice::choose;
use crate::args::{BenchArgs, BenchWhat};
use crate::device;
use crate::output::{self, Align, Table};
use crate::progress::Progress;

/// The optimizer's settings; its speed does not depend on them.
const SGD: Sgd = Sgd { momentum: 0.9, weight_decay: 1e-3, nesterov: false, clip_norm: f32::INFINITY };

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    model: String,
    batch: usize,
    threads: usize,
    device: String,
    precision: &'static str,
    train_images_per_s: Option<f64>,
    infer_images_per_s: Option<f64>,
    explain_images_per_s: Option<f64>,
    /// Of training, else of inference, counting the multiply-adds of the plain convolutions.
    gflops: Option<f64>,
    peak_gflops: f64,
    peak_memory_mb: Option<f64>,
}

/// Measures and shows.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<ExitCode> {
    let network = choose(&arguments.model, None)?;
    let device = device::open(&arguments.common, arguments.precision)?;
    let progress = Progress::new(arguments.common.quiet);
    let mut document = Document {
        model: network.name().to_owned(),
        batch: arguments.batch,
        threads: device.thread_count(),
        device: device.description(),
        precision: "f32",
        train_images_per_s: None,
        infer_images_per_s: None,
        explain_images_per_s: None,
        gflops: None,
        peak_gflops: device.measure_peak_gflops(),
        peak_memory_mb: None,
    };
    let measures = |what| arguments.what.contains(&what);
    if measures(BenchWhat::Infer) {
        progress.note("measuring inference");
        let speed = images_per_s(arguments, infer(&device, &network, arguments)?);
        document.infer_images_per_s = Some(speed);
        document.gflops = Some(speed * infer_flops(&network) / 1e9);
    }
    if measures(BenchWhat::Train) {
        progress.note("measuring training");
        let speed = images_per_s(arguments, train(&device, &network, arguments)?);
        document.train_images_per_s = Some(speed);
        document.gflops = Some(speed * train_flops(&network) / 1e9);
    }
    document.peak_memory_mb = peak_memory_mb();
    let layers = if arguments.layers {
        progress.note("measuring the layers");
        Some(bench_layers::measure(&device, &network, arguments)?)
    } else {
        None
    };
    if arguments.json {
        output::json(&document)?;
    } else {
        output::text(&words(&document))?;
        if let Some(layers) = layers {
            output::text(&format!("\n{layers}"))?;
        }
        if arguments.common.verbose {
            output::text(&format!("\n{}", algorithms(&device, &network, arguments.batch)?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The images and targets of a batch: any will do, but not zeros, whose products may be faster.
fn fill<D: Device>(plan: &mut Plan<'_, D>) -> anyhow::Result<()> {
    let network = plan.network();
    let (batch, classes) = (plan.batch(), network.classes());
    let images: Vec<f32> =
        (0..network.input().shape(batch).len()).map(|place| (place * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let mut targets = vec![0.0; batch * classes];
    for (row, target) in targets.chunks_exact_mut(classes).enumerate() {
        target[row % classes] = 1.0;
    }
    plan.upload(&images, &targets).context("cannot give the device its images")
}

/// A whole step: forward, loss, backward, update.
fn train(device: &Cpu, network: &Network, arguments: &BenchArgs) -> anyhow::Result<Duration> {
    let mut plan = Plan::new(device, network, arguments.batch, PlanPurpose::Training)?;
    let mut parameters = Parameters::initialize(device, network, Init::He, 0)?;
    let mut step = device.new_step()?;
    let scale = 1.0 / arguments.batch as f32;
    let mut number = 0;
    fill(&mut plan)?;
    median(arguments.repeat, || {
        device.set_step(&mut step, number, 1e-4);
        number += 1;
        let mode = Mode::Train { step: &step, seed: 0 };
        plan.forward(&parameters, mode);
        plan.loss(scale);
        plan.backward(&mut parameters, mode);
        device.sgd(SGD, &step, parameters.list_mut());
        device.synchronize()
    })
}

fn infer(device: &Cpu, network: &Network, arguments: &BenchArgs) -> anyhow::Result<Duration> {
    let mut plan = Plan::new(device, network, arguments.batch, PlanPurpose::Inference)?;
    let parameters = Parameters::initialize(device, network, Init::He, 0)?;
    fill(&mut plan)?;
    median(arguments.repeat, || {
        plan.forward(&parameters, Mode::Evaluate);
        device.synchronize()
    })
}

fn images_per_s(arguments: &BenchArgs, time: Duration) -> f64 {
    arguments.batch as f64 / time.as_secs_f64().max(1e-9)
}

/// Floating point operations of a forward pass of one image: two a multiply-add.
fn infer_flops(network: &Network) -> f64 {
    2.0 * network.info().multiply_adds as f64
}

/// Those of a training step: backward-data and backward-weights cost a forward pass each, but that the first layer
/// passes nothing on to the image.
fn train_flops(network: &Network) -> f64 {
    let info = network.info();
    let first = network.layers().iter().position(|layer| matches!(layer.kind(), LayerKind::Conv(_)));
    let unneeded = first.map_or(0, |layer| info.layers[layer].multiply_adds);
    2.0 * (3 * info.multiply_adds - unneeded) as f64
}

/// The largest resident set that this process ever had, in MiB; unknown where there is no /proc.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

fn words(document: &Document) -> String {
    let mut text = format!(
        "{}, batch {}, {} threads, {}, {}\n",
        document.model, document.batch, document.threads, document.precision, document.device
    );
    let mut line = |label: &str, value: Option<f64>, unit: &str| {
        if let Some(value) = value {
            text += &format!("{label:<12}{value:>10.1} {unit}\n");
        }
    };
    line("training", document.train_images_per_s, "images/s");
    line("inference", document.infer_images_per_s, "images/s");
    line("arithmetic", document.gflops, "GFLOP/s, counted as plain convolutions");
    line("peak", Some(document.peak_gflops), "GFLOP/s, measured on this machine");
    line("memory", document.peak_memory_mb, "MiB at most");
    text
}

/// The algorithm of every convolution and pass.
fn algorithms(device: &Cpu, network: &Network, batch: usize) -> anyhow::Result<Table> {
    let plan = Plan::new(device, network, batch, PlanPurpose::Training)?;
    let columns = ["layer", "forward", "backward-data", "backward-weights"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Left)));
    for (layer, [forward, data, weights]) in plan.algorithms() {
        table.row([layer, forward, data, weights].map(str::to_owned));
    }
    Ok(table)
}

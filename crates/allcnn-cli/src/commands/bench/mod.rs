//! `allcnn bench`: the speed of training, inference and explanation on this machine, as medians after a warm-up.

mod layers;
mod steps;
mod timing;

use std::path::Path;
use std::process::ExitCode;

use allcnn::data::open_file;
use allcnn::plan::{Plan, PlanPurpose};
use allcnn_device::Device;
use serde::Serialize;

use self::layers::LayerPass;
use self::steps::Subject;
use super::network_choice::choose;
use crate::args::{BenchArgs, BenchWhat};
use crate::device::{self, on_device};
use crate::output::{self, Align, Table};
use crate::progress::Progress;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    model: String,
    batch: usize,
    threads: usize,
    device: String,
    precision: String,
    train_images_per_s: Option<f64>,
    infer_images_per_s: Option<f64>,
    explain_images_per_s: Option<f64>,
    /// Of training, or else inference, or else explanation, counting the operations of the plain convolutions.
    gflops: Option<f64>,
    peak_gflops: f64,
    peak_memory_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerPass>>,
}

/// Measures and prints.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<ExitCode> {
    let network = choose(&arguments.model, None)?;
    let device = device::open_in(&arguments.common, arguments.precision)?;
    let machine = Machine { threads: device.thread_count(), peak_gflops: device.measure_peak_gflops()? };
    on_device!(device, |device| {
        let (batch, repeat) = (arguments.batch, arguments.repeat);
        bench(Subject { device: &device, network: &network, batch, repeat }, machine, arguments)
    })
}

/// Describes the machine before anything is measured.
#[derive(Clone, Copy)]
struct Machine {
    threads: usize,
    peak_gflops: f64,
}

fn bench<D: Device>(
    subject: Subject<'_, D>,
    machine: Machine,
    arguments: &BenchArgs,
) -> anyhow::Result<ExitCode> {
    let document = measure(subject, machine, arguments)?;
    if arguments.common.telling.json {
        output::json(&document)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::text(&words(&document))?;
    if let Some(layers) = &document.layers {
        output::text(&format!("\n{}", layers::table(layers)))?;
    }
    if arguments.common.telling.verbose {
        output::text(&format!("\n{}", algorithms(subject)?))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure<D: Device>(
    subject: Subject<'_, D>,
    machine: Machine,
    arguments: &BenchArgs,
) -> anyhow::Result<Document> {
    let progress = Progress::of(arguments.common.telling);
    let mut document = Document {
        model: subject.network.name().to_owned(),
        batch: subject.batch,
        threads: machine.threads,
        device: subject.device.description(),
        precision: arguments.precision.to_string(),
        train_images_per_s: None,
        infer_images_per_s: None,
        explain_images_per_s: None,
        gflops: None,
        peak_gflops: machine.peak_gflops,
        peak_memory_mb: None,
        layers: None,
    };
    for (what, name) in
        [(BenchWhat::Train, "training"), (BenchWhat::Infer, "inference"), (BenchWhat::Explain, "explanation")]
    {
        if !arguments.what.contains(&what) {
            continue;
        }
        progress.note(&format!("measuring {name}"));
        let images_per_s = subject.batch as f64 / subject.time(what)?.as_secs_f64().max(1e-9);
        document.gflops.get_or_insert(images_per_s * subject.flops(what) / 1e9);
        let place = match what {
            BenchWhat::Train => &mut document.train_images_per_s,
            BenchWhat::Infer => &mut document.infer_images_per_s,
            BenchWhat::Explain => &mut document.explain_images_per_s,
        };
        *place = Some(images_per_s);
    }
    document.peak_memory_mb = peak_memory_mb();
    if arguments.layers {
        progress.note("measuring the layers");
        document.layers = Some(layers::measure(subject, document.peak_gflops)?);
    }
    Ok(document)
}

/// The peak resident set size of this process in MiB; `None` without /proc.
fn peak_memory_mb() -> Option<f64> {
    let status = open_file::read_text(Path::new("/proc/self/status"), open_file::SETTINGS).ok()?;
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
    line("explanation", document.explain_images_per_s, "images/s");
    line("arithmetic", document.gflops, "GFLOP/s, counted as plain convolutions");
    line("peak", Some(document.peak_gflops), "GFLOP/s, measured on this machine");
    line("memory", document.peak_memory_mb, "MiB at most");
    text
}

/// The algorithm of every pass of every convolution.
fn algorithms<D: Device>(subject: Subject<'_, D>) -> anyhow::Result<Table> {
    let plan = Plan::new(subject.device, subject.network, subject.batch, PlanPurpose::Training)?;
    let columns = ["layer", "forward", "backward-data", "backward-weights"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Left)));
    for (layer, passes) in plan.algorithms() {
        let [forward, data, weights] = passes.map(|pass| pass.name);
        table.row([layer, forward, data, weights].map(str::to_owned));
    }
    Ok(table)
}

//! `allcnn bench`: the speed of training, inference and explanation on this machine, as medians after a warm-up.

mod layers;
mod machine;
mod prediction;
mod scaling;
mod steps;
mod timing;

use std::path::Path;

use allcnn::data::open_file;
use allcnn::plan::{Plan, PlanPurpose};
use allcnn_device::Device;
use serde::Serialize;

use self::layers::LayerPass;
use self::machine::{Condition, Machine};
use self::scaling::Scaling;
use self::steps::Subject;
use super::network_choice::choose;
use crate::args::{BenchArgs, BenchWhat};
use crate::device::{self, MeasuresPeak, Opened, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
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
    /// The best of several measurements.
    peak_gflops: f64,
    peak_memory_mb: Option<f64>,
    machine: Condition,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerPass>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scaling: Option<Scaling>,
}

/// Measures and prints.
pub(super) fn run(arguments: &BenchArgs) -> anyhow::Result<Exit> {
    let network = choose(&arguments.model, None)?;
    let device = device::open_in(&arguments.common, arguments.precision)?;
    if arguments.scaling && matches!(device, Opened::Cuda(_)) {
        let text = "--scaling predicts CPU threads: give --device cpu with it";
        return Err(WrongUsage(text.to_owned()).into());
    }
    let threads = device.thread_count();
    on_device!(device, |device| {
        let (batch, repeat) = (arguments.batch, arguments.repeat);
        bench(Subject { device: &device, network: &network, batch, repeat }, threads, arguments)
    })
}

fn bench<D: MeasuresPeak>(
    subject: Subject<'_, D>,
    threads: usize,
    arguments: &BenchArgs,
) -> anyhow::Result<Exit> {
    let document = measure(subject, Machine::watch(subject.device, threads)?, arguments)?;
    if let Some(warning) = document.machine.warning() {
        Progress::of(arguments.common.output).note(&warning);
    }
    if arguments.common.output.json {
        output::json(&document)?;
        return Ok(Exit::DONE);
    }
    output::text(&words(&document))?;
    if let Some(layers) = &document.layers {
        output::text(&format!("\n{}", layers::table(layers)))?;
    }
    if let Some(scaling) = &document.scaling {
        output::text(&format!("\n{}", scaling.words()))?;
        if arguments.layers {
            output::text(&format!("\n{}", scaling.operations_table()))?;
        }
    }
    if arguments.common.output.verbose {
        output::text(&format!("\n{}", algorithms(subject)?))?;
    }
    Ok(Exit::DONE)
}

fn measure<D: MeasuresPeak>(
    subject: Subject<'_, D>,
    mut machine: Machine,
    arguments: &BenchArgs,
) -> anyhow::Result<Document> {
    let progress = Progress::of(arguments.common.output);
    let mut document = Document {
        model: subject.network.name().to_owned(),
        batch: subject.batch,
        threads: machine.threads(),
        device: subject.device.description(),
        precision: arguments.precision.to_string(),
        train_images_per_s: None,
        infer_images_per_s: None,
        explain_images_per_s: None,
        gflops: None,
        peak_gflops: 0.0,
        peak_memory_mb: None,
        machine: machine.condition(),
        layers: None,
        scaling: None,
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
        machine.measure_peak(subject.device)?;
    }
    document.peak_memory_mb = peak_memory_mb();
    if arguments.layers {
        progress.note("measuring the layers");
        document.layers = Some(layers::measure(subject, &mut machine)?);
    }
    if arguments.scaling {
        let Subject { network, batch, repeat, .. } = subject;
        let (precision, bandwidth) = (arguments.precision, arguments.bandwidth.map(f64::from));
        let question = scaling::Question { network, batch, precision, repeat, bandwidth };
        document.scaling = Some(scaling::measure(question, progress)?);
    }
    document.peak_gflops = machine.peak_gflops();
    document.machine = machine.condition();
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
    line("peak", Some(document.peak_gflops), "GFLOP/s, measured on this machine, the best of several");
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

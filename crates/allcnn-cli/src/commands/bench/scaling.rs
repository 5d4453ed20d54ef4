//! `allcnn bench --scaling`: a training step with 1 to 128 threads, predicted from rehearsals and measured as far as
//! this machine has processors.

use std::thread::available_parallelism;

use allcnn::net::Network;
use allcnn_cpu::{Cpu, CpuOptions, Rehearsed};
use allcnn_device::Precision;
use serde::Serialize;

use super::prediction::{Bandwidth, Prediction};
use super::steps::Subject;
use crate::output::{Align, Table};
use crate::progress::Progress;

/// Numbers of threads that are predicted.
const THREADS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// What is predicted.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub network: &'a Network,
    pub batch: usize,
    pub precision: Precision,
    /// Rehearsals of a step, of which the fastest time of each piece counts, and measured steps.
    pub repeat: usize,
    /// GB/s of memory that are to be assumed.
    pub bandwidth: Option<f64>,
}

/// The prediction, and the measurements beside it.
#[derive(Debug, Serialize)]
pub(super) struct Scaling {
    /// Measured with one thread and with all of this machine.
    memory_gb_per_s_of_one_thread: f64,
    memory_gb_per_s_of_all_threads: f64,
    /// That of any number of threads which is assumed.
    memory_gb_per_s_assumed: f64,
    /// Share of a step of one thread that no other thread shortens.
    serial_share: f64,
    threads: Vec<Row>,
    operations: Vec<OperationRow>,
}

/// A number of threads.
#[derive(Debug, Serialize)]
struct Row {
    threads: usize,
    images_per_s: f64,
    speed_up: f64,
    efficiency: f64,
    /// Share of the step in which threads wait for memory.
    memory_share: f64,
    /// `None` where this machine has fewer processors.
    measured_images_per_s: Option<f64>,
    /// Against the measurement with one thread.
    measured_efficiency: Option<f64>,
}

/// An operation of the step, or all of a kind that belongs to no convolution.
#[derive(Debug, Serialize)]
pub(super) struct OperationRow {
    /// The layer, of a convolution's pass.
    layer: Option<String>,
    operation: &'static str,
    /// Milliseconds with one thread.
    ms: f64,
    threads: Vec<OperationThreads>,
}

/// An operation with a number of threads.
#[derive(Debug, Serialize)]
struct OperationThreads {
    threads: usize,
    /// Chunks of its longest job.
    units: usize,
    ms: f64,
    efficiency: f64,
}

/// Rehearses, predicts and measures.
pub(super) fn measure(question: Question<'_>, progress: Progress) -> anyhow::Result<Scaling> {
    let processors = available_parallelism().map_or(1, usize::from);
    let open = |threads| {
        let options =
            CpuOptions { threads: Some(threads), precision: question.precision, ..CpuOptions::default() };
        Cpu::new(options)
    };
    let one_thread = open(1)?.measure_bytes_per_s()?;
    let all_threads = open(processors)?.measure_bytes_per_s()?;
    let limit = question.bandwidth.map_or(all_threads, |gb| gb * 1e9);
    let bandwidth = Bandwidth { one_thread, limit };
    let mut rehearsals = Vec::new();
    for threads in THREADS {
        progress.note(&format!("rehearsing for {threads} threads"));
        rehearsals.push((threads, rehearse(question, threads)?));
    }
    let steps: Vec<Prediction> = rehearsals
        .iter()
        .map(|(threads, step)| {
            step.iter().map(|rehearsed| Prediction::of(rehearsed, *threads, bandwidth)).sum()
        })
        .collect();
    let one = steps[0];
    let mut measured_one = None;
    let mut rows = Vec::new();
    for (&threads, step) in THREADS.iter().zip(&steps) {
        let mut measured = None;
        if threads <= processors {
            progress.note(&format!("measuring {threads} threads"));
            let device = open(threads)?;
            let Question { network, batch, repeat, .. } = question;
            let subject = Subject { device: &device, network, batch, repeat };
            measured = Some(subject.time(crate::args::BenchWhat::Train)?.as_secs_f64());
        }
        let measured_one = *measured_one.get_or_insert(measured.unwrap_or(one.seconds));
        rows.push(Row {
            threads,
            images_per_s: question.batch as f64 / step.seconds,
            speed_up: one.seconds / step.seconds,
            efficiency: one.seconds / step.seconds / threads as f64,
            memory_share: step.memory / step.seconds,
            measured_images_per_s: measured.map(|seconds| question.batch as f64 / seconds),
            measured_efficiency: measured.map(|seconds| measured_one / seconds / threads as f64),
        });
    }
    Ok(Scaling {
        memory_gb_per_s_of_one_thread: one_thread / 1e9,
        memory_gb_per_s_of_all_threads: all_threads / 1e9,
        memory_gb_per_s_assumed: limit / 1e9,
        serial_share: one.serial / one.seconds,
        threads: rows,
        operations: operations(question.network, &rehearsals, bandwidth),
    })
}

/// The operations of a training step that is cut for `threads` threads, each piece as fast as it ever was.
fn rehearse(question: Question<'_>, threads: usize) -> anyhow::Result<Vec<Rehearsed>> {
    let options =
        CpuOptions { threads: Some(threads), precision: question.precision, ..CpuOptions::default() };
    let device = Cpu::rehearsal(options)?;
    let mut fastest: Vec<Rehearsed> = Vec::new();
    let subject = Subject { device: &device, network: question.network, batch: question.batch, repeat: 1 };
    subject.train_with(|step| {
        step()?; // touches pages and decides how buffers are stored
        device.take_rehearsed();
        for _ in 0..question.repeat {
            step()?;
            let rehearsed = device.take_rehearsed();
            if fastest.is_empty() {
                fastest = rehearsed;
                continue;
            }
            fastest.iter_mut().zip(&rehearsed).for_each(|(fastest, again)| fastest.keep_fastest(again));
        }
        Ok(())
    })?;
    Ok(fastest)
}

/// What each operation belongs to: the layer of a convolution's pass, and its name. A step goes up through all
/// convolutions and down again.
fn owners<'a>(network: &'a Network, step: &[Rehearsed]) -> Vec<Owner<'a>> {
    let is_conv = |layer: &&'a allcnn::net::Layer| layer.kind().is_conv();
    let layers: Vec<&str> = network.layers().iter().filter(is_conv).map(|layer| layer.name()).collect();
    let (mut up, mut down) = (layers.iter(), [layers.iter().rev(), layers.iter().rev()]);
    let owner = |rehearsed: &Rehearsed| {
        let layer = match rehearsed.name {
            "forward" => up.next(),
            "backward-data" => down[0].next(),
            "backward-weights" => down[1].next(),
            _ => None,
        };
        Owner { layer: layer.copied(), operation: rehearsed.name }
    };
    step.iter().map(owner).collect()
}

/// A layer, of a convolution's pass, and an operation.
#[derive(Clone, Copy, PartialEq)]
struct Owner<'a> {
    layer: Option<&'a str>,
    operation: &'static str,
}

/// A row for each pass of each convolution, in the order of the layers, then one for each other kind of operation.
fn operations(
    network: &Network,
    rehearsals: &[(usize, Vec<Rehearsed>)],
    bandwidth: Bandwidth,
) -> Vec<OperationRow> {
    let Some((_, step)) = rehearsals.first() else { return Vec::new() };
    let all = owners(network, step);
    let mut order: Vec<Owner<'_>> = Vec::new();
    let of_layers = network
        .layers()
        .iter()
        .flat_map(|layer| all.iter().filter(move |owner| owner.layer == Some(layer.name())));
    for owner in of_layers.chain(all.iter().filter(|owner| owner.layer.is_none())) {
        if !order.contains(owner) {
            order.push(*owner);
        }
    }
    let row = |&owner: &Owner<'_>| {
        let of_threads = |&(threads, ref step): &(usize, Vec<Rehearsed>)| {
            let own = || all.iter().zip(step).filter(|(other, _)| **other == owner).map(|(_, own)| own);
            let sum: Prediction = own().map(|own| Prediction::of(own, threads, bandwidth)).sum();
            (threads, own().map(Rehearsed::units).max().unwrap_or(0), sum.seconds)
        };
        let times: Vec<_> = rehearsals.iter().map(of_threads).collect();
        let (_, _, one) = times[0];
        let threads = times.iter().map(|&(threads, units, seconds)| OperationThreads {
            threads,
            units,
            ms: seconds * 1e3,
            efficiency: one / seconds / threads as f64,
        });
        let layer = owner.layer.map(str::to_owned);
        OperationRow { layer, operation: owner.operation, ms: one * 1e3, threads: threads.collect() }
    };
    order.iter().map(row).collect()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

impl Scaling {
    /// The numbers of threads as text for people.
    pub(super) fn words(&self) -> String {
        let mut table = Table::new(&[
            ("threads", Align::Right),
            ("images/s", Align::Right),
            ("speed-up", Align::Right),
            ("efficiency", Align::Right),
            ("memory", Align::Right),
            ("measured", Align::Right),
            ("efficiency", Align::Right),
        ]);
        for row in &self.threads {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            table.row([
                row.threads.to_string(),
                format!("{:.1}", row.images_per_s),
                format!("{:.2}", row.speed_up),
                percent(row.efficiency),
                percent(row.memory_share),
                or_none(row.measured_images_per_s.map(|speed| format!("{speed:.1}"))),
                or_none(row.measured_efficiency.map(percent)),
            ]);
        }
        let (one, all, assumed) = (
            self.memory_gb_per_s_of_one_thread,
            self.memory_gb_per_s_of_all_threads,
            self.memory_gb_per_s_assumed,
        );
        format!(
            "a training step with 1 to 128 threads, predicted from its pieces as one thread does them\n\
             memory: {one:.0} GB/s with one thread, {all:.0} GB/s with all threads of this machine; \
             no more than {assumed:.0} GB/s are assumed\n\
             {:.1} % of a step of one thread is not shared\n{table}",
            100.0 * self.serial_share
        )
    }

    /// The operations as a table: predicted efficiency and, in brackets, units of work.
    pub(super) fn operations_table(&self) -> Table {
        let threads = self.threads.iter().skip(1).map(|row| row.threads.to_string());
        let names: Vec<String> = threads.collect();
        let mut columns =
            vec![("layer", Align::Left), ("operation", Align::Left), ("ms of 1 thread", Align::Right)];
        columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
        let mut table = Table::new(&columns);
        for row in &self.operations {
            let mut cells = vec![
                row.layer.clone().unwrap_or_default(),
                row.operation.to_owned(),
                format!("{:.2}", row.ms),
            ];
            let cell = |with: &OperationThreads| format!("{} ({})", percent(with.efficiency), with.units);
            cells.extend(row.threads.iter().skip(1).map(cell));
            table.row(cells);
        }
        table
    }
}

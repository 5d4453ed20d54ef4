//! `allcnn reproduce table3`, `table4` and `ablation`: makes the plan from the flags, then works on the sweep as one of its processes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allcnn::observer::{Event, Observer};
use allcnn::split::Split;
use allcnn::sweep::{
    PaperTable, Plan, Row, Status, Sweep, SweepError, SweepEvent, SweepOutcome, Table, WorkOptions,
};
use allcnn::text::shown::PathText;
use allcnn_device::Device;
use anyhow::Context;
use serde::Serialize;

use crate::args::TableArgs;
use crate::commands::recipe_choice;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::interrupt;
use crate::output;
use crate::progress::{Progress, human_time};
use crate::training_progress::{LoadingProgress, TrainingProgress};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    folder: String,
    table: &'static str,
    ended: usize,
    total: usize,
    left_s: Option<f64>,
    rows: Vec<RowDocument>,
}

/// The row of a network: the paper's error, and ours at the best learning rate, after the last epoch, or after the
/// epoch that validation images selected.
#[derive(Debug, Serialize)]
struct RowDocument {
    name: String,
    paper_error_pct: Option<f64>,
    test_error_pct: Option<f64>,
    deviation: Option<f64>,
    learning_rate: Option<f64>,
    selected_on: Option<Split>,
}

/// Works on the table, or prints its progress.
pub(super) fn run(table: PaperTable, arguments: &TableArgs) -> anyhow::Result<Exit> {
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from("sweeps").join(table.name()));
    let progress = Progress::of(arguments.common.output);
    let found = Sweep::find(&folder)?;
    if arguments.status && found.is_none() {
        return Err(SweepError::NoPlan(folder).into());
    }
    let plan = plan(table, found.as_ref(), arguments)?;
    let mut loading = LoadingProgress::new(progress);
    let mut open = |plan| Sweep::open(&folder, plan, &mut |at| loading.show(at));
    let (sweep, ended) = if arguments.status {
        (open(plan)?, SweepOutcome::OthersAtWork)
    } else {
        // The device is opened first: it sets the number of threads that read the data.
        let device = device::open_in(&arguments.common, plan.recipe.precision)?;
        let sweep = open(plan)?;
        loading.end();
        let ended = on_device!(device, |device| work(&sweep, &device, arguments, progress))?;
        (sweep, ended)
    };
    let status = sweep.status()?;
    let shown = if arguments.common.output.json {
        output::json(&document(&sweep, &status)?)
    } else {
        output::text(&words(&sweep, &status)?)
    };
    if ended == SweepOutcome::Interrupted {
        progress.note("interrupted: everything is saved; the same command goes on");
    }
    interrupt::exit_code(ended == SweepOutcome::Interrupted, shown)
}

/// The plan of the folder, or the paper's, with the flags applied.
fn plan(table: PaperTable, found: Option<&Sweep>, arguments: &TableArgs) -> anyhow::Result<Plan> {
    fn set<T: Clone>(setting: &mut T, given: &Option<T>) {
        if let Some(value) = given {
            setting.clone_from(value);
        }
    }
    let mut plan = found.map_or_else(|| Plan::paper(table), |sweep| sweep.plan().clone());
    plan.table = table;
    if let Some(given) = &arguments.recipe {
        plan.recipe = recipe_choice::choose(given)?;
    }
    set(&mut plan.models, &arguments.models);
    set(&mut plan.learning_rates, &arguments.learning_rates);
    set(&mut plan.seeds, &arguments.seeds);
    set(&mut plan.data, &arguments.data);
    set(&mut plan.cifar100, &arguments.cifar100);
    if let Some(epochs) = arguments.epochs {
        (plan.recipe.epochs, plan.recipe.iterations) = (epochs, None);
    }
    plan.holdout = arguments.holdout.map(|holdout| holdout.to_string()).or(plan.holdout);
    let reading = arguments.reading.reading();
    if !reading.is_default() {
        plan.reading = reading;
    }
    plan.limit = arguments.limit.or(plan.limit);
    Ok(plan)
}

/// Works until all experiments are done.
fn work(
    sweep: &Sweep,
    device: &impl Device,
    arguments: &TableArgs,
    progress: Progress,
) -> anyhow::Result<SweepOutcome> {
    let stop = Arc::new(AtomicBool::new(false));
    // While data is loaded there is nothing to save, and loading may take long.
    let loading = Arc::new(AtomicBool::new(true));
    interrupt::listen_beside(&stop, &loading).context("cannot listen to Ctrl-C")?;
    let terms = WorkOptions { reseed: arguments.reseed.into(), wait: !arguments.no_wait };
    let mut training = TrainingProgress::in_sweep(progress);
    let ended = sweep.work(device, terms, &stop, &mut |notice| match notice {
        SweepEvent::Begins { name, resumed } => {
            loading.store(true, Ordering::Relaxed);
            training = TrainingProgress::in_sweep(progress);
            progress.note(&format!("{name}{}", if resumed { ": goes on" } else { "" }));
        }
        SweepEvent::Training(event) => {
            if matches!(event, Event::Started { .. }) {
                loading.store(false, Ordering::Relaxed);
            }
            training.observe(event);
        }
        SweepEvent::Ended { name, record } => {
            let epoch = match record.selected_on() {
                Some(Split::Validation) => "in the epoch that is best on the validation images",
                _ => "after the last epoch",
            };
            let error = record
                .error_pct()
                .map_or_else(String::new, |error| format!(", test error {error:.2} % {epoch}"));
            progress.note(&format!("{name}: {}{error}", record.fate.word()));
        }
        SweepEvent::Waits => {
            loading.store(false, Ordering::Relaxed);
            progress.note("waiting for trainings that other processes are at");
        }
    })?;
    Ok(ended)
}

/// The table so far, its progress and its path, as text.
fn words(sweep: &Sweep, status: &Status) -> anyhow::Result<String> {
    let mut text = sweep.table()?.markdown();
    text += &format!("\n{} of {} trainings have ended", status.ended, status.total);
    if let Some(left) = status.left.filter(|_| status.ended < status.total) {
        text += &format!(", about {} left", human_time(left.as_secs_f64()));
    }
    text.push('\n');
    for running in &status.running {
        let state = if running.is_held { "" } else { ", nobody is at it" };
        text += &format!("{}: epoch {} of {}{state}\n", running.name, running.epochs, running.total_epochs);
    }
    text += &format!("folder  {}\n", sweep.path().shown());
    Ok(text)
}

fn document(sweep: &Sweep, status: &Status) -> anyhow::Result<Document> {
    let Table { rows, plan } = sweep.table()?;
    Ok(Document {
        folder: sweep.path().text(),
        table: plan.table.name(),
        ended: status.ended,
        total: status.total,
        left_s: status.left.map(|left| left.as_secs_f64()),
        rows: rows.iter().map(row).collect(),
    })
}

fn row(row: &Row) -> RowDocument {
    let best = row.best();
    RowDocument {
        name: row.entry.name.clone(),
        paper_error_pct: row.entry.published.map(|figure| figure.error_pct),
        test_error_pct: best.and_then(|rate| rate.mean()),
        deviation: best.and_then(|rate| rate.deviation()),
        learning_rate: best.map(|rate| rate.learning_rate),
        selected_on: row.selected_on(),
    }
}

//! `allcnn eval`: how good a run's network is on a split of its data, or of other data with the same classes.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use allcnn::evaluate::Evaluation;
use allcnn::examine::{Examination, Examined, TrainedOn, Which, examine};
use allcnn::run::{Manifest, RunFolder};
use allcnn::shown::{PathText, escaped};
use anyhow::Context;
use serde::Serialize;

use crate::args::{CheckpointChoice, EvalArgs};
use crate::device::{self, on_device};
use crate::output::{self, Align, Table, thousands};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// A confusion matrix of more classes does not fit on a screen.
const MOST_SHOWN_CLASSES: usize = 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<TrainedOn>,
}

/// Evaluates and shows.
pub fn run(arguments: &EvalArgs) -> anyhow::Result<ExitCode> {
    let run = RunFolder::open(&arguments.run)?;
    let device = device::open(&arguments.common)?;
    let wanted = Examination {
        data: arguments.data.clone(),
        reading: arguments.reading.reading(),
        split: arguments.split.into(),
        checkpoint: match arguments.checkpoint {
            CheckpointChoice::Best => Which::Best,
            CheckpointChoice::Last => Which::Last,
        },
        views: arguments.views,
        batch: 0,
    };
    let progress = Progress::new(arguments.common.quiet);
    let mut loading = LoadingProgress::new(progress);
    let mut task = None;
    let mut done = |done: usize, total: usize| {
        let task = task.get_or_insert_with(|| progress.task("evaluating", total as u64, Unit::Things));
        task.set(done as u64, String::new);
    };
    let never = AtomicBool::new(false); // there is nothing to save: Ctrl-C simply ends the program
    let examined =
        on_device!(device, |device| examine(&device, &run, &wanted, &never, &mut loading, &mut done))?
            .context("the evaluation was stopped")?;
    drop((task, loading));
    if arguments.json {
        let Examined { evaluation, trained_on, .. } = &examined;
        output::json(&Document { evaluation, trained_on: *trained_on })?;
    } else {
        output::text(&words(&examined, &wanted, &run)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Which weights were measured on which images, and the figures.
fn words(examined: &Examined, wanted: &Examination, run: &RunFolder) -> anyhow::Result<String> {
    let evaluation = &examined.evaluation;
    let images = thousands(evaluation.images as u64);
    let images = match &wanted.data {
        Some(data) if !examined.own => format!("{images} images of {}", escaped(data)),
        _ => format!("{images} {} images", examined.split),
    };
    let weights = weights(examined, wanted, &run.manifest()?);
    let mut text = format!("{} ({weights}) on {images}\n", run.path().shown());
    if let Some(TrainedOn { images, left_out }) = examined.trained_on {
        let figures = if left_out { "left out" } else { "in the figures" };
        text += &format!("trained on   {images} images, {figures}\n");
    }
    text += &format!("\ntop-1 error  {:.2} %\n", evaluation.top1_error_pct);
    if evaluation.classes.len() > 5 {
        text += &format!("top-5 error  {:.2} %\n", evaluation.top5_error_pct);
    }
    text += &format!("loss         {:.4}\n\n{}", evaluation.loss, classes(evaluation));
    if let Some(rows) = evaluation.confusion.rows().filter(|rows| rows.len() <= MOST_SHOWN_CLASSES) {
        let table = confusion(evaluation, &rows);
        text += &format!("\nconfusion (rows: true class, columns: predicted class)\n{table}");
    }
    Ok(text)
}

/// The checkpoint in words: its epoch, and by what it was chosen.
fn weights(examined: &Examined, wanted: &Examination, manifest: &Manifest) -> String {
    if manifest.imported.is_some() {
        return "imported weights".to_owned();
    }
    let epoch = examined.checkpoint.progress.history.len();
    match (wanted.checkpoint, manifest.data.selected_on()) {
        (Which::Best, Some(split)) => {
            let these = examined.own && split == examined.split;
            let on = if these { "these images".to_owned() } else { format!("the {split} images") };
            format!("best checkpoint: epoch {epoch}, chosen on {on}")
        }
        (Which::Best | Which::Last, _) => format!("last checkpoint: after epoch {epoch}"),
    }
}

fn classes(evaluation: &Evaluation) -> Table {
    let mut table =
        Table::new(&[("class", Align::Left), ("images", Align::Right), ("error %", Align::Right)]);
    for class in &evaluation.classes {
        let error = class.error_pct.map_or_else(|| "-".to_owned(), |error| format!("{error:.2}"));
        table.row([class.name.clone(), class.images.to_string(), error]);
    }
    table
}

fn confusion(evaluation: &Evaluation, rows: &[Vec<u64>]) -> Table {
    let numbers: Vec<String> = (1..=evaluation.classes.len()).map(|number| number.to_string()).collect();
    let mut columns = vec![("", Align::Right), ("", Align::Left)];
    columns.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for ((number, class), row) in numbers.iter().zip(&evaluation.classes).zip(rows) {
        let head = [number.clone(), class.name.clone()];
        table.row(head.into_iter().chain(row.iter().map(u64::to_string)));
    }
    table
}

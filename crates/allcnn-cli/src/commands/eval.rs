//! `allcnn eval`: how good a run's network is on a split of its data, or of other data with the same classes.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use allcnn::augment::{Augment, MAX_SHIFT};
use allcnn::data::{self, DataSet};
use allcnn::evaluate::{Evaluation, Views, score};
use allcnn::plan::{Plan, PlanPurpose};
use allcnn::predict::trained;
use allcnn::run::{Manifest, RunFolder};
use allcnn::samples::Samples;
use allcnn::train::Checkpoint;
use anyhow::{Context, bail};

use super::trained_run;
use crate::args::{EvalArgs, Precision, SplitChoice};
use crate::device;
use crate::output::{self, Align, Table, thousands};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// Images at a time, where the run's own batch is not smaller.
const BATCH: usize = 128;
/// A confusion matrix of more classes does not fit on a screen.
const MOST_SHOWN_CLASSES: usize = 20;

/// Evaluates and shows.
pub fn run(arguments: &EvalArgs) -> anyhow::Result<ExitCode> {
    let (run, checkpoint) = trained_run::open(&arguments.run, arguments.checkpoint)?;
    let device = device::open(&arguments.common, Precision::F32)?;
    let progress = Progress::new(arguments.common.quiet);
    let data = open_data(&run.manifest()?, &checkpoint, arguments, progress)?;
    let images = match arguments.split {
        SplitChoice::Test => &data.test,
        SplitChoice::Train => &data.train,
    };
    if images.is_empty() {
        bail!("{} has no such images: give the other --split, or --holdout when training", data.name);
    }
    let preprocessor = run.read_preprocessing()?;
    let samples = Samples::new(images, &preprocessor)?;
    let parameters = trained(&device, &checkpoint)?;
    let mut plan =
        Plan::new(&device, &checkpoint.network, BATCH.min(images.len()), PlanPurpose::Inference)?;
    let views = Views { count: arguments.views, augment: Augment::FlipShift { max_shift: MAX_SHIFT }, seed: 0 };
    let mut task = progress.task("evaluating", images.len() as u64, Unit::Things);
    let never = AtomicBool::new(false); // there is nothing to save: Ctrl-C simply ends the program
    let scores =
        score(&mut plan, &parameters, &samples, views, &never, &mut |done| task.set(done as u64, String::new))?
            .context("the evaluation was interrupted")?;
    drop(task);
    let evaluation = scores.evaluation(&checkpoint.classes);
    if arguments.json {
        output::json(&evaluation)?;
    } else {
        output::text(&words(&evaluation, &run, arguments))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The run's own data, divided as in its training, or other data; in the size and with the classes of the network.
fn open_data(
    manifest: &Manifest,
    checkpoint: &Checkpoint,
    arguments: &EvalArgs,
    progress: Progress,
) -> anyhow::Result<DataSet> {
    let input = checkpoint.network.input();
    let mut options = data::Options { size: Some((input.height, input.width)), ..data::Options::default() };
    let source = match &arguments.data {
        Some(source) => source,
        None => {
            options.holdout = manifest.data.holdout.as_deref().map(str::parse).transpose()?;
            options.limit = manifest.data.limit;
            &manifest.data.source
        }
    };
    let mut loading = LoadingProgress::new(progress);
    let data = data::open(source, &options, &mut |at| loading.show(at))?;
    loading.end();
    if !data.skipped.is_empty() {
        let (first, count) = (&data.skipped[0], data.skipped.len());
        eprintln!("warning: {count} unreadable images are left out, the first: {} ({})", first.file, first.reason);
    }
    if data.classes != checkpoint.classes {
        bail!(
            "{source} has other classes than the run was trained on: {}\nexpected {}",
            data.classes.join(", "),
            checkpoint.classes.join(", ")
        );
    }
    if arguments.data.is_none() && data.fingerprint != manifest.data.fingerprint {
        eprintln!("warning: {source} is not what this run was trained on: it has changed since");
    }
    Ok(data)
}

fn words(evaluation: &Evaluation, run: &RunFolder, arguments: &EvalArgs) -> String {
    let split = match arguments.split {
        SplitChoice::Test => "test",
        SplitChoice::Train => "training",
    };
    let mut text = format!(
        "{} on {} {split} images\n\ntop-1 error  {:.2} %\n",
        run.path().display(),
        thousands(evaluation.images as u64),
        evaluation.top1_error_pct
    );
    if evaluation.classes.len() > 5 {
        text += &format!("top-5 error  {:.2} %\n", evaluation.top5_error_pct);
    }
    text += &format!("loss         {:.4}\n\n{}", evaluation.loss, classes(evaluation));
    if evaluation.classes.len() <= MOST_SHOWN_CLASSES {
        text += &format!("\nconfusion (rows: true class, columns: predicted class)\n{}", confusion(evaluation));
    }
    text
}

fn classes(evaluation: &Evaluation) -> Table {
    let mut table = Table::new(&[("class", Align::Left), ("images", Align::Right), ("error %", Align::Right)]);
    for class in &evaluation.classes {
        let error = class.error_pct.map_or_else(|| "-".to_owned(), |error| format!("{error:.2}"));
        table.row([class.name.clone(), class.images.to_string(), error]);
    }
    table
}

fn confusion(evaluation: &Evaluation) -> Table {
    let numbers: Vec<String> = (1..=evaluation.classes.len()).map(|number| number.to_string()).collect();
    let mut columns = vec![("", Align::Right), ("", Align::Left)];
    columns.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for ((number, class), row) in numbers.iter().zip(&evaluation.classes).zip(&evaluation.confusion) {
        let head = [number.clone(), class.name.clone()];
        table.row(head.into_iter().chain(row.iter().map(u64::to_string)));
    }
    table
}

//! `allcnn train --folds`: a training for each fold, and what they say together.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allcnn::folds::{CrossValidation, FoldEvent, FoldResults, FoldsOutcome};
use allcnn::observer::{Event, Observer};
use allcnn::run::RunFolder;
use allcnn::split::Split;
use allcnn::text::shown::PathText;
use allcnn_device::Device;
use anyhow::Context;
use serde::Serialize;

use super::network_choice::planned;
use super::train::request;
use crate::args::TrainArgs;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
use crate::interrupt;
use crate::output::{self, Align, Table, thousands};
use crate::progress::Progress;
use crate::training_progress::TrainingProgress;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    out: String,
    #[serde(flatten)]
    results: &'a FoldResults,
}

/// Whether a cross-validation is to be started or resumed.
pub(super) fn are_wanted(arguments: &TrainArgs) -> bool {
    arguments.folds.is_some() || arguments.resume.as_deref().is_some_and(CrossValidation::is_in)
}

/// Starts or resumes a cross-validation.
pub(super) fn run(arguments: &TrainArgs) -> anyhow::Result<Exit> {
    let progress = Progress::of(arguments.common.output);
    let mut validation = prepared(arguments)?;
    let device = device::open_in(&arguments.common, validation.request().recipe.precision)?;
    let FoldsOutcome { results, files } = on_device!(device, |device| train(&validation, &device, progress))?;
    if files.is_empty() {
        progress.note(&format!(
            "interrupted after {} of {} folds: everything is saved. Go on with: allcnn train --resume {}",
            results.done,
            results.folds,
            validation.path().shown()
        ));
    }
    let shown = if arguments.common.output.json {
        output::json(&Document { out: validation.path().text(), results: &results })
    } else {
        let files = files.iter().map(|file| format!("results     {}\n", file.shown()));
        output::text(&(words(&results) + &files.collect::<String>()))
    };
    let shown = shown.with_context(|| format!("the folds are saved in {}", validation.path().shown()));
    interrupt::exit_code(files.is_empty(), shown)
}

/// The cross-validation that the flags ask for.
fn prepared(arguments: &TrainArgs) -> anyhow::Result<CrossValidation> {
    if let Some(folder) = &arguments.resume {
        if arguments.epochs.is_some() || arguments.lr.is_some() || arguments.time_limit.is_some() {
            return Err(WrongUsage(format!(
                "{} holds a cross-validation, which keeps its length: leave out --epochs, --lr and --time-limit, or begin a new one",
                folder.shown()
            ))
            .into());
        }
        let mut validation = CrossValidation::resume(folder, arguments.data.clone())?;
        validation.request().tensorboard = arguments.tensorboard;
        return Ok(validation);
    }
    let request = request(arguments)?;
    if request.network.is_none() {
        planned(&request.model, 2, request.input)?; // a wrong model is reported first
    }
    let folder = match &arguments.out {
        Some(out) => RunFolder::create(out)?,
        None => RunFolder::create_unused(Path::new(""), &request.model)?,
    };
    let folds = arguments.folds.unwrap_or_default();
    Ok(CrossValidation::new(folder, request, folds, arguments.group_by.clone())?)
}

/// Trains all folds with progress.
fn train(
    validation: &CrossValidation,
    device: &impl Device,
    progress: Progress,
) -> anyhow::Result<FoldsOutcome> {
    let stop = Arc::new(AtomicBool::new(false));
    // While data is loaded there is nothing to save, and loading may take long.
    let loading = Arc::new(AtomicBool::new(true));
    interrupt::listen_beside(&stop, &loading).context("cannot listen to Ctrl-C")?;
    let mut training = TrainingProgress::of_fold(progress);
    let outcome = validation.train(device, &stop, &mut |notice| match notice {
        FoldEvent::Begins { number, of, resumed } => {
            loading.store(true, Ordering::Relaxed);
            training = TrainingProgress::of_fold(progress);
            progress.note(&format!("fold {number} of {of}{}", if resumed { ": goes on" } else { "" }));
        }
        FoldEvent::Training(event) => {
            if matches!(event, Event::Started { .. }) {
                loading.store(false, Ordering::Relaxed);
            }
            training.observe(event);
        }
        FoldEvent::Ended(result) => {
            progress.note(&format!("fold {}: test error {:.2} %", result.fold, result.test_error_pct));
        }
    })?;
    Ok(outcome)
}

/// The folds and what they say together, as text.
fn words(results: &FoldResults) -> String {
    let mut table = Table::new(&[
        ("fold", Align::Right),
        ("training", Align::Right),
        ("tested", Align::Right),
        ("wrong", Align::Right),
        ("error %", Align::Right),
        ("run", Align::Left),
    ]);
    for run in &results.runs {
        table.row([
            run.fold.to_string(),
            run.train_images.to_string(),
            run.test_images.to_string(),
            run.wrong.to_string(),
            format!("{:.2}", run.test_error_pct),
            run.run.clone(),
        ]);
    }
    let mut text = table.to_string();
    let epoch = match results.selected_on {
        Some(Split::Validation) => "in the epoch that is best on the validation images",
        _ => "after the last epoch",
    };
    let folds = results.done;
    if let Some(mean) = results.mean_test_error_pct {
        let spread = results.sd_test_error_pct;
        let spread = spread
            .map_or_else(String::new, |sd| format!(", standard deviation {sd:.2} % over {folds} folds"));
        text += &format!("\nmean error  {mean:.2} % {epoch}{spread}\n");
    }
    if let (Some(pooled), Some(interval)) =
        (results.pooled_test_error_pct, results.pooled_test_error_interval95)
    {
        let [wrong, images] = [results.wrong, results.images].map(thousands);
        let interval = output::interval(interval);
        text += &format!("pooled      {pooled:.2} %, {wrong} of {images} images{interval}\n");
    }
    text
}

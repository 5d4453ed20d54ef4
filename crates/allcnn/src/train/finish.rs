//! What follows the last step of a training: temperature, final test, report, release of the folder.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::calibrate::calibrate;
use super::error::TrainError;
use super::final_test;
use super::finished::Finished;
use super::limits::End;
use super::prepare::Splits;
use crate::data::DataSet;
use crate::observer::{Event, Observer, Phase, Stopwatch};
use crate::report::{ReportError, write_report};
use crate::run::{RunError, known_images};
use crate::split::Split;

/// Runs the final test and writes the report of a finished training, reports the times, and releases the folder.
pub(super) fn finish<D: Device>(
    device: &D,
    mut finished: Finished,
    data: &DataSet,
    splits: &Splits<'_>,
    (stop, stopwatch): (&AtomicBool, &mut Stopwatch),
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    if finished.outcome.end == End::Finished {
        measure_and_report(device, &mut finished, data, splits, (stop, stopwatch), observer)?;
    }
    finished.outcome.times.add(&stopwatch.times());
    for samples in splits.all() {
        finished.outcome.times.add_beside(samples.read_times());
    }
    observer.observe(Event::Times(&finished.outcome.times));
    Ok(finished.given_back())
}

/// Fits the temperature and tests once if validation images selected the best checkpoint, then writes the report.
fn measure_and_report<D: Device>(
    device: &D,
    finished: &mut Finished,
    data: &DataSet,
    splits: &Splits<'_>,
    (stop, stopwatch): (&AtomicBool, &mut Stopwatch),
    observer: &mut dyn Observer,
) -> Result<(), TrainError> {
    let Finished { run, manifest, outcome, temperature, report, .. } = finished;
    let (progress, test) = (&mut outcome.progress, &splits.test);
    let is_last_best = progress.best_epoch() == progress.history.last().map(|row| row.epoch);
    let mut scores_of_best = outcome.scores.take().filter(|_| is_last_best);
    if let Some(validation) = &splits.validation {
        stopwatch.begin(Phase::Evaluation);
        let known = (validation, scores_of_best.take());
        let batch = manifest.recipe.batch;
        let Some(fitted) = calibrate(device, run, batch, known, stop, observer)? else {
            outcome.end = End::Interrupted;
            stopwatch.end();
            return Ok(());
        };
        *temperature = fitted;
        stopwatch.end();
    }
    let scores = if manifest.data.selected_on() == Some(Split::Validation) && !test.is_empty() {
        if progress.tested.is_some() && run.report().exists() {
            *report = Some(run.report());
            return Ok(());
        }
        stopwatch.begin(Phase::Evaluation);
        let batch = manifest.recipe.batch;
        let Some(scores) = final_test::measure(device, run, batch, test, stop, progress, observer)? else {
            outcome.end = End::Interrupted;
            stopwatch.end();
            return Ok(());
        };
        // The test images were read for the first time.
        known_images::complete(run, &splits.train, splits.validation.iter().chain([test]))?;
        Some(scores)
    } else {
        scores_of_best
    };
    stopwatch.begin(Phase::Report);
    match write_report(device, run, manifest, scores, data, test, observer) {
        Ok(path) => *report = Some(path),
        Err(ReportError::Run(error @ RunError::TakenOver(_))) => return Err(error.into()),
        // The training is done and saved; failing to write a page must not fail it.
        Err(error) => observer.observe(Event::Warning(&format!("no report was written: {error}"))),
    }
    stopwatch.end();
    Ok(())
}

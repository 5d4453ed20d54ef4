//! Fits the temperature of a finished training's probabilities on its validation images.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::error::TrainError;
use crate::input::Samples;
use crate::observer::{Event, Observer};
use crate::run::{RunFolder, Temperature};
use crate::score::{Calibration, Scorer, Scores, Views, fit_temperature};

/// Fits and stores the temperature of a run's best checkpoint, unless it has one. `scores` are that checkpoint's predictions for
/// the validation images, if they are known. Returns `None` if stopped, and `Some(None)`, with a note, if no temperature can be
/// fitted.
///
/// # Errors
/// As [`Scorer::score`]; a file of the run that cannot be read or written.
pub(super) fn calibrate<D: Device>(
    device: &D,
    run: &RunFolder,
    batch: usize,
    (validation, scores): (&Samples<'_>, Option<Scores>),
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Option<Option<Temperature>>, TrainError> {
    let best = run.read_best()?;
    if let Some(known) = run.temperature(&best)? {
        return Ok(Some(Some(known)));
    }
    let scores = match scores {
        Some(scores) => scores,
        None => {
            let mut tell = |done| observer.observe(Event::Evaluating { done, total: validation.len() });
            let pictures = Views::ONE.extent(validation);
            let mut scorer = Scorer::new(device, &best, batch.min(validation.len()), pictures)?;
            let Some(scores) = scorer.score(validation, Views::ONE, stop, &mut tell)? else {
                return Ok(None);
            };
            scores
        }
    };
    let fitted = fit_temperature(&scores);
    let (temperature, after) = match fitted
        .map(|temperature| (temperature, scores.at_temperature(temperature)))
    {
        Ok((temperature, Some(after))) => (temperature, after),
        Ok((_, None)) => return Ok(Some(None)), // not kept, which the fit has said already
        Err(why) => {
            observer
                .observe(Event::Note(&format!("no temperature was fitted on the validation images: {why}")));
            return Ok(Some(None));
        }
    };
    let both = [&scores, &after];
    let temperature = Temperature {
        temperature,
        epoch: best.progress.history.len(),
        images: validation.len(),
        loss: both.map(Scores::loss),
        expected_calibration_error: both.map(|scores| Calibration::of(scores).expected_calibration_error),
    };
    run.write_temperature(&temperature)?;
    Ok(Some(Some(temperature)))
}

//! The test images of a finished training, shown to its best checkpoint.
//!
//! Where validation images choose that checkpoint, the test images are looked at here for the first time and once: the
//! figures are noted in the run's last checkpoint, and a run that has them is not measured again.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::error::TrainError;
use crate::input::Samples;
use crate::observer::{Event, Observer};
use crate::run::{Progress, RunFolder, Tested};
use crate::score::{Scores, Views, score_checkpoint};

/// Measures the best checkpoint of a run on its test images and notes the figures, in the run's last checkpoint too.
/// Nothing when `stop` became true meanwhile: then the run can be resumed, to be measured.
///
/// # Errors
/// As [`score_checkpoint`]; a checkpoint that cannot be read or written.
pub(super) fn measure<D: Device>(
    device: &D,
    run: &RunFolder,
    batch: usize,
    test: &Samples<'_>,
    stop: &AtomicBool,
    progress: &mut Progress,
    observer: &mut dyn Observer,
) -> Result<Option<Scores>, TrainError> {
    let best = run.read_best()?;
    let mut tell = |done| observer.observe(Event::Evaluating { done, total: test.len() });
    let scores = score_checkpoint(device, &best, test, batch, Views::ONE, stop, &mut tell)?;
    let Some(scores) = scores else { return Ok(None) };
    progress.tested = Some(Tested { loss: scores.loss(), error_pct: scores.error_pct(1) });
    let mut last = run.read(&run.last())?;
    last.progress.tested = progress.tested;
    run.write_checkpoint(&run.last(), &last)?;
    Ok(Some(scores))
}

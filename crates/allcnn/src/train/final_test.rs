//! The test images of a finished training, shown to its best checkpoint.
//!
//! Where validation images choose that checkpoint, the test images are looked at here for the first time and once: the
//! figures are noted in the run's last checkpoint, and a run that has them is not measured again.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::{Checkpoint, Error, Event, Observer, Progress, Tested};
use crate::evaluate::{Scores, TestSet, Views, score};
use crate::plan::{Plan, PlanPurpose};
use crate::predict::trained;
use crate::run::RunFolder;
use crate::samples::Samples;

/// What a checkpoint says about the test images; nothing when `stop` became true meanwhile.
///
/// # Errors
/// A failure of the device; an image on disk that cannot be read.
pub(super) fn scores<D: Device>(
    device: &D,
    best: &Checkpoint,
    batch: usize,
    test: &Samples<'_>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Option<Scores>, Error> {
    let parameters = trained(device, best)?;
    let mut plan = Plan::new(device, &best.network, batch.min(test.len()), PlanPurpose::Inference)?;
    plan.fix_weights(&parameters)?;
    let mut images = TestSet::new(device, test)?;
    let mut tell = |done| observer.observe(Event::Evaluating { done, total: test.len() });
    score(&mut plan, &parameters, &mut images, Views::ONE, stop, &mut tell)
}

/// Measures the best checkpoint of a run on its test images and notes the figures, in the run's last checkpoint too.
/// Nothing when `stop` became true meanwhile: then the run can be resumed, to be measured.
///
/// # Errors
/// As [`scores`]; a checkpoint that cannot be read or written.
pub(super) fn measure<D: Device>(
    device: &D,
    run: &RunFolder,
    batch: usize,
    test: &Samples<'_>,
    stop: &AtomicBool,
    progress: &mut Progress,
    observer: &mut dyn Observer,
) -> Result<Option<Scores>, Error> {
    let best = run.read_best()?;
    let Some(scores) = scores(device, &best, batch, test, stop, observer)? else { return Ok(None) };
    progress.tested = Some(Tested { loss: scores.loss(), error_pct: scores.error_pct(1) });
    let mut last = run.read(&run.last())?;
    last.progress.tested = progress.tested;
    run.write_checkpoint(&run.last(), &last)?;
    Ok(Some(scores))
}

//! The final test of a finished training with its best checkpoint.
//!
//! If validation images select that checkpoint, the test images are evaluated only once, here. The result is
//! stored in the run's last checkpoint, and a run that has one is not tested again.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::error::TrainError;
use crate::input::Samples;
use crate::observer::{Event, Observer};
use crate::run::{Progress, RunFolder, Tested};
use crate::score::{Scorer, Scores, Views};

/// Evaluates the best checkpoint of a run on its test images and stores the result, also in the run's last
/// checkpoint. Returns `None` if stopped; resuming the run repeats the test.
///
/// # Errors
/// As [`Scorer::score`]; a checkpoint that cannot be read or written.
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
    let mut scorer = Scorer::new(device, &best, batch.min(test.len()), Views::ONE.extent(test))?;
    let Some(scores) = scorer.score(test, Views::ONE, stop, &mut tell)? else { return Ok(None) };
    progress.tested = Some(Tested { loss: scores.loss(), error_pct: scores.error_pct(1) });
    let mut last = run.read(&run.last())?;
    last.progress.tested = progress.tested;
    run.write_checkpoint(&run.last(), &last)?;
    Ok(Some(scores))
}

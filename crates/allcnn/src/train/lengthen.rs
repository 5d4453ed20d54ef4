//! Extends a run to more epochs than it was started with.

use super::error::TrainError;
use super::pace::schedule_steps;
use crate::run::{Lengthening, RunFolder, TrainRequest};

/// Extends a run that this process owns to `epochs` in total, optionally with another learning rate. The training
/// itself is done by [`super::session::resume_in`].
///
/// # Errors
/// [`TrainError::Mismatch`] if the run has that many epochs already; a run that cannot be read or written.
pub fn lengthen(run: &RunFolder, epochs: u32, learning_rate: Option<f64>) -> Result<Lengthening, TrainError> {
    let mut manifest = run.manifest()?;
    TrainRequest::of(&manifest)?; // imported weights cannot be trained further
    let steps_before = manifest.total_steps;
    let total_steps = u64::from(epochs) * manifest.epoch_steps;
    if total_steps <= steps_before {
        return Err(TrainError::Mismatch(format!(
            "the run has {} epochs ({steps_before} steps): --epochs {epochs} does not make it longer\n\
             give more than that, or begin a new run",
            manifest.recipe.epochs
        )));
    }
    let done = run.read_last()?.map_or(0, |last| last.progress.step);
    let before = manifest.lengthened.last();
    let longer = Lengthening {
        from_step: done,
        steps_before,
        schedule_steps: schedule_steps(
            total_steps - done,
            steps_before - done.min(steps_before),
            before.map_or(steps_before, |before| before.schedule_steps),
        ),
        learning_rate: learning_rate
            .or(before.map(|before| before.learning_rate))
            .unwrap_or(manifest.recipe.learning_rate),
    };
    manifest.total_steps = total_steps;
    (manifest.recipe.epochs, manifest.recipe.iterations) = (epochs, None);
    manifest.lengthened.push(longer.clone());
    run.write_manifest(&manifest)?;
    Ok(longer)
}

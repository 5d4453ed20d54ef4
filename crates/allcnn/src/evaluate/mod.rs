//! Evaluation of runs, finished or not, on their own or other data, as by `allcnn eval`.

mod error;
mod images;
mod options;
mod scored_run;
mod temperature_scaling;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use allcnn_device::Device;
use serde::Serialize;

use crate::data::{Ignored, Images, Skipped};
use crate::observer::{Event, Observer};
use crate::run::{Checkpoint, RunFolder};
use crate::score::{Comparison, Evaluation, Scores};
use crate::split::Split;
use crate::text::shown::{PathText, first_of};
pub use error::EvaluateError;
pub(crate) use images::{known, open, open_and_report_notes, relabelled};
pub use options::EvaluateOptions;
use scored_run::ScoredRun;
pub use temperature_scaling::{Reliability, TemperatureScaling};

/// The result of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The figures.
    pub evaluation: Evaluation,
    /// The prediction for each image.
    pub scores: Scores,
    /// What the temperature changes, if each run has one.
    pub temperature_scaling: Option<TemperatureScaling>,
    /// The images, with labels in the order of the checkpoint's classes.
    pub images: Images,
    /// Whether the images are from the (first) run's own data.
    pub own: bool,
    /// Their split.
    pub split: Split,
    /// The images that a run was trained on, if any.
    pub trained_on: Option<TrainedOn>,
    /// Images of the data that could not be read or have no class.
    pub skipped: Vec<Skipped>,
    /// Other files that were ignored, by reason.
    pub ignored: Vec<Ignored>,
    /// The checkpoint, of the first run if there are several.
    pub checkpoint: Checkpoint,
    /// The comparison with another run, if one was given.
    pub against: Option<Comparison>,
}

/// Evaluated images that a run was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrainedOn {
    /// How many.
    pub images: usize,
    /// Whether the metrics exclude them.
    pub left_out: bool,
}

/// Evaluates a run's network on images. Returns `None` if stopped.
///
/// # Errors
/// Data that cannot be read or has classes unknown to the network; a damaged run; device failures.
pub fn evaluate<D: Device>(
    device: &D,
    run: &RunFolder,
    wanted: &EvaluateOptions,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Option<Evaluated>, EvaluateError> {
    evaluate_together(device, (run, &[]), None, wanted, stop, observer)
}

/// Evaluates the mean of the class probabilities of a run and `others` on the same images, by default of the first
/// run's data, and compares with the run `against`, if there is one. Returns `None` if stopped.
///
/// # Errors
/// As [`evaluate`]; runs with other classes; images that the runs were all trained on.
pub fn evaluate_together<D: Device>(
    device: &D,
    (first, others): (&RunFolder, &[RunFolder]),
    against: Option<&RunFolder>,
    wanted: &EvaluateOptions,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Option<Evaluated>, EvaluateError> {
    let runs: Vec<&RunFolder> = [first].into_iter().chain(others).chain(against).collect();
    let mut scored: Vec<ScoredRun> = vec![];
    for run in &runs {
        let Some(mut one) = ScoredRun::new(device, run, first, wanted, stop, observer)? else {
            return Ok(None);
        };
        if let Some(reference) = scored.first() {
            check_alike(first, reference, run, &one)?;
            one.images = Images::new(0, 0); // those of the first run are kept
        }
        scored.push(one);
    }
    let trained_on = report_trained_on(&runs, &scored, observer)?;
    let that = against.and_then(|_| scored.pop());
    let temperatures: Option<Vec<f64>> = scored.iter().map(|run| run.temperature).collect();
    let (all, classes) = (scored[0].images.len(), scored[0].checkpoint.classes.len());
    let too_many = || EvaluateError::TooMany(format!("{all} images of {classes} classes"));
    let mut after = temperatures.as_ref().and_then(|_| mean(scored.iter().map(ScoredRun::at_temperature)));
    let own = scored.iter_mut().map(|run| Some(std::mem::take(&mut run.scores)));
    let mut scores = mean(own).ok_or_else(too_many)?;
    let mut that = match that {
        Some(that) if wanted.calibrated => Some(that.at_temperature().ok_or_else(too_many)?),
        that => that.map(|that| that.scores),
    };
    if wanted.calibrated && after.is_none() {
        return Err(too_many());
    }
    let ScoredRun { checkpoint, mut images, own, split, skipped, ignored, .. } = scored.swap_remove(0);
    if let Some((_, kept)) = trained_on.as_ref().filter(|(trained, _)| trained.left_out) {
        images = images.select(kept)?;
        scores = scores.select(kept);
        after = after.map(|after| after.select(kept));
        that = that.map(|that| that.select(kept));
    }
    let scaling = temperatures.zip(after.as_ref()).map(|(temperatures, after)| TemperatureScaling {
        temperatures,
        applied: wanted.calibrated,
        before: Reliability::of(&scores),
        after: Reliability::of(after),
    });
    if let Some(after) = after.filter(|_| wanted.calibrated) {
        scores = after;
    }
    Ok(Some(Evaluated {
        evaluation: scores.evaluation(&checkpoint.classes),
        against: that.map(|that| Comparison::new(&scores, &that)),
        scores,
        temperature_scaling: scaling,
        images,
        own,
        split,
        trained_on: trained_on.map(|(trained, _)| trained),
        skipped,
        ignored,
        checkpoint,
    }))
}

/// The mean of the runs' probabilities, or those of the only run; `None` if there were too many to keep.
fn mean(scores: impl Iterator<Item = Option<Scores>>) -> Option<Scores> {
    let mut all: Vec<Scores> = scores.collect::<Option<_>>()?;
    if all.len() == 1 { all.pop() } else { Scores::mean(&all) }
}

/// Checks that a run scored the same images with the same classes as the first one.
fn check_alike(
    first: &RunFolder,
    reference: &ScoredRun,
    run: &RunFolder,
    one: &ScoredRun,
) -> Result<(), EvaluateError> {
    if reference.checkpoint.classes != one.checkpoint.classes {
        return Err(EvaluateError::OtherClasses(format!(
            "{} knows the classes {}, and {} knows {}: runs can be averaged or compared only if their classes are the same, \
             in the same order",
            first.called().shown(),
            first_of(&reference.checkpoint.classes),
            run.called().shown(),
            first_of(&one.checkpoint.classes)
        )));
    }
    if reference.scores.labels != one.scores.labels {
        return Err(EvaluateError::OtherClasses(format!(
            "{} and {} found other images in the same data: was it changed just now?",
            first.called().shown(),
            run.called().shown()
        )));
    }
    Ok(())
}

/// Reports which images runs were trained on. In data other than a run's own they are excluded from the metrics,
/// unless a single run was trained on all of them. Returns their number and the indices of the others.
fn report_trained_on(
    runs: &[&RunFolder],
    scored: &[ScoredRun],
    observer: &mut dyn Observer,
) -> Result<Option<(TrainedOn, Vec<usize>)>, EvaluateError> {
    let total = scored[0].images.len();
    let single = scored.len() == 1;
    let mut trained: BTreeSet<usize> = BTreeSet::new();
    let mut left_out: BTreeSet<usize> = BTreeSet::new();
    for (run, one) in runs.iter().zip(scored) {
        let images = one.trained.len();
        if images == 0 {
            continue;
        }
        trained.extend(&one.trained);
        let whose = |word| if single { String::new() } else { format!(" {word} {}", run.called().shown()) };
        let (were, are) = if images == 1 { ("was", "is") } else { ("were", "are") };
        observer.observe(Event::Warning(&if one.own {
            let whose = whose("of");
            format!("{images} of {total} {} images {are} among the training images{whose} too", one.split)
        } else if single && images == total {
            format!(
                "all {total} images were trained on: the figures say what was remembered, not what is known"
            )
        } else {
            left_out.extend(&one.trained);
            let others = total - images;
            let rest =
                if single { format!("; the figures are of the other {others}") } else { String::new() };
            format!("{images} of {total} images {were} trained on{}{rest}", whose("by"))
        }));
    }
    if trained.is_empty() {
        return Ok(None);
    }
    let kept: Vec<usize> = (0..total).filter(|index| !left_out.contains(index)).collect();
    if kept.is_empty() {
        return Err(EvaluateError::AllTrainedOn(total));
    }
    if !single && !left_out.is_empty() {
        observer.observe(Event::Warning(&format!("the figures are of the other {} images", kept.len())));
    }
    let images = if left_out.is_empty() { trained.len() } else { left_out.len() };
    Ok(Some((TrainedOn { images, left_out: !left_out.is_empty() }, kept)))
}

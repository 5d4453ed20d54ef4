//! Evaluation of a run, finished or not, on its own or other data, as by `allcnn eval`.

mod error;
mod images;

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;
use serde::Serialize;

use crate::augment::{Augment, MAX_SHIFT};
use crate::data::{self, Identities, Identity, IdentitySet, Ignored, Images, Skipped};
use crate::input::Samples;
use crate::observer::{Event, Observer, tell_algorithms};
use crate::plan::{Plan, PlanPurpose};
use crate::run::{Checkpoint, GivenData, RunFolder, WhichCheckpoint, known_images};
use crate::score::{Evaluation, Scores, TestSet, Views, expect_finite, score};
use crate::split::Split;
pub use error::EvaluateError;
pub(crate) use images::{known, open, open_and_tell_notes, relabelled};

/// What to evaluate, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluateOptions {
    /// Data to evaluate in place of the run's own.
    pub data: Option<String>,
    /// How to read that data where its format leaves that open.
    pub reading: data::Reading,
    /// The split to evaluate.
    pub split: Split,
    /// The checkpoint to evaluate.
    pub checkpoint: WhichCheckpoint,
    /// Views per image: with 0 or 1 the unaugmented image only; more add views augmented as in the training, or
    /// flipped and shifted if the training did not augment.
    pub views: u32,
    /// Batch size; 0 for the run's own.
    pub batch: usize,
}

/// The result of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The figures.
    pub evaluation: Evaluation,
    /// The prediction for each image.
    pub scores: Scores,
    /// The images, with labels in the order of the checkpoint's classes.
    pub images: Images,
    /// Whether the images are from the run's own data.
    pub own: bool,
    /// Their split.
    pub split: Split,
    /// The evaluated images that the network was trained on, if any.
    pub trained_on: Option<TrainedOn>,
    /// Images of the data that could not be read or have no class.
    pub skipped: Vec<Skipped>,
    /// Other files that were ignored, by reason.
    pub ignored: Vec<Ignored>,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

/// Evaluated images that the network was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrainedOn {
    /// How many.
    pub images: usize,
    /// Whether the metrics exclude them.
    pub left_out: bool,
}

/// Evaluates a run's network on images. `done` is called with the images done so far and their total. Returns
/// `None` if stopped.
///
/// # Errors
/// Data that cannot be read or has classes unknown to the network; a damaged run; device failures.
pub fn evaluate<D: Device>(
    device: &D,
    run: &RunFolder,
    wanted: &EvaluateOptions,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Option<Evaluated>, EvaluateError> {
    let (manifest, checkpoint) = wanted.checkpoint.trained(run)?;
    let preprocessor = run.read_preprocessing()?;
    let given = wanted.data.as_deref().map(|place| GivenData { place, reading: &wanted.reading });
    let mut opened = open(given, (run, &manifest), preprocessor.geometry(), false, observer)?;
    let split = if opened.own { wanted.split } else { wanted.split.or_only(&opened.data) };
    let images = relabelled(&mut opened.data, split, &checkpoint.classes)?;
    let input = checkpoint.network.input().into();
    let samples = Samples::new(&images, &preprocessor)?.on_canvas(input);
    let batch = if wanted.batch == 0 { manifest.recipe.batch } else { wanted.batch };
    let parameters = checkpoint.parameters(device)?;
    let mut plan = Plan::new(device, &checkpoint.network, batch.min(images.len()), PlanPurpose::Inference)?;
    tell_algorithms(&plan.algorithms(), observer);
    plan.fix_weights(&parameters)?;
    let views = Views {
        count: wanted.views.max(1),
        augment: match manifest.recipe.augment {
            Augment::None => Augment::FlipShift { max_shift: MAX_SHIFT },
            own => own,
        },
        seed: manifest.recipe.seed,
    };
    let total = images.len();
    let mut shown = TestSet::new(device, &samples)?;
    let scores = score(&mut plan, &parameters, &mut shown, views, stop, &mut |images| done(images, total))?;
    let Some(scores) = scores else { return Ok(None) };
    expect_finite(&[scores.loss() as f32])?;
    let identities = samples.identities();
    drop(shown);
    drop(samples);
    let mut evaluated = Evaluated {
        evaluation: scores.evaluation(&checkpoint.classes),
        scores,
        images,
        own: opened.own,
        split,
        trained_on: None,
        skipped: opened.data.skipped.clone(),
        ignored: opened.data.ignored.clone(),
        checkpoint,
    };
    if opened.own {
        let changed = known_images::changed(run, &evaluated.images, &identities)?;
        if !changed.is_empty() {
            observer.observe(Event::Warning(&changed_words(&changed, evaluated.images.len())));
        }
    }
    if split != Split::Train || !opened.own {
        let own = Some(&opened.data).filter(|_| opened.own);
        let known = known((run, &manifest), preprocessor.geometry(), own, observer)?;
        evaluated.tell_trained(&identities, known.as_ref(), observer)?;
    }
    Ok(Some(evaluated))
}

impl Evaluated {
    /// Reports how many images the network was trained on. In data other than the run's own they are excluded from
    /// the metrics, unless no others remain.
    fn tell_trained(
        &mut self,
        identities: &Identities,
        known: Option<&IdentitySet>,
        observer: &mut dyn Observer,
    ) -> Result<(), EvaluateError> {
        let Some(known) = known else { return Ok(()) };
        let trained = |identity: Option<&Identity>| identity.is_some_and(|identity| known.contains(identity));
        let total = self.images.len();
        let new: Vec<usize> =
            identities.iter().enumerate().filter(|(_, is)| !trained(*is)).map(|(place, _)| place).collect();
        let images = total - new.len();
        let left_out = !self.own && !new.is_empty();
        if images > 0 {
            let (were, are) = if images == 1 { ("was", "is") } else { ("were", "are") };
            observer.observe(Event::Warning(&if left_out {
                format!("{images} of {total} images {were} trained on; the figures are of the other {}", new.len())
            } else if self.own {
                format!("{images} of {total} {} images {are} among the training images too", self.split)
            } else {
                format!("all {total} images were trained on: the figures say what was remembered, not what is known")
            }));
        }
        if left_out && images > 0 {
            self.images = self.images.select(&new)?;
            self.scores = self.scores.select(&new);
            self.evaluation = self.scores.evaluation(&self.checkpoint.classes);
        }
        self.trained_on = Some(TrainedOn { images, left_out }).filter(|trained| trained.images > 0);
        Ok(())
    }
}

/// The message about held-out images that changed since the training.
fn changed_words(changed: &[String], total: usize) -> String {
    const NAMED: usize = 3;
    let named = changed.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if changed.len() > NAMED { ", ..." } else { "" };
    let are = if changed.len() == 1 { "is not what it was" } else { "are not what they were" };
    format!("{} of {total} images {are} in the training: {named}{more}", changed.len())
}

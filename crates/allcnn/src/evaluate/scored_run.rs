//! The predictions of one run for images, with those of them that it was trained on.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::error::EvaluateError;
use super::images::{known, open, relabelled};
use super::options::EvaluateOptions;
use crate::augment::{Augment, MAX_SHIFT};
use crate::data::{Ignored, Images, Skipped};
use crate::input::Samples;
use crate::observer::{Event, Observer, report_algorithms};
use crate::run::{Checkpoint, GivenData, Manifest, RunFolder, known_images};
use crate::score::{Scorer, Scores, Views, expect_finite};
use crate::split::Split;

/// The predictions of a run for the images of a split.
pub(super) struct ScoredRun {
    pub(super) checkpoint: Checkpoint,
    pub(super) scores: Scores,
    /// The temperature of the checkpoint, if it has one.
    pub(super) temperature: Option<f64>,
    /// The images, with labels in the order of the checkpoint's classes.
    pub(super) images: Images,
    /// Whether the images are from the data on which the run was trained.
    pub(super) own: bool,
    pub(super) split: Split,
    /// The indices of the images that the run was trained on, as far as it is known.
    pub(super) trained: Vec<usize>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) ignored: Vec<Ignored>,
}

impl ScoredRun {
    /// Scores images with the network of `run`: those wanted, by default of the data of the run `of`, which may be
    /// another one. Returns `None` if stopped.
    pub(super) fn new<D: Device>(
        device: &D,
        run: &RunFolder,
        of: &RunFolder,
        wanted: &EvaluateOptions,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Self>, EvaluateError> {
        let (manifest, checkpoint) = wanted.checkpoint.trained(run)?;
        let temperature = if wanted.calibrated {
            Some(run.expect_temperature(&checkpoint)?)
        } else {
            run.temperature(&checkpoint)?.map(|stored| stored.temperature)
        };
        let preprocessor = run.read_preprocessing()?;
        let given = wanted.data.as_deref().map(|location| GivenData { location, reading: &wanted.reading });
        let of_manifest = of.manifest()?;
        let mut opened = open(given, (of, &of_manifest), preprocessor.geometry(), false, observer)?;
        let split = if opened.own { wanted.split } else { wanted.split.or_only(&opened.data) };
        let images = relabelled(&mut opened.data, split, &checkpoint.classes)?;
        let input = checkpoint.network.input().into();
        let samples = Samples::new(&images, &preprocessor)?.on_canvas(input);
        let batch = if wanted.batch == 0 { manifest.recipe.batch } else { wanted.batch };
        let views = views(&manifest, wanted);
        let batch = batch.min(images.len());
        let mut scorer = Scorer::new(device, &checkpoint, batch, views.extent(&samples))?;
        report_algorithms(&scorer.algorithms(), observer);
        let total = images.len();
        let mut done = |done| observer.observe(Event::Evaluating { done, total });
        done(0);
        let scores = scorer.score(&samples, views, stop, &mut done)?;
        let Some(scores) = scores else { return Ok(None) };
        expect_finite(&[scores.loss() as f32])?;
        let identities = samples.identities();
        drop(samples);
        let own = opened.own && run.path() == of.path();
        if own {
            let changed = known_images::changed(run, &images, &identities)?;
            if !changed.is_empty() {
                observer.observe(Event::Warning(&changed_words(&changed, images.len())));
            }
        }
        let mut trained = vec![];
        if split != Split::Train || !own {
            let data = Some(&opened.data).filter(|_| own);
            if let Some(known) = known((run, &manifest), preprocessor.geometry(), data, observer)? {
                let indices = identities.iter().enumerate();
                trained = indices
                    .filter(|(_, identity)| identity.is_some_and(|identity| known.contains(identity)))
                    .map(|(index, _)| index)
                    .collect();
            }
        }
        let (skipped, ignored) = (opened.data.skipped.clone(), opened.data.ignored.clone());
        Ok(Some(Self { checkpoint, scores, temperature, images, own, split, trained, skipped, ignored }))
    }
}

impl ScoredRun {
    /// The predictions at the run's temperature; `None` if it has none, or the probabilities were too many to keep.
    pub(super) fn at_temperature(&self) -> Option<Scores> {
        self.scores.at_temperature(self.temperature?)
    }
}

/// The views of each image: as in the training, or flips and shifts if the training did not augment.
fn views(manifest: &Manifest, wanted: &EvaluateOptions) -> Views {
    Views {
        count: wanted.views.max(1),
        augment: match manifest.recipe.augment {
            Augment::None => Augment::FlipShift { max_shift: MAX_SHIFT },
            own => own,
        },
        seed: manifest.recipe.seed,
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

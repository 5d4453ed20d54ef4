//! A training from the user's request to the finished run folder: data, preprocessing, network, loop, report.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use allcnn_device::{Collective, Device, SingleProcess};

use super::beginning::Beginning;
use super::error::TrainError;
use super::finish::finish;
use super::finished::Finished;
use super::following;
use super::limits::{Limits, Outcome};
use super::prepare::{Splits, find, fit, load};
use super::trainer::Trainer;
use crate::data::Kind;
use crate::net::Network;
use crate::observer::{Cost, Event, Observer, Phase, Stopwatch, report_algorithms};
use crate::run::{Length, Manifest, RunError, RunFolder, TrainRequest, epochs_of, known_images};
use crate::tensorboard::Curves;

/// How long the first steps are timed to tell how long a training will take.
const SHORT_REHEARSAL: Duration = Duration::from_secs(1);
/// The fraction of a time limit used in planning; the rest is slack.
const PLANNED_SHARE: f64 = 0.95;
/// The fraction of a time limit within which a training that slowed down must finish.
const KEPT_SHARE: f64 = 0.98;
/// The fraction of a time limit that timing the first steps may take.
const REHEARSAL_SHARE: f64 = 0.05;

/// Trains to the end in the new run folder `out`, without output. [`start`] can be stopped and reports events.
///
/// # Errors
/// As [`start`].
pub fn train<D: Device>(
    device: &D,
    request: &TrainRequest,
    out: impl AsRef<Path>,
) -> Result<Finished, TrainError> {
    start(device, request, out.as_ref(), &AtomicBool::new(false), &mut ())
}

/// Starts a training in the new run folder `out` and runs it.
///
/// # Errors
/// Any failure of the settings, the data, the folder or the training.
pub fn start<D: Device>(
    device: &D,
    request: &TrainRequest,
    out: &Path,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    start_in(device, request, RunFolder::create(out)?, stop, observer)
}

/// Like [`start`], but in a run folder that this process owns ([`RunFolder::create`],
/// [`RunFolder::create_unused`]).
///
/// # Errors
/// As [`start`].
pub fn start_in<D: Device>(
    device: &D,
    request: &TrainRequest,
    run: RunFolder,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    start_among(device, &SingleProcess, request, run, stop, observer)
}

/// Like [`start_in`], as rank 0 of several processes; the others do their share by [`Following`](super::Following).
///
/// # Errors
/// As [`start`]; a process that cannot take part.
pub fn start_among<D: Device>(
    device: &D,
    collective: &dyn Collective,
    request: &TrainRequest,
    run: RunFolder,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    let began = Instant::now();
    let mut stopwatch = Stopwatch::default();
    let recipe = request.recipe.clone().checked()?;
    following::check(collective, &recipe)?;
    let sketch = request.network(2)?; // for input size and layers; the classes come with the data
    recipe.layers.check(&sketch)?;
    recipe.companions.as_ref().map_or(Ok(vec![]), |companions| companions.layers_of(&sketch, 0))?;
    let data = load(request, &sketch, &mut stopwatch, observer)?;
    let network = recipe.with_dropout(&request.model, &request.network(data.classes.len())?)?;
    let mut beginning = Beginning::open(request, &network, &data.classes)?;
    beginning.tell(&network, &data, observer);
    observer.observe(Event::Note(&format!("dropout {}", recipe.dropout_words(&request.model, &network))));
    stopwatch.begin(Phase::Fitting);
    let preprocessor = fit(request, &mut beginning, &data, observer)?;
    let splits = Splits::of(&data, &preprocessor, &network)?;
    stopwatch.begin(Phase::Preparing);
    let mut manifest = request.manifest(&network, &data, device.description());
    manifest.from = beginning.record(request.freeze.as_ref());
    manifest.data.record_location(&request.data, run.path());
    let task = splits.task(&network, &data.classes, &recipe, &beginning);
    let mut trainer = Trainer::new(device, collective, task)?;
    following::lead(device, collective, (&manifest, &request.data), &preprocessor, &trainer)?;
    stopwatch.end();
    let mut limits = Limits::until(stop);
    match request.time_limit {
        Some(limit) if request.length == Length::FitTimeLimit => {
            let cost = trainer.rehearse(limit.mul_f64(REHEARSAL_SHARE))?;
            plan_length(&mut trainer, &mut manifest, cost, limit, began.elapsed());
            observer.observe(Event::Planned { cost, total_steps: manifest.total_steps });
            limits.done_by = began.checked_add(limit.mul_f64(KEPT_SHARE).saturating_sub(cost.test));
        }
        limit => limits.deadline = limit.and_then(|limit| began.checked_add(limit)),
    }
    if request.length == Length::FitImages && fit_images(&mut trainer, &mut manifest, data.kind) {
        let cost = trainer.rehearse(SHORT_REHEARSAL)?;
        observer.observe(Event::LengthFitted {
            cost,
            total_steps: manifest.total_steps,
            epoch_steps: manifest.epoch_steps,
        });
    }
    run.write_preprocessing(&preprocessor)?;
    known_images::begin(&run, &data)?;
    run.write_manifest(&manifest)?; // from now on the run can be resumed
    let outcome = carry_out(trainer, &run, &mut manifest, request.tensorboard, &limits, observer)?;
    if set_length(&mut manifest, outcome.progress.total_steps) {
        run.write_manifest(&manifest)?;
    }
    let finished = Finished::new(run, manifest, outcome, &data);
    finish(device, finished, &data, &splits, (stop, &mut stopwatch), observer)
}

/// Resumes the run in `folder`. `request` is that of the run ([`TrainRequest::of`]) with the user's new options;
/// only the time limit may differ.
///
/// # Errors
/// [`RunError::Changed`], [`DataLocationError::NotFound`](crate::run::DataLocationError::NotFound), a damaged checkpoint, and as [`start`].
pub fn resume<D: Device>(
    device: &D,
    folder: &Path,
    request: &TrainRequest,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    resume_in(device, RunFolder::go_on(folder)?, request, stop, observer)
}

/// Like [`resume`], but for a run that this process owns ([`RunFolder::go_on`]).
///
/// # Errors
/// As [`resume`].
pub fn resume_in<D: Device>(
    device: &D,
    run: RunFolder,
    request: &TrainRequest,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    resume_among(device, &SingleProcess, run, request, stop, observer)
}

/// Like [`resume_in`], as rank 0 of several processes, of which there may be another number than before.
///
/// # Errors
/// As [`resume`]; a process that cannot take part.
pub fn resume_among<D: Device>(
    device: &D,
    collective: &dyn Collective,
    run: RunFolder,
    request: &TrainRequest,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, TrainError> {
    let began = Instant::now();
    let mut stopwatch = Stopwatch::default();
    let mut manifest = run.manifest()?;
    let network = Network::from_toml(&manifest.network)?;
    let checkpoint = run.read_last()?;
    let recipe = manifest.recipe.clone().checked()?;
    following::check(collective, &recipe)?;
    let changes = request.changes(&manifest);
    if !changes.is_empty() {
        return Err(RunError::Changed { path: run.path().into(), changes }.into());
    }
    let (location, data) = find(&run, &mut manifest, request, &network, &mut stopwatch, observer)?;
    known_images::resume(&run, &data, checkpoint.is_some())?;
    stopwatch.begin(Phase::Fitting);
    let preprocessor = run.read_preprocessing()?;
    let splits = Splits::of(&data, &preprocessor, &network)?;
    stopwatch.begin(Phase::Preparing);
    let beginning = Beginning::again(&manifest, request, &network, &data.classes, checkpoint.is_some())?;
    let task = splits.task(&network, &data.classes, &recipe, &beginning);
    let mut trainer = Trainer::new(device, collective, task)?;
    trainer.set_total_steps(manifest.total_steps);
    if let Some(checkpoint) = checkpoint {
        run.expect_own(&manifest, &checkpoint)?;
        trainer.resume(&checkpoint)?;
        run.write_metrics(&checkpoint.progress.history)?;
    }
    trainer.lengthen(&manifest.lengthened, manifest.total_steps);
    following::lead(device, collective, (&manifest, &location), &preprocessor, &trainer)?;
    stopwatch.end();
    let mut limits = Limits::until(stop);
    limits.deadline = request.time_limit.and_then(|limit| began.checked_add(limit));
    let outcome = carry_out(trainer, &run, &mut manifest, request.tensorboard, &limits, observer)?;
    let finished = Finished::new(run, manifest, outcome, &data);
    finish(device, finished, &data, &splits, (stop, &mut stopwatch), observer)
}

/// Trains, and records a divergence in `run.toml`.
fn carry_out<D: Device>(
    mut trainer: Trainer<'_, D>,
    run: &RunFolder,
    manifest: &mut Manifest,
    tensorboard: bool,
    limits: &Limits<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    report_algorithms(&trainer.algorithms(), observer);
    let (recipe, steps) = (&manifest.recipe, manifest.total_steps);
    let highest = recipe.schedule.highest(steps.max(1));
    if highest < 1.0 && manifest.lengthened.is_empty() {
        observer.observe(Event::Note(&format!(
            "{steps} {} few: the learning rate rises to {} of {}, as gently as in a longer training",
            if steps == 1 { "step is" } else { "steps are" },
            two_digits(highest * recipe.learning_rate),
            recipe.learning_rate
        )));
    }
    let mut curves = Curves::begin(run, trainer.progress(), tensorboard, observer);
    let outcome = trainer.run(run, limits, &mut curves);
    let diverged = match &outcome {
        Err(TrainError::Diverged { step, .. }) => Some(*step),
        _ => None,
    };
    if manifest.diverged != diverged {
        manifest.diverged = diverged;
        run.write_manifest(manifest)?;
    }
    outcome
}

/// A positive number with two significant digits.
fn two_digits(number: f64) -> String {
    let digits = (1.0 - number.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{number:.digits$}")
}

/// Sets the training's length to what fits into the rest of the time limit, and records it.
fn plan_length<D: Device>(
    trainer: &mut Trainer<'_, D>,
    manifest: &mut Manifest,
    cost: Cost,
    limit: Duration,
    spent: Duration,
) {
    // At the end the best checkpoint is evaluated on the test images.
    let left = limit.mul_f64(PLANNED_SHARE).saturating_sub(spent + cost.test);
    set_length(manifest, cost.steps_within(left, manifest.epoch_steps));
    trainer.set_total_steps(manifest.total_steps);
}

/// Sets the training's length to what the number of images asks for, if the recipe leaves that open; returns whether it does.
/// The embedded pictures are learned in the recipe's own number of epochs.
fn fit_images<D: Device>(trainer: &mut Trainer<'_, D>, manifest: &mut Manifest, kind: Kind) -> bool {
    let recipe = &manifest.recipe;
    if !recipe.has_default_length() || kind == Kind::Shapes {
        return false;
    }
    let epochs = recipe.epochs_for(manifest.data.train_images);
    set_length(manifest, u64::from(epochs) * manifest.epoch_steps);
    trainer.set_total_steps(manifest.total_steps);
    true
}

/// Records a new length of the training; returns false if it is unchanged.
fn set_length(manifest: &mut Manifest, total_steps: u64) -> bool {
    if manifest.total_steps == total_steps {
        return false;
    }
    manifest.total_steps = total_steps;
    manifest.recipe.iterations = None;
    manifest.recipe.epochs = epochs_of(total_steps, manifest.epoch_steps);
    true
}

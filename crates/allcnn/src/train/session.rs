//! A training from the user's request to the finished run folder: data, preprocessing, network, loop, report.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use allcnn_device::{Device, SingleProcess};

use super::final_test;
use super::summary::write_report;
use super::tell_algorithms;
use super::timing::{Phase, Stopwatch};
use super::{Cost, End, Error, Event, Limits, Observer, Outcome, Recipe, Task, Trainer};
use crate::augment::{Augment, LEAST_ROOM};
use crate::data::{self, DataSet, Ignored, Images, Labels, open_file};
use crate::data_told::{note_to_training, tell_left_out};
use crate::known_images;
use crate::net::Network;
use crate::preprocess::{Cache, Geometry, Preprocessor};
use crate::run::{DataRecord, Manifest, PROGRAM, RunError, RunFolder, Session};
use crate::samples::Samples;
use crate::shown::escaped;
use crate::split::Split;

/// The share of a time limit that is planned for; the rest is for slower minutes.
const PLANNED_SHARE: f64 = 0.95;
/// The share by which a training that became slower is to be done.
const KEPT_SHARE: f64 = 0.98;
/// The share of a time limit that timing the first steps may take.
const REHEARSAL_SHARE: f64 = 0.05;

/// Of images on disk, the preprocessing is fitted on at most so many.
const FITTED_FILES: usize = 1000;

/// What a user asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model: a name of the zoo, or a TOML file.
    pub model: String,
    /// Height and width to plan the network for, instead of its own.
    pub input: Option<(usize, usize)>,
    /// The data: see [`data::open`].
    pub data: String,
    /// What is held out for testing.
    pub holdout: Option<data::Holdout>,
    /// What is said of the data where it does not tell itself.
    pub reading: data::Reading,
    /// Which labels of CIFAR-100.
    pub labels: Labels,
    /// The most training images.
    pub limit: Option<usize>,
    /// The settings.
    pub recipe: Recipe,
    /// Choose the length of the training so that it fits the time limit (when the user gave no epochs).
    pub fit_time_limit: bool,
    /// The time that it may take, from now. A training whose length is not chosen by it stops then, to be resumed.
    pub time_limit: Option<Duration>,
}

impl Request {
    /// The request that made a run.
    ///
    /// # Errors
    /// [`Error::Data`] for a holdout that cannot be understood.
    pub fn of(manifest: &Manifest) -> Result<Self, Error> {
        if let Some(file) = &manifest.imported {
            return Err(Error::Mismatch(format!(
                "the weights of this run were imported from {file}: there is no training to go on with\n\
                 expected a run that `allcnn train` made"
            )));
        }
        Ok(Self {
            model: manifest.model.clone(),
            input: manifest.input.map(|[height, width]| (height, width)),
            data: manifest.data.source.clone(),
            holdout: manifest.data.holdout.as_deref().map(str::parse).transpose()?,
            reading: manifest.data.reading.clone(),
            labels: manifest.data.labels,
            limit: manifest.data.limit,
            recipe: manifest.recipe.clone(),
            fit_time_limit: false,
            time_limit: None,
        })
    }

    fn manifest(&self, network: &Network, data: &DataSet, device: String) -> Manifest {
        let (total_steps, epoch_steps) = self.recipe.steps(data.train.len());
        let epochs = epochs_of(total_steps, epoch_steps);
        Manifest {
            program: PROGRAM.into(),
            model: self.model.clone(),
            imported: None,
            framing: None,
            import_notes: vec![],
            input: self.input.map(|(height, width)| [height, width]),
            total_steps,
            epoch_steps,
            data: DataRecord {
                source: self.data.clone(),
                absolute: None,
                relative: None,
                holdout: self.holdout.map(|holdout| holdout.to_string()),
                labels: self.labels,
                limit: self.limit,
                fingerprint: data.fingerprint.clone(),
                train_images: data.train.len(),
                validation_images: data.validation.len(),
                test_images: data.test.len(),
                reading: self.reading.clone(),
                notes: data.notes.iter().map(ToString::to_string).collect(),
                ignored: Ignored::by_reason(&data.ignored),
            },
            lengthened: vec![],
            diverged: None,
            session: Session { device, time_limit_s: self.time_limit.map(|limit| limit.as_secs_f64()) },
            recipe: Recipe { epochs, ..self.recipe.clone() },
            network: network.to_toml(),
        }
    }
}

/// A training that returned, finished or not.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its folder.
    pub run: RunFolder,
    /// Its settings.
    pub manifest: Manifest,
    /// How it ended.
    pub outcome: Outcome,
    /// The report, where the training is finished and it could be written.
    pub report: Option<PathBuf>,
}

impl Finished {
    /// The run is owned no longer.
    fn given_back(self) -> Self {
        Self { run: self.run.given_back(), ..self }
    }
}

/// The network called `model`, or read from the file `model`, for `classes` classes and, if given, another input size.
///
/// # Errors
/// [`Error::Network`] for an unknown name, a wrong file or layers that do not allow the size; [`Error::Model`] for a
/// file that cannot be read.
pub fn network(model: &str, classes: usize, input: Option<(usize, usize)>) -> Result<Network, Error> {
    let network = if model.ends_with(".toml") {
        let wrong = |source| Error::Model { path: model.into(), source };
        let text = open_file::read_text(Path::new(model), open_file::SETTINGS).map_err(wrong)?;
        Network::from_toml_for(&text, classes)?
    } else {
        Network::named(model, classes)?
    };
    match input {
        Some((height, width)) => Ok(network.planned_for(height, width)?),
        None => Ok(network),
    }
}

/// Begins a training and carries it out, in the new run folder `out`.
///
/// # Errors
/// Everything that can go wrong with the settings, the data, the folder and the training.
pub fn start<D: Device>(
    device: &D,
    request: &Request,
    out: &Path,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    start_in(device, request, RunFolder::create(out)?, stop, observer)
}

/// The same in a run folder that this process owns ([`RunFolder::create`], [`RunFolder::create_unused`]).
///
/// # Errors
/// As [`start`].
pub fn start_in<D: Device>(
    device: &D,
    request: &Request,
    run: RunFolder,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    let began = Instant::now();
    let mut stopwatch = Stopwatch::default();
    let recipe = request.recipe.clone().checked()?;
    let sketch = network(&request.model, 2, request.input)?; // for the input size: the classes come with the data
    let data = load(request, &sketch, &mut stopwatch, observer)?;
    let network =
        recipe.with_dropout(&request.model, &network(&request.model, data.classes.len(), request.input)?)?;
    observer.observe(Event::Note(&format!("dropout {}", recipe.dropout_words(&request.model, &network))));
    stopwatch.begin(Phase::Fitting);
    let preprocessor = fit(&recipe, &data, observer)?;
    stopwatch.end();
    let splits = Splits::of(&data, &preprocessor, &network)?;
    let mut manifest = request.manifest(&network, &data, device.description());
    manifest.data.note_place(&request.data, run.path());
    let mut trainer = Trainer::new(device, &SingleProcess, splits.task(&network, &data.classes, &recipe))?;
    let mut limits = Limits::until(stop);
    match request.time_limit {
        Some(limit) if request.fit_time_limit => {
            let cost = trainer.rehearse(limit.mul_f64(REHEARSAL_SHARE))?;
            plan_length(&mut trainer, &mut manifest, cost, limit, began.elapsed());
            observer.observe(Event::Planned { cost, total_steps: manifest.total_steps });
            limits.done_by = began.checked_add(limit.mul_f64(KEPT_SHARE).saturating_sub(cost.test));
        }
        limit => limits.deadline = limit.and_then(|limit| began.checked_add(limit)),
    }
    run.write_preprocessing(&preprocessor)?;
    known_images::begin(&run, &data)?;
    run.write_manifest(&manifest)?; // from here on the run can be resumed
    let outcome = carry_out(trainer, &run, &mut manifest, &limits, observer)?;
    if set_length(&mut manifest, outcome.progress.total_steps) {
        run.write_manifest(&manifest)?;
    }
    let finished = Finished { run, manifest, outcome, report: None };
    let mut finished = finish(device, finished, &data, &splits, (stop, &mut stopwatch), observer)?;
    finished.outcome.times.add(&stopwatch.times());
    observer.observe(Event::Times(&finished.outcome.times));
    Ok(finished.given_back())
}

/// Goes on with the run in `folder`. `request` is that of the run ([`Request::of`]) with what the user gave anew; only
/// the time limit may differ.
///
/// # Errors
/// [`RunError::Changed`], [`crate::data_place::Error::NotFound`], a damaged checkpoint, and as [`start`].
pub fn resume<D: Device>(
    device: &D,
    folder: &Path,
    request: &Request,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    resume_in(device, RunFolder::go_on(folder)?, request, stop, observer)
}

/// The same of a run that this process owns ([`RunFolder::go_on`]).
///
/// # Errors
/// As [`resume`].
pub fn resume_in<D: Device>(
    device: &D,
    run: RunFolder,
    request: &Request,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    let began = Instant::now();
    let mut stopwatch = Stopwatch::default();
    let mut manifest = run.manifest()?;
    let network = Network::from_toml(&manifest.network)?;
    let checkpoint = run.read_last()?;
    let recipe = manifest.recipe.clone().checked()?;
    let changes = manifest.changes(request);
    if !changes.is_empty() {
        return Err(RunError::Changed { path: run.path().into(), changes }.into());
    }
    let data = find(&run, &mut manifest, request, &network, &mut stopwatch, observer)?;
    known_images::resume(&run, &data, checkpoint.is_some())?;
    let preprocessor = run.read_preprocessing()?;
    let splits = Splits::of(&data, &preprocessor, &network)?;
    let mut trainer = Trainer::new(device, &SingleProcess, splits.task(&network, &data.classes, &recipe))?;
    trainer.set_total_steps(manifest.total_steps);
    if let Some(checkpoint) = checkpoint {
        run.expect_own(&manifest, &checkpoint)?;
        trainer.resume(&checkpoint)?;
        run.write_metrics(&checkpoint.progress.history)?;
    }
    trainer.lengthen(&manifest.lengthened, manifest.total_steps);
    let mut limits = Limits::until(stop);
    limits.deadline = request.time_limit.and_then(|limit| began.checked_add(limit));
    let outcome = carry_out(trainer, &run, &mut manifest, &limits, observer)?;
    let finished = Finished { run, manifest, outcome, report: None };
    let mut finished = finish(device, finished, &data, &splits, (stop, &mut stopwatch), observer)?;
    finished.outcome.times.add(&stopwatch.times());
    observer.observe(Event::Times(&finished.outcome.times));
    Ok(finished.given_back())
}

/// Trains, and notes in `run.toml` where it diverges.
fn carry_out<D: Device>(
    mut trainer: Trainer<'_, D>,
    run: &RunFolder,
    manifest: &mut Manifest,
    limits: &Limits<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    tell_algorithms(&trainer.algorithms(), observer);
    let (recipe, steps) = (&manifest.recipe, manifest.total_steps);
    let highest = recipe.schedule.highest(steps.max(1));
    if highest < 1.0 && manifest.lengthened.is_empty() {
        observer.observe(Event::Note(&format!(
            "{steps} steps are few: the learning rate rises to {:.3} of {}, as gently as in a longer training",
            highest * recipe.learning_rate, recipe.learning_rate
        )));
    }
    let outcome = trainer.run(run, limits, observer);
    let diverged = match &outcome {
        Err(Error::Diverged { step, .. }) => Some(*step),
        _ => None,
    };
    if manifest.diverged != diverged {
        manifest.diverged = diverged;
        run.write_manifest(manifest)?;
    }
    outcome
}

/// Finds the data of a run that is resumed, and notes its place where that is a new one.
fn find(
    run: &RunFolder,
    manifest: &mut Manifest,
    request: &Request,
    network: &Network,
    stopwatch: &mut Stopwatch,
    observer: &mut dyn Observer,
) -> Result<DataSet, Error> {
    let given = Some(request.data.as_str()).filter(|given| *given != manifest.data.source);
    let (place, mut data) = manifest.data.find(run.path(), given, &mut |place| {
        load(&Request { data: place.into(), ..request.clone() }, network, stopwatch, observer)
    })?;
    if manifest.data.validation_images == 0 && !data.validation.is_empty() {
        data.validation = Images::default();
        observer
            .observe(Event::Warning("the validation images are not used: this run was begun without them"));
    }
    if manifest.data.note_new_place(&place, given.is_some(), run.path()) {
        run.write_manifest(manifest)?;
    }
    Ok(data)
}

/// The images of a data set as the network takes them.
struct Splits<'a> {
    train: Samples<'a>,
    validation: Option<Samples<'a>>,
    test: Samples<'a>,
}

impl<'a> Splits<'a> {
    fn of(data: &'a DataSet, preprocessor: &'a Preprocessor, network: &Network) -> Result<Self, Error> {
        let samples = |images: &'a Images| -> Result<Samples<'a>, Error> {
            Ok(Samples::new(images, preprocessor)?.on_canvas(network.input().into()))
        };
        let validation = Some(&data.validation).filter(|images| !images.is_empty());
        Ok(Self {
            train: samples(&data.train)?,
            validation: validation.map(samples).transpose()?,
            test: samples(&data.test)?,
        })
    }

    /// The training on them.
    fn task<'b>(&'b self, network: &'b Network, classes: &'b [String], recipe: &'b Recipe) -> Task<'b> {
        let Self { train, validation, test } = self;
        Task { network, classes, recipe, train, validation: validation.as_ref(), test }
    }
}

/// Opens the data in the size that the network takes; in its own for the heavy augmentation, which needs room.
fn load(
    request: &Request,
    network: &Network,
    stopwatch: &mut Stopwatch,
    observer: &mut dyn Observer,
) -> Result<DataSet, Error> {
    let (input, augment) = (network.input(), request.recipe.augment);
    if input.channels != 3 {
        return Err(Error::Mismatch(format!(
            "the network {} takes pictures of {} channels, expected 3 (RGB)",
            network.name(),
            input.channels
        )));
    }
    let options = data::Options {
        size: (augment != Augment::Heavy).then_some((input.height, input.width)),
        holdout: request.holdout,
        reading: request.reading.clone(),
        labels: request.labels,
        limit: request.limit,
        framing: augment.framing(),
        on_disk: augment == Augment::CropFlip,
        ..data::Options::default()
    };
    let mut tell = |progress: data::Progress| {
        stopwatch.begin(Phase::of(progress.stage));
        observer.observe(Event::Loading(progress));
    };
    let data = data::open(&request.data, &options, &mut tell)?;
    stopwatch.end();
    if data.train.is_empty() {
        return Err(Error::Mismatch(format!(
            "{} has a test split only: nothing to train on\n\
             give --holdout 10% to train on these images and test on the last tenth of each class",
            escaped(&data.name)
        )));
    }
    for note in &data.notes {
        let text = note_to_training(note, network);
        observer.observe(if note.is_warning() { Event::Warning(&text) } else { Event::Note(&text) });
    }
    tell_left_out(&data, observer);
    let (height, width) = (data.train.height, data.train.width);
    if augment == Augment::Heavy && (input.height < LEAST_ROOM * height || input.width < LEAST_ROOM * width) {
        return Err(Error::Mismatch(format!(
            "heavy augmentation moves the images ({height}x{width}) on a canvas of at least {LEAST_ROOM} times their \
             sides, the network {} takes {}x{}\ngive --model large-all-cnn, another --input or --augment flip-shift",
            network.name(),
            input.height,
            input.width
        )));
    }
    Ok(data)
}

/// Fits the preprocessing on the training images, or finds it in the cache.
fn fit(recipe: &Recipe, data: &DataSet, observer: &mut dyn Observer) -> Result<Preprocessor, Error> {
    let geometry = Geometry { height: data.train.height, width: data.train.width, channels: 3 };
    observer.observe(Event::Fitting(recipe.preprocess));
    let pixels = &data.train.sample(FITTED_FILES)?;
    let Ok(folder) = data::data_folder() else {
        return Ok(Preprocessor::fit(recipe.preprocess, pixels, geometry)?);
    };
    let folder = folder.join("preprocess");
    let (preprocessor, cache) =
        Preprocessor::fit_cached(recipe.preprocess, &data.fingerprint, &folder, pixels, geometry)?;
    if let Cache::NotStored(reason) = cache {
        observer
            .observe(Event::Warning(&format!("the preprocessing could not be kept for next time: {reason}")));
    }
    Ok(preprocessor)
}

/// Gives the training the length that fits into what is left of the limit, and records it.
fn plan_length<D: Device>(
    trainer: &mut Trainer<'_, D>,
    manifest: &mut Manifest,
    cost: Cost,
    limit: Duration,
    spent: Duration,
) {
    // In the end the best checkpoint is shown the test images.
    let left = limit.mul_f64(PLANNED_SHARE).saturating_sub(spent + cost.test);
    set_length(manifest, cost.steps_within(left, manifest.epoch_steps));
    trainer.set_total_steps(manifest.total_steps);
}

/// Records another length of the training; false where it is that already.
fn set_length(manifest: &mut Manifest, total_steps: u64) -> bool {
    if manifest.total_steps == total_steps {
        return false;
    }
    manifest.total_steps = total_steps;
    manifest.recipe.iterations = None;
    manifest.recipe.epochs = epochs_of(total_steps, manifest.epoch_steps);
    true
}

/// The epochs that so many steps are, the last one perhaps in part.
fn epochs_of(total_steps: u64, epoch_steps: u64) -> u32 {
    u32::try_from(total_steps.div_ceil(epoch_steps)).unwrap_or(u32::MAX)
}

/// What comes after the last step: the one look at the test images, where validation images chose the best checkpoint,
/// and the report.
fn finish<D: Device>(
    device: &D,
    mut finished: Finished,
    data: &DataSet,
    splits: &Splits<'_>,
    (stop, stopwatch): (&AtomicBool, &mut Stopwatch),
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    let Finished { run, manifest, outcome, report } = &mut finished;
    if outcome.end != End::Finished {
        return Ok(finished);
    }
    let (progress, test) = (&mut outcome.progress, &splits.test);
    let scores = if manifest.data.selected_on() == Some(Split::Validation) && !test.is_empty() {
        if progress.tested.is_some() && run.report().exists() {
            *report = Some(run.report());
            return Ok(finished);
        }
        let batch = manifest.recipe.batch;
        stopwatch.begin(Phase::Evaluation);
        match final_test::measure(device, run, batch, test, stop, progress, observer)? {
            None => {
                outcome.end = End::Interrupted;
                return Ok(finished);
            }
            scores => {
                // The test images were read for the first time.
                known_images::complete(run, &splits.train, splits.validation.iter().chain([test]))?;
                scores
            }
        }
    } else {
        let last = progress.history.last().map(|row| row.epoch);
        outcome.scores.take().filter(|_| progress.best_epoch() == last)
    };
    stopwatch.begin(Phase::Report);
    match write_report(device, run, manifest, scores, data, test, observer) {
        Ok(path) => *report = Some(path),
        Err(error @ Error::Run(RunError::TakenOver(_))) => return Err(error),
        // The training is done and safe; a page that cannot be written does not undo that.
        Err(error) => observer.observe(Event::Warning(&format!("no report was written: {error}"))),
    }
    stopwatch.end();
    Ok(finished)
}

//! The training loop.
//!
//! Everything random derives from (seed, epoch, step, image), so a training that is cut at any step and resumed from
//! its checkpoint does exactly what it would have done without the cut.

use std::time::{Duration, Instant};

use allcnn_device::{Algorithm, Collective, Device};

use super::batch::{Batch, Pictures, look, order};
use super::clock::Clock;
use super::figures::Unread;
use super::health::Watch;
use super::lengthen::{Lengthening, Pace};
use super::standardize::standardize;
use super::timing::{Phase, Stopwatch};
use super::{Checkpoint, Cost, End, EpochRow, Error, Event, Limits, Observer, Outcome, Progress, Task};
use crate::evaluate::{Scores, TestSet, Views, score};
use crate::known_images;
use crate::net::Init;
use crate::parameters::{Kind, Parameters, Tensor};
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::run::RunFolder;
use crate::samples::Samples;

/// A training in memory.
pub struct Trainer<'a, D: Device> {
    device: &'a D,
    collective: &'a dyn Collective<D>,
    task: Task<'a>,
    plan: Plan<'a, D>,
    parameters: Parameters<D>,
    step: D::Step,
    /// One recording for full batches and one for the last of an epoch: the scale of the loss is recorded too.
    recordings: [D::Recording; 2],
    /// The training images, where the device keeps them.
    images: Option<D::Images>,
    /// The images that are scored after each epoch.
    choosing: TestSet<'a, D>,
    /// Steps take turns, so that the next batch is filled while the device works on this one.
    batches: [Batch; 2],
    /// The steps after those that `progress` counts.
    unread: Unread<D>,
    /// The order of the images in the epoch of that number (from 0).
    order: (u64, Vec<u32>),
    progress: Progress,
    watch: Watch,
    pace: Pace<'a>,
    scores: Option<Scores>,
    stopwatch: Stopwatch,
}

impl<'a, D: Device> Trainer<'a, D> {
    /// Prepares a training from the start: plans the network and draws its weights.
    ///
    /// With several processes each takes its share of every batch; the figures are those of the share.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when network, classes and images do not fit together; failures of the device.
    pub fn new(device: &'a D, collective: &'a dyn Collective<D>, task: Task<'a>) -> Result<Self, Error> {
        task.check()?;
        let (network, recipe) = (task.network, task.recipe);
        let classes = network.classes();
        let rows = recipe.batch.min(task.train.len()).div_ceil(collective.size());
        let plan = Plan::new(device, network, rows, PlanPurpose::Training)?;
        let mut parameters = Parameters::initialize(device, network, recipe.init, recipe.seed)?;
        let first = order(task.train.len(), recipe.seed, 0);
        if recipe.init == Init::Data {
            let batch = &first[step_images(first.len(), recipe.batch, 0)];
            standardize(device, network, &mut parameters, task.train, batch)?;
        }
        let images = task.train.keep_on(device, look(recipe, 0))?;
        let image_len = task.train.geometry().len();
        let (total_steps, epoch_steps) = recipe.steps(task.train.len());
        Ok(Self {
            device,
            collective,
            task,
            plan,
            parameters,
            step: device.new_step()?,
            recordings: Default::default(),
            batches: [(); 2].map(|()| Batch::new(rows, image_len, classes, images.is_some())),
            images,
            choosing: TestSet::new(device, task.choosing().1)?,
            unread: Unread::new(device, rows, classes)?,
            order: (0, first),
            progress: Progress { total_steps, epoch_steps, ..Progress::default() },
            watch: Watch::new(classes, recipe, total_steps),
            pace: Pace::of(recipe),
            scores: None,
            stopwatch: Stopwatch::default(),
        })
    }

    /// Takes up the training where `checkpoint` left it.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a checkpoint of another network, other classes or another number of images.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        if checkpoint.network != *self.task.network {
            return Err(Error::Mismatch(format!(
                "the checkpoint is of the network {}, this training is of {}, and they differ\n\
                 give the folder of a run of this network",
                checkpoint.network.name(),
                self.task.network.name()
            )));
        }
        if checkpoint.classes != self.task.classes {
            return Err(Error::Mismatch("the checkpoint has other classes than the data".into()));
        }
        if checkpoint.progress.epoch_steps != self.progress.epoch_steps {
            return Err(Error::Mismatch(format!(
                "the checkpoint has {} steps an epoch, this training {}: give it the same images and --batch",
                checkpoint.progress.epoch_steps, self.progress.epoch_steps
            )));
        }
        self.parameters.load(self.device, Kind::Value, &checkpoint.values)?;
        self.parameters.load(self.device, Kind::Velocity, &checkpoint.velocities)?;
        self.progress = checkpoint.progress.clone();
        Ok(())
    }

    /// The algorithms of each convolution: forward, backward-data, backward-weights.
    pub fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        self.plan.algorithms()
    }

    /// How far the training has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters<D> {
        &self.parameters
    }

    /// Sets the length of the training in steps, before it begins.
    pub fn set_total_steps(&mut self, total_steps: u64) {
        assert_eq!(self.progress.step, 0, "the length of a training is set before it begins");
        self.progress.total_steps = total_steps.max(1);
    }

    /// Goes on, once resumed, as the longer training of `total_steps` steps that it was made.
    pub(super) fn lengthen(&mut self, times: &[Lengthening], total_steps: u64) {
        let Some(last) = times.last() else { return };
        self.pace.lengthen(last);
        let progress = &mut self.progress;
        // Another number says that this was done before, and perhaps that the training was cut since.
        if times.iter().any(|longer| longer.steps_before == progress.total_steps) {
            (progress.total_steps, progress.tested) = (total_steps, None);
        }
    }

    /// Times steps and evaluation with a learning rate of 0 and leaves everything as it was.
    ///
    /// # Errors
    /// Failures of the device.
    pub fn rehearse(&mut self, at_most: Duration) -> Result<Cost, Error> {
        const WARM_UP: u32 = 1;
        const STEPS: u32 = 20;
        let begin = Instant::now();
        let (mut timed, mut since) = (0, begin);
        for step in 0..WARM_UP + STEPS {
            if step == WARM_UP {
                since = Instant::now();
            }
            self.fill_batch(0)?;
            self.queue_step(0, 0.0)?;
            if self.unread.is_due() {
                self.unread.read(self.device)?;
                self.unread.clear();
            }
            timed = (step + 1).saturating_sub(WARM_UP);
            if timed > 0 && begin.elapsed() >= at_most {
                break;
            }
        }
        self.unread.read(self.device)?;
        self.unread.clear();
        let step = since.elapsed() / timed;
        let since = Instant::now();
        load(&mut self.plan, self.images.as_mut(), &self.batches[0])?;
        self.plan.forward(&self.parameters, Mode::Evaluate);
        self.plan.logits(&mut vec![0.0; self.plan.batch() * self.task.network.classes()])?;
        let (batch, rows) = (since.elapsed(), self.plan.batch());
        let [evaluation, test] =
            [self.task.choosing().1, self.task.test].map(|images| batch * images.len().div_ceil(rows) as u32);
        let mut velocities = self.parameters.tensors(self.device, Kind::Velocity)?;
        velocities.iter_mut().for_each(|tensor| tensor.values.fill(0.0));
        self.parameters.load(self.device, Kind::Velocity, &velocities)?;
        Ok(Cost { step, evaluation, test })
    }

    /// Trains to the end or to a limit, and keeps `run` up to date.
    ///
    /// # Errors
    /// [`Error::Diverged`], a checkpoint that cannot be written, failures of the device.
    pub fn run(
        &mut self,
        run: &RunFolder,
        limits: &Limits<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Error> {
        observer.observe(Event::Started {
            step: self.progress.step,
            total_steps: self.progress.total_steps,
            epoch_steps: self.progress.epoch_steps,
            train_images: self.task.train.len(),
            validation_images: self.task.validation.map_or(0, Samples::len),
            test_images: self.task.test.len(),
            classes: self.task.classes,
        });
        let mut saved = Instant::now();
        let mut clock = Clock::start(&self.progress);
        let end = loop {
            if self.progress.epoch_is_full() && !self.finish_epoch(run, limits, &mut clock, observer)? {
                break limits.is_over().unwrap_or(End::Interrupted);
            }
            if self.progress.step == self.progress.total_steps {
                break End::Finished;
            }
            if let Some(end) = limits.is_over() {
                break end;
            }
            self.train_step(run, &mut clock, observer)?;
            if saved.elapsed() >= limits.save_every && !self.progress.epoch_is_full() {
                self.save_last(run, &mut clock, observer)?;
                saved = Instant::now();
            }
        };
        if end != End::Finished {
            self.save_last(run, &mut clock, observer)?;
        }
        clock.write(&mut self.progress);
        self.stopwatch.end();
        let (progress, times) = (self.progress.clone(), self.stopwatch.times());
        Ok(Outcome { end, progress, scores: self.scores.take(), times })
    }

    /// Queues one step (forward, loss, backward, the processes' sum, the update) and reads what is due to be read.
    fn train_step(
        &mut self,
        run: &RunFolder,
        clock: &mut Clock,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let since = Instant::now();
        let step = self.progress.step + self.unread.len() as u64;
        let total_steps = self.progress.total_steps;
        if self.batches[turn(step)].step != Some(step) {
            self.fill_batch(step)?;
        }
        self.queue_step(step, self.learning_rate(step) as f32)?;
        if step + 1 < total_steps {
            self.fill_batch(step + 1)?;
        }
        clock.epoch_seconds += since.elapsed().as_secs_f64();
        let ends = step + 1 == total_steps || (step + 1).is_multiple_of(self.progress.epoch_steps);
        if ends || self.unread.is_due() || self.watch.looks_after(self.unread.len()) {
            self.read_steps(run, clock, observer)?;
        }
        Ok(())
    }

    /// Waits for the steps that were queued and counts them.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the first step whose loss is not finite.
    fn read_steps(
        &mut self,
        run: &RunFolder,
        clock: &mut Clock,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let since = Instant::now();
        self.stopwatch.begin(Phase::Steps);
        self.unread.read(self.device)?;
        clock.epoch_seconds += since.elapsed().as_secs_f64();
        let images = self.progress.images + self.unread.images() as u64;
        let images_per_s = images as f64 / clock.epoch_seconds.max(1e-9);
        let counted =
            (0..self.unread.len()).try_for_each(|place| self.count_step(place, images_per_s, run, observer));
        self.unread.clear();
        counted
    }

    /// Counts a step that was read.
    fn count_step(
        &mut self,
        place: usize,
        images_per_s: f64,
        run: &RunFolder,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let figures = self.unread.step(place);
        let loss = figures.loss();
        if !loss.is_finite() {
            return Err(self.diverged(run, loss));
        }
        let (step, epoch) = (self.progress.step, self.progress.epoch());
        let progress = &mut self.progress;
        progress.step += 1;
        progress.loss_sum += figures.loss_sum;
        progress.images += figures.images;
        progress.wrong += figures.wrong;
        self.watch.note(loss, self.pace.factor(step, self.progress.total_steps));
        self.look_after(observer)?;
        observer.observe(Event::Step {
            step: step + 1,
            total_steps: self.progress.total_steps,
            epoch,
            loss,
            learning_rate: self.learning_rate(step),
            images_per_s,
        });
        Ok(())
    }

    /// The learning rate of a step.
    fn learning_rate(&self, step: u64) -> f64 {
        self.pace.learning_rate(step, self.progress.total_steps)
    }

    /// Queues the work of a step on the batch in memory, and that its figures are kept.
    fn queue_step(&mut self, number: u64, learning_rate: f32) -> Result<(), Error> {
        self.stopwatch.begin(Phase::Steps);
        let Self {
            device,
            collective,
            task,
            plan,
            parameters,
            step,
            recordings,
            images,
            batches,
            progress,
            unread,
            ..
        } = self;
        let batch = &batches[turn(number)];
        let recipe = task.recipe;
        load(plan, images.as_mut(), batch)?;
        device.set_step(step, number, learning_rate);
        let count = step_images(task.train.len(), recipe.batch, number % progress.epoch_steps).len();
        let scale = 1.0 / count as f32;
        let sgd = recipe.sgd();
        // Another rank draws other dropout masks.
        let seed = recipe.seed.wrapping_add((collective.rank() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        device.replay(&mut recordings[usize::from(count < recipe.batch)], &mut || {
            plan.forward(parameters, Mode::Train { step, seed });
            plan.loss(scale);
            plan.backward(parameters, Mode::Train { step, seed });
            collective.all_reduce(device, parameters.list_mut());
            device.sgd(sgd, step, parameters.list_mut());
        });
        unread.note(plan, &batch.labels);
        Ok(())
    }

    /// Fills the batch of a step with the images of this process, and has those of the next one read from disk.
    fn fill_batch(&mut self, step: u64) -> Result<(), Error> {
        self.stopwatch.begin(Phase::Batches);
        let Task { train, recipe, .. } = self.task;
        let (epoch, epoch_steps) = (step / self.progress.epoch_steps, self.progress.epoch_steps);
        if self.order.0 != epoch {
            self.order = (epoch, order(train.len(), recipe.seed, epoch));
        }
        let (rows, rank, order) = (self.plan.batch(), self.collective.rank(), &self.order.1);
        let share = |step: u64| {
            let all = &order[step_images(order.len(), recipe.batch, step % epoch_steps)];
            all.chunks(rows).nth(rank).unwrap_or_default()
        };
        let batch = &mut self.batches[turn(step)];
        batch.step = None;
        batch.fill(train, share(step), recipe, epoch)?;
        batch.step = Some(step);
        if (step + 1) / epoch_steps == epoch {
            train.expect(share(step + 1), look(recipe, epoch));
        }
        Ok(())
    }

    /// Tells when the training does not start to learn.
    fn look_after(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let epoch_ends = self.progress.epoch_is_full();
        if self.watch.is_due(epoch_ends) {
            let gradients = self.parameters.tensors(self.device, Kind::Gradient)?;
            if let Some(warning) = self.watch.verdict(&gradients, epoch_ends) {
                observer.observe(Event::Warning(&warning));
            }
        }
        Ok(())
    }

    /// Evaluates, adds the epoch's row and saves. False when it was stopped before the evaluation was done.
    fn finish_epoch(
        &mut self,
        run: &RunFolder,
        limits: &Limits<'_>,
        clock: &mut Clock,
        observer: &mut dyn Observer,
    ) -> Result<bool, Error> {
        self.stopwatch.begin(Phase::Evaluation);
        let mut scored = None;
        let (split, images) = self.task.choosing();
        if !images.is_empty() {
            let (plan, parameters) = (&mut self.plan, &self.parameters);
            let total = images.len();
            let mut tell = |done| observer.observe(Event::Evaluating { done, total });
            match score(plan, parameters, &mut self.choosing, Views::ONE, limits.stop, &mut tell)? {
                None => return Ok(false),
                Some(scores) => {
                    scored = Some((split, scores.loss(), scores.error_pct(1)));
                    self.scores = Some(scores);
                }
            }
        }
        let learning_rate = self.learning_rate(self.progress.step - 1);
        let row = EpochRow::of(&self.progress, learning_rate, scored, clock);
        let best = match (row.choosing_error_pct(), self.progress.best_error_pct()) {
            (Some(error), Some(best)) => error < best,
            _ => true, // the first one; and without such images always the latest
        };
        self.keep_in_time(limits, clock, observer);
        clock.write(&mut self.progress);
        let before = self.progress.clone();
        let progress = &mut self.progress;
        (progress.loss_sum, progress.wrong, progress.images) = (0.0, 0, 0);
        progress.epoch_seconds = 0.0;
        if best {
            progress.best_test_error_pct = row.test_error_pct;
            progress.best_validation_error_pct = row.validation_error_pct;
        }
        progress.history.push(row.clone());
        self.stopwatch.begin(Phase::Saving);
        if let Err(error) = self.save(run, best) {
            self.progress = before; // so that the epoch is not lost where the caller can make room and go on
            return Err(error);
        }
        clock.epoch_seconds = 0.0;
        observer.observe(Event::Epoch { row: &row, best });
        observer.observe(Event::Saved { step: self.progress.step });
        Ok(true)
    }

    /// Cuts the training to what is still done in time, as fast as the last epoch went.
    fn keep_in_time(&mut self, limits: &Limits<'_>, clock: &mut Clock, observer: &mut dyn Observer) {
        let step = self.progress.step;
        let total_steps = step.saturating_add(limits.steps_in_time(clock.end_epoch(step)));
        if total_steps < self.progress.total_steps {
            self.progress.total_steps = total_steps;
            observer.observe(Event::Shortened { total_steps });
        }
    }

    fn save_last(
        &mut self,
        run: &RunFolder,
        clock: &mut Clock,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        self.read_steps(run, clock, observer)?;
        clock.write(&mut self.progress);
        self.stopwatch.begin(Phase::Saving);
        self.save(run, false)?;
        observer.observe(Event::Saved { step: self.progress.step });
        Ok(())
    }

    /// Writes what the resumed training would write again, then the checkpoint that it goes on from.
    ///
    /// Killed between them, it repeats the epoch and writes the same best checkpoint and figures. The times of the epochs
    /// are in `metrics.csv` alone, so that comes before the checkpoint that counts its epoch.
    fn save(&self, run: &RunFolder, best: bool) -> Result<(), Error> {
        let checkpoint = Checkpoint {
            network: self.task.network.clone(),
            classes: self.task.classes.to_vec(),
            values: self.parameters.tensors(self.device, Kind::Value)?,
            velocities: self.parameters.tensors(self.device, Kind::Velocity)?,
            progress: self.progress.clone(),
        };
        // The loss of a step is that before its update: this update may have been the fatal one.
        let mut tensors = checkpoint.values.iter().chain(&checkpoint.velocities);
        if let Some(value) = tensors.find_map(Tensor::absurd) {
            return Err(self.diverged(run, f64::from(value)));
        }
        let heldout = self.task.validation.into_iter().chain([self.task.test]);
        known_images::update(run, self.task.train, heldout)?;
        if best {
            run.write_checkpoint(&run.best(), &checkpoint)?;
        }
        run.write_metrics(&self.progress.history)?;
        Ok(run.write_checkpoint(&run.last(), &checkpoint)?)
    }

    fn diverged(&self, run: &RunFolder, loss: f64) -> Error {
        let step = self.progress.step.min(self.progress.total_steps - 1);
        Error::Diverged {
            loss,
            step: step + 1,
            epoch: self.progress.epoch(),
            learning_rate: self.learning_rate(step),
            checkpoint: Some(run.last()).filter(|path| path.exists()),
        }
    }
}

/// Brings a batch to the device.
fn load<D: Device>(
    plan: &mut Plan<'_, D>,
    images: Option<&mut D::Images>,
    batch: &Batch,
) -> Result<(), Error> {
    match (&batch.pictures, images) {
        (Pictures::Kept(views), Some(images)) => plan.gather(images, views, &batch.targets)?,
        (Pictures::Made(values), _) => plan.upload(values, &batch.targets)?,
        (Pictures::Kept(_), None) => unreachable!("a batch of images that nobody keeps"),
    }
    Ok(())
}

/// Which of the two batches a step uses.
fn turn(step: u64) -> usize {
    (step % 2) as usize
}

/// Which places of an epoch's order a step takes.
fn step_images(images: usize, batch: usize, step_in_epoch: u64) -> std::ops::Range<usize> {
    let begin = (step_in_epoch as usize * batch).min(images);
    begin..(begin + batch).min(images)
}

//! The training loop: when to step, evaluate, save, warn and stop.

use std::time::Instant;

use allcnn_device::Device;

use super::balance;
use super::clock::Clock;
use super::error::TrainError;
use super::figures::Figures;
use super::limits::{End, Limits, Outcome};
use super::pace::Pace;
use super::stepper::Stepper;
use super::watch::Watch;
use crate::input::Samples;
use crate::observer::{Event, Observer, Phase};
use crate::parameters::{Kind, Tensor};
use crate::run::{EpochRow, Mistake, Progress, RunFolder, known_images};
use crate::score::Scores;
use crate::split::Split;

/// The mistakes that are noted after each epoch.
const MISTAKES: usize = 24;

/// A running training.
pub(super) struct TrainingLoop<'l, 'a, D: Device> {
    stepper: &'l mut Stepper<'a, D>,
    progress: &'l mut Progress,
    pace: &'l Pace<'a>,
    run: &'l RunFolder,
    limits: &'l Limits<'l>,
    observer: &'l mut dyn Observer,
    watch: Watch,
    clock: Clock,
    /// When a checkpoint was last written within an epoch.
    saved: Instant,
    scores: Option<Scores>,
}

impl<'l, 'a, D: Device> TrainingLoop<'l, 'a, D> {
    pub(super) fn new(
        stepper: &'l mut Stepper<'a, D>,
        progress: &'l mut Progress,
        pace: &'l Pace<'a>,
        run: &'l RunFolder,
        limits: &'l Limits<'l>,
        observer: &'l mut dyn Observer,
    ) -> Self {
        let task = stepper.task();
        let watch = Watch::new(task.classes.len(), task.recipe, progress.total_steps);
        let clock = Clock::start(progress.seconds, progress.epoch_seconds, progress.step);
        let saved = Instant::now();
        Self { stepper, progress, pace, run, limits, observer, watch, clock, saved, scores: None }
    }

    /// Trains to the end or to a limit.
    pub(super) fn train(mut self) -> Result<Outcome, TrainError> {
        self.report_start()?;
        let end = loop {
            if self.progress.epoch_is_full() && !self.finish_epoch()? {
                break self.limits.is_over().unwrap_or(End::Interrupted);
            }
            if self.progress.step == self.progress.total_steps {
                break End::Finished;
            }
            if let Some(end) = self.limits.is_over() {
                break end;
            }
            self.train_step()?;
            if self.saved.elapsed() >= self.limits.save_every && !self.progress.epoch_is_full() {
                self.save_last()?;
                self.saved = Instant::now();
            }
        };
        if end != End::Finished {
            self.save_last()?;
        }
        self.write_times();
        let stopwatch = self.stepper.stopwatch();
        stopwatch.end();
        Ok(Outcome { end, progress: self.progress.clone(), scores: self.scores, times: stopwatch.times() })
    }

    fn report_start(&mut self) -> Result<(), TrainError> {
        let task = self.stepper.task();
        if self.progress.step == 0
            && let Some(warning) = balance::warning(task.train.labels(), task.classes, task.recipe.balance)
        {
            self.observer.observe(Event::Warning(&warning));
        }
        if self.stepper.mixing_costs_views()? {
            self.observer.observe(Event::Note(
                "mixup mixes images on the host: batches are made there and copied to the device, which otherwise keeps the \
                 images and makes them itself",
            ));
        }
        self.observer.observe(Event::Started {
            step: self.progress.step,
            total_steps: self.progress.total_steps,
            epoch_steps: self.progress.epoch_steps,
            train_images: task.train.len(),
            validation_images: task.validation.map_or(0, Samples::len),
            test_images: task.test.len(),
            classes: task.classes,
        });
        Ok(())
    }

    /// Queues one step and reads the figures that are due.
    fn train_step(&mut self) -> Result<(), TrainError> {
        let since = Instant::now();
        let step = self.progress.step + self.stepper.queued() as u64;
        let is_last = step + 1 == self.progress.total_steps;
        self.stepper.queue(step, self.pace.of_step(step, self.progress.total_steps), !is_last)?;
        self.clock.epoch_seconds += since.elapsed().as_secs_f64();
        let ends = is_last || (step + 1).is_multiple_of(self.progress.epoch_steps);
        if ends || self.stepper.is_read_due() || self.watch.is_due_after(self.stepper.queued()) {
            self.read_steps()?;
        }
        Ok(())
    }

    /// Waits for the queued steps and adds up their figures.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] with the first step whose loss is not finite.
    fn read_steps(&mut self) -> Result<(), TrainError> {
        let since = Instant::now();
        let steps = self.stepper.read()?;
        self.clock.epoch_seconds += since.elapsed().as_secs_f64();
        let images = self.progress.images + steps.iter().map(|figures| figures.images).sum::<u64>();
        let images_per_s = images as f64 / self.clock.epoch_seconds.max(1e-9);
        steps.iter().try_for_each(|figures| self.count_step(figures, images_per_s))
    }

    /// Adds the figures of a step to the progress.
    fn count_step(&mut self, figures: &Figures, images_per_s: f64) -> Result<(), TrainError> {
        let loss = figures.loss();
        if !loss.is_finite() {
            return Err(self.diverged(loss));
        }
        let (step, epoch) = (self.progress.step, self.progress.epoch());
        let progress = &mut self.progress;
        progress.step += 1;
        progress.loss_sum += figures.loss_sum;
        progress.images += figures.images;
        progress.wrong += figures.wrong;
        self.watch.note(loss, self.pace.factor(step, self.progress.total_steps));
        self.check_health()?;
        self.observer.observe(Event::Step {
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

    /// Warns if the network does not start to learn.
    fn check_health(&mut self) -> Result<(), TrainError> {
        let epoch_ends = self.progress.epoch_is_full();
        if self.watch.is_due(epoch_ends) {
            let gradients = self.stepper.tensors(Kind::Gradient)?;
            if let Some(warning) = self.watch.verdict(&gradients, epoch_ends) {
                self.observer.observe(Event::Warning(&warning));
            }
        }
        Ok(())
    }

    /// Evaluates, appends the epoch's row and saves. Returns false if stopped during the evaluation.
    fn finish_epoch(&mut self) -> Result<bool, TrainError> {
        let (split, images) = self.stepper.task().choosing();
        let mut scored = None;
        if !images.is_empty() {
            let total = images.len();
            let mut tell = |done| self.observer.observe(Event::Evaluating { done, total });
            let Some(scores) = self.stepper.score(self.limits.stop, &mut tell)? else { return Ok(false) };
            scored = Some((split, scores.loss(), scores.error_pct(1)));
            self.run.write_mistakes(&self.worst_mistakes(&scores, images))?;
            self.scores = Some(scores);
        }
        let row = self.epoch_row(scored);
        let best = match (row.choosing_error_pct(), self.progress.best_error_pct()) {
            (Some(error), Some(best)) => error < best,
            _ => true, // the first, or without such images always the latest
        };
        self.keep_in_time();
        self.write_times();
        let before = self.progress.clone();
        self.begin_epoch_after(&row, best);
        self.end_without_progress();
        self.stepper.stopwatch().begin(Phase::Saving);
        if let Err(error) = self.save(best) {
            *self.progress = before; // keeps the epoch: the caller may free space and retry
            return Err(error);
        }
        self.clock.epoch_seconds = 0.0;
        self.observer.observe(Event::Epoch { row: &row, best });
        self.observer.observe(Event::Saved { step: self.progress.step });
        Ok(true)
    }

    /// The surest of the mistakes on the images that were scored.
    fn worst_mistakes(&self, scores: &Scores, samples: &Samples<'_>) -> Vec<Mistake> {
        let class = |label: u32| self.stepper.task().classes[label as usize].clone();
        let worst = scores.worst_mistakes(MISTAKES).into_iter().map(|mistake| Mistake {
            epoch: self.progress.epoch(),
            image: samples.images().names[mistake.image].clone(),
            r#true: class(mistake.label),
            predicted: class(mistake.predicted),
            probability: mistake.probability,
        });
        worst.collect()
    }

    /// The row of a completed epoch, with the loss and the error in percent on a split.
    fn epoch_row(&self, scored: Option<(Split, f64, f64)>) -> EpochRow {
        let (progress, clock) = (&self.progress, &self.clock);
        let images = progress.images as f64;
        let of = |wanted| scored.filter(|(split, ..)| *split == wanted);
        let (test, validation) = (of(Split::Test), of(Split::Validation));
        EpochRow {
            epoch: progress.epoch(),
            learning_rate: self.learning_rate(progress.step - 1),
            train_loss: progress.loss_sum / images,
            train_error_pct: 100.0 * progress.wrong as f64 / images,
            test_loss: test.map(|(_, loss, _)| loss),
            test_error_pct: test.map(|(_, _, error)| error),
            // As rounded in `metrics.csv`, its only store.
            images_per_s: tenths(images / clock.epoch_seconds.max(1e-9)),
            seconds: tenths(clock.seconds()),
            validation_loss: validation.map(|(_, loss, _)| loss),
            validation_error_pct: validation.map(|(_, _, error)| error),
        }
    }

    /// Appends the row of a completed epoch and resets the sums for the next one.
    fn begin_epoch_after(&mut self, row: &EpochRow, best: bool) {
        let progress = &mut self.progress;
        (progress.loss_sum, progress.wrong, progress.images) = (0.0, 0, 0);
        progress.epoch_seconds = 0.0;
        if best {
            progress.best_test_error_pct = row.test_error_pct;
            progress.best_validation_error_pct = row.validation_error_pct;
        }
        progress.history.push(row.clone());
    }

    /// Ends the training here if the recipe's patience is over.
    fn end_without_progress(&mut self) {
        let recipe = self.stepper.task().recipe;
        let (Some(patience), Some(best_epoch)) = (recipe.patience, self.progress.best_epoch()) else {
            return;
        };
        let epoch = self.progress.history.len() as u32;
        if epoch - best_epoch >= patience && self.progress.step < self.progress.total_steps {
            self.progress.total_steps = self.progress.step;
            self.progress.stopped_early = true;
            self.observer.observe(Event::StoppedEarly { epoch, best_epoch });
        }
    }

    /// Reduces the number of steps to what fits into the time limit at the last epoch's speed.
    fn keep_in_time(&mut self) {
        let step = self.progress.step;
        let total_steps = step.saturating_add(self.limits.steps_in_time(self.clock.end_epoch(step)));
        if total_steps < self.progress.total_steps {
            self.progress.total_steps = total_steps;
            self.observer.observe(Event::Shortened { total_steps });
        }
    }

    fn write_times(&mut self) {
        self.progress.seconds = self.clock.seconds();
        self.progress.epoch_seconds = self.clock.epoch_seconds;
    }

    fn save_last(&mut self) -> Result<(), TrainError> {
        self.read_steps()?;
        self.write_times();
        self.stepper.stopwatch().begin(Phase::Saving);
        self.save(false)?;
        self.observer.observe(Event::Saved { step: self.progress.step });
        Ok(())
    }

    /// Writes the files that a resumed training would rewrite, then the checkpoint it resumes from.
    ///
    /// If killed in between, the epoch is repeated and writes the same best checkpoint and figures. `metrics.csv`
    /// is the only store of the epochs' times, so it is written before the checkpoint that counts the epoch.
    fn save(&self, best: bool) -> Result<(), TrainError> {
        let task = self.stepper.task();
        let checkpoint = self.stepper.checkpoint(self.progress)?;
        // A step's loss is from before its update, so check the result of the last update as well.
        let mut tensors = checkpoint.values.iter().chain(&checkpoint.velocities).chain(&checkpoint.averages);
        if let Some(value) = tensors.find_map(Tensor::absurd) {
            return Err(self.diverged(f64::from(value)));
        }
        known_images::update(self.run, task.train, task.validation.into_iter().chain([task.test]))?;
        if best {
            let averaged = (!checkpoint.averages.is_empty()).then(|| checkpoint.clone().for_use());
            self.run.write_checkpoint(&self.run.best(), averaged.as_ref().unwrap_or(&checkpoint))?;
        }
        self.run.write_metrics(&self.progress.history)?;
        Ok(self.run.write_checkpoint(&self.run.last(), &checkpoint)?)
    }

    fn diverged(&self, loss: f64) -> TrainError {
        let step = self.progress.step.min(self.progress.total_steps - 1);
        TrainError::Diverged {
            loss,
            step: step + 1,
            epoch: self.progress.epoch(),
            learning_rate: self.learning_rate(step),
            checkpoint: Some(self.run.last()).filter(|path| path.exists()),
        }
    }
}

/// Rounds to one decimal.
fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

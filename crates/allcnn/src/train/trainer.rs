//! A training in memory: its stepper and its progress.

use std::time::Duration;

use allcnn_device::{Algorithm, Collective, Device};

use super::error::TrainError;
use super::limits::{Limits, Outcome};
use super::pace::Pace;
use super::stepper::Stepper;
use super::task::Task;
use super::training_loop::TrainingLoop;
use crate::observer::{Cost, Observer};
use crate::parameters::Parameters;
use crate::run::{Checkpoint, Lengthening, Progress, RunFolder};

/// A training in memory.
pub struct Trainer<'a, D: Device> {
    stepper: Stepper<'a, D>,
    progress: Progress,
    pace: Pace<'a>,
}

impl<'a, D: Device> Trainer<'a, D> {
    /// Plans the network and initializes its weights.
    ///
    /// With several processes each takes its shards of every batch; rank 0 [runs](Trainer::run) the training, the others
    /// [follow](Trainer::follow).
    ///
    /// # Errors
    /// [`TrainError::Mismatch`] if network, classes and images do not match; device failures.
    pub fn new(device: &'a D, collective: &'a dyn Collective, task: Task<'a>) -> Result<Self, TrainError> {
        let stepper = Stepper::new(device, collective, task)?;
        let (total_steps, epoch_steps) = task.recipe.steps(task.train.len());
        let progress = Progress { total_steps, epoch_steps, ..Progress::default() };
        Ok(Self { stepper, progress, pace: Pace::of(task.recipe) })
    }

    /// Resumes from `checkpoint`.
    ///
    /// # Errors
    /// [`TrainError::Mismatch`] if network, classes or number of images differ.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let task = self.stepper.task();
        if checkpoint.network != *task.network {
            return Err(TrainError::Mismatch(format!(
                "the checkpoint is of the network {}, this training is of {}, and they differ\n\
                 give the folder of a run of this network",
                checkpoint.network.name(),
                task.network.name()
            )));
        }
        if checkpoint.classes != task.classes {
            return Err(TrainError::Mismatch("the checkpoint has other classes than the data".into()));
        }
        if checkpoint.progress.epoch_steps != self.progress.epoch_steps {
            return Err(TrainError::Mismatch(format!(
                "the checkpoint has {} steps an epoch, this training {}: give it the same images and --batch",
                checkpoint.progress.epoch_steps, self.progress.epoch_steps
            )));
        }
        if checkpoint.averages.is_empty() != (task.recipe.ema == 0.0) {
            return Err(TrainError::Mismatch(format!(
                "the checkpoint holds {} averaged weights, the run's settings have ema {}\n\
                 restore the run's own run.toml, or begin a new run",
                if checkpoint.averages.is_empty() { "no" } else { "the" },
                task.recipe.ema
            )));
        }
        self.stepper.load(&checkpoint.values, &checkpoint.velocities, &checkpoint.averages)?;
        self.progress = checkpoint.progress.clone();
        Ok(())
    }

    /// The algorithms of each convolution: forward, backward-data, backward-weights.
    pub fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        self.stepper.algorithms()
    }

    /// The progress so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The weights of the last step, not their average.
    pub fn parameters(&self) -> &Parameters<D> {
        self.stepper.parameters()
    }

    /// Sets the length of the training in steps, before it begins.
    pub fn set_total_steps(&mut self, total_steps: u64) {
        assert_eq!(self.progress.step, 0, "the length of a training is set before it begins");
        self.progress.total_steps = total_steps.max(1);
    }

    /// After resuming, continues as the training extended to `total_steps` steps.
    pub(super) fn lengthen(&mut self, times: &[Lengthening], total_steps: u64) {
        let Some(last) = times.last() else { return };
        self.pace.lengthen(last);
        let progress = &mut self.progress;
        // Otherwise the extension is already in the progress, and the training may have been shortened since.
        if times.iter().any(|longer| longer.steps_before == progress.total_steps) {
            (progress.total_steps, progress.tested) = (total_steps, None);
        }
    }

    /// Times steps and an evaluation for at most `at_most`, with learning rate 0; leaves all state unchanged.
    ///
    /// # Errors
    /// Device failures.
    pub fn rehearse(&mut self, at_most: Duration) -> Result<Cost, TrainError> {
        self.stepper.rehearse(at_most)
    }

    /// Trains to the end or to a limit, and keeps the files of `run` up to date.
    ///
    /// # Errors
    /// [`TrainError::Diverged`], a checkpoint that cannot be written, device failures.
    pub fn run(
        &mut self,
        run: &RunFolder,
        limits: &Limits<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, TrainError> {
        let Self { stepper, progress, pace } = self;
        let outcome = TrainingLoop::new(stepper, progress, pace, run, limits, observer).train()?;
        self.stepper.end()?;
        Ok(outcome)
    }

    /// Does this process's share of what rank 0 runs, until that ends.
    ///
    /// # Errors
    /// As [`Trainer::run`], but for what is of files.
    pub fn follow(&mut self) -> Result<(), TrainError> {
        self.stepper.follow()
    }

    /// Weights, velocities and progress, as another process begins with them.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        self.stepper.checkpoint(&self.progress)
    }
}

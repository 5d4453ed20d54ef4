//! Training steps: batches, forward, loss, backward, update. No file access.
//!
//! All randomness derives from (seed, epoch, step, image), so a training interrupted at any step and resumed from
//! its weights and velocities is identical to an uninterrupted one.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use allcnn_device::{Algorithm, Collective, Device, ImageSet, ImageValues, Shape};

use super::average::Average;
use super::balance::class_weights;
use super::batch::{Batch, Pictures};
use super::error::TrainError;
use super::figures::{Figures, Unread};
use super::frozen_features::FrozenFeatures;
use super::mixup;
use super::order::{Turn, epoch_augment, order};
use super::standardize::standardize;
use super::task::Task;
use crate::augment::{Augment, Showing};
use crate::net::Init;
use crate::observer::{Cost, Phase, Stopwatch};
use crate::parameters::{Kind, Parameters, Tensor};
use crate::plan::{Mode, Plan};
use crate::score::{Scores, TestSet, Views, score};

/// Trains a network step by step.
pub(super) struct Stepper<'a, D: Device> {
    device: &'a D,
    collective: &'a dyn Collective<D>,
    task: Task<'a>,
    /// Steps per full epoch.
    epoch_steps: u64,
    plan: Plan<'a, D>,
    parameters: Parameters<D>,
    /// The averaged weights, if the recipe asks for them.
    average: Option<Average<D>>,
    /// The weight of each class in the loss.
    class_weights: Vec<f32>,
    step: D::Step,
    /// Steps from images and steps from features; of each one recording for full batches and one for the last of an epoch,
    /// whose loss scale differs.
    recordings: [[D::Recording; 2]; 2],
    /// The features of the training images, if their frozen layers see the same pictures in every epoch.
    features: Option<FrozenFeatures>,
    /// The training images, if the device stores them.
    images: Option<D::Images>,
    /// The images that are evaluated after each epoch to select the best one.
    choosing: TestSet<'a, D>,
    /// Double buffering: the next batch is filled while the device works on the current one.
    batches: [Batch; 2],
    unread: Unread<D>,
    /// The image order of an epoch, and the epoch's number (from 0).
    order: (u64, Vec<Turn>),
    stopwatch: Stopwatch,
}

impl<'a, D: Device> Stepper<'a, D> {
    /// Plans the network and initializes its weights.
    ///
    /// With several processes each takes its share of every batch, and the figures cover that share.
    ///
    /// # Errors
    /// [`TrainError::Mismatch`] if network, classes and images do not match; device failures.
    pub(super) fn new(
        device: &'a D,
        collective: &'a dyn Collective<D>,
        task: Task<'a>,
    ) -> Result<Self, TrainError> {
        task.check()?;
        let Task { network, recipe, train, .. } = task;
        let rows = recipe.batch.min(train.len()).div_ceil(collective.size());
        let plan = Plan::partly_frozen(device, network, rows, task.frozen)?;
        let mut parameters = Parameters::initialize(device, network, recipe.init, recipe.seed)?;
        parameters.replace(device, Kind::Value, task.begun)?;
        let first = order(train.labels(), recipe, 0);
        if recipe.init == Init::Data {
            let batch = &first[step_images(first.len(), recipe.batch, 0)];
            let batch: Vec<u32> = batch.iter().map(|turn| turn.image).collect();
            let begun = task.begun.iter().filter_map(|tensor| tensor.name.rsplit_once('.'));
            let begun: Vec<&str> = begun.map(|(layer, _)| layer).collect();
            standardize(device, network, &mut parameters, train, &batch, &begun)?;
        }
        let average = (recipe.ema > 0.0).then(|| Average::new(device, network, recipe.ema, &parameters));
        let mixes = recipe.mixup > 0.0; // on the host: a view is of one image
        let images = if mixes { None } else { train.keep_on(device, epoch_augment(recipe, 0))? };
        let (classes, image_len) = (network.classes(), train.geometry().len());
        Ok(Self {
            device,
            collective,
            task,
            epoch_steps: recipe.steps(train.len()).1,
            plan,
            parameters,
            average: average.transpose()?,
            class_weights: class_weights(train.labels(), classes, recipe.balance),
            step: device.new_step()?,
            recordings: Default::default(),
            batches: [(); 2].map(|()| Batch::new(rows, image_len, classes, images.is_some())),
            images,
            features: frozen_features(&task, rows),
            choosing: TestSet::new(device, task.choosing().1)?,
            unread: Unread::new(device, rows, classes)?,
            order: (0, first),
            stopwatch: Stopwatch::default(),
        })
    }

    /// Loads weights, velocities and averaged weights (none, if the recipe asks for none), with names and layout as
    /// returned by [`Stepper::tensors`].
    ///
    /// # Errors
    /// [`TrainError::Parameters`] for tensors of another network.
    pub(super) fn load(
        &mut self,
        values: &[Tensor],
        velocities: &[Tensor],
        averages: &[Tensor],
    ) -> Result<(), TrainError> {
        self.parameters.load(self.device, Kind::Value, values)?;
        self.parameters.load(self.device, Kind::Velocity, velocities)?;
        self.average.as_mut().map_or(Ok(()), |average| average.load(self.device, averages))
    }

    /// Copies the weights, gradients or velocities from the device.
    ///
    /// # Errors
    /// [`TrainError::Parameters`] when the device failed.
    pub(super) fn tensors(&self, kind: Kind) -> Result<Vec<Tensor>, TrainError> {
        Ok(self.parameters.tensors(self.device, kind)?)
    }

    /// Copies the averaged weights from the device; none, if the recipe asks for none.
    ///
    /// # Errors
    /// [`TrainError::Parameters`] when the device failed.
    pub(super) fn averages(&self) -> Result<Vec<Tensor>, TrainError> {
        self.average.as_ref().map_or(Ok(vec![]), |average| average.tensors(self.device))
    }

    /// Whether batches are made on the host only because their images are mixed: the device would keep the images.
    ///
    /// # Errors
    /// A failure of the device.
    pub(super) fn mixing_costs_views(&self) -> Result<bool, TrainError> {
        let Task { recipe, .. } = self.task;
        let one = Shape { batch: 1, height: 1, width: 1, channels: 3 };
        let views = recipe.mixup > 0.0 && epoch_augment(recipe, 0).view(0).is_some();
        Ok(views
            && self
                .device
                .keep_images(ImageSet { shape: one, values: ImageValues::F32(&[0.0; 3]) })?
                .is_some())
    }

    /// The weights on the device.
    pub(super) fn parameters(&self) -> &Parameters<D> {
        &self.parameters
    }

    /// What is trained, and on what.
    pub(super) fn task(&self) -> &Task<'a> {
        &self.task
    }

    /// The algorithms of each convolution: forward, backward-data, backward-weights.
    pub(super) fn algorithms(&self) -> Vec<(&str, [Algorithm; 3])> {
        self.plan.algorithms()
    }

    /// The stopwatch of the steps' phases.
    pub(super) fn stopwatch(&mut self) -> &mut Stopwatch {
        &mut self.stopwatch
    }

    /// Queues step `number` (from 0): batch, forward, loss, backward, all-reduce, update. Then, if there `is_next`
    /// one, fills the next step's batch.
    ///
    /// # Errors
    /// An image that cannot be read; failures of the device.
    pub(super) fn queue(&mut self, number: u64, learning_rate: f32, is_next: bool) -> Result<(), TrainError> {
        if self.batches[turn(number)].step != Some(number) {
            self.fill_batch(number)?;
        }
        self.queue_work(number, learning_rate)?;
        if is_next { self.fill_batch(number + 1) } else { Ok(()) }
    }

    /// The number of queued steps that were not read yet.
    pub(super) fn queued(&self) -> usize {
        self.unread.len()
    }

    /// Whether the queued steps should be read now.
    pub(super) fn is_read_due(&self) -> bool {
        self.unread.is_due()
    }

    /// Waits for the queued steps and returns their figures in order.
    ///
    /// # Errors
    /// A failure of the device.
    pub(super) fn read(&mut self) -> Result<Vec<Figures>, TrainError> {
        self.stopwatch.begin(Phase::Steps);
        self.unread.read(self.device)?;
        let figures = (0..self.unread.len()).map(|index| self.unread.step(index)).collect();
        self.unread.clear();
        Ok(figures)
    }

    /// Evaluates the images that select the best epoch, with the averaged weights if there are any; returns `None` if
    /// stopped. `done` is called with the number of images done.
    ///
    /// # Errors
    /// An image that cannot be read; failures of the device.
    pub(super) fn score(
        &mut self,
        stop: &AtomicBool,
        done: &mut dyn FnMut(usize),
    ) -> Result<Option<Scores>, TrainError> {
        self.stopwatch.begin(Phase::Evaluation);
        let Self { plan, parameters, average, choosing, .. } = self;
        let weights = average.as_ref().map_or(&*parameters, Average::weights);
        Ok(score(plan, weights, choosing, Views::ONE, stop, done)?)
    }

    /// Times steps and an evaluation for at most `at_most`, with learning rate 0; leaves all state unchanged.
    ///
    /// # Errors
    /// Device failures.
    pub(super) fn rehearse(&mut self, at_most: Duration) -> Result<Cost, TrainError> {
        const WARM_UP: u32 = 1;
        const STEPS: u32 = 20;
        let begin = Instant::now();
        let (mut timed, mut since) = (0, begin);
        for step in 0..WARM_UP + STEPS {
            if step == WARM_UP {
                since = Instant::now();
            }
            self.fill_batch(0)?;
            self.queue_work(0, 0.0)?;
            if self.unread.is_due() {
                self.read()?;
            }
            timed = (step + 1).saturating_sub(WARM_UP);
            if timed > 0 && begin.elapsed() >= at_most {
                break;
            }
        }
        self.read()?;
        let step = since.elapsed() / timed;
        let since = Instant::now();
        upload(&mut self.plan, self.images.as_mut(), &self.batches[0])?;
        self.plan.forward(&self.parameters, Mode::Evaluate);
        self.plan.logits(&mut vec![0.0; self.plan.batch() * self.task.network.classes()])?;
        let (batch, rows) = (since.elapsed(), self.plan.batch());
        let [evaluation, test] =
            [self.task.choosing().1, self.task.test].map(|images| batch * images.len().div_ceil(rows) as u32);
        let mut velocities = self.tensors(Kind::Velocity)?;
        velocities.iter_mut().for_each(|tensor| tensor.values.fill(0.0));
        self.parameters.load(self.device, Kind::Velocity, &velocities)?;
        Ok(Cost { step, evaluation, test })
    }

    /// Queues a step on the current batch, and the logging of its figures.
    fn queue_work(&mut self, number: u64, learning_rate: f32) -> Result<(), TrainError> {
        self.stopwatch.begin(Phase::Steps);
        let from_features = self.upload_features(number)?;
        let Self { device, collective, task, plan, parameters, average, .. } = self;
        let Self { step, recordings, images, batches, unread, .. } = self;
        let batch = &batches[turn(number)];
        let recipe = task.recipe;
        if !from_features {
            upload(plan, images.as_mut(), batch)?;
        }
        device.set_step(step, number, learning_rate);
        if let Some(average) = average {
            average.set_step(device, number);
        }
        let count = step_images(task.train.len(), recipe.batch, number % self.epoch_steps).len();
        let scale = 1.0 / count as f32;
        let sgd = recipe.sgd();
        // Each rank draws its own dropout masks.
        let seed = recipe.seed.wrapping_add((collective.rank() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let frozen = frozen_parameters(task);
        let recording = &mut recordings[usize::from(from_features)][usize::from(count < recipe.batch)];
        device.replay(recording, &mut || {
            let mode = Mode::Train { step, seed };
            if from_features {
                plan.forward_from_features(parameters, mode);
            } else {
                plan.forward(parameters, mode);
            }
            plan.loss(scale);
            plan.backward(parameters, mode);
            collective.all_reduce(device, &mut parameters.list_mut()[frozen..]);
            device.sgd(sgd, step, &mut parameters.list_mut()[frozen..]);
            if let Some(average) = average {
                average.follow(device, parameters);
            }
        });
        unread.note(plan, &batch.labels, batch.weight);
        if !from_features { self.keep_features(number) } else { Ok(()) }
    }

    /// Uploads the features of a step's images, if all are known.
    fn upload_features(&mut self, number: u64) -> Result<bool, TrainError> {
        let Some(features) = &mut self.features else { return Ok(false) };
        let batch = &self.batches[turn(number)];
        let known = features.know(batch.indices.iter().copied());
        if known {
            self.plan.upload_features(features.batch(&batch.indices), &batch.targets)?;
        }
        Ok(known)
    }

    /// Keeps the features that a step from images computed.
    fn keep_features(&mut self, number: u64) -> Result<(), TrainError> {
        let Self { features: Some(features), plan, batches, .. } = self else { return Ok(()) };
        Ok(features.keep(&batches[turn(number)].indices, |values| plan.features(values))?)
    }

    /// Fills a step's batch with this process's images, and prefetches those of the next from disk.
    fn fill_batch(&mut self, step: u64) -> Result<(), TrainError> {
        self.stopwatch.begin(Phase::Batches);
        let Task { train, recipe, .. } = self.task;
        let (epoch, epoch_steps) = (step / self.epoch_steps, self.epoch_steps);
        if self.order.0 != epoch {
            self.order = (epoch, order(train.labels(), recipe, epoch));
        }
        let (rows, rank, order) = (self.plan.batch(), self.collective.rank(), &self.order.1);
        let share = |step: u64| {
            let all = &order[step_images(order.len(), recipe.batch, step % epoch_steps)];
            let own = all.chunks(rows).nth(rank).unwrap_or_default();
            own.iter().map(move |turn| turn.showing(recipe, epoch))
        };
        let batch = &mut self.batches[turn(step)];
        batch.step = None;
        let showings: Vec<Showing> = share(step).collect();
        let images = || showings.iter().map(|showing| showing.image);
        if self.features.as_ref().is_some_and(|features| features.know(images())) {
            batch.fill_targets(train, &showings, recipe, &self.class_weights);
        } else {
            batch.fill(train, &showings, recipe, &self.class_weights)?;
        }
        if recipe.mixup > 0.0 {
            batch.mix(recipe.mixup, mixup::stream(recipe.seed, step, rank));
        }
        batch.step = Some(step);
        if (step + 1) / epoch_steps == epoch {
            train.prefetch(share(step + 1));
        }
        Ok(())
    }
}

/// Room for the features of the training images, if there are frozen layers that see the same pictures in every epoch.
fn frozen_features(task: &Task<'_>, rows: usize) -> Option<FrozenFeatures> {
    let same_pictures = task.recipe.augment == Augment::None && task.recipe.mixup == 0.0;
    let last = task.frozen.checked_sub(1).filter(|_| same_pictures)?;
    FrozenFeatures::new(task.train.len(), task.network.operations(1)[last].output().len(), rows)
}

/// The number of parameters, weights and biases, of the frozen layers.
fn frozen_parameters(task: &Task<'_>) -> usize {
    2 * task.network.layers()[..task.frozen].iter().filter(|layer| layer.kind().is_conv()).count()
}

/// Copies a batch to the device.
fn upload<D: Device>(
    plan: &mut Plan<'_, D>,
    images: Option<&mut D::Images>,
    batch: &Batch,
) -> Result<(), TrainError> {
    match (&batch.pictures, images) {
        (Pictures::Kept(views), Some(images)) => plan.gather(images, views, &batch.targets)?,
        (Pictures::Made(values), _) => plan.upload(values, &batch.targets)?,
        (Pictures::Kept(_), None) => unreachable!("a batch of images that nobody keeps"),
    }
    Ok(())
}

/// The index of the batch buffer that a step uses.
fn turn(step: u64) -> usize {
    (step % 2) as usize
}

/// The range of an epoch's order that a step uses.
fn step_images(images: usize, batch: usize, step_in_epoch: u64) -> std::ops::Range<usize> {
    let begin = (step_in_epoch as usize * batch).min(images);
    begin..(begin + batch).min(images)
}

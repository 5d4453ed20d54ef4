//! Training steps: batches, forward, loss, backward, update. No file access.
//!
//! All randomness derives from (seed, epoch, step, image), so a training interrupted at any step and resumed from
//! its weights and velocities is identical to an uninterrupted one.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use allcnn_device::{Algorithm, Collective, Device, ImageSet, ImageValues, Sgd, Shape};

use super::average::Average;
use super::balance::class_weights;
use super::batch::{Batch, Pictures};
use super::crew::{self, Exchange, Order};
use super::error::TrainError;
use super::figures::{Figures, Unread};
use super::frozen_features::FrozenFeatures;
use super::group_means::GroupMeans;
use super::mixup;
use super::order::{Turn, epoch_augment, order};
use super::pace::StepPace;
use super::shards::{GradientSum, Shards};
use super::standardize::standardize;
use super::task::Task;
use crate::augment::{Augment, Showing};
use crate::net::Init;
use crate::observer::{Cost, Phase, Stopwatch};
use crate::parameters::{Kind, Parameters, Tensor};
use crate::plan::{Mode, Plan};
use crate::run::{Checkpoint, Progress};
use crate::score::{Scores, TestSet, Views, score_part};

/// Trains a network step by step.
pub(super) struct Stepper<'a, D: Device> {
    device: &'a D,
    collective: &'a dyn Collective,
    task: Task<'a>,
    /// Steps per full epoch.
    epoch_steps: u64,
    plan: Plan<'a, D>,
    parameters: Parameters<D>,
    /// The averaged weights, if the recipe asks for them.
    average: Option<Average<D>>,
    /// The prior on the classes' weights, if the recipe has one.
    prior: Option<GroupMeans<D>>,
    /// The weight of each class in the loss.
    class_weights: Vec<f32>,
    /// The shards of a batch that this process has, one after the other.
    shards: Shards,
    sum: GradientSum<D>,
    step: D::Step,
    /// For each shard: steps from images and steps from features; of each one recording for full batches and one for the last
    /// of an epoch, whose loss scale differs.
    recordings: Vec<[[D::Recording; 2]; 2]>,
    /// With other processes: what follows the exchange of gradients with them.
    updating: D::Recording,
    /// The phase of the schedule that the recordings are of.
    phase: u32,
    exchange: Exchange,
    /// The features of the training images, if their frozen layers see the same pictures in every epoch.
    features: Option<FrozenFeatures>,
    /// The training images, if the device stores them.
    images: Option<D::Images>,
    /// The images that are evaluated after each epoch to select the best one.
    choosing: TestSet<'a, D>,
    /// Double buffering: the next shard is filled while the device works on the current one.
    batches: [Batch; 2],
    unread: Unread<D>,
    /// The image order of an epoch, and the epoch's number (from 0).
    order: (u64, Vec<Turn>),
    stopwatch: Stopwatch,
}

impl<'a, D: Device> Stepper<'a, D> {
    /// Plans the network and initializes its weights.
    ///
    /// With several processes each takes its shards of every batch, and the figures cover these.
    ///
    /// # Errors
    /// [`TrainError::Mismatch`] if network, classes and images do not match; device failures.
    pub(super) fn new(
        device: &'a D,
        collective: &'a dyn Collective,
        task: Task<'a>,
    ) -> Result<Self, TrainError> {
        task.check()?;
        let Task { network, recipe, train, .. } = task;
        let batch = recipe.batch.min(train.len());
        let shards = Shards::new(recipe.shards, batch, collective.rank(), collective.size());
        let rows = shards.rows();
        let companions =
            recipe.companions.as_ref().map(|companions| companions.layers_of(network, task.frozen));
        let companions = companions.transpose()?.unwrap_or_default();
        let pictures = train.extent(recipe.augment);
        let plan = Plan::for_training(device, network, rows, task.frozen, &companions, pictures)?;
        let mut parameters = Parameters::initialize(device, network, recipe.init, recipe.seed)?;
        parameters.replace(device, Kind::Value, task.begun)?;
        parameters.add_companions(device, network, &companions, recipe.seed)?;
        parameters
            .follow(&recipe.layers, recipe.companions.as_ref().map_or(1.0, |companions| companions.rate));
        let first = order(train.labels(), recipe, 0);
        if recipe.init == Init::Data {
            let batch = &first[step_images(first.len(), recipe.batch, 0)];
            let batch: Vec<u32> = batch.iter().map(|turn| turn.image).collect();
            let begun = task.begun.iter().filter_map(|tensor| tensor.name.rsplit_once('.'));
            let begun: Vec<&str> = begun.map(|(layer, _)| layer).collect();
            standardize(device, network, &mut parameters, train, &batch, &begun)?;
        }
        let prior = GroupMeans::of(device, &task, &mut parameters)?;
        let average = (recipe.ema > 0.0).then(|| Average::new(device, network, recipe.ema, &parameters));
        let mixes = recipe.mixup > 0.0; // on the host: a view is of one image
        let images =
            if mixes { None } else { train.keep_on(device, epoch_augment(recipe, 0, train.len()))? };
        let (classes, image_len) = (network.classes(), train.geometry().len());
        Ok(Self {
            device,
            collective,
            task,
            epoch_steps: recipe.steps(train.len()).1,
            plan,
            average: average.transpose()?,
            prior,
            class_weights: class_weights(train.labels(), classes, recipe.balance),
            shards,
            sum: GradientSum::new(device, &parameters.lens()[frozen_parameters(&task)..], shards.own())?,
            step: device.new_step()?,
            recordings: (0..shards.own()).map(|_| Default::default()).collect(),
            updating: Default::default(),
            phase: 0,
            exchange: Exchange::new(&parameters.lens()[frozen_parameters(&task)..]),
            batches: [(); 2].map(|()| Batch::new(rows, image_len, classes, images.is_some())),
            images,
            features: frozen_features(&task, rows),
            choosing: TestSet::new(device, task.choosing().1)?,
            parameters,
            unread: Unread::new(device, shards.own(), rows, classes)?,
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
    fn averages(&self) -> Result<Vec<Tensor>, TrainError> {
        self.average.as_ref().map_or(Ok(vec![]), |average| average.tensors(self.device))
    }

    /// What a training with this progress is resumed from.
    ///
    /// # Errors
    /// [`TrainError::Parameters`] when the device failed.
    pub(super) fn checkpoint(&self, progress: &Progress) -> Result<Checkpoint, TrainError> {
        Ok(Checkpoint {
            network: self.task.network.clone(),
            classes: self.task.classes.to_vec(),
            values: self.tensors(Kind::Value)?,
            velocities: self.tensors(Kind::Velocity)?,
            averages: self.averages()?,
            progress: progress.clone(),
        })
    }

    /// Whether batches are made on the host only because their images are mixed: the device would keep the images.
    ///
    /// # Errors
    /// A failure of the device.
    pub(super) fn mixing_costs_views(&self) -> Result<bool, TrainError> {
        let Task { recipe, train, .. } = self.task;
        let one = Shape { batch: 1, height: 1, width: 1, channels: 3 };
        let views = recipe.mixup > 0.0 && epoch_augment(recipe, 0, train.len()).view(0).is_some();
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

    /// Queues step `number` (from 0): for each shard batch, forward, loss, backward; then all-reduce and update. Each time the
    /// next shard's batch is filled, and at the end, if there `is_next` one, the next step's first.
    ///
    /// # Errors
    /// An image that cannot be read; failures of the device.
    pub(super) fn queue(&mut self, number: u64, pace: StepPace, is_next: bool) -> Result<(), TrainError> {
        Order::Step { number, pace, is_next }.give(self.collective)?;
        self.take_up(pace)?;
        for shard in 0..self.shards.own() {
            if self.batches[self.turn(number, shard)].of != Some((number, shard)) {
                self.fill_batch(number, shard)?;
            }
            self.queue_shard(number, shard, pace)?;
            let is_last = shard + 1 == self.shards.own();
            match (is_last, is_next) {
                (false, _) => self.fill_batch(number, shard + 1)?,
                (true, true) => self.fill_batch(number + 1, 0)?,
                (true, false) => {}
            }
        }
        Ok(())
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
        Order::Read.give(self.collective)?;
        self.stopwatch.begin(Phase::Steps);
        self.unread.read(self.device)?;
        let figures = crew::figures(self.collective, &self.unread.steps());
        self.unread.clear();
        Ok(figures?)
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
        Order::Score.give(self.collective)?;
        self.stopwatch.begin(Phase::Evaluation);
        let Self { collective, task, plan, parameters, average, choosing, .. } = self;
        let weights = average.as_ref().map_or(&*parameters, Average::weights);
        let images = task.choosing().1.len();
        let part = crew::part(*collective, images, plan.batch());
        let mut scores = score_part(plan, weights, choosing, part, Views::ONE, stop, done)?;
        if collective.size() > 1 {
            let others = collective.gather(scores.taken())?.into_iter().skip(1);
            others.for_each(|part| scores.append(&part));
        }
        Ok(Some(scores).filter(|scores| scores.losses.len() == images))
    }

    /// Does what rank 0 orders, until the training is over.
    ///
    /// # Errors
    /// As of what is ordered.
    pub(super) fn follow(&mut self) -> Result<(), TrainError> {
        loop {
            match Order::take(self.collective)? {
                Order::Step { number, pace, is_next } => self.queue(number, pace, is_next)?,
                Order::Read => drop(self.read()?),
                Order::Score => drop(self.score(&AtomicBool::new(false), &mut |_| ())?),
                Order::Rest => self.rest()?,
                Order::End => return Ok(()),
            }
        }
    }

    /// Tells the processes that follow that the training is over.
    ///
    /// # Errors
    /// A process that is gone.
    pub(super) fn end(&self) -> Result<(), TrainError> {
        Ok(Order::End.give(self.collective)?)
    }

    /// Goes over to the phase of a step: new recordings, and where the phase begins, no velocities.
    fn take_up(&mut self, StepPace { phase, begins_phase, .. }: StepPace) -> Result<(), TrainError> {
        if self.phase != phase {
            self.recordings = self.recordings.iter().map(|_| Default::default()).collect();
            self.updating = Default::default();
            self.phase = phase;
        }
        if begins_phase { self.stop_velocities() } else { Ok(()) }
    }

    /// Sets all velocities to zero, in all processes.
    fn rest(&mut self) -> Result<(), TrainError> {
        Order::Rest.give(self.collective)?;
        self.stop_velocities()
    }

    fn stop_velocities(&mut self) -> Result<(), TrainError> {
        let mut velocities = self.tensors(Kind::Velocity)?;
        velocities.iter_mut().for_each(|tensor| tensor.values.fill(0.0));
        Ok(self.parameters.load(self.device, Kind::Velocity, &velocities)?)
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
            self.batches.iter_mut().for_each(|batch| batch.of = None);
            self.queue(0, StepPace { learning_rate: 0.0, phase: 0, begins_phase: false }, false)?;
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
        self.rest()?;
        Ok(Cost { step, evaluation, test })
    }

    /// Queues the work on a shard of a step's batch, and the logging of its figures; the last shard ends the step.
    fn queue_shard(&mut self, number: u64, shard: usize, pace: StepPace) -> Result<(), TrainError> {
        self.stopwatch.begin(Phase::Steps);
        let turn = self.turn(number, shard);
        let from_features = self.upload_features(turn)?;
        let Self { device, collective, task, plan, parameters, average, prior, shards, sum, .. } = self;
        let Self { step, recordings, updating, exchange, images, batches, unread, .. } = self;
        let batch = &batches[turn];
        let recipe = task.recipe;
        let with_companions = recipe.schedule.trains_companions(pace.phase as usize);
        if !from_features {
            upload(plan, images.as_mut(), batch)?;
        }
        device.set_step(step, number, pace.learning_rate);
        if let Some(average) = average {
            average.set_step(device, number);
        }
        plan.set_companions(with_companions);
        let count = step_images(task.train.len(), recipe.batch, number % self.epoch_steps).len();
        let scale = 1.0 / count as f32;
        let sgd = recipe.sgd();
        let frozen = frozen_parameters(task);
        let trained = frozen..if with_companions { parameters.list().len() } else { parameters.own() };
        let (is_last, is_alone) = (shard + 1 == shards.own(), collective.size() == 1);
        let recording = &mut recordings[shard][usize::from(from_features)][usize::from(count < recipe.batch)];
        device.replay(recording, &mut || {
            let mode = Mode::Train { step, seed: recipe.seed, shard: shards.number(shard) };
            if from_features {
                plan.forward_from_features(parameters, mode);
            } else {
                plan.forward(parameters, mode);
            }
            plan.loss(recipe.loss, scale);
            plan.backward(parameters, mode);
            sum.add(device, shard, &mut parameters.list_mut()[frozen..]);
            if is_last && is_alone {
                update(*device, sgd, step, trained.clone(), parameters, (prior.as_mut(), average.as_mut()));
            }
        });
        if is_last && !is_alone {
            exchange.sum(*collective, *device, &mut parameters.list_mut()[frozen..])?;
            device.replay(updating, &mut || {
                update(*device, sgd, step, trained.clone(), parameters, (prior.as_mut(), average.as_mut()))
            });
        }
        unread.note(plan, &batch.labels, batch.weight);
        if !from_features { self.keep_features(turn) } else { Ok(()) }
    }

    /// Uploads the features of a batch's images, if all are known.
    fn upload_features(&mut self, turn: usize) -> Result<bool, TrainError> {
        let Some(features) = &mut self.features else { return Ok(false) };
        let batch = &self.batches[turn];
        let known = features.know(batch.indices.iter().copied());
        if known {
            self.plan.upload_features(features.batch(&batch.indices), &batch.targets)?;
        }
        Ok(known)
    }

    /// Keeps the features that a step from images computed.
    fn keep_features(&mut self, turn: usize) -> Result<(), TrainError> {
        let Self { features: Some(features), plan, batches, .. } = self else { return Ok(()) };
        Ok(features.keep(&batches[turn].indices, |values| plan.features(values))?)
    }

    /// The index of the buffer that a shard of a step's batch uses.
    fn turn(&self, step: u64, shard: usize) -> usize {
        (step as usize).wrapping_mul(self.shards.own()).wrapping_add(shard) % 2
    }

    /// Fills a shard of a step's batch with its images, and prefetches those of the next step from disk.
    fn fill_batch(&mut self, step: u64, shard: usize) -> Result<(), TrainError> {
        self.stopwatch.begin(Phase::Batches);
        let Task { train, recipe, .. } = self.task;
        let (epoch, epoch_steps) = (step / self.epoch_steps, self.epoch_steps);
        if self.order.0 != epoch {
            self.order = (epoch, order(train.labels(), recipe, epoch));
        }
        let (shards, order, turn) = (self.shards, &self.order.1, self.turn(step, shard));
        let augment = epoch_augment(recipe, epoch, train.len());
        let share = |step: u64| {
            let all = &order[step_images(order.len(), recipe.batch, step % epoch_steps)];
            shards.part(shard, all).iter().map(move |turn| turn.showing(augment))
        };
        let batch = &mut self.batches[turn];
        batch.of = None;
        let showings: Vec<Showing> = share(step).collect();
        let images = || showings.iter().map(|showing| showing.image);
        if self.features.as_ref().is_some_and(|features| features.know(images())) {
            batch.fill_targets(train, &showings, recipe, &self.class_weights);
        } else {
            batch.fill(train, &showings, recipe, &self.class_weights)?;
        }
        if recipe.mixup > 0.0 {
            batch.mix(recipe.mixup, mixup::stream(recipe.seed, step, shards.number(shard)));
        }
        batch.of = Some((step, shard));
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

/// The number of parameters of the frozen layers: two for each layer that has any.
fn frozen_parameters(task: &Task<'_>) -> usize {
    2 * task.network.layers()[..task.frozen].iter().filter(|layer| layer.kind().has_parameters()).count()
}

/// Ends a step: the prior's part of the gradient, gradient descent, and the average that follows the weights.
fn update<D: Device>(
    device: &D,
    sgd: Sgd,
    step: &D::Step,
    trained: Range<usize>,
    parameters: &mut Parameters<D>,
    (prior, average): (Option<&mut GroupMeans<D>>, Option<&mut Average<D>>),
) {
    if let Some(prior) = prior {
        prior.draw(device, parameters);
    }
    parameters.descend(device, sgd, step, trained);
    if let Some(average) = average {
        average.follow(device, parameters);
    }
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

/// The range of an epoch's order that a step uses.
fn step_images(images: usize, batch: usize, step_in_epoch: u64) -> std::ops::Range<usize> {
    let begin = (step_in_epoch as usize * batch).min(images);
    begin..(begin + batch).min(images)
}

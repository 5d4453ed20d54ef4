//! A worker process of a sweep: claims an experiment, trains it, records the result, and continues with the next.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use allcnn_device::{Device, Loss};

use super::error::SweepError;
use super::folder::{Sweep, due, write_record};
use super::plan::Experiment;
use super::record::{Record, TrialOutcome};
use crate::files::claim::Claim;
use crate::net::Network;
use crate::observer::Event;
use crate::run::{Checkpoint, Health, Progress, TrainRequest};
use crate::run::{RunError, RunFolder};
use crate::train::{self, End, TrainError};

/// The interval at which an idle process checks for work and for a stop request.
const POLL: Duration = Duration::from_millis(500);

/// The options of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkOptions {
    /// How often to repeat, with another seed, an experiment whose network did not learn.
    pub reseed: usize,
    /// Whether to wait for experiments held by other processes, and take over those of processes that die.
    pub wait: bool,
}

/// The events of a worker.
#[derive(Debug)]
pub enum SweepEvent<'a> {
    /// An experiment starts or resumes.
    Begins {
        /// The run's name.
        name: &'a str,
        /// Whether it resumes an earlier run.
        resumed: bool,
    },
    /// An event of its training.
    Training(Event<'a>),
    /// An experiment is done.
    Ended {
        /// The run's name.
        name: &'a str,
        /// Its result.
        record: &'a Record,
    },
    /// All remaining experiments are held by other processes.
    Waits,
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepOutcome {
    /// All experiments are done.
    AllDone,
    /// Other processes hold all remaining experiments.
    OthersAtWork,
    /// It was stopped on request; everything is saved.
    Interrupted,
}

/// The result of working on an experiment.
enum Carried {
    /// Done and recorded.
    Out(Record),
    /// Stopped.
    Interrupted,
    /// Another process owns the run: one that resumed it independently, or that lost its claim without knowing
    /// yet.
    Held,
}

/// The result of searching for work.
enum Found<'a> {
    Work(&'a Experiment, usize, Claim),
    Others,
    Nothing,
}

impl Sweep {
    /// Works on the sweep until it is done or `stop` is set, updating the result files.
    ///
    /// # Errors
    /// [`SweepError::Training`] if an experiment fails (a divergence is not a failure but a result),
    /// [`SweepError::TakenOver`], [`SweepError::Io`].
    pub fn work<D: Device>(
        &self,
        device: &D,
        terms: WorkOptions,
        stop: &AtomicBool,
        notify: &mut dyn FnMut(SweepEvent<'_>),
    ) -> Result<SweepOutcome, SweepError> {
        let mut waits = false;
        while !stop.load(Ordering::Relaxed) {
            match self.look(terms)? {
                Found::Nothing => {
                    self.write_results()?;
                    return Ok(SweepOutcome::AllDone);
                }
                Found::Others if !terms.wait => return Ok(SweepOutcome::OthersAtWork),
                Found::Others => wait(&mut waits, notify),
                Found::Work(experiment, again, claim) => {
                    match self.carry_out(device, experiment, again, [stop, claim.lost()], notify)? {
                        Carried::Held => {
                            claim.withdraw();
                            drop(claim);
                            if !terms.wait {
                                return Ok(SweepOutcome::OthersAtWork);
                            }
                            wait(&mut waits, notify);
                        }
                        Carried::Interrupted if claim.is_lost().is_ok_and(|lost| lost) => {
                            return Err(SweepError::TakenOver(experiment.run_name(again)));
                        }
                        Carried::Interrupted => return Ok(SweepOutcome::Interrupted),
                        Carried::Out(record) => {
                            waits = false;
                            drop(claim);
                            self.write_results()?;
                            notify(SweepEvent::Ended { name: &experiment.run_name(again), record: &record });
                        }
                    }
                }
            }
        }
        Ok(SweepOutcome::Interrupted)
    }

    /// Claims the first experiment that is due and free.
    fn look(&self, terms: WorkOptions) -> Result<Found<'_>, SweepError> {
        let claims = self.claims();
        let mut found = Found::Nothing;
        for experiment in self.experiments() {
            if due(&self.records(experiment)?, terms.reseed).is_none() {
                continue;
            }
            let name = &experiment.name;
            let claim = claims.acquire(name).map_err(SweepError::io("claim", claims.path(name, 1)))?.ok();
            // Another process may have finished it between the check and the claim.
            match (claim, due(&self.records(experiment)?, terms.reseed)) {
                (Some(claim), Some(again)) => return Ok(Found::Work(experiment, again, claim)),
                (None, Some(_)) => found = Found::Others,
                (_, None) => {}
            }
        }
        Ok(found)
    }

    /// Trains to the end and records the result, owning the run's folder throughout.
    fn carry_out<D: Device>(
        &self,
        device: &D,
        experiment: &Experiment,
        again: usize,
        stops: [&AtomicBool; 2],
        notify: &mut dyn FnMut(SweepEvent<'_>),
    ) -> Result<Carried, SweepError> {
        let (name, folder) = (experiment.run_name(again), self.run_folder(experiment, again));
        let wrong = |source| match source {
            TrainError::Run(RunError::TakenOver(_)) => SweepError::TakenOver(name.clone()),
            source => SweepError::Training { name: name.clone(), source },
        };
        let run = match RunFolder::owned(&folder) {
            Err(RunError::Held { .. }) => return Ok(Carried::Held),
            owned => owned.map_err(|error| wrong(error.into()))?,
        };
        let request = experiment.request(again);
        notify(SweepEvent::Begins { name: &name, resumed: run.is_begun() });
        let trained = train_to_end(device, &run, &request, stops, notify).map_err(wrong)?;
        let Some((fate, checkpoint)) = trained else { return Ok(Carried::Interrupted) };
        let progress = checkpoint.map(|checkpoint| checkpoint.progress).unwrap_or_default();
        let Progress { seconds, history, tested, .. } = progress;
        let test_images = run.manifest().ok().map(|manifest| manifest.data.test_images);
        let record = Record { fate, seed: request.recipe.seed, seconds, history, tested, test_images };
        match write_record(&run, &record) {
            Err(SweepError::Run(RunError::TakenOver(_))) => Err(SweepError::TakenOver(name)),
            written => written.map(|()| Carried::Out(record)),
        }
    }
}

/// Waits briefly, and sends a notice the first time.
fn wait(waits: &mut bool, notify: &mut dyn FnMut(SweepEvent<'_>)) {
    if !*waits {
        notify(SweepEvent::Waits);
    }
    *waits = true;
    std::thread::sleep(POLL);
}

/// Trains to the end; returns the outcome and the last checkpoint, or `None` if interrupted.
fn train_to_end<D: Device>(
    device: &D,
    run: &RunFolder,
    request: &TrainRequest,
    stops: [&AtomicBool; 2],
    notify: &mut dyn FnMut(SweepEvent<'_>),
) -> Result<Option<(TrialOutcome, Option<Checkpoint>)>, TrainError> {
    if let Some(checkpoint) = given_up(run, request.recipe.loss)? {
        return Ok(Some((TrialOutcome::Dead, Some(checkpoint))));
    }
    let (halt, is_dead) = (AtomicBool::new(false), Cell::new(false));
    let (mut classes, loss) = (0, request.recipe.loss);
    let mut observer = |event: Event<'_>| {
        match &event {
            Event::Started { classes: found, .. } => classes = found.len(),
            Event::Epoch { row, .. } => {
                is_dead.set(Health::of(std::slice::from_ref(*row), classes, loss) == Health::Dead);
            }
            _ => {}
        }
        let stopped = stops.iter().any(|stop| stop.load(Ordering::Relaxed));
        halt.store(stopped || is_dead.get(), Ordering::Relaxed);
        notify(SweepEvent::Training(event));
    };
    let trained = if run.is_begun() {
        train::resume_in(device, run.clone(), request, &halt, &mut observer)
    } else {
        train::start_in(device, request, run.clone(), &halt, &mut observer)
    };
    let last = || run.read_last().map_err(TrainError::from);
    match trained {
        Err(TrainError::Diverged { step, .. }) => Ok(Some((TrialOutcome::Diverged { step }, last()?))),
        Err(error) => Err(error),
        Ok(trained) if trained.outcome.end == End::Finished => {
            let classes = Network::from_toml(&trained.manifest.network)?.classes();
            Ok(Some((TrialOutcome::of(&trained.outcome.progress.history, classes, loss), last()?)))
        }
        Ok(_) if is_dead.get() => Ok(Some((TrialOutcome::Dead, last()?))),
        Ok(_) => Ok(None),
    }
}

/// The last checkpoint of a run already found dead, in case the process was killed before recording that.
fn given_up(run: &RunFolder, loss: Loss) -> Result<Option<Checkpoint>, TrainError> {
    let last = if run.is_begun() { run.read_last()? } else { None };
    Ok(last.filter(|last| {
        let at_epochs_end = last.progress.images == 0;
        at_epochs_end && Health::of(&last.progress.history, last.classes.len(), loss) == Health::Dead
    }))
}

//! Prints the events of a training, and of loading data.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allcnn::data::{self, Stage};
use allcnn::observer::{Event, Observer, Phase, Stopwatch, Times};
use allcnn::preprocess::Method;
use allcnn::run::EpochRow;
use allcnn::text::shown::escaped;

use crate::interrupt;
use crate::output::thousands;
use crate::progress::{Progress, Task, Unit, human_time};
use crate::streams;
use crate::time_table::time_table;

/// Prints the events of a training.
pub(crate) struct TrainingProgress {
    progress: Progress,
    /// Set by Ctrl-C from the first step on.
    stop: Option<Arc<AtomicBool>>,
    /// Whether the flags are those of `allcnn reproduce`.
    in_sweep: bool,
    loading: LoadingProgress,
    epoch: Option<(u32, Task)>,
    evaluation: Option<Task>,
    /// Whether the time limit chose the length of the training.
    planned: bool,
    total_epochs: u64,
    epoch_steps: u64,
    train_images: u64,
}

impl TrainingProgress {
    /// Prints events with `progress`; from the first step on, Ctrl-C sets `stop`.
    pub(crate) fn new(progress: Progress, stop: Arc<AtomicBool>) -> Self {
        Self { stop: Some(stop), ..Self::without_interrupt(progress) }
    }

    /// Prints events of a training of a sweep with `progress`; the caller handles Ctrl-C.
    pub(crate) fn in_sweep(progress: Progress) -> Self {
        Self { in_sweep: true, ..Self::without_interrupt(progress) }
    }

    /// Prints events of a fold of a cross-validation with `progress`; the caller handles Ctrl-C.
    pub(crate) fn of_fold(progress: Progress) -> Self {
        Self::without_interrupt(progress)
    }

    /// Prints events with `progress`; the caller handles Ctrl-C.
    pub(crate) fn without_interrupt(progress: Progress) -> Self {
        let loading = LoadingProgress::new(progress);
        Self {
            progress,
            stop: None,
            in_sweep: false,
            loading,
            epoch: None,
            evaluation: None,
            planned: false,
            total_epochs: 0,
            epoch_steps: 1,
            train_images: 0,
        }
    }

    fn step(&mut self, step: u64, total_steps: u64, epoch: u32, loss: f64, images_per_s: f64) {
        if self.epoch.as_ref().is_none_or(|(shown, _)| *shown != epoch) {
            let label = format!("epoch {epoch}/{}", self.total_epochs);
            self.epoch = Some((epoch, self.progress.task(&label, self.train_images, Unit::Things)));
        }
        let images_a_step = self.train_images as f64 / self.epoch_steps as f64;
        let in_epoch = step - u64::from(epoch - 1) * self.epoch_steps;
        let left = (total_steps - step) as f64 * images_a_step / images_per_s.max(1e-9);
        if let Some((_, task)) = &mut self.epoch {
            task.set((in_epoch as f64 * images_a_step) as u64, || {
                format!("{images_per_s:.0}/s, loss {loss:.4}, {} left", human_time(left))
            });
        }
    }

    fn evaluating(&mut self, done: usize, total: usize) {
        self.epoch = None;
        let task = self
            .evaluation
            .get_or_insert_with(|| self.progress.task("evaluating", total as u64, Unit::Things));
        task.set(done as u64, String::new);
        if done == total {
            self.evaluation = None;
        }
    }

    fn epoch_done(&mut self, row: &EpochRow, best: bool) {
        self.epoch = None;
        let split = if row.validation_error_pct.is_some() { "validation" } else { "test" };
        let held_out = row.choosing_error_pct().map_or_else(String::new, |error| {
            format!("  {split} error {error:6.2} %{}", if best { " (best)" } else { "       " })
        });
        self.progress.note(&format!(
            "epoch {}/{}  loss {:.4}  train error {:6.2} %{held_out}  {:.0}/s  {}",
            row.epoch,
            self.total_epochs,
            row.train_loss,
            row.train_error_pct,
            row.images_per_s,
            human_time(row.seconds)
        ));
    }
}

impl Observer for TrainingProgress {
    fn observe(&mut self, event: Event<'_>) {
        match event {
            Event::Loading(at) => self.loading.show(at),
            Event::LeftOut(_) => self.loading.observe(event),
            Event::Fitting(method) => {
                self.loading.end();
                if method == Method::GcnZca {
                    self.progress.note("fitting the preprocessing gcn-zca");
                }
            }
            Event::Planned { .. } => self.planned = true,
            Event::LengthFitted { cost, total_steps, epoch_steps } => {
                self.loading.end();
                let seconds = cost.of(total_steps, epoch_steps).as_secs_f64();
                let epochs = total_steps.div_ceil(epoch_steps.max(1));
                self.progress.note(&format!(
                    "{epochs} epochs, as this number of images asks for: about {} (--epochs or --time-limit say otherwise)",
                    human_time(seconds)
                ));
            }
            Event::StoppedEarly { epoch, best_epoch } => {
                self.progress.note(&format!(
                    "stopped after epoch {epoch}: the error was not lower than in epoch {best_epoch} since then"
                ));
            }
            Event::Shortened { total_steps } => {
                self.total_epochs = total_steps.div_ceil(self.epoch_steps);
                let epochs = total_steps as f64 / self.epoch_steps as f64;
                self.progress
                    .note(&format!("slower than planned: {epochs:.1} epochs fit into the time limit"));
            }
            Event::Started {
                step,
                total_steps,
                epoch_steps,
                train_images,
                validation_images,
                test_images,
                classes,
            } => {
                self.loading.end();
                (self.epoch_steps, self.train_images) = (epoch_steps.max(1), train_images as u64);
                self.total_epochs = total_steps.div_ceil(self.epoch_steps);
                let what = counts(train_images, validation_images, test_images);
                let epochs = total_steps as f64 / self.epoch_steps as f64;
                self.progress.note(&match step {
                    0 if self.planned => format!("{what}; {epochs:.1} epochs fit into the time limit"),
                    0 => what,
                    step if step >= total_steps => format!("{what}; the training is finished already"),
                    step => format!("{what}; going on after step {step} of {total_steps}"),
                });
                self.progress.note(&class_names(classes));
                if let Some(Err(error)) = self.stop.take().map(|stop| interrupt::listen(&stop)) {
                    streams::warning(&format!("Ctrl-C will end the training without saving: {error}"));
                }
            }
            Event::Step { step, total_steps, epoch, loss, images_per_s, .. } => {
                self.step(step, total_steps, epoch, loss, images_per_s);
            }
            Event::Evaluating { done, total } => self.evaluating(done, total),
            Event::Epoch { row, best } => self.epoch_done(row, best),
            Event::Saved { .. } => {}
            Event::Detail(text) => {
                self.loading.end();
                self.progress.detail(&escaped(text));
            }
            Event::Times(times) if self.progress.is_verbose() => self.progress.note(&time_table(times)),
            Event::Times(_) | Event::Explaining { .. } => {}
            Event::Shrunk { note, larger: (height, width) } => self.progress.note(&if self.in_sweep {
                format!(
                    "note: {note}; a network's file with input = [{height}, {width}, 3], given to --models, keeps more"
                )
            } else {
                format!("note: {note}; --input {height}x{width} keeps more")
            }),
            Event::Note(text) => self.progress.note(&format!("note: {text}")),
            // Not progress: printed even with --quiet.
            Event::Warning(text) => match &self.epoch {
                Some((_, task)) => task.warn(text),
                None => streams::warning(text),
            },
        }
    }
}

/// The number of images per split, in words.
fn counts(train: usize, validation: usize, test: usize) -> String {
    let [train, validation, test] = [train, validation, test].map(|images| thousands(images as u64));
    match validation.as_str() {
        "0" => format!("{train} training images, {test} test images"),
        _ => format!("{train} training images, {validation} validation images, {test} test images"),
    }
}

/// The number of classes, and the names of the first ones.
fn class_names(classes: &[String]) -> String {
    const NAMED: usize = 10;
    let named: Vec<String> = classes.iter().take(NAMED).map(|name| escaped(name)).collect();
    let more = match classes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    format!("{} classes: {}{more}", thousands(classes.len() as u64), named.join(", "))
}

/// The progress of reading, fetching or writing data.
#[derive(Debug)]
pub(crate) struct LoadingProgress {
    progress: Progress,
    task: Option<(&'static str, Option<u64>, Task)>,
    stopwatch: Stopwatch,
}

/// The output of commands that open data and do not train: stages, files left out, warnings.
impl Observer for LoadingProgress {
    fn observe(&mut self, event: Event<'_>) {
        match event {
            Event::Loading(at) => {
                self.stopwatch.begin(Phase::of(at.stage));
                self.show(at);
            }
            Event::Explaining { done, total } => {
                self.bar("explaining", Unit::Things, Some(total as u64), done as u64);
            }
            Event::Detail(text) => self.progress.detail(&escaped(text)),
            Event::Note(text) => {
                self.end();
                self.progress.note(&format!("note: {text}"));
            }
            Event::Times(times) => self.report_times(times),
            Event::LeftOut(ignored) => {
                self.end();
                self.progress.note(&escaped(&ignored.to_string()));
            }
            Event::Warning(text) => {
                self.end();
                streams::warning(text);
            }
            _ => {}
        }
    }
}

impl LoadingProgress {
    /// Prints stages with `progress`.
    pub(crate) fn new(progress: Progress) -> Self {
        Self { progress, task: None, stopwatch: Stopwatch::default() }
    }

    /// The stopwatch, which takes the time of loading by itself.
    pub(crate) fn stopwatch(&mut self) -> &mut Stopwatch {
        &mut self.stopwatch
    }

    /// With `--verbose` prints where the time went: that of the stopwatch and `others`.
    pub(crate) fn report_times(&mut self, others: &Times) {
        self.end();
        self.stopwatch.end();
        let mut times = self.stopwatch.times();
        times.add(others);
        self.progress.detail(&time_table(&times));
    }

    /// Updates the bar of a stage.
    pub(crate) fn show(&mut self, at: data::Progress) {
        let (label, unit) = match at.stage {
            Stage::Listing => ("looking at the data", Unit::Things),
            Stage::Reading | Stage::Decoding => ("reading images", Unit::Things),
            Stage::Downloading => ("downloading", Unit::Bytes),
            Stage::Writing => ("writing images", Unit::Things),
            Stage::Comparing => ("comparing images", Unit::Things),
        };
        self.bar(label, unit, at.total, at.done);
    }

    fn bar(&mut self, label: &'static str, unit: Unit, total: Option<u64>, done: u64) {
        let same = self.task.as_ref().is_some_and(|(shown, of, _)| (*shown, *of) == (label, total));
        if !same {
            self.end();
            self.task = Some((label, total, self.progress.task(label, total.unwrap_or(0), unit)));
        }
        if let Some((_, _, task)) = &mut self.task {
            task.set(done, String::new);
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&mut self) {
        self.task = None;
    }
}

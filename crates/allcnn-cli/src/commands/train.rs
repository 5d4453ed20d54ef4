//! `allcnn train`: makes a request from the flags, trains with progress, prints the result.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use allcnn::augment::Augment;
use allcnn::data::{Ignored, Skipped};
use allcnn::net::Network;
use allcnn::observer::Observer;
use allcnn::run::RunFolder;
use allcnn::run::{EpochRow, Health, Length, Temperature, TrainRequest};
use allcnn::score::wilson95_of_error;
use allcnn::split::Split;
use allcnn::text::shown::PathText;
use allcnn::train::{self as session, End, Finished, Following, Outcome, TrainError};
use allcnn::transfer::Source;
use allcnn_device::{Collective, SingleProcess};
use anyhow::Context;
use serde::Serialize;

use super::network_choice::planned;
use super::recipe_choice;
use super::serve;
use crate::args::TrainArgs;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::failure::WrongUsage;
use crate::interrupt;
use crate::output::{self, thousands};
use crate::processes::Processes;
use crate::progress::{Progress, human_time};
use crate::training_progress::TrainingProgress;

const DEFAULT_MODEL: &str = "all-cnn-c";
const DEFAULT_DATA: &str = "shapes";

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    run: String,
    model: String,
    epochs: usize,
    train_loss: Option<f64>,
    test_error_pct: Option<f64>,
    /// Wilson's, of the test error; there is none of an error that chose its epoch on the same images.
    test_error_interval95: Option<[f64; 2]>,
    best_test_error_pct: Option<f64>,
    selected_on: Option<Split>,
    validation_error_pct: Option<f64>,
    /// The temperature of the probabilities, if validation images gave one.
    temperature: Option<f64>,
    images_per_s: Option<f64>,
    seconds: f64,
    /// The run or file whose weights it began with.
    from: Option<&'a str>,
    /// Whether it ended since the error was not getting lower.
    stopped_early: bool,
    /// Whether it learned.
    health: Health,
    /// Classes that it answers to no image, though evaluated images show them.
    never_predicted: &'a [String],
    skipped: &'a [Skipped],
    ignored: &'a [Ignored],
}

/// Starts or resumes a training.
pub(super) fn run(arguments: &TrainArgs) -> anyhow::Result<Exit> {
    let processes = Processes::join()?;
    let stop = Arc::new(AtomicBool::new(false));
    if processes.follows() {
        interrupt::listen(&stop)?; // what a signal means is decided by the one that leads
        return processes.together(|collective| follow(arguments, collective));
    }
    processes.together(|collective| {
        let mut observer = TrainingProgress::new(Progress::of(arguments.common.output), Arc::clone(&stop));
        let finished = train_among(collective, arguments, &stop, &mut observer)?;
        drop(observer);
        show(&finished, arguments)
    })
}

/// Does this process's share of a training that another one leads.
fn follow(arguments: &TrainArgs, collective: &dyn Collective) -> anyhow::Result<Exit> {
    let following = Following::wait(collective)?;
    let device = device::open_in(&arguments.common.quiet(), following.precision())?;
    let begun = on_device!(device, |device| following.follow(&device))?;
    if begun {
        return Ok(Exit::DONE);
    }
    // The first process says why and ends all. One that left before could have the launcher end it unheard.
    std::thread::sleep(Duration::from_secs(30));
    Ok(Exit::FAILED)
}

/// Starts or resumes a training and runs it until it ends or `stop` is set.
pub(crate) fn train(
    arguments: &TrainArgs,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> anyhow::Result<Finished> {
    train_among(&SingleProcess, arguments, stop, observer)
}

/// The same as the first of several processes.
fn train_among(
    collective: &dyn Collective,
    arguments: &TrainArgs,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> anyhow::Result<Finished> {
    Ok(match &arguments.resume {
        Some(folder) => {
            let run = RunFolder::go_on(folder)?;
            lengthen(&run, arguments)?;
            let manifest = run.manifest()?;
            let mut request = TrainRequest::of(&manifest)?;
            request.time_limit = arguments.time_limit;
            request.tensorboard = arguments.tensorboard;
            if let Some(data) = &arguments.data {
                request.data.clone_from(data);
            }
            let device = device::open_in(&arguments.common, request.recipe.precision)?;
            explored(arguments, run, |run| {
                on_device!(device, |device| session::resume_among(
                    &device, collective, run, &request, stop, observer
                ))
            })?
        }
        None => {
            let request = request(arguments)?;
            if request.network.is_none() {
                planned(&request.model, 2, request.input)?; // a wrong model is reported first
            }
            // Then a folder that is in use or cannot be written, before anything is loaded.
            let run = match &arguments.out {
                Some(out) => RunFolder::create(out)?,
                None => RunFolder::create_unused(Path::new(""), &request.model)?,
            };
            let device = device::open_in(&arguments.common, request.recipe.precision)?;
            explored(arguments, run, |run| {
                on_device!(device, |device| session::start_among(
                    &device, collective, &request, run, stop, observer
                ))
            })?
        }
    })
}

/// Trains, with the explorer beside it if that is asked for.
fn explored(
    arguments: &TrainArgs,
    run: RunFolder,
    train: impl FnOnce(RunFolder) -> Result<Finished, TrainError>,
) -> anyhow::Result<Finished> {
    if !arguments.serve {
        return Ok(train(run)?);
    }
    Ok(serve::beside(&run.clone(), arguments.common.output, || train(run))??)
}

/// Lengthens the run if more epochs are given, and prints what that means.
fn lengthen(run: &RunFolder, arguments: &TrainArgs) -> anyhow::Result<()> {
    let Some(epochs) = arguments.epochs else {
        return match arguments.lr {
            None => Ok(()),
            Some(_) => Err(WrongUsage(
                "a resumed training keeps its --lr, unless --epochs makes it longer\n\
                 leave --lr out, or give --epochs too"
                    .into(),
            )
            .into()),
        };
    };
    let longer = session::lengthen(run, epochs, arguments.lr)?;
    let schedule = if longer.is_anew() {
        "the learning rate's schedule begins anew for the steps that are added"
    } else {
        "what was left of the learning rate's schedule is stretched over the steps that are left"
    };
    Progress::of(arguments.common.output).note(&format!(
        "note: made longer after step {} of {}, to {epochs} epochs: {schedule}, at most {}. \
         It is another training than one that was begun with {epochs} epochs",
        thousands(longer.from_step),
        thousands(longer.steps_before),
        longer.learning_rate
    ));
    Ok(())
}

/// The request: the recipe's settings with the flags applied.
pub(super) fn request(arguments: &TrainArgs) -> anyhow::Result<TrainRequest> {
    let data = arguments.data.as_deref().unwrap_or(DEFAULT_DATA);
    let source = arguments.from.as_deref().map(Source::open).transpose()?;
    let begun = match &source {
        Some(source) => source.request(data),
        None => TrainRequest::new(DEFAULT_MODEL, data),
    };
    let mut recipe = match &arguments.recipe {
        Some(given) => recipe_choice::choose(given)?,
        None => begun.recipe.clone(),
    };
    if let Some(source) = &source {
        recipe.preprocess = source.preprocess();
    }
    set(&mut recipe.epochs, arguments.epochs);
    if arguments.epochs.is_some() || arguments.iterations.is_some() {
        recipe.iterations = arguments.iterations;
    }
    set(&mut recipe.batch, arguments.batch);
    set(&mut recipe.shards, arguments.shards);
    set(&mut recipe.learning_rate, arguments.lr);
    set(&mut recipe.weight_decay, arguments.weight_decay);
    set(&mut recipe.momentum, arguments.momentum);
    recipe.dropout = arguments.dropout.or(recipe.dropout);
    set(&mut recipe.init, arguments.init);
    set(&mut recipe.preprocess, arguments.preprocess);
    set(&mut recipe.augment, arguments.augment);
    set(&mut recipe.label_smoothing, arguments.label_smoothing);
    set(&mut recipe.mixup, arguments.mixup);
    set(&mut recipe.ema, arguments.ema);
    set(&mut recipe.balance, arguments.balance);
    set(&mut recipe.precision, arguments.precision);
    set(&mut recipe.seed, arguments.seed);
    recipe.patience = arguments.patience.or(recipe.patience);
    // A file was checked when it was read: what is wrong now is wrong by the flags.
    let recipe = recipe.checked().map_err(|fault| WrongUsage(fault.to_string()))?;
    let (model, network) = match &arguments.model {
        Some(model) => (model.clone(), None),
        None => (begun.model.clone(), begun.network.clone()),
    };
    let length = if arguments.epochs.is_some() || arguments.iterations.is_some() {
        Length::OfRecipe
    } else if arguments.time_limit.is_some() {
        Length::FitTimeLimit
    } else {
        Length::FitImages
    };
    Ok(TrainRequest {
        model,
        network,
        freeze: arguments.freeze.clone(),
        input: arguments.input,
        holdout: arguments.holdout,
        validation: arguments.validation,
        framing: begun
            .framing
            .filter(|&framing| framing != recipe.augment.framing() && recipe.augment != Augment::CropFlip),
        reading: arguments.reading.reading(),
        labels: arguments.labels.into(),
        limit: arguments.limit,
        recipe,
        length,
        time_limit: arguments.time_limit,
        tensorboard: arguments.tensorboard,
        ..begun
    })
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *setting = value;
    }
}

/// Prints how the training ended.
fn show(finished: &Finished, arguments: &TrainArgs) -> anyhow::Result<Exit> {
    let document = document(finished)?;
    let progress = Progress::of(arguments.common.output);
    let ended = match finished.outcome.end {
        End::Finished => None,
        End::Interrupted => Some("interrupted"),
        End::TimeUp => Some("the time is up"),
    };
    if let Some(why) = ended {
        let step = finished.outcome.progress.step;
        progress.note(&format!(
            "{why}: everything is saved after step {step} of {}. Go on with: allcnn train --resume {}",
            finished.outcome.progress.total_steps,
            finished.run.path().shown()
        ));
    }
    let shown = if arguments.common.output.json {
        output::json(&document)
    } else {
        output::text(&words(&document, finished))
    };
    let shown = shown.with_context(|| format!("the training is saved in {}", finished.run.path().shown()));
    interrupt::exit_code(finished.outcome.end == End::Interrupted, shown)
}

fn document(finished: &Finished) -> anyhow::Result<Document<'_>> {
    let progress = &finished.outcome.progress;
    let (history, last) = (&progress.history, progress.history.last());
    let selected_on = finished.manifest.data.selected_on();
    let network = Network::from_toml(&finished.manifest.network)?;
    let last_test_error = last.and_then(|row| row.test_error_pct);
    let test_error_pct = progress.tested.map(|tested| tested.error_pct).or(last_test_error);
    let test_images = finished.manifest.data.test_images;
    Ok(Document {
        run: finished.run.path().text(),
        model: network.name().to_owned(),
        epochs: history.len(),
        train_loss: last.map(|row| row.train_loss),
        test_error_pct,
        test_error_interval95: test_error_pct.and_then(|error| wilson95_of_error(error, test_images)),
        best_test_error_pct: progress.best_test_error_pct,
        selected_on,
        validation_error_pct: progress.best_validation_error_pct,
        temperature: finished.temperature.map(|fitted| fitted.temperature),
        images_per_s: EpochRow::median_images_per_s(history),
        seconds: progress.seconds,
        from: finished.manifest.from.as_ref().map(|from| from.source.as_str()),
        stopped_early: progress.stopped_early,
        health: Health::of(history, network.classes(), finished.manifest.recipe.loss),
        never_predicted: &finished.never_predicted,
        skipped: &finished.skipped,
        ignored: &finished.ignored,
    })
}

fn words(document: &Document<'_>, finished: &Finished) -> String {
    let mut text = errors(document, finished);
    text += &finished.temperature.as_ref().map_or_else(String::new, temperature);
    let Outcome { progress, .. } = &finished.outcome;
    let never_predicted: Vec<&str> = document.never_predicted.iter().map(String::as_str).collect();
    let (recipe, steps) = (&finished.manifest.recipe, progress.total_steps);
    if let Some(advice) = document.health.advice(recipe, steps, &never_predicted) {
        text += &format!("health      {advice}\n");
    }
    let speed = document.images_per_s.map_or_else(String::new, |speed| format!(", {speed:.0} images/s"));
    let epochs = if document.epochs == 1 { "epoch" } else { "epochs" };
    text += &format!("trained     {} {epochs} in {}{speed}\n", document.epochs, human_time(document.seconds));
    text += &format!("run         {}\n", finished.run.path().shown());
    if let Some(report) = &finished.report {
        text += &format!("report      {}\n", report.shown());
    }
    text
}

/// The temperature of the probabilities and what it changes.
fn temperature(fitted: &Temperature) -> String {
    let [before, after] = fitted.expected_calibration_error.map(|error| 100.0 * error);
    format!(
        "temperature {:.2}: expected calibration error {before:.2} % -> {after:.2} % on the validation images (--calibrated)\n",
        fitted.temperature
    )
}

/// The errors, each with its epoch and what selected that. Where validation images select the epoch, the test error is
/// only known when the training is finished.
fn errors(document: &Document<'_>, finished: &Finished) -> String {
    let Outcome { end, progress, .. } = &finished.outcome;
    let best = progress.best_epoch().unwrap_or_default();
    let interval = document.test_error_interval95.map_or_else(String::new, output::interval);
    if let Some(validation) = document.validation_error_pct {
        let test = document.test_error_pct.map_or_else(String::new, |error| {
            format!("test error  {error:.2} % in epoch {best}, measured once{interval}\n")
        });
        let so_far = if *end == End::Finished { "" } else { " so far" };
        let chosen = format!("the best{so_far}, chosen on these images");
        return test + &format!("validation  {validation:.2} % in epoch {best}, {chosen}\n");
    }
    if let (Some(error), Some(lowest)) = (document.test_error_pct, document.best_test_error_pct) {
        let last = if *end == End::Finished { "the last epoch" } else { "the last epoch that is done" };
        return format!(
            "test error  {error:.2} % after {last}{interval}\nbest epoch  {lowest:.2} % in epoch {best}, chosen on these images\n"
        );
    }
    let loss = document.train_loss.map(|loss| format!("train loss  {loss:.4} (there are no test images)\n"));
    loss.unwrap_or_default()
}

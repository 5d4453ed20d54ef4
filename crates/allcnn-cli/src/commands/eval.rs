//! `allcnn eval`: how good a run's network is on a split of its data, or of other data with the same classes.

use std::sync::atomic::AtomicBool;

use allcnn::data::{Ignored, Skipped};
use allcnn::evaluate::{EvaluateOptions, Evaluated, TemperatureScaling, TrainedOn, evaluate_together};
use allcnn::observer::{Event, Observer, Phase, Times};
use allcnn::run::WhichCheckpoint;
use allcnn::run::{Manifest, RunFolder};
use allcnn::score::{ClassScores, Comparison, Evaluation};
use allcnn::split::Split;
use allcnn::text::shown::{PathText, escaped};
use anyhow::{Context, bail};
use serde::Serialize;

use super::picture;
use crate::args::EvalArgs;
use crate::csv_file::write_evaluation;
use crate::device::{self, on_device};
use crate::exit::Exit;
use crate::output::{self, Align, Table, counted, thousands};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// A list and a confusion matrix of more classes do not fit on a screen.
const MAX_SHOWN_CLASSES: usize = 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// What the temperature changes, if each run has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature_scaling: Option<&'a TemperatureScaling>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<TrainedOn>,
    run: String,
    /// The runs, if several were averaged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Comparison>,
    /// `best`, `last` or `imported`.
    checkpoint: &'static str,
    /// The epoch of the weights, from 1; `None` for imported ones.
    epoch: Option<usize>,
    /// The data as named for the training, or as named here if it is other data.
    data: &'a str,
    split: Split,
    skipped: &'a [Skipped],
    ignored: &'a [Ignored],
}

/// Evaluates and prints the result.
pub(super) fn run(arguments: &EvalArgs) -> anyhow::Result<Exit> {
    if let Some(path) = &arguments.csv {
        picture::check_out("--csv", path, "csv")?;
    }
    let runs: Vec<RunFolder> =
        arguments.runs.iter().map(|run| RunFolder::open(run)).collect::<Result<_, _>>()?;
    let against = arguments.against.as_ref().map(|run| RunFolder::open(run)).transpose()?;
    let Some((run, others)) = runs.split_first() else { bail!("no run was given") };
    let device = device::open(&arguments.common)?;
    let mut checkpoint = WhichCheckpoint::from(arguments.checkpoint);
    if let [run] = &runs[..] {
        checkpoint = checkpoint.at_hand(run); // it is called what it is
    }
    let wanted = EvaluateOptions {
        data: arguments.data.clone(),
        reading: arguments.reading.reading(),
        split: arguments.split.into(),
        checkpoint,
        calibrated: arguments.calibrated,
        views: arguments.views,
        batch: 0,
    };
    let progress = Progress::of(arguments.common.output);
    let mut loading = LoadingProgress::new(progress);
    loading.stopwatch().begin(Phase::Preparing);
    let mut task = None;
    let mut observer = |event: Event<'_>| match event {
        Event::Evaluating { done, total } => {
            loading.end();
            loading.stopwatch().begin(Phase::Evaluation);
            let task = task.get_or_insert_with(|| progress.task("evaluating", total as u64, Unit::Things));
            task.set(done as u64, String::new);
        }
        event => loading.observe(event),
    };
    let never = AtomicBool::new(false); // there is nothing to save: Ctrl-C just ends the program
    let evaluated = on_device!(device, |device| {
        evaluate_together(&device, (run, others), against.as_ref(), &wanted, &never, &mut observer)
    })?
    .context("the evaluation was stopped")?;
    drop(task);
    loading.report_times(&Times::default());
    if let Some(path) = &arguments.csv {
        write_evaluation(path, &evaluated).with_context(|| format!("cannot write {}", path.shown()))?;
    }
    if arguments.common.output.json {
        let manifest = run.manifest()?;
        let (checkpoint, epoch) = weights(&evaluated, &wanted, &manifest);
        let Evaluated { evaluation, trained_on, split, skipped, ignored, .. } = &evaluated;
        output::json(&Document {
            evaluation,
            temperature_scaling: evaluated.temperature_scaling.as_ref(),
            trained_on: *trained_on,
            run: run.called().text(),
            runs: if others.is_empty() {
                vec![]
            } else {
                runs.iter().map(|run| run.called().text()).collect()
            },
            against: evaluated.against,
            checkpoint,
            epoch,
            data: wanted.data.as_deref().filter(|_| !evaluated.own).unwrap_or(&manifest.data.source),
            split: *split,
            skipped,
            ignored,
        })?;
    } else {
        output::text(&words(arguments, &evaluated, &wanted, &runs)?)?;
    }
    Ok(Exit::DONE)
}

/// Which weights were measured on which images, and the figures, as text.
fn words(
    arguments: &EvalArgs,
    evaluated: &Evaluated,
    wanted: &EvaluateOptions,
    runs: &[RunFolder],
) -> anyhow::Result<String> {
    let evaluation = &evaluated.evaluation;
    let images = match &wanted.data {
        Some(data) if !evaluated.own => {
            format!("{} of {}", counted(evaluation.images, "image"), escaped(data))
        }
        _ => counted(evaluation.images, &format!("{} image", evaluated.split)),
    };
    let mut text = match runs {
        [run] => {
            let weights = weights_words(evaluated, wanted, &run.manifest()?);
            format!("{} ({weights}) on {images}\n", run.called().shown())
        }
        _ => {
            let names: Vec<String> = runs.iter().map(|run| run.called().shown().to_string()).collect();
            format!("the mean of {} on {images}\n", names.join(", "))
        }
    };
    if let Some(TrainedOn { images, left_out }) = evaluated.trained_on {
        let figures = if left_out { "left out" } else { "in the figures" };
        text += &format!("trained on   {}, {figures}\n", counted(images, "image"));
    }
    text += &figures(evaluation);
    text += &evaluated.temperature_scaling.as_ref().map_or_else(String::new, scaling);
    if let (Some(against), Some(run)) = (&evaluated.against, &arguments.against) {
        text += &comparison(against, &run.shown().to_string());
    }
    text += &format!("\n{}", classes(&evaluation.classes, arguments.all_classes));
    if let Some(rows) = evaluation.confusion.rows().filter(|rows| rows.len() <= MAX_SHOWN_CLASSES) {
        let table = confusion(evaluation, &rows);
        text += &format!("\nconfusion (rows: true class, columns: predicted class)\n{table}");
    }
    Ok(text)
}

/// The figures of all images together.
fn figures(evaluation: &Evaluation) -> String {
    let interval = evaluation.top1_error_interval95.map_or_else(String::new, output::interval);
    let mut text = format!("\ntop-1 error  {:.2} %{interval}\n", evaluation.top1_error_pct);
    if evaluation.classes.len() > 5 {
        text += &format!("top-5 error  {:.2} %\n", evaluation.top5_error_pct);
    }
    text += &format!("balanced     {:.2} % (mean of the classes' errors)\n", evaluation.balanced_error_pct);
    text += &format!("macro F1     {:.4}\n", evaluation.macro_f1);
    text += &format!("loss         {:.4}\n", evaluation.loss);
    text + &format!(
        "calibration  {:.4} (expected error of the probabilities)\n",
        evaluation.expected_calibration_error
    )
}

/// What the temperature changes, or changed.
fn scaling(scaling: &TemperatureScaling) -> String {
    let TemperatureScaling { temperatures, applied, before, after } = scaling;
    let [before, after] = [before, after].map(|figures| figures.expected_calibration_error);
    let temperatures: Vec<String> =
        temperatures.iter().map(|temperature| format!("{temperature:.3}")).collect();
    let temperatures = temperatures.join(", ");
    if *applied {
        format!("temperature  {temperatures}; without it the calibration is {before:.4}\n")
    } else {
        format!("temperature  {temperatures}; with it (--calibrated) the calibration is {after:.4}\n")
    }
}

/// How another run did on the same images.
fn comparison(against: &Comparison, run: &str) -> String {
    let Comparison { top1_error_pct, both_wrong, only_this_wrong, only_that_wrong, p_value } = against;
    let [both, this, that] = [both_wrong, only_this_wrong, only_that_wrong].map(|&images| thousands(images));
    let meaning = if *p_value < 0.05 { "is hardly chance" } else { "may well be chance" };
    let p_value = if *p_value < 1e-4 { "below 0.0001".to_owned() } else { format!("{p_value:.4}") };
    format!(
        "\nagainst {run}: top-1 error {top1_error_pct:.2} %\n\
         wrong        both {both}, only this {this}, only that {that}\n\
         p-value      {p_value} (exact McNemar test): the difference {meaning}\n"
    )
}

/// The kind of the measured checkpoint and its epoch. Without images that select the best one it is the last.
fn weights(
    evaluated: &Evaluated,
    wanted: &EvaluateOptions,
    manifest: &Manifest,
) -> (&'static str, Option<usize>) {
    let epoch = Some(evaluated.checkpoint.progress.history.len());
    match (wanted.checkpoint, manifest.data.selected_on()) {
        _ if manifest.imported.is_some() => ("imported", None),
        (WhichCheckpoint::Best, Some(_)) => ("best", epoch),
        (WhichCheckpoint::Best | WhichCheckpoint::Last, _) => ("last", epoch),
    }
}

/// The measured checkpoint in words, with what selected the best one.
fn weights_words(evaluated: &Evaluated, wanted: &EvaluateOptions, manifest: &Manifest) -> String {
    let (kind, Some(epoch)) = weights(evaluated, wanted, manifest) else {
        return "imported weights".to_owned();
    };
    let chosen = manifest.data.selected_on().filter(|_| kind == "best").map(|split| {
        let these = evaluated.own && split == evaluated.split;
        if these { ", chosen on these images".to_owned() } else { format!(", chosen on the {split} images") }
    });
    format!("{kind} checkpoint, epoch {epoch}{}", chosen.unwrap_or_default())
}

/// A table of `all` classes, or of those with images, or if these are many of the worst, with a line that says so.
fn classes(classes: &[ClassScores], all: bool) -> String {
    let mut shown: Vec<&ClassScores> = classes.iter().filter(|class| all || class.images > 0).collect();
    let (with_images, without) = (shown.len(), classes.len() - shown.len());
    let only_worst = !all && with_images > MAX_SHOWN_CLASSES;
    if only_worst {
        let error = |class: &ClassScores| class.error_pct.unwrap_or_default();
        shown.sort_by(|a, b| error(b).total_cmp(&error(a)).then(b.images.cmp(&a.images)));
        shown.truncate(MAX_SHOWN_CLASSES);
    }
    let mut table = Table::new(&[
        ("class", Align::Left),
        ("images", Align::Right),
        ("error %", Align::Right),
        ("95 % interval", Align::Right),
        ("precision", Align::Right),
        ("recall", Align::Right),
        ("F1", Align::Right),
    ]);
    let number = |value: Option<f64>, digits| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    for class in shown {
        let interval = class.error_interval95;
        table.row([
            class.name.clone(),
            class.images.to_string(),
            number(class.error_pct, 2),
            interval.map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.1} to {high:.1}")),
            number(class.precision, 3),
            number(class.recall, 3),
            number(class.f1, 3),
        ]);
    }
    let number = |count: usize| thousands(count as u64);
    let worst = only_worst.then(|| {
        format!(
            "the {MAX_SHOWN_CLASSES} classes with the highest errors, of {} with images",
            number(with_images)
        )
    });
    let without = (without > 0).then(|| match without {
        1 => "1 class has no images here".to_owned(),
        _ => format!("{} classes have no images here", number(without)),
    });
    let left_out: Vec<String> = worst.into_iter().chain(without).collect();
    if left_out.is_empty() {
        return table.to_string();
    }
    format!("{table}{}; --all-classes shows all\n", left_out.join("; "))
}

fn confusion(evaluation: &Evaluation, rows: &[Vec<u64>]) -> Table {
    let numbers: Vec<String> = (1..=evaluation.classes.len()).map(|number| number.to_string()).collect();
    let mut columns = vec![("", Align::Right), ("", Align::Left)];
    columns.extend(numbers.iter().map(|number| (number.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for ((number, class), row) in numbers.iter().zip(&evaluation.classes).zip(rows) {
        let head = [number.clone(), class.name.clone()];
        table.row(head.into_iter().chain(row.iter().map(u64::to_string)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(number: usize, images: u64) -> ClassScores {
        ClassScores {
            name: format!("class{number}"),
            images,
            error_pct: (images > 0).then_some(number as f64),
            error_interval95: None,
            precision: None,
            recall: None,
            f1: None,
        }
    }

    #[test]
    fn of_many_classes_the_worst_with_images_are_shown() {
        let many: Vec<ClassScores> =
            (0..1000).map(|number| class(number, u64::from(number % 10 == 0))).collect();
        let text = classes(&many, false);
        assert_eq!(text.lines().count(), 1 + MAX_SHOWN_CLASSES + 1, "{text}");
        assert!(text.lines().nth(1).unwrap().starts_with("class990 "), "{text}");
        assert!(text.contains("highest errors, of 100 with images; 900 classes have no images"), "{text}");
        assert_eq!(classes(&many, true).lines().count(), 1001);
    }

    #[test]
    fn few_classes_stay_in_their_order() {
        let text = classes(&[class(0, 3), class(1, 0), class(2, 4)], false);
        let lines: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(lines, ["class", "class0", "class2", "1"]);
        assert!(text.ends_with("1 class has no images here; --all-classes shows all\n"), "{text}");
        assert!(!classes(&[class(0, 3)], false).contains("--all-classes"));
    }
}

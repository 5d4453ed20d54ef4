//! `allcnn eval`: how good a run's network is on a split of its data, or of other data with the same classes.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use allcnn::data::{Ignored, Skipped};
use allcnn::evaluate::{EvaluateOptions, Evaluated, TrainedOn, evaluate};
use allcnn::run::WhichCheckpoint;
use allcnn::run::{Manifest, RunFolder};
use allcnn::score::{ClassError, Evaluation};
use allcnn::split::Split;
use allcnn::text::shown::{PathText, escaped};
use anyhow::Context;
use serde::Serialize;

use crate::args::EvalArgs;
use crate::device::{self, on_device};
use crate::output::{self, Align, Table, counted, thousands};
use crate::progress::{Progress, Unit};
use crate::training_progress::LoadingProgress;

/// A list and a confusion matrix of more classes do not fit on a screen.
const MOST_SHOWN_CLASSES: usize = 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<TrainedOn>,
    run: String,
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
pub fn run(arguments: &EvalArgs) -> anyhow::Result<ExitCode> {
    let run = RunFolder::open(&arguments.run)?;
    let device = device::open(&arguments.common)?;
    let wanted = EvaluateOptions {
        data: arguments.data.clone(),
        reading: arguments.reading.reading(),
        split: arguments.split.into(),
        checkpoint: arguments.checkpoint.into(),
        views: arguments.views,
        batch: 0,
    };
    let progress = Progress::of(arguments.common.telling);
    let mut loading = LoadingProgress::new(progress);
    let begin = Instant::now();
    let (mut task, mut read) = (None, Duration::ZERO);
    let mut done = |done: usize, total: usize| {
        if task.is_none() {
            read = begin.elapsed();
        }
        let task = task.get_or_insert_with(|| progress.task("evaluating", total as u64, Unit::Things));
        task.set(done as u64, String::new);
    };
    let never = AtomicBool::new(false); // there is nothing to save: Ctrl-C just ends the program
    let evaluated =
        on_device!(device, |device| evaluate(&device, &run, &wanted, &never, &mut loading, &mut done))?
            .context("the evaluation was stopped")?;
    drop((task, loading));
    let (read, all) = (read.as_secs_f64(), begin.elapsed().as_secs_f64());
    progress.detail(&format!("reading and preparing {read:.2} s, evaluation {:.2} s", all - read));
    if arguments.common.telling.json {
        let manifest = run.manifest()?;
        let (checkpoint, epoch) = weights(&evaluated, &wanted, &manifest);
        let Evaluated { evaluation, trained_on, split, skipped, ignored, .. } = &evaluated;
        output::json(&Document {
            evaluation,
            trained_on: *trained_on,
            run: run.path().text(),
            checkpoint,
            epoch,
            data: wanted.data.as_deref().filter(|_| !evaluated.own).unwrap_or(&manifest.data.source),
            split: *split,
            skipped,
            ignored,
        })?;
    } else {
        output::text(&words(&evaluated, &wanted, &run, arguments.all_classes)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Which weights were measured on which images, and the figures, as text.
fn words(
    evaluated: &Evaluated,
    wanted: &EvaluateOptions,
    run: &RunFolder,
    all_classes: bool,
) -> anyhow::Result<String> {
    let evaluation = &evaluated.evaluation;
    let images = match &wanted.data {
        Some(data) if !evaluated.own => {
            format!("{} of {}", counted(evaluation.images, "image"), escaped(data))
        }
        _ => counted(evaluation.images, &format!("{} image", evaluated.split)),
    };
    let weights = weights_words(evaluated, wanted, &run.manifest()?);
    let mut text = format!("{} ({weights}) on {images}\n", run.path().shown());
    if let Some(TrainedOn { images, left_out }) = evaluated.trained_on {
        let figures = if left_out { "left out" } else { "in the figures" };
        text += &format!("trained on   {}, {figures}\n", counted(images, "image"));
    }
    text += &format!("\ntop-1 error  {:.2} %\n", evaluation.top1_error_pct);
    if evaluation.classes.len() > 5 {
        text += &format!("top-5 error  {:.2} %\n", evaluation.top5_error_pct);
    }
    text += &format!("loss         {:.4}\n\n{}", evaluation.loss, classes(&evaluation.classes, all_classes));
    if let Some(rows) = evaluation.confusion.rows().filter(|rows| rows.len() <= MOST_SHOWN_CLASSES) {
        let table = confusion(evaluation, &rows);
        text += &format!("\nconfusion (rows: true class, columns: predicted class)\n{table}");
    }
    Ok(text)
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
fn classes(classes: &[ClassError], all: bool) -> String {
    let mut shown: Vec<&ClassError> = classes.iter().filter(|class| all || class.images > 0).collect();
    let (with_images, without) = (shown.len(), classes.len() - shown.len());
    let only_worst = !all && with_images > MOST_SHOWN_CLASSES;
    if only_worst {
        let error = |class: &ClassError| class.error_pct.unwrap_or_default();
        shown.sort_by(|a, b| error(b).total_cmp(&error(a)).then(b.images.cmp(&a.images)));
        shown.truncate(MOST_SHOWN_CLASSES);
    }
    let mut table =
        Table::new(&[("class", Align::Left), ("images", Align::Right), ("error %", Align::Right)]);
    for class in shown {
        let error = class.error_pct.map_or_else(|| "-".to_owned(), |error| format!("{error:.2}"));
        table.row([class.name.clone(), class.images.to_string(), error]);
    }
    let number = |count: usize| thousands(count as u64);
    let worst = only_worst.then(|| {
        format!(
            "the {MOST_SHOWN_CLASSES} classes with the highest errors, of {} with images",
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

    fn class(number: usize, images: u64) -> ClassError {
        ClassError {
            name: format!("class{number}"),
            images,
            error_pct: (images > 0).then_some(number as f64),
        }
    }

    #[test]
    fn of_many_classes_the_worst_with_images_are_shown() {
        let many: Vec<ClassError> =
            (0..1000).map(|number| class(number, u64::from(number % 10 == 0))).collect();
        let text = classes(&many, false);
        assert_eq!(text.lines().count(), 1 + MOST_SHOWN_CLASSES + 1, "{text}");
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

//! The page of a run, `report.html`.

use std::io;
use std::path::Path;

use maud::{Markup, html};

use super::contents::Report;
use super::error::{WriteReportError, write_page};
use super::html::{self, Card, duration, percent, section, thousands};
use super::{class_table, confusion, curves, pictures, reliability};
use crate::data::Ignored;
use crate::run::EpochRow;
use crate::score::wilson95_of_error;

/// The smallest loss that is shown in scientific notation.
const LONG_NUMBER: f64 = 1e4;
/// The maximum number of skipped files listed on a page.
const MAX_SKIPPED: usize = 100;

/// Writes the page to `path`, atomically. Panics if the parts are inconsistent: a confusion matrix with another number of
/// classes, or pictures or weights whose length does not match their size.
///
/// # Errors
/// A file that cannot be written.
pub fn write(report: &Report, path: &Path) -> Result<(), WriteReportError> {
    write_page(render(report), path)
}

/// Renders the page that will be written to `path`. Panics like [`write`].
pub(super) fn page(report: &Report, path: &Path) -> Result<String, WriteReportError> {
    render(report).map_err(|source| WriteReportError { path: path.to_owned(), source })
}

/// Renders the page. Panics like [`write`].
pub(super) fn render(report: &Report) -> io::Result<String> {
    let (counted, classes) = (report.confusion.classes(), report.classes.len());
    assert!(counted == 0 || counted == classes, "the confusion is not of {classes} classes but of {counted}");
    let title = format!("{} on {}", report.model, report.data);
    let body = html! {
        @if let Some(advice) = &report.advice {
            p.advice { "This training is " (flags_kept(advice)) }
        }
        (figures(report))
        (curves::section(&report.history, report.chosen))
        (settings(&report.settings))
        (confusion::section(&report.classes, &report.confusion, &report.evaluated)?)
        (class_table::section(&report.class_scores))
        (reliability::section(report.calibration.as_ref(), report.calibrated.as_ref()))
        (pictures::mistakes(&report.classes, &report.mistakes)?)
        @if let Some(filters) = &report.filters { (pictures::filters(filters)?) }
        @for gallery in &report.galleries { (pictures::gallery(gallery)?) }
        (data_notes(&report.notes, &report.ignored))
        (skipped(&report.skipped))
    };
    Ok(html::page(&title, &report.evaluated, &body, &report.program))
}

/// A text whose command line flags are not broken across lines.
fn flags_kept(advice: &str) -> Markup {
    html! {
        @for (index, word) in advice.split(' ').enumerate() {
            @if index > 0 { " " }
            @if word.starts_with("--") { code { (word) } } @else { (word) }
        }
    }
}

/// The key figures.
fn figures(report: &Report) -> Markup {
    let mut cards = errors(report);
    if let Some(last) = report.history.last() {
        let loss = match last.train_loss {
            loss if !loss.is_finite() => "not finite".into(),
            loss if loss >= LONG_NUMBER => format!("{loss:.2e}"),
            loss => format!("{loss:.4}"),
        };
        let detail = format!("after {} epoch{}", last.epoch, if last.epoch == 1 { "" } else { "s" });
        cards.push(("Training loss", loss, vec![detail]));
    }
    let classes = format!("{} classes", report.classes.len());
    cards.push(("Parameters", thousands(report.parameters as f64), vec![classes]));
    if report.seconds > 0.0 {
        let speed = format!("{} images/s", thousands(report.images_per_s));
        cards.push(("Training time", duration(report.seconds), vec![speed]));
    }
    html::cards(&cards)
}

/// The errors. If the test images selected the best epoch, its error is biased, so the last epoch's error comes first.
/// If validation images did, the test images were evaluated once, at the end.
fn errors(report: &Report) -> Vec<Card> {
    let finite = |error: Option<f64>| error.filter(|error| error.is_finite());
    let chosen = report.history.iter().find(|row| Some(row.epoch) == report.chosen);
    let top5 = report.top5_error_pct.map(|top5| format!("top-5 {}", percent(top5)));
    let chance = (report.classes.len() > 1).then(|| {
        let classes = report.classes.len() as f64;
        format!("guessing: {}", percent(100.0 * (1.0 - 1.0 / classes)))
    });
    let images: u64 = report.confusion.pairs().map(|(_, _, images)| images).sum();
    let interval = |error: f64| {
        wilson95_of_error(error, images as usize)
            .map(|[low, high]| format!("95 % interval {low:.1} to {high:.1} %"))
    };
    let lines = |parts: [Option<String>; 4]| parts.into_iter().flatten().collect();
    let choosing = |row: &EpochRow| Some(format!("epoch {}, chosen on these images", row.epoch));
    if let Some((row, validation)) = chosen.and_then(|row| Some((row, finite(row.validation_error_pct)?))) {
        let tested = report.confusion.error_pct();
        let test = tested.map_or("not tested".to_owned(), percent);
        let once = Some(format!("epoch {}, measured once", row.epoch));
        return vec![
            ("Test error", test, lines([tested.and_then(interval), once, top5, chance])),
            ("Validation error", percent(validation), lines([choosing(row), None, None, None])),
        ];
    }
    let last = report.history.last().and_then(|row| Some((row, finite(row.test_error_pct)?)));
    let Some((last, error)) = last else {
        return vec![("Test error", "not tested".to_owned(), lines([chance, None, None, None]))];
    };
    let after = Some(format!("after the last epoch ({})", last.epoch));
    let mut cards = vec![("Test error", percent(error), lines([interval(error), after, chance, None]))];
    if let Some((row, best)) = chosen.and_then(|row| Some((row, finite(row.test_error_pct)?))) {
        cards.push(("Best epoch", percent(best), lines([choosing(row), top5, None, None])));
    }
    cards
}

fn settings(settings: &[(String, String)]) -> Markup {
    let list = html! {
        dl.card.settings {
            @for (name, value) in settings { div { dt { (name) } dd { (value) } } }
        }
    };
    section(settings.is_empty(), "Settings", "", &list)
}

/// The section on how the data was interpreted and which files were ignored.
fn data_notes(notes: &[String], ignored: &[Ignored]) -> Markup {
    let list = html! {
        ul.card.notes {
            @for note in notes { li { (note) } }
            @for files in ignored { li { (files.to_string()) } }
        }
    };
    section(notes.is_empty() && ignored.is_empty(), "How the data was read", "", &list)
}

fn skipped(files: &[(String, String)]) -> Markup {
    let table = html! {
        div.card.scroll {
            table.list.wrap {
                thead { tr { th { "File" } th { "Reason" } } }
                tbody {
                    @for (file, reason) in files.iter().take(MAX_SKIPPED) {
                        tr { td { (file) } td { (reason) } }
                    }
                }
            }
        }
    };
    let note = match files.len() {
        1 => "1 file of the data could not be used.".to_owned(),
        n if n > MAX_SKIPPED => {
            format!("{} files could not be used; the first {MAX_SKIPPED}:", thousands(n as f64))
        }
        n => format!("{n} files of the data could not be used."),
    };
    section(files.is_empty(), "Files left out", &note, &table)
}

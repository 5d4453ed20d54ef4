//! `report.html`: the result of a run as one page that needs nothing else, to read, keep or send.
//!
//! The page has no script and refers to nothing outside itself; pictures are PNG in `data:` addresses. It reads
//! finished results and knows nothing of how they were made.

mod confusion;
pub(crate) mod curves;
pub(crate) mod dots;
mod gather;
pub(crate) mod html;
mod near;
mod pictures;
mod suspects;

use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file::write_atomically;
use crate::confusion::Confusion;
use crate::data::Ignored;
use crate::data::decode::Picture;
use crate::run::EpochRow;
use crate::text::shown::PathText;
pub use gather::write_report;
use html::{Card, duration, percent, section, thousands};
use maud::{Markup, html};
pub use near::write_near;
pub use suspects::write_suspects;

/// What a page tells. Empty parts are left out of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The network's name.
    pub model: String,
    /// The data set, for example `shapes` or the name of its folder.
    pub data: String,
    /// What was measured on what, for example `best checkpoint (epoch 12, chosen on these images) on 5000 test images`.
    pub evaluated: String,
    /// The epoch of that checkpoint, from 1, where images chose it.
    pub chosen: Option<u32>,
    /// The program's name and version, for the foot of the page.
    pub program: String,
    /// Names and values of the run's settings, in order.
    pub settings: Vec<(String, String)>,
    /// One row an epoch, in order.
    pub history: Vec<EpochRow>,
    /// Parameters of the network.
    pub parameters: u64,
    /// Training speed.
    pub images_per_s: f64,
    /// Duration of the training, in seconds.
    pub seconds: f64,
    /// Class names, by index.
    pub classes: Vec<String>,
    /// Test images counted by true and predicted class.
    pub confusion: Confusion,
    /// Test images that are not among the five likeliest classes, in percent, where that was measured.
    pub top5_error_pct: Option<f64>,
    /// Wrong predictions; shown in the order of their probability, at most [`MAX_MISTAKES`].
    pub mistakes: Vec<Mistake>,
    /// The weights of the first layer.
    pub filters: Option<Filters>,
    /// What a reader should know before anything else: that the training did not learn, and what helps.
    pub advice: Option<String>,
    /// Further pictures, such as explanations; each gallery is a section of its own.
    pub galleries: Vec<Gallery>,
    /// Images that could not be read, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// What was decided while the data was read.
    pub notes: Vec<String>,
    /// Other files that were left out of it.
    pub ignored: Vec<Ignored>,
}

/// Mistakes on a page.
pub const MAX_MISTAKES: usize = 40;
/// A loss from which on only its first digits are shown.
const LONG_NUMBER: f64 = 1e4;
/// Skipped files named on a page.
const MAX_SKIPPED: usize = 100;

/// A test image that the network got wrong.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The image as it was before preprocessing.
    pub picture: Picture,
    /// Its name.
    pub name: String,
    /// Its class.
    pub truth: usize,
    /// The class that the network said.
    pub predicted: usize,
    /// The probability the network gave to that, 0 to 1.
    pub probability: f64,
    /// What in the image spoke for the class that the network said.
    pub explanation: Option<Picture>,
}

/// The weights of a first layer, `[count, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Filters {
    /// The values.
    pub weights: Vec<f32>,
    /// Number of filters.
    pub count: usize,
    /// Input channels: 3 are shown as colors, others as their mean in grey.
    pub channels: usize,
    /// Rows of a filter.
    pub height: usize,
    /// Columns of a filter.
    pub width: usize,
}

/// A section of pictures.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Its heading.
    pub title: String,
    /// One or two sentences on what is to be seen.
    pub note: String,
    /// Pictures that belong together, beside each other over their caption.
    pub pictures: Vec<(Vec<Picture>, String)>,
}

/// A page that could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report {}: {source}\ncheck that its folder exists, can be written and has room", path.shown())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// Writes the page to `path`, atomically.
///
/// Panics when the parts do not fit together: a confusion of another number of classes, pictures or weights
/// of another length than their size says.
pub fn write(report: &Report, path: &Path) -> Result<(), Error> {
    write_page(render(report), path)
}

/// The page for `path`. Panics as [`write`].
pub(crate) fn page(report: &Report, path: &Path) -> Result<String, Error> {
    render(report).map_err(|source| Error { path: path.to_owned(), source })
}

/// Writes a page that was made.
fn write_page(page: io::Result<String>, path: &Path) -> Result<(), Error> {
    page.and_then(|page| write_atomically(path, page.as_bytes()))
        .map_err(|source| Error { path: path.to_owned(), source })
}

/// The page.
fn render(report: &Report) -> io::Result<String> {
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
        (pictures::mistakes(&report.classes, &report.mistakes)?)
        @if let Some(filters) = &report.filters { (pictures::filters(filters)?) }
        @for gallery in &report.galleries { (pictures::gallery(gallery)?) }
        (data_notes(&report.notes, &report.ignored))
        (skipped(&report.skipped))
    };
    Ok(html::page(&title, &report.evaluated, &body, &report.program))
}

/// A text in which no flag of the command line is broken over lines.
fn flags_kept(advice: &str) -> Markup {
    html! {
        @for (index, word) in advice.split(' ').enumerate() {
            @if index > 0 { " " }
            @if word.starts_with("--") { code { (word) } } @else { (word) }
        }
    }
}

/// The figures that a reader looks for first.
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

/// The errors. Test images that choose the best epoch flatter it, so the last epoch's comes first there; test images that
/// chose nothing were measured once, at the end.
fn errors(report: &Report) -> Vec<Card> {
    let finite = |error: Option<f64>| error.filter(|error| error.is_finite());
    let chosen = report.history.iter().find(|row| Some(row.epoch) == report.chosen);
    let top5 = report.top5_error_pct.map(|top5| format!("top-5 {}", percent(top5)));
    let chance = (report.classes.len() > 1).then(|| {
        let classes = report.classes.len() as f64;
        format!("guessing: {}", percent(100.0 * (1.0 - 1.0 / classes)))
    });
    let lines = |parts: [Option<String>; 3]| parts.into_iter().flatten().collect();
    let choosing = |row: &EpochRow| Some(format!("epoch {}, chosen on these images", row.epoch));
    if let Some((row, validation)) = chosen.and_then(|row| Some((row, finite(row.validation_error_pct)?))) {
        let test = report.confusion.error_pct().map_or("not tested".to_owned(), percent);
        let once = Some(format!("epoch {}, measured once", row.epoch));
        return vec![
            ("Test error", test, lines([once, top5, chance])),
            ("Validation error", percent(validation), lines([choosing(row), None, None])),
        ];
    }
    let last = report.history.last().and_then(|row| Some((row, finite(row.test_error_pct)?)));
    let Some((last, error)) = last else {
        return vec![("Test error", "not tested".to_owned(), lines([chance, None, None]))];
    };
    let after = Some(format!("after the last epoch ({})", last.epoch));
    let mut cards = vec![("Test error", percent(error), lines([after, chance, None]))];
    if let Some((row, best)) = chosen.and_then(|row| Some((row, finite(row.test_error_pct)?))) {
        cards.push(("Best epoch", percent(best), lines([choosing(row), top5, None])));
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

/// What was decided while the data was read, and which files were left out for what reason.
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

#[cfg(test)]
mod tests;

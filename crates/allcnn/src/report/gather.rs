//! The report of a finished training: everything that `report.html` shows, gathered.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::explained::{Explained, examples, mistakes};
use super::{Checkpoint, Error, Health, Observer, Recipe, final_test};
use crate::data::{DataSet, Ignored};
use crate::evaluate::Scores;
use crate::net::Network;
use crate::parameters::Tensor;
use crate::report::{self, Filters, Report};
use crate::run::{DataRecord, Manifest, RunFolder};
use crate::samples::Samples;
use crate::split::Split;

/// Writes `report.html` about the best checkpoint of a run and says where it is.
///
/// `scores` are what it says about the test images, where that is known; else it is shown them.
///
/// # Errors
/// A damaged checkpoint, a failure of the device, a report that cannot be written.
pub fn write_report<D: Device>(
    device: &D,
    run: &RunFolder,
    manifest: &Manifest,
    scores: Option<Scores>,
    data: &DataSet,
    test: &Samples<'_>,
    observer: &mut dyn Observer,
) -> Result<PathBuf, Error> {
    let last = run.read(&run.last())?;
    let best = run.read_best()?;
    let scores = match scores {
        None if !test.is_empty() => {
            let (batch, never) = (manifest.recipe.batch, AtomicBool::new(false));
            final_test::scores(device, &best, batch, test, &never, observer)?
        }
        known => known,
    };
    let mut report = Report {
        model: best.network.name().to_owned(),
        data: data.name.clone(),
        evaluated: evaluated(&best, &manifest.data),
        chosen: last.progress.best_epoch(),
        program: manifest.program.clone(),
        settings: settings(manifest),
        history: last.progress.history.iter().map(row).collect(),
        parameters: best.values.iter().map(|tensor| tensor.values.len() as u64).sum(),
        advice: Health::of(&last.progress.history, best.classes.len())
            .advice(&manifest.recipe, last.progress.total_steps),
        images_per_s: images_per_s(&last),
        seconds: last.progress.seconds,
        classes: best.classes.clone(),
        filters: best.values.iter().find(|tensor| tensor.name == "conv1.weight").and_then(filters),
        skipped: data.skipped.iter().map(|file| (file.file.clone(), file.reason.clone())).collect(),
        notes: data.notes.iter().map(ToString::to_string).collect(),
        ignored: Ignored::by_reason(&data.ignored),
        ..Report::default()
    };
    if let Some(scores) = scores {
        let evaluation = scores.evaluation(&best.classes);
        report.confusion = evaluation.confusion;
        report.top5_error_pct = (best.classes.len() > 5).then_some(evaluation.top5_error_pct);
        let mut explained = Explained::new(device, &best, test)?;
        report.mistakes = mistakes(&scores, &data.test, &mut explained)?;
        report.galleries.extend(examples(&scores, &data.test, &best.classes, &mut explained)?);
    }
    run.write(&run.report(), report::page(&report, &run.report())?.as_bytes())?;
    Ok(run.report())
}

/// Which checkpoint was measured, what chose it, and on which images it was measured.
fn evaluated(best: &Checkpoint, data: &DataRecord) -> String {
    let (epoch, test) = (best.progress.history.len(), data.test_images);
    match data.selected_on() {
        None => format!("checkpoint of epoch {epoch}; there are no test images"),
        Some(Split::Validation) => {
            let images = data.validation_images;
            format!(
                "best checkpoint (epoch {epoch}, chosen on {images} validation images) on {test} test images"
            )
        }
        Some(_) => format!("best checkpoint (epoch {epoch}, chosen on these images) on {test} test images"),
    }
}

/// Training images a second over all epochs.
fn images_per_s(last: &Checkpoint) -> f64 {
    let speeds = last.progress.history.iter().map(|row| row.images_per_s);
    let speeds: Vec<f64> = speeds.filter(|&speed| speed > 0.0).collect();
    let seconds: f64 = speeds.iter().map(|speed| 1.0 / speed).sum(); // for an image of each epoch
    if seconds > 0.0 { speeds.len() as f64 / seconds } else { 0.0 }
}

fn row(row: &super::EpochRow) -> report::EpochRow {
    report::EpochRow {
        epoch: row.epoch,
        learning_rate: row.learning_rate,
        train_loss: row.train_loss,
        train_error_pct: row.train_error_pct,
        test_loss: row.test_loss,
        test_error_pct: row.test_error_pct,
        validation_loss: row.validation_loss,
        validation_error_pct: row.validation_error_pct,
    }
}

/// What a reader needs to repeat the run, in the words of `run.toml`.
fn settings(manifest: &Manifest) -> Vec<(String, String)> {
    let data = &manifest.data;
    let mut settings = vec![
        ("model".to_string(), manifest.model.clone()),
        ("data".into(), data.source.clone()),
        ("training images".into(), data.train_images.to_string()),
        ("test images".into(), data.test_images.to_string()),
        ("steps".into(), manifest.total_steps.to_string()),
        ("device".into(), manifest.session.device.clone()),
    ];
    if data.validation_images > 0 {
        settings.insert(3, ("validation images".into(), data.validation_images.to_string()));
    }
    if let Ok(network) = Network::from_toml(&manifest.network) {
        settings.push(("dropout".into(), manifest.recipe.dropout_words(&manifest.model, &network)));
    }
    let recipe = Recipe { dropout: None, table1_dropout: None, ..manifest.recipe.clone() };
    let recipe = toml::Table::try_from(&recipe).unwrap_or_default();
    settings.extend(recipe.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| plain(value), str::to_string);
        let name = if name == "name" { "recipe".to_owned() } else { name.replace('_', " ") };
        (name, text)
    }));
    settings
}

/// A TOML value for people: numbers that were f32 without the digits that f64 adds.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => (*number as f32).to_string(),
        toml::Value::Table(table) => table
            .iter()
            .map(|(name, value)| {
                format!("{name} {}", value.as_str().map_or_else(|| plain(value), Into::into))
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

fn filters(tensor: &Tensor) -> Option<Filters> {
    let [count, channels, height, width] = *tensor.shape else { return None };
    Some(Filters { weights: tensor.values.clone(), count, channels, height, width })
}

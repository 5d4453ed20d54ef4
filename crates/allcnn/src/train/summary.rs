//! The report of a finished training: everything that `report.html` shows, gathered.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::explained::{Explained, examples, mistakes};
use super::{Checkpoint, Error};
use crate::data::DataSet;
use crate::evaluate::{Scores, TestSet, Views, score};
use crate::parameters::Tensor;
use crate::plan::{Plan, PlanPurpose};
use crate::predict::trained;
use crate::report::{self, Filters, Report};
use crate::run::{Manifest, RunFolder};
use crate::samples::Samples;

/// Writes `report.html` about the best checkpoint of a run and says where it is.
///
/// `scores` are those of the newest checkpoint where they are at hand; the best one is evaluated if it is another.
///
/// # Errors
/// A damaged checkpoint, a failure of the device, a report that cannot be written.
pub fn write_report<D: Device>(
    device: &D,
    run: &RunFolder,
    manifest: &Manifest,
    scores: Option<&Scores>,
    data: &DataSet,
    test: &Samples<'_>,
) -> Result<PathBuf, Error> {
    let last = Checkpoint::read(&run.last())?;
    let best = run.read_best()?;
    let epoch = best.progress.history.len();
    let scores = match scores {
        Some(scores) if epoch == last.progress.history.len() => Some(scores.clone()),
        _ if test.is_empty() => None,
        _ => evaluated(device, &best, manifest.recipe.batch, test)?,
    };
    let mut report = Report {
        model: manifest.model.clone(),
        data: manifest.data.source.clone(),
        evaluated: format!("best checkpoint (epoch {epoch}) on {} test images", test.len()),
        program: manifest.program.clone(),
        settings: settings(manifest),
        history: last.progress.history.iter().map(row).collect(),
        parameters: best.values.iter().map(|tensor| tensor.values.len() as u64).sum(),
        images_per_s: images_per_s(&last),
        seconds: last.progress.seconds,
        classes: best.classes.clone(),
        filters: best.values.iter().find(|tensor| tensor.name == "conv1.weight").and_then(filters),
        skipped: data.skipped.iter().map(|file| (file.file.clone(), file.reason.clone())).collect(),
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
    report::write(&report, &run.report())?;
    Ok(run.report())
}

fn evaluated<D: Device>(
    device: &D,
    best: &Checkpoint,
    batch: usize,
    test: &Samples<'_>,
) -> Result<Option<Scores>, Error> {
    let parameters = trained(device, best)?;
    let mut plan = Plan::new(device, &best.network, batch.min(test.len()), PlanPurpose::Inference)?;
    plan.fix_weights(&parameters)?;
    let mut images = TestSet::new(device, test)?;
    score(&mut plan, &parameters, &mut images, Views::ONE, &AtomicBool::new(false), &mut |_| ())
}

/// Training images a second over all epochs.
fn images_per_s(last: &Checkpoint) -> f64 {
    let speeds: Vec<f64> = last.progress.history.iter().map(|row| row.images_per_s).collect();
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
    let recipe = toml::Table::try_from(&manifest.recipe).unwrap_or_default();
    settings.extend(recipe.iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| plain(value), str::to_string);
        (name.replace('_', " "), text)
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

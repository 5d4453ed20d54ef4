//! Everything that `report.html` shows of a finished training, gathered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::contents::{Filters, Gallery, MAX_MISTAKES, Mistake, Report};
use super::error::Error;
use super::run_page::page;
use crate::data::{DataSet, Ignored, Images};
use crate::input::Samples;
use crate::net::Network;
use crate::observer::{Event, Observer};
use crate::parameters::Tensor;
use crate::recipe::Recipe;
use crate::run::{Checkpoint, CheckpointError, DataRecord, Health, Manifest, RunError, RunFolder};
use crate::score::{ScoreError, Scores, Views, score_checkpoint};
use crate::split::Split;
use crate::visualise::ExplainedSamples;

/// A report that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Test images that cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// An image that cannot be shown.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// Explanations.
    #[error(transparent)]
    Explain(#[from] crate::visualise::Error),
    /// The page.
    #[error(transparent)]
    Page(#[from] Error),
}

/// Of more classes than this, only the first ones get an example.
const MOST_EXAMPLES: usize = 100;

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
) -> Result<PathBuf, ReportError> {
    let last = run.read(&run.last())?;
    let best = run.read_best()?;
    let scores = match scores {
        None if !test.is_empty() => {
            let (batch, never) = (manifest.recipe.batch, AtomicBool::new(false));
            let mut tell = |done| observer.observe(Event::Evaluating { done, total: test.len() });
            score_checkpoint(device, &best, test, batch, Views::ONE, &never, &mut tell)?
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
        history: last.progress.history.clone(),
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
        let mut explained = ExplainedSamples::new(device, &best, test)?;
        report.mistakes = mistakes(&scores, &data.test, &mut explained)?;
        report.galleries.extend(examples(&scores, &data.test, &best.classes, &mut explained)?);
    }
    run.write(&run.report(), page(&report, &run.report())?.as_bytes())?;
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

/// The wrong answers that the network was surest of.
fn mistakes<D: Device>(
    scores: &Scores,
    images: &Images,
    explained: &mut ExplainedSamples<'_, D>,
) -> Result<Vec<Mistake>, ReportError> {
    let worst = scores.worst_mistakes(MAX_MISTAKES);
    let wanted: Vec<_> = worst.iter().map(|mistake| (mistake.image, mistake.predicted as usize)).collect();
    let explanations = explained.pictures(&wanted)?;
    let each = worst.into_iter().zip(explanations).map(|(mistake, explanation)| {
        Ok(Mistake {
            picture: images.picture(mistake.image)?,
            name: images.names[mistake.image].clone(),
            truth: mistake.label as usize,
            predicted: mistake.predicted as usize,
            probability: f64::from(mistake.probability),
            explanation: Some(explanation),
        })
    });
    each.collect()
}

/// Of each class the image that the network was surest of, and right.
fn examples<D: Device>(
    scores: &Scores,
    images: &Images,
    classes: &[String],
    explained: &mut ExplainedSamples<'_, D>,
) -> Result<Option<Gallery>, ReportError> {
    let mut best: BTreeMap<usize, usize> = BTreeMap::new();
    for image in (0..scores.labels.len()).filter(|&image| scores.predicted(image) == scores.labels[image]) {
        let best = best.entry(scores.labels[image] as usize).or_insert(image);
        if scores.probability(image).total_cmp(&scores.probability(*best)).is_gt() {
            *best = image;
        }
    }
    let wanted: Vec<(usize, usize)> =
        best.into_iter().map(|(class, image)| (image, class)).take(MOST_EXAMPLES).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let pictures = wanted.iter().zip(explained.pictures(&wanted)?).map(|(&(image, class), explanation)| {
        let caption = format!("{} {:.1} %", classes[class], 100.0 * scores.probability(image));
        Ok((vec![images.picture(image)?, explanation], caption))
    });
    Ok(Some(Gallery {
        title: "What speaks for each class".into(),
        note: "The test image of each class that the network was surest of, and what in it spoke for the class: \
               guided backpropagation from the class's logit, grey is zero, in preprocessed coordinates. Such \
               pictures resemble the edges of an image whatever the network has learned; `allcnn explain` has \
               other methods and a check."
            .into(),
        pictures: pictures.collect::<Result<_, ReportError>>()?,
    }))
}

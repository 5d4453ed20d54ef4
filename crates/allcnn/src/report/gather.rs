//! Collects the data of a finished training for `report.html`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use allcnn_device::Device;

use super::contents::{Filters, Gallery, MAX_MISTAKES, MisclassifiedPicture, Report};
use super::error::WriteReportError;
use super::run_page::page;
use crate::data::{DataSet, Ignored, Images};
use crate::input::Samples;
use crate::observer::{Event, Observer};
use crate::parameters::Tensor;
use crate::run::{Checkpoint, CheckpointError, DataRecord, Health, Manifest, RunError, RunFolder};
use crate::score::{Calibration, ScoreError, Scorer, Scores, Views};
use crate::split::Split;
use crate::visualise::{ExplainedSamples, VisualiseError};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run folder cannot be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The test images cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A test image cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::Error),
    /// The images cannot be explained.
    #[error(transparent)]
    Explain(#[from] VisualiseError),
    /// The page cannot be rendered.
    #[error(transparent)]
    Page(#[from] WriteReportError),
}

/// The maximum number of classes with an example.
const MAX_EXAMPLES: usize = 100;

/// Writes `report.html` for the best checkpoint of a run and returns its path.
///
/// `scores` are that checkpoint's predictions for the test images; if `None`, they are computed.
///
/// # Errors
/// A damaged checkpoint; a device failure; a report that cannot be written.
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
            let mut scorer = Scorer::new(device, &best, batch.min(test.len()), Views::ONE.extent(test))?;
            scorer.score(test, Views::ONE, &never, &mut tell)?
        }
        known => known,
    };
    let never_predicted: Vec<&str> = scores
        .iter()
        .flat_map(|scores| scores.never_predicted())
        .map(|class| &*best.classes[class as usize])
        .collect();
    let mut report = Report {
        model: best.network.name().to_owned(),
        data: data.name.clone(),
        evaluated: evaluated(&best, &manifest.data),
        chosen: last.progress.best_epoch(),
        program: manifest.program.clone(),
        settings: manifest.settings(),
        history: last.progress.history.clone(),
        parameters: best.values.iter().map(|tensor| tensor.values.len() as u64).sum(),
        advice: Health::of(&last.progress.history, best.classes.len(), manifest.recipe.loss).advice(
            &manifest.recipe,
            last.progress.total_steps,
            &never_predicted,
        ),
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
        report.class_scores = evaluation.classes;
        report.calibration = Some(Calibration::of(&scores));
        report.calibrated = run.temperature(&best)?.and_then(|stored| {
            let scores = scores.at_temperature(stored.temperature)?;
            Some((stored.temperature, Calibration::of(&scores)))
        });
        report.top5_error_pct = (best.classes.len() > 5).then_some(evaluation.top5_error_pct);
        let mut explained = ExplainedSamples::new(device, &best, test)?;
        report.mistakes = mistakes(&scores, &data.test, &mut explained)?;
        report.galleries.extend(examples(&scores, &data.test, &best.classes, &mut explained)?);
    }
    run.write(&run.report(), page(&report, &run.report())?.as_bytes())?;
    Ok(run.report())
}

/// Names the evaluated checkpoint, the images that selected it, and the test images.
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

/// The mean training speed over all epochs, in images per second.
fn images_per_s(last: &Checkpoint) -> f64 {
    let speeds = last.progress.history.iter().map(|row| row.images_per_s);
    let speeds: Vec<f64> = speeds.filter(|&speed| speed > 0.0).collect();
    let seconds: f64 = speeds.iter().map(|speed| 1.0 / speed).sum(); // for one image of each epoch
    if seconds > 0.0 { speeds.len() as f64 / seconds } else { 0.0 }
}

fn filters(tensor: &Tensor) -> Option<Filters> {
    let [count, channels, height, width] = *tensor.shape else { return None };
    Some(Filters { weights: tensor.values.clone(), count, channels, height, width })
}

/// The misclassified images with the highest predicted probability, with explanations.
fn mistakes<D: Device>(
    scores: &Scores,
    images: &Images,
    explained: &mut ExplainedSamples<'_, D>,
) -> Result<Vec<MisclassifiedPicture>, ReportError> {
    let worst = scores.worst_mistakes(MAX_MISTAKES);
    let wanted: Vec<_> = worst.iter().map(|mistake| (mistake.image, mistake.predicted as usize)).collect();
    let explanations = explained.pictures(&wanted)?;
    let each = worst.into_iter().zip(explanations).map(|(mistake, explanation)| {
        Ok(MisclassifiedPicture {
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

/// The correctly classified image of each class with the highest probability, with explanations.
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
        best.into_iter().map(|(class, image)| (image, class)).take(MAX_EXAMPLES).collect();
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

//! Label errors: the images whose labels a trained network finds least probable.
//!
//! Confident learning (Northcutt, Jiang, Chuang 2021, "Confident learning: estimating uncertainty in dataset
//! labels", Journal of Artificial Intelligence Research 70): images are ranked by the probability of their given
//! label (their self-confidence), lowest first. This is meaningful only for images that the network was not
//! trained on.

use std::sync::atomic::AtomicBool;

use allcnn_device::Device;
use serde::Serialize;

use crate::data::decode::Picture;
use crate::data::{DataSet, Identity, IdentitySet, Ignored, Images, Reading, Skipped};
use crate::evaluate::{EvaluateError, known, open, relabelled};
use crate::input::Samples;
use crate::observer::Observer;
use crate::preprocess::PreprocessError;
use crate::run::{Checkpoint, DataLocationError, GivenData, Manifest, RunError, RunFolder, WhichCheckpoint};
use crate::score::{ScoreError, Scorer, Scores, Views};
use crate::split::Split;
use crate::text::shown::escaped;
use crate::visualise::{ExplainedSamples, VisualiseError};

/// Why labels cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum SuspectsError {
    /// The network was trained on every image.
    #[error("{0}")]
    NothingHeldOut(String),
    /// The images.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Their explanations.
    #[error(transparent)]
    Explain(#[from] VisualiseError),
}

through!(SuspectsError, EvaluateError: RunError, ScoreError, DataLocationError, PreprocessError, crate::data::Error);

/// Images explained at a time.
const EXPLAINED: usize = 64;

/// What to search, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// Data to search in place of the run's own.
    pub data: Option<String>,
    /// How to read that data where its format leaves that open.
    pub reading: Reading,
    /// The checkpoint whose network judges the labels.
    pub checkpoint: WhichCheckpoint,
    /// How many suspects to return.
    pub top: usize,
    /// Whether to add pictures: image and explanation.
    pub pictures: bool,
}

/// The images whose labels are most likely wrong, as `allcnn data suspects --json` prints them.
#[derive(Clone, Debug, Serialize)]
pub struct Suspects {
    /// The data.
    pub data: String,
    /// The number of images searched; none of them was trained on.
    pub images: usize,
    /// The images of each split.
    pub splits: Vec<SplitImages>,
    /// Images excluded because the network was trained on them.
    pub trained_on: usize,
    /// Images for which another class is the most probable.
    pub predicted_otherwise: usize,
    /// Images that the network confidently assigns to another class: the off-diagonal sum of the confident joint.
    /// `None` if there were too many probabilities to keep.
    pub confident_otherwise: Option<usize>,
    /// The suspects, the least probable label first.
    pub suspects: Vec<Suspect>,
    /// Images of the data that could not be read or have no class.
    pub skipped: Vec<Skipped>,
    /// Other files that were ignored, by reason.
    pub ignored: Vec<Ignored>,
    /// The pictures of the suspects, if requested.
    #[serde(skip)]
    pub pictures: Vec<SuspectPicture>,
}

/// A suspect's picture and explanation.
#[derive(Clone, Debug)]
pub struct SuspectPicture {
    /// The image.
    pub picture: Picture,
    /// The evidence for the most probable class.
    pub explanation: Picture,
}

/// A split that was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SplitImages {
    /// The split.
    pub split: Split,
    /// Its images.
    pub images: usize,
}

/// An image whose label is suspect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// Its source.
    pub file: String,
    /// Its split.
    pub split: Split,
    /// Its given class.
    pub label: String,
    /// The probability of that class.
    pub label_probability: f32,
    /// The most probable class.
    pub predicted: String,
    /// The probability of that class.
    pub predicted_probability: f32,
}

/// Searches the held-out images of a run's own data (validation and test), or those images of other data that were
/// not trained on. `done` is called with the images done so far and their total. Returns `None` if stopped.
///
/// # Errors
/// Data that cannot be read, has classes unknown to the network, or has only images that were trained on; a
/// damaged run; device failures.
pub fn find<D: Device>(
    device: &D,
    run: &RunFolder,
    search: &Search,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Option<Suspects>, SuspectsError> {
    let (manifest, checkpoint) = search.checkpoint.trained(run)?;
    let preprocessor = run.read_preprocessing()?;
    let HeldOut { data, images, splits, known, skipped, ignored } =
        held_out((run, &manifest), &checkpoint, search, observer)?;
    let samples = Samples::new(&images, &preprocessor)?.on_canvas(checkpoint.network.input().into());
    let batch = manifest.recipe.batch;
    let mut done = |images| done(images, splits.len());
    let batch = batch.min(samples.len());
    let mut scorer = Scorer::new(device, &checkpoint, batch, Views::ONE.extent(&samples))?;
    let Some(scores) = scorer.score(&samples, Views::ONE, stop, &mut done)? else { return Ok(None) };
    // Images on disk can be identified only after they were read.
    let identities = samples.identities();
    let is_new = |identity: Option<&Identity>| identity.is_none_or(|identity| !known.contains(identity));
    let new: Vec<usize> =
        identities.iter().enumerate().filter(|(_, is)| is_new(*is)).map(|(image, _)| image).collect();
    let trained_on = images.len() - new.len();
    if new.is_empty() {
        return Err(SuspectsError::NothingHeldOut(format!(
            "all {trained_on} images of {} were trained on: a network knows the labels that it was trained on\n\
             give other images of these classes with --data",
            escaped(&data)
        )));
    }
    let scores_of_new = scores.select(&new);
    let order: Vec<usize> = scores_of_new.doubtful(search.top).into_iter().map(|index| new[index]).collect();
    let classes = &checkpoint.classes;
    let suspect = |&image: &usize| {
        let (label, predicted) = (scores.labels[image] as usize, scores.predicted(image) as usize);
        Suspect {
            file: images.names[image].clone(),
            split: splits[image],
            label: classes[label].clone(),
            label_probability: scores.own_probability(image),
            predicted: classes[predicted].clone(),
            predicted_probability: scores.probability(image),
        }
    };
    let images_of = |split: Split| new.iter().filter(|&&image| splits[image] == split).count();
    let counts = Split::ALL.map(|split| SplitImages { split, images: images_of(split) });
    let pictures = match search.pictures {
        true => explained(device, &checkpoint, &samples, &scores, &order)?,
        false => vec![],
    };
    Ok(Some(Suspects {
        data,
        images: new.len(),
        splits: counts.into_iter().filter(|counted| counted.images > 0).collect(),
        trained_on,
        predicted_otherwise: scores_of_new.wrong(),
        confident_otherwise: confident_otherwise(&scores_of_new),
        suspects: order.iter().map(suspect).collect(),
        skipped,
        ignored,
        pictures,
    }))
}

/// The images at `order`, each beside the evidence for the class that the network predicts.
fn explained<D: Device>(
    device: &D,
    checkpoint: &Checkpoint,
    samples: &Samples<'_>,
    scores: &Scores,
    order: &[usize],
) -> Result<Vec<SuspectPicture>, SuspectsError> {
    let mut explained = ExplainedSamples::new(device, checkpoint, samples)?;
    let mut pictures = Vec::with_capacity(order.len());
    for order in order.chunks(EXPLAINED) {
        let wanted: Vec<_> = order.iter().map(|&image| (image, scores.predicted(image) as usize)).collect();
        for (&image, explanation) in order.iter().zip(explained.pictures(&wanted)?) {
            pictures.push(SuspectPicture { picture: samples.images().picture(image)?, explanation });
        }
    }
    Ok(pictures)
}

/// Images that the network may not have been trained on.
struct HeldOut {
    data: String,
    /// With labels in the order of the checkpoint's classes.
    images: Images,
    /// The split of each.
    splits: Vec<Split>,
    /// The images that the run was trained on, some of which may be among `images`.
    known: IdentitySet,
    skipped: Vec<Skipped>,
    ignored: Vec<Ignored>,
}

fn held_out(
    (run, manifest): (&RunFolder, &Manifest),
    checkpoint: &Checkpoint,
    search: &Search,
    observer: &mut dyn Observer,
) -> Result<HeldOut, SuspectsError> {
    let geometry = run.read_preprocessing()?.geometry();
    let given = search.data.as_deref().map(|location| GivenData { location, reading: &search.reading });
    let mut opened = open(given, (run, manifest), geometry, false, observer)?;
    let own = Some(&opened.data).filter(|_| opened.own);
    let known = known((run, manifest), geometry, own, observer)?.unwrap_or_default();
    let wanted = if opened.own { &Split::ALL[1..] } else { &Split::ALL[..] };
    let data = opened.data.name.clone();
    let (mut images, mut splits) = (Images::new(geometry.height, geometry.width), vec![]);
    for &split in wanted {
        if split.of(&opened.data).is_empty() {
            continue;
        }
        let more = relabelled(&mut opened.data, split, &checkpoint.classes)?;
        splits.extend(std::iter::repeat_n(split, more.len()));
        images.append(more);
    }
    if images.is_empty() {
        return Err(SuspectsError::NothingHeldOut(format!(
            "{} has no images that were kept from the training: a network knows the labels that it was trained on\n\
             train with --holdout, or give other images of these classes with --data",
            escaped(&data)
        )));
    }
    let DataSet { skipped, ignored, .. } = opened.data;
    Ok(HeldOut { data, images, splits, known, skipped, ignored })
}

/// The off-diagonal count of the confident joint (equations 1 and 2 of the paper). An image counts for the most
/// probable of the classes whose probability is at least its mean over the images labelled with that class, if
/// that class is not the label.
fn confident_otherwise(scores: &Scores) -> Option<usize> {
    let images = 0..scores.labels.len();
    let mut sums = vec![(0.0f64, 0u32); scores.classes];
    for image in images.clone() {
        let label = scores.labels[image] as usize;
        sums[label].0 += f64::from(scores.own_probability(image));
        sums[label].1 += 1;
    }
    let threshold: Vec<f64> = sums
        .iter()
        .map(|&(sum, count)| if count == 0 { f64::INFINITY } else { sum / f64::from(count) })
        .collect();
    let confident = |row: &[f32]| {
        let reached = (0..scores.classes).filter(|&class| f64::from(row[class]) >= threshold[class]);
        reached.max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a)))
    };
    let mut otherwise = 0;
    for image in images {
        let class = confident(scores.of(image)?);
        otherwise += usize::from(class.is_some_and(|class| class != scores.labels[image] as usize));
    }
    Some(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        labelled(vec![0, 0, 0, 1, 1])
    }

    fn labelled(labels: Vec<u32>) -> Scores {
        Scores::new(2, labels, &[0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.1, 0.9, 0.9, 0.1])
    }

    #[test]
    fn the_confident_joint_is_counted_by_hand() {
        // Mean self-confidence: class 0 (0.9 + 0.2 + 0.6) / 3 = 0.567, class 1 (0.9 + 0.1) / 2 = 0.5. Image 1
        // belongs to class 1 with 0.8, image 4 to class 0 with 0.9; the others to their labels.
        assert_eq!(confident_otherwise(&scores()), Some(2));
        assert_eq!(scores().wrong(), 2);
        // If the network is never sure of a label, nothing reaches the other class's threshold.
        assert_eq!(confident_otherwise(&labelled(vec![0; 5])), Some(0));
    }
}

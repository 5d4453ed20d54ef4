//! Predictions of a trained network for image files.

use std::path::{Path, PathBuf};

use allcnn_device::Device;
use rayon::prelude::*;
use serde::Serialize;

use crate::data::{Framing, open_file};
use crate::input::InputTransform;
use crate::observer::{Event, Observer, tell_algorithms};
use crate::parameters::Parameters;
use crate::plan::{Mode, Plan, PlanPurpose};
use crate::preprocess::Geometry;
use crate::run::Checkpoint;
use crate::run::{CheckpointError, RunError, RunFolder, WhichCheckpoint};
use crate::score::{ScoreError, expect_finite, probabilities, ranked};
use crate::text::shown::PathText;

/// Images per forward pass.
const BATCH: usize = 32;

/// Why a run cannot predict.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Classifying the images failed.
    #[error(transparent)]
    Score(#[from] ScoreError),
}

through!(PredictError, RunError: CheckpointError);
through!(PredictError, ScoreError: crate::parameters::Error, allcnn_device::Error);

/// A class and its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// The class.
    pub class: String,
    /// Its probability.
    pub probability: f32,
}

/// The prediction for one file, as `allcnn predict --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prediction {
    /// The most probable classes, the most probable first.
    Seen {
        /// The file.
        file: String,
        /// The classes.
        predictions: Vec<Guess>,
    },
    /// A file that cannot be read as an image.
    Unread {
        /// The file.
        file: String,
        /// Why.
        error: String,
    },
}

/// A trained network that classifies image files.
pub struct Predictor<'d, D: Device> {
    plan: Plan<'d, D>,
    parameters: Parameters<D>,
    transform: InputTransform,
    framing: Framing,
    classes: Vec<String>,
}

impl<'d, D: Device> Predictor<'d, D> {
    /// Loads the network of `checkpoint` and the preprocessing of its run, for batches of `batch` images.
    ///
    /// # Errors
    /// A damaged checkpoint or preprocessing; failures of the device.
    pub fn new(
        device: &'d D,
        run: &RunFolder,
        checkpoint: Checkpoint,
        batch: usize,
    ) -> Result<Self, PredictError> {
        let parameters = checkpoint.parameters(device)?;
        let transform = run.input_transform(&checkpoint.network)?;
        let framing = run.manifest()?.framing();
        let mut plan = Plan::new(device, &checkpoint.network, batch, PlanPurpose::Inference)?;
        plan.fix_weights(&parameters)?;
        Ok(Self { plan, parameters, transform, framing, classes: checkpoint.classes })
    }

    /// Loads the network of the run's best checkpoint, for small batches.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn open(device: &'d D, run: &RunFolder) -> Result<Self, PredictError> {
        let (_, checkpoint) = WhichCheckpoint::Best.trained(run)?;
        Self::new(device, run, checkpoint, BATCH)
    }

    /// Reports to `observer` how images are resized and which algorithms are used.
    pub fn tell(&self, observer: &mut dyn Observer) {
        observer.observe(Event::Detail(&format!("pictures: {}", self.framing)));
        tell_algorithms(&self.plan.algorithms(), observer);
    }

    /// Returns the `top` most probable classes of each file. A file that cannot be read gets an error message and
    /// does not affect the others.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn predict(&mut self, files: &[PathBuf], top: usize) -> Result<Vec<Prediction>, PredictError> {
        let mut answers = Vec::with_capacity(files.len());
        for files in files.chunks(self.plan.batch()) {
            let (geometry, framing) = (self.transform.pictures(), self.framing);
            let pictures: Vec<Result<Vec<u8>, String>> =
                files.par_iter().map(|file| picture(file, geometry, framing)).collect();
            let readable: Vec<&[u8]> =
                pictures.iter().filter_map(|picture| picture.as_deref().ok()).collect();
            let mut rows = self.probabilities(&readable)?.into_iter();
            for (file, picture) in files.iter().zip(&pictures) {
                let file = file.text();
                answers.push(match (picture, picture.is_ok().then(|| rows.next()).flatten()) {
                    (Err(error), _) => Prediction::Unread { file, error: error.clone() },
                    (Ok(_), row) => {
                        Prediction::Seen { file, predictions: self.guesses(&row.unwrap_or_default(), top) }
                    }
                });
            }
        }
        Ok(answers)
    }

    /// Returns the class probabilities of images of the transform's size, `[height, width, 3]`; at most one batch.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn probabilities(&mut self, pictures: &[&[u8]]) -> Result<Vec<Vec<f32>>, PredictError> {
        let classes = self.classes.len();
        let (rows, input) = (self.plan.batch(), self.transform.input().len());
        let (mut images, mut logits) = (vec![0.0; rows * input], vec![0.0; rows * classes]);
        self.transform.apply(&pictures.concat(), &mut images[..pictures.len() * input]);
        self.plan.upload(&images, &vec![0.0; rows * classes])?;
        self.plan.forward(&self.parameters, Mode::Evaluate);
        self.plan.logits(&mut logits)?;
        expect_finite(&logits[..pictures.len() * classes])?;
        let rows = logits.chunks_exact(classes).take(pictures.len());
        Ok(rows.map(probabilities).collect())
    }

    fn guesses(&self, probabilities: &[f32], top: usize) -> Vec<Guess> {
        let places = ranked(probabilities, top).into_iter();
        let guess =
            |class: usize| Guess { class: self.classes[class].clone(), probability: probabilities[class] };
        places.map(guess).collect()
    }
}

/// Reads a file as pixels of that size; the error is a short description.
pub(crate) fn picture(path: &Path, geometry: Geometry, framing: Framing) -> Result<Vec<u8>, String> {
    let Geometry { height, width, .. } = geometry;
    let file = open_file::read(path, open_file::PICTURE).map_err(|error| error.to_string())?;
    let picture = framing.decode(&file, height, width)?;
    Ok(framing.apply(picture, height, width)?.pixels)
}

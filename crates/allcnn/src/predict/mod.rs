//! Predictions of trained networks for image files.

mod ensemble;

use std::path::PathBuf;
use std::time::Instant;

use allcnn_device::Device;
use rayon::prelude::*;
use serde::Serialize;

use crate::data::{Framing, open_file};
use crate::input::{InputTransform, ReadClock};
use crate::observer::{Event, Observer, Phase, Stopwatch, Times, report_algorithms};
use crate::parameters::{Parameters, ParametersError};
use crate::plan::{Mode, PlanPurpose};
use crate::plans::Plans;
use crate::preprocess::Geometry;
use crate::run::Checkpoint;
use crate::run::{CheckpointError, RunError, RunFolder, WhichCheckpoint};
use crate::score::{ScoreError, expect_finite, probabilities_at, ranked};
use crate::text::shown::PathText;
pub use ensemble::Ensemble;

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
    /// Runs with different classes cannot be averaged.
    #[error(
        "{first} and {other} know different classes: runs are averaged only if their classes are the same, in the same order"
    )]
    OtherClasses {
        /// The first run and its classes.
        first: String,
        /// The run that differs and its classes.
        other: String,
    },
}

through!(PredictError, RunError: CheckpointError);
through!(PredictError, ScoreError: ParametersError, allcnn_device::Error);

/// A class and its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// The class.
    pub class: String,
    /// Its probability.
    pub probability: f32,
}

impl Guess {
    /// The `top` most probable of the classes, the most probable first, ties in the order of the classes.
    pub fn best(classes: &[String], probabilities: &[f32], top: usize) -> Vec<Guess> {
        let guess = |class: usize| Guess { class: classes[class].clone(), probability: probabilities[class] };
        ranked(probabilities, top).into_iter().map(guess).collect()
    }
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
        /// Whether the most probable class is less probable than was asked for ([`Prediction::mark_unsure`]).
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        unsure: bool,
    },
    /// A file that cannot be read as an image.
    Unread {
        /// The file.
        file: String,
        /// Why.
        error: String,
    },
}

impl Prediction {
    /// Marks the prediction as unsure if its first class is less probable than `below`.
    pub fn mark_unsure(&mut self, below: f32) {
        if let Self::Seen { predictions, unsure, .. } = self {
            *unsure = predictions.first().is_some_and(|first| first.probability < below);
        }
    }
}

/// A trained network that classifies image files.
pub struct Predictor<'d, D: Device> {
    plans: Plans<'d, D>,
    parameters: Parameters<D>,
    transform: InputTransform,
    framing: Framing,
    classes: Vec<String>,
    /// What logits are divided by.
    temperature: f64,
    stopwatch: Stopwatch,
}

impl<'d, D: Device> Predictor<'d, D> {
    /// Loads the network of `checkpoint` and the preprocessing of its run, for batches of up to `batch` images.
    ///
    /// # Errors
    /// A damaged checkpoint or preprocessing; failures of the device.
    pub fn new(
        device: &'d D,
        run: &RunFolder,
        checkpoint: Checkpoint,
        batch: usize,
    ) -> Result<Self, PredictError> {
        let mut stopwatch = Stopwatch::default();
        stopwatch.begin(Phase::Preparing);
        let mut predictor = Self::on_demand(device, run, checkpoint, batch)?;
        predictor.plans = predictor.plans.with_largest()?;
        stopwatch.end();
        Ok(Self { stopwatch, ..predictor })
    }

    /// Like [`Predictor::new`], but a batch is planned when the first images need one of its size: for images that come one by one.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn on_demand(
        device: &'d D,
        run: &RunFolder,
        checkpoint: Checkpoint,
        batch: usize,
    ) -> Result<Self, PredictError> {
        Ok(Self {
            plans: Plans::new(device, &checkpoint.network, batch, PlanPurpose::Inference),
            parameters: checkpoint.parameters(device)?,
            transform: run.input_transform(&checkpoint.network)?,
            framing: run.manifest()?.framing(),
            classes: checkpoint.classes,
            temperature: 1.0,
            stopwatch: Stopwatch::default(),
        })
    }

    /// Loads the network of the run's best checkpoint, for any number of images.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn open(device: &'d D, run: &RunFolder) -> Result<Self, PredictError> {
        let (_, checkpoint) = WhichCheckpoint::Best.trained(run)?;
        Self::on_demand(device, run, checkpoint, BATCH)
    }

    /// Divides logits by a temperature before they become probabilities: that of the checkpoint
    /// ([`RunFolder::expect_temperature`]), where a run has one.
    #[must_use]
    pub fn at_temperature(self, temperature: f64) -> Self {
        Self { temperature, ..self }
    }

    /// Reports to `observer` how images are resized and which algorithms are used.
    pub fn report_algorithms(&self, observer: &mut dyn Observer) {
        observer.observe(Event::Detail(&format!("pictures: {}", self.framing)));
        report_algorithms(&self.plans.algorithms(), observer);
    }

    /// The time spent until now, by phase.
    pub fn times(&self) -> Times {
        self.stopwatch.times()
    }

    /// Returns the `top` most probable classes of each file. A file that cannot be read gets an error message and
    /// does not affect the others.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn predict(&mut self, files: &[PathBuf], top: usize) -> Result<Vec<Prediction>, PredictError> {
        let rows = self.rows(files)?;
        Ok(self.predictions(files, rows, top))
    }

    /// Returns the class probabilities of each file, or why it cannot be read.
    fn rows(&mut self, files: &[PathBuf]) -> Result<Vec<Result<Vec<f32>, String>>, PredictError> {
        let mut answers = Vec::with_capacity(files.len());
        for files in files.chunks(self.plans.most()) {
            let (geometry, framing) = (self.transform.pictures(), self.framing);
            let pictures = pictures(files, geometry, framing, &mut self.stopwatch);
            let readable: Vec<&[u8]> =
                pictures.iter().filter_map(|picture| picture.as_deref().ok()).collect();
            let mut rows = self.probabilities(&readable)?.into_iter();
            answers
                .extend(pictures.into_iter().map(|picture| picture.map(|_| rows.next().unwrap_or_default())));
        }
        Ok(answers)
    }

    /// The `top` most probable classes of each file, given the probabilities of all.
    fn predictions(
        &self,
        files: &[PathBuf],
        rows: Vec<Result<Vec<f32>, String>>,
        top: usize,
    ) -> Vec<Prediction> {
        let prediction = |(path, row): (&PathBuf, Result<Vec<f32>, String>)| match row {
            Ok(row) => {
                Prediction::Seen { file: path.text(), predictions: self.guesses(&row, top), unsure: false }
            }
            Err(error) => Prediction::Unread { file: path.text(), error },
        };
        files.iter().zip(rows).map(prediction).collect()
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters<D> {
        &self.parameters
    }

    /// Returns the class probabilities of images of the transform's size, `[height, width, 3]`.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn probabilities(&mut self, pictures: &[&[u8]]) -> Result<Vec<Vec<f32>>, PredictError> {
        self.stopwatch.begin(Phase::Evaluation);
        let (classes, input) = (self.classes.len(), self.transform.input().len());
        let mut probabilities = Vec::with_capacity(pictures.len());
        let mut pictures = pictures;
        while !pictures.is_empty() {
            let plan = self.plans.next(pictures.len(), &self.parameters)?;
            let rows = plan.batch();
            let (now, later) = pictures.split_at(rows.min(pictures.len()));
            let (mut images, mut logits) = (vec![0.0; rows * input], vec![0.0; rows * classes]);
            self.transform.apply(&now.concat(), &mut images[..now.len() * input]);
            plan.upload(&images, &vec![0.0; rows * classes])?;
            plan.forward(&self.parameters, Mode::Evaluate);
            plan.logits(&mut logits)?;
            let logits = &logits[..now.len() * classes];
            expect_finite(logits)?;
            probabilities
                .extend(logits.chunks_exact(classes).map(|row| probabilities_at(row, self.temperature)));
            pictures = later;
        }
        self.stopwatch.end();
        Ok(probabilities)
    }

    fn guesses(&self, probabilities: &[f32], top: usize) -> Vec<Guess> {
        Guess::best(&self.classes, probabilities, top)
    }
}

/// Reads files as pixels of that size; the errors are short descriptions. Counts the time.
pub(crate) fn pictures(
    files: &[PathBuf],
    geometry: Geometry,
    framing: Framing,
    stopwatch: &mut Stopwatch,
) -> Vec<Result<Vec<u8>, String>> {
    let Geometry { height, width, .. } = geometry;
    let (begin, clock) = (Instant::now(), ReadClock::default());
    let picture = |path: &PathBuf| {
        let begin = Instant::now();
        let file = open_file::read(path, open_file::PICTURE).map_err(|error| error.to_string())?;
        let read = Instant::now();
        let picture =
            framing.decode(&file, height, width).and_then(|picture| framing.apply(picture, height, width));
        clock.count(begin, read);
        Ok(picture?.pixels)
    };
    let pictures = files.par_iter().map(picture).collect();
    stopwatch.add_reading(begin.elapsed(), clock.times());
    pictures
}

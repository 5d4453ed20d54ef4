//! Several trained networks that predict by the mean of their probabilities.

use std::path::PathBuf;

use allcnn_device::Device;

use super::{PredictError, Prediction, Predictor};
use crate::observer::{Observer, Times};
use crate::run::{RunFolder, WhichCheckpoint};
use crate::text::shown::{PathText, first_of};

/// The networks of one or several runs with the same classes.
pub struct Ensemble<'d, D: Device> {
    predictors: Vec<Predictor<'d, D>>,
}

impl<'d, D: Device> Ensemble<'d, D> {
    /// Loads the networks of `runs`, for batches of `batch` images; if `calibrated`, each at its temperature. Panics if there are
    /// no runs.
    ///
    /// # Errors
    /// As [`Predictor::new`]; runs whose classes differ; [`crate::run::RunError::NotCalibrated`].
    pub fn new(
        device: &'d D,
        runs: &[RunFolder],
        checkpoint: WhichCheckpoint,
        calibrated: bool,
        batch: usize,
    ) -> Result<Self, PredictError> {
        assert!(!runs.is_empty(), "an ensemble of no runs");
        let mut predictors: Vec<Predictor<'d, D>> = vec![];
        for run in runs {
            let (_, checkpoint) = checkpoint.trained(run)?;
            if let Some(first) = predictors.first()
                && first.classes != checkpoint.classes
            {
                return Err(PredictError::OtherClasses {
                    first: format!("{} ({})", runs[0].called().shown(), first_of(&first.classes)),
                    other: format!("{} ({})", run.called().shown(), first_of(&checkpoint.classes)),
                });
            }
            let temperature = if calibrated { run.expect_temperature(&checkpoint)? } else { 1.0 };
            predictors.push(Predictor::new(device, run, checkpoint, batch)?.at_temperature(temperature));
        }
        Ok(Self { predictors })
    }

    /// Reports to `observer` how images are resized and which algorithms are used.
    pub fn report_algorithms(&self, observer: &mut dyn Observer) {
        self.predictors.iter().for_each(|predictor| predictor.report_algorithms(observer));
    }

    /// The time spent until now, by phase.
    pub fn times(&self) -> Times {
        let mut times = Times::default();
        self.predictors.iter().for_each(|predictor| times.add(&predictor.times()));
        times
    }

    /// Like [`Predictor::predict`], by the mean of the networks' probabilities.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn predict(&mut self, files: &[PathBuf], top: usize) -> Result<Vec<Prediction>, PredictError> {
        let mut rows = self.predictors[0].rows(files)?;
        for predictor in &mut self.predictors[1..] {
            for (row, other) in rows.iter_mut().zip(predictor.rows(files)?) {
                match (&mut *row, other) {
                    (Ok(row), Ok(other)) => row.iter_mut().zip(other).for_each(|(sum, value)| *sum += value),
                    (Ok(_), Err(error)) => *row = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        let networks = self.predictors.len() as f32;
        rows.iter_mut().flatten().flatten().for_each(|sum| *sum /= networks);
        Ok(self.predictors[0].predictions(files, rows, top))
    }
}

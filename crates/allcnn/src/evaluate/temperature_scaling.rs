//! What temperatures make of the probabilities.

use serde::Serialize;

use crate::score::{Calibration, CalibrationBin, Scores};

/// How much the probabilities can be trusted without the temperatures of the runs and with them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TemperatureScaling {
    /// The temperature of each run.
    pub temperatures: Vec<f64>,
    /// Whether the other figures are of the probabilities with them.
    pub applied: bool,
    /// Without them.
    pub before: Reliability,
    /// With them.
    pub after: Reliability,
}

/// The figures that depend on how sure a network says that it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// The mean cross-entropy.
    pub loss: f64,
    /// The expected calibration error ([`Calibration`]).
    pub expected_calibration_error: f64,
    /// The images by the probability of their predicted class.
    pub calibration: Vec<CalibrationBin>,
}

impl Reliability {
    /// The figures of these predictions.
    pub(super) fn of(scores: &Scores) -> Self {
        let Calibration { expected_calibration_error, bins } = Calibration::of(scores);
        Self { loss: scores.loss(), expected_calibration_error, calibration: bins }
    }
}

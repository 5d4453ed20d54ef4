//! Scores of a network on a set of images: error, loss, confusion matrix, worst mistakes.

mod calibration;
mod class_scores;
mod comparison;
mod error;
mod evaluation;
mod interval;
mod scores;
mod scoring;
mod softmax;
mod temperature;

pub use calibration::{Calibration, CalibrationBin};
pub use class_scores::ClassScores;
pub use comparison::Comparison;
pub use error::ScoreError;
pub use evaluation::Evaluation;
pub use interval::{wilson95_of_error, wilson95_pct};
pub use scores::{Misclassified, Scores};
pub(crate) use scoring::score_part;
pub use scoring::{Scorer, TestSet, Views, score};
pub use softmax::ranked;
pub(crate) use softmax::{expect_finite, probabilities, probabilities_at};
pub use temperature::{NoTemperature, fit_temperature};

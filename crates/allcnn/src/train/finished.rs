//! The result of a training.

use std::path::PathBuf;

use super::limits::Outcome;
use crate::data::{DataSet, Ignored, Skipped};
use crate::run::{Manifest, RunFolder, Temperature};
use crate::score::Scores;

/// The result of a training, complete or interrupted.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its folder.
    pub run: RunFolder,
    /// Its settings.
    pub manifest: Manifest,
    /// How it ended.
    pub outcome: Outcome,
    /// Images of the data that could not be read or have no class.
    pub skipped: Vec<Skipped>,
    /// Other files that were ignored, by reason.
    pub ignored: Vec<Ignored>,
    /// The temperature of its probabilities, if the training is complete and has validation images.
    pub temperature: Option<Temperature>,
    /// Classes that no image is taken for at the end of the last epoch, though evaluated images show them.
    pub never_predicted: Vec<String>,
    /// The report, if the training is complete and the report could be written.
    pub report: Option<PathBuf>,
}

impl Finished {
    /// A training on `data` that ended, yet without report.
    pub(super) fn new(run: RunFolder, manifest: Manifest, outcome: Outcome, data: &DataSet) -> Self {
        let (skipped, ignored) = (data.skipped.clone(), data.ignored.clone());
        let never_predicted = outcome.scores.iter().flat_map(Scores::never_predicted);
        let never_predicted = never_predicted.map(|class| data.classes[class as usize].clone()).collect();
        Self { run, manifest, outcome, skipped, ignored, never_predicted, temperature: None, report: None }
    }

    /// Releases ownership of the run folder.
    pub(super) fn given_back(self) -> Self {
        Self { run: self.run.given_back(), ..self }
    }
}

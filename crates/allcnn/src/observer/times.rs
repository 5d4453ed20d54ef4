//! Time spent by a training, by phase.

use std::time::{Duration, Instant};

use crate::data::Stage;

/// The phases of a training; one runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Detecting the kind of the data, and listing its files.
    Listing,
    /// Reading images from disk, and decoding them.
    Reading,
    /// Fitting the preprocessing.
    Fitting,
    /// Assembling batches: augmentation, preprocessing, and waiting for images on disk.
    Batches,
    /// Steps, from the batch to the updated weights.
    Steps,
    /// Evaluating held-out images.
    Evaluation,
    /// Writing checkpoints.
    Saving,
    /// The report, with its explanations.
    Report,
}

impl Phase {
    /// All phases, in the order of a training.
    pub const ALL: [Self; 8] = [
        Self::Listing,
        Self::Reading,
        Self::Fitting,
        Self::Batches,
        Self::Steps,
        Self::Evaluation,
        Self::Saving,
        Self::Report,
    ];

    /// A description of the phase.
    pub fn words(self) -> &'static str {
        match self {
            Self::Listing => "looking at the data",
            Self::Reading => "reading and decoding images",
            Self::Fitting => "fitting the preprocessing",
            Self::Batches => "making batches (augmenting)",
            Self::Steps => "steps",
            Self::Evaluation => "evaluation",
            Self::Saving => "saving",
            Self::Report => "report",
        }
    }

    /// The phase of a stage of opening data.
    pub(crate) fn of(stage: Stage) -> Self {
        match stage {
            Stage::Reading => Self::Reading,
            _ => Self::Listing,
        }
    }
}

/// The time spent in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times([Duration; Phase::ALL.len()]);

impl Times {
    /// The time of a phase.
    pub fn of(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }

    /// Adds other times phase by phase.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(time, more)| *time += more);
    }
}

/// Measures the time of each phase.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    times: Times,
    phase: Option<(Phase, Instant)>,
}

impl Stopwatch {
    /// Ends the current phase, if any, and begins this one.
    pub(crate) fn begin(&mut self, phase: Phase) {
        if self.phase.is_some_and(|(current, _)| current == phase) {
            return;
        }
        self.end();
        self.phase = Some((phase, Instant::now()));
    }

    /// Ends the current phase.
    pub(crate) fn end(&mut self) {
        if let Some((phase, since)) = self.phase.take() {
            self.times.0[phase as usize] += since.elapsed();
        }
    }

    /// The times of the ended phases.
    pub(crate) fn times(&self) -> Times {
        self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other() {
        let mut watch = Stopwatch::default();
        let begin = Instant::now();
        for phase in [Phase::Batches, Phase::Steps, Phase::Steps, Phase::Batches] {
            watch.begin(phase);
            std::thread::sleep(Duration::from_millis(2));
        }
        watch.end();
        let mut times = watch.times();
        let all: Duration = Phase::ALL.iter().map(|&phase| times.of(phase)).sum();
        assert!(all <= begin.elapsed() && times.of(Phase::Steps) >= Duration::from_millis(4), "{times:?}");
        assert_eq!(times.of(Phase::Saving), Duration::ZERO);
        times.add(&times.clone());
        assert!(times.of(Phase::Batches) >= Duration::from_millis(8), "{times:?}");
    }
}

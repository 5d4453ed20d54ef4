//! Time spent by a command, by phase.

use std::time::{Duration, Instant};

use crate::data::Stage;
use crate::input::ReadTimes;

/// The phases of a command that trains or looks at images; one runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Detecting the kind of the data, and listing its files.
    Listing,
    /// Reading images from disk.
    Reading,
    /// Decoding images, and giving them the network's size.
    Decoding,
    /// Fitting the preprocessing, and applying it where that is done once for all images.
    Fitting,
    /// Planning the network, and loading or initializing its weights.
    Preparing,
    /// Assembling batches: augmentation, preprocessing, and waiting for images on disk.
    Batches,
    /// Steps, from the batch to the updated weights.
    Steps,
    /// Evaluating images: held-out ones in a training.
    Evaluation,
    /// Backward passes to the images.
    Explaining,
    /// Writing checkpoints.
    Saving,
    /// The report, with its explanations.
    Report,
    /// Drawing pictures and writing their files.
    Drawing,
}

impl Phase {
    /// All phases, in the order of their work.
    pub const ALL: [Self; 12] = [
        Self::Listing,
        Self::Reading,
        Self::Decoding,
        Self::Fitting,
        Self::Preparing,
        Self::Batches,
        Self::Steps,
        Self::Evaluation,
        Self::Explaining,
        Self::Saving,
        Self::Report,
        Self::Drawing,
    ];

    /// A description of the phase.
    pub fn words(self) -> &'static str {
        match self {
            Self::Listing => "looking at the data",
            Self::Reading => "reading images",
            Self::Decoding => "decoding images",
            Self::Fitting => "preprocessing",
            Self::Preparing => "preparing the network",
            Self::Batches => "augmenting and making batches",
            Self::Steps => "steps",
            Self::Evaluation => "evaluation",
            Self::Explaining => "explaining",
            Self::Saving => "saving",
            Self::Report => "report",
            Self::Drawing => "drawing pictures",
        }
    }

    /// The phase of a stage of opening data.
    pub fn of(stage: Stage) -> Self {
        match stage {
            Stage::Reading => Self::Reading,
            Stage::Decoding => Self::Decoding,
            _ => Self::Listing,
        }
    }
}

/// The time spent in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    phases: [Duration; Phase::ALL.len()],
    beside: ReadTimes,
}

impl Times {
    /// The time of a phase.
    pub fn of(&self, phase: Phase) -> Duration {
        self.phases[phase as usize]
    }

    /// The time spent on images on disk beside the phases, if there were any.
    pub fn beside(&self) -> Option<ReadTimes> {
        Some(self.beside).filter(|beside| *beside != ReadTimes::default())
    }

    /// Adds other times phase by phase.
    pub fn add(&mut self, other: &Self) {
        self.phases.iter_mut().zip(other.phases).for_each(|(time, more)| *time += more);
        self.beside.add(other.beside);
    }

    /// Adds time spent on images on disk beside the phases.
    pub(crate) fn add_beside(&mut self, more: ReadTimes) {
        self.beside.add(more);
    }
}

/// Measures the time of each phase.
#[derive(Debug, Default)]
pub struct Stopwatch {
    times: Times,
    phase: Option<(Phase, Instant)>,
}

impl Stopwatch {
    /// Ends the current phase, if any, and begins this one.
    pub fn begin(&mut self, phase: Phase) {
        if self.phase.is_some_and(|(current, _)| current == phase) {
            return;
        }
        self.end();
        self.phase = Some((phase, Instant::now()));
    }

    /// Ends the current phase.
    pub fn end(&mut self) {
        if let Some((phase, since)) = self.phase.take() {
            self.times.phases[phase as usize] += since.elapsed();
        }
    }

    /// Adds the time that threads took to read and decode side by side, divided as their work was.
    pub(crate) fn add_reading(&mut self, time: Duration, work: ReadTimes) {
        let all = (work.reading + work.decoding).as_secs_f64();
        let reading = if all > 0.0 { time.mul_f64(work.reading.as_secs_f64() / all) } else { time };
        self.times.phases[Phase::Reading as usize] += reading;
        self.times.phases[Phase::Decoding as usize] += time.saturating_sub(reading);
    }

    /// The times of the ended phases.
    pub fn times(&self) -> Times {
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

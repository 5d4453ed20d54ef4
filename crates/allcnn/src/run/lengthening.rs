//! Extensions of a run, as recorded in `run.toml`.

use serde::{Deserialize, Serialize};

/// An extension of a run to more steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengthening {
    /// Steps done at the time.
    pub from_step: u64,
    /// Total steps of the training before the extension.
    pub steps_before: u64,
    /// The length in steps of the schedule from then on; its end is the training's end.
    pub schedule_steps: u64,
    /// The highest learning rate from then on.
    pub learning_rate: f64,
}

impl Lengthening {
    /// Whether the schedule restarted.
    pub fn is_anew(&self) -> bool {
        self.from_step == self.steps_before
    }

    /// Whether the numbers are consistent with a training of `total_steps` steps.
    pub(crate) fn is_sound(&self, total_steps: u64) -> bool {
        let Self { from_step, steps_before, schedule_steps, learning_rate } = *self;
        let ordered = from_step <= steps_before && steps_before <= total_steps;
        ordered && (1..1 << 60).contains(&schedule_steps) && learning_rate > 0.0 && learning_rate.is_finite()
    }
}

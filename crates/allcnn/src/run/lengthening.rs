//! That a run was made longer, as `run.toml` keeps it.

use serde::{Deserialize, Serialize};

/// That a run was made longer, and from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengthening {
    /// Steps that were done.
    pub from_step: u64,
    /// Steps of the whole training before.
    pub steps_before: u64,
    /// The length of the schedule from then on, in steps, of which the last one is the training's.
    pub schedule_steps: u64,
    /// The learning rate at its highest from then on.
    pub learning_rate: f64,
}

impl Lengthening {
    /// Whether the schedule began anew.
    pub fn is_anew(&self) -> bool {
        self.from_step == self.steps_before
    }

    /// Whether the numbers can belong to a training of so many steps.
    pub(crate) fn is_sound(&self, total_steps: u64) -> bool {
        let Self { from_step, steps_before, schedule_steps, learning_rate } = *self;
        let ordered = from_step <= steps_before && steps_before <= total_steps;
        ordered && (1..1 << 60).contains(&schedule_steps) && learning_rate > 0.0 && learning_rate.is_finite()
    }
}

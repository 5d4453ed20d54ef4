//! A run that is made longer: more epochs than it was begun with.
//!
//! What was trained stays as it is. The learning rate of the steps from then on: where all steps of the schedule were done it
//! begins anew for those that are added; else what was left of it is stretched over all that are left now. In numbers, with the
//! schedule's factor f(step, length), in step s of a training that now has T steps: f(L - (T - s), L). L is the number of steps
//! left now, divided by the share of the schedule that was left.

use serde::{Deserialize, Serialize};

use super::{Error, Recipe, Request};
use crate::run::RunFolder;

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

/// The learning rate of every step.
#[derive(Clone, Debug)]
pub(super) struct Pace<'a> {
    recipe: &'a Recipe,
    lengthened: Option<Lengthening>,
}

impl<'a> Pace<'a> {
    /// The recipe's, until the training is made longer.
    pub(super) fn of(recipe: &'a Recipe) -> Self {
        Self { recipe, lengthened: None }
    }

    /// From now on that of a longer training.
    pub(super) fn lengthen(&mut self, lengthened: &Lengthening) {
        self.lengthened = Some(lengthened.clone());
    }

    /// The share of the highest learning rate in step `step` of `total`.
    pub(super) fn factor(&self, step: u64, total: u64) -> f64 {
        let Some(Lengthening { schedule_steps: length, .. }) = self.lengthened else {
            return self.recipe.schedule.factor(step, total);
        };
        self.recipe.schedule.factor(length.saturating_sub(total - step), length)
    }

    /// The learning rate in step `step` of `total`.
    pub(super) fn learning_rate(&self, step: u64, total: u64) -> f64 {
        let highest =
            self.lengthened.as_ref().map_or(self.recipe.learning_rate, |longer| longer.learning_rate);
        highest * self.factor(step, total)
    }
}

/// Makes a run that is owned longer, `epochs` in all, at another learning rate where one is given. The training itself is for
/// [`super::resume_in`].
///
/// # Errors
/// [`Error::Mismatch`] where it has that many epochs; a run that cannot be read or written.
pub fn lengthen(run: &RunFolder, epochs: u32, learning_rate: Option<f64>) -> Result<Lengthening, Error> {
    let mut manifest = run.manifest()?;
    Request::of(&manifest)?; // weights that were not trained here cannot be trained for longer
    let steps_before = manifest.total_steps;
    let total_steps = u64::from(epochs) * manifest.epoch_steps;
    if total_steps <= steps_before {
        return Err(Error::Mismatch(format!(
            "the run has {} epochs ({steps_before} steps): --epochs {epochs} does not make it longer\n\
             give more than that, or begin a new run",
            manifest.recipe.epochs
        )));
    }
    let done = run.read_last()?.map_or(0, |last| last.progress.step);
    let before = manifest.lengthened.last();
    let longer = Lengthening {
        from_step: done,
        steps_before,
        schedule_steps: schedule_steps(
            total_steps - done,
            steps_before - done.min(steps_before),
            before.map_or(steps_before, |before| before.schedule_steps),
        ),
        learning_rate: learning_rate
            .or(before.map(|before| before.learning_rate))
            .unwrap_or(manifest.recipe.learning_rate),
    };
    manifest.total_steps = total_steps;
    (manifest.recipe.epochs, manifest.recipe.iterations) = (epochs, None);
    manifest.lengthened.push(longer.clone());
    run.write_manifest(&manifest)?;
    Ok(longer)
}

/// The length of a schedule of which `left` steps are left now, where `before` steps of `of` were left.
fn schedule_steps(left: u64, before: u64, of: u64) -> u64 {
    match before {
        0 => left,
        before => (u128::from(left) * u128::from(of) / u128::from(before)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Decay, Schedule};

    fn cycle() -> Recipe {
        let schedule = Schedule::OneCycle { warm_up: 0.2, decay: Decay::Linear, floor: 0.0, gentle_steps: 0 };
        Recipe { learning_rate: 1.0, schedule, ..Recipe::quick() }
    }

    fn rates(longer: &Lengthening, steps: std::ops::Range<u64>) -> Vec<f64> {
        let recipe = cycle();
        let mut pace = Pace::of(&recipe);
        pace.lengthen(longer);
        let total = steps.end;
        steps.map(|step| pace.learning_rate(step, total)).collect()
    }

    #[test]
    fn a_finished_schedule_begins_anew() {
        let longer = Lengthening {
            from_step: 100,
            steps_before: 100,
            schedule_steps: schedule_steps(50, 0, 100),
            learning_rate: 0.5,
        };
        let (recipe, rates) = (cycle(), rates(&longer, 100..150));
        let fresh: Vec<f64> = (0..50).map(|step| 0.5 * recipe.schedule.factor(step, 50)).collect();
        assert_eq!(rates, fresh);
        assert!(longer.is_anew());
    }

    #[test]
    fn what_was_left_of_a_schedule_is_stretched() {
        // Half of it was done: where it fell from 0.625 to 0 in 50 steps it does so in 150.
        let steps = schedule_steps(150, 50, 100);
        let longer =
            Lengthening { from_step: 50, steps_before: 100, schedule_steps: steps, learning_rate: 1.0 };
        let (recipe, rates) = (cycle(), rates(&longer, 50..200));
        assert_eq!(steps, 300);
        assert!((rates[0] - recipe.schedule.factor(50, 100)).abs() < 1e-12, "{}", rates[0]);
        assert!((rates[75] - recipe.schedule.factor(75, 100)).abs() < 1e-12, "{}", rates[75]);
        assert!(rates.windows(2).all(|pair| pair[0] > pair[1]));
    }
}
